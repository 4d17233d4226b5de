"""What the client costs: each figure a ratio of medians, both sides interleaved in one run.

python -m tests.benchmarks.speed            the figures
python -m tests.benchmarks.speed --brief    the same in a second or two, to see that it runs
"""

import argparse
import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from decimal import Decimal

import httpx
import orjson
from pydantic import BaseModel, ConfigDict, TypeAdapter

from bitminter_async import BlockStatus, Client
from tests.support.samples import BLOCK, STATS

_PAGE = orjson.dumps([{**BLOCK, "id": 7000 - n, "height": 288497 - n, "income": 25.14070459 + n} for n in range(50)])
_STATS = orjson.dumps(STATS)
_URL = "https://pool.example/api/pool/"
_OURS, _THEIRS = "from bitminter_async import Client", "import httpx, cattrs.preconf.orjson, aiolimiter"


class PydanticBlock(BaseModel):
    """A block, as one who takes pydantic reads it."""

    model_config = ConfigDict(frozen=True)

    id: int
    chain: str
    hash: str
    height: int
    difficulty: float
    income: Decimal
    accepted: int
    rejected: int
    status: BlockStatus
    confirmations_left: int
    generator: str
    generated: datetime
    duration: timedelta


def _answer(request: httpx.Request) -> httpx.Response:
    return httpx.Response(200, content=_PAGE if request.url.path.endswith("blocks") else _STATS)


async def _seconds(call: Callable[[], Awaitable[object]], times: int) -> float:
    begin = time.perf_counter()
    for _ in range(times):
        await call()
    return (time.perf_counter() - begin) / times


async def _compare(
    ours: Callable[[], Awaitable[object]], theirs: Callable[[], Awaitable[object]], times: int, rounds: int
) -> tuple[float, float]:
    pairs = [(await _seconds(ours, times), await _seconds(theirs, times)) for _ in range(rounds)]
    return statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs)


def _import_seconds(statement: str) -> float:
    code = f"import time; t = time.perf_counter(); {statement}; print(time.perf_counter() - t)"
    # From bytecode, as an installed package is.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", code]
    run = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)  # noqa: S603  # our own
    return float(run.stdout)


def _show(what: str, ours: float, theirs: float, target: float) -> None:
    print(f"{what:<58} {ours * 1e6:>9.1f} µs {theirs * 1e6:>9.1f} µs  ratio {ours / theirs:.2f}  (at most {target})")  # noqa: T201


async def main(*, brief: bool) -> None:
    """Measure and print."""
    times, rounds = (20, 3) if brief else (1000, 11)
    transport = httpx.MockTransport(_answer)
    pages = TypeAdapter(tuple[PydanticBlock, ...])
    async with (
        Client(base_url="https://pool.example", interval=0, transport=transport) as client,
        httpx.AsyncClient(transport=transport) as plain,
    ):

        async def plain_stats() -> object:
            return orjson.loads((await plain.get(f"{_URL}stats")).content)

        async def plain_page() -> object:
            return pages.validate_json((await plain.get(f"{_URL}blocks?max=50&offset=0")).content)

        small = await _compare(lambda: client.pool.stats(max_age=0), plain_stats, times, rounds)
        _show("stats, against httpx.AsyncClient.get + orjson.loads", *small, 0.8)
        page = await _compare(lambda: client.pool.blocks(max=50, max_age=0), plain_page, max(times // 4, 5), rounds)
        _show("50 blocks, against httpx.AsyncClient.get + pydantic", *page, 1.1)
        await client.pool.stats(max_age=0)
        cached = statistics.median([await _seconds(client.pool.stats, times * 20) for _ in range(rounds)])
        print(f"{'a cached answer':<58} {cached * 1e6:>9.2f} µs  (under 1)")  # noqa: T201
    _import_seconds(_OURS)
    imports = [(_import_seconds(_OURS), _import_seconds(_THEIRS)) for _ in range(rounds)]
    _show(
        "import, against httpx + cattrs.preconf.orjson + aiolimiter",
        statistics.median(pair[0] for pair in imports),
        statistics.median(pair[1] for pair in imports),
        1.25,
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--brief", action="store_true")
    asyncio.run(main(brief=parser.parse_args().brief))
