"""What the tests of streams share: a client, answers that change, a pool whose blocks move, and events in short."""

import asyncio
from collections.abc import Sequence
from typing import Any

import httpx
import pytest

from bitminter_async import BlockChanged, BlockFound, Client, Stream
from tests.support.samples import BLOCK, KEY, SHIFT, STATS, USER, WORKER
from tests.support.transport import answer

UNSETTLED, SETTLED = ("processing", "unconfirmed"), ("confirmed", "stale", "orphan")
_LEFT = {"processing": 120, "unconfirmed": 60, "confirmed": 0, "stale": -1, "orphan": -1}


def watch_client(transport: httpx.AsyncBaseTransport, **options: Any) -> Client:
    """A client over the transport, unspaced, which tries each call once."""
    defaults: dict[str, Any] = {"base_url": "https://pool.example", "interval": 0, "attempts": 1}
    return Client(KEY, **(defaults | options), transport=transport)


def user(*workers: dict[str, Any], now: int = 1393675200) -> httpx.Response:
    """The answer that shows a user with these workers."""
    return answer(USER, workers=workers, now=now)


def worker(name: str = "rig1", **fields: Any) -> dict[str, Any]:
    """A worker, alive unless told otherwise."""
    return {**WORKER, "name": name, **fields}


def stats(number: int) -> httpx.Response:
    """An answer that differs by its number."""
    return answer(STATS, active_users=number)


def shift_page(*ids: int) -> httpx.Response:
    """A page of shifts with these ids."""
    return answer([{**SHIFT, "id": number} for number in ids])


def block_page(*blocks: tuple[int, str]) -> httpx.Response:
    """A page of blocks, of which these ids and statuses are all that differs."""
    return answer([block_json(number, status) for number, status in blocks])


def block_json(number: int, status: str) -> dict[str, Any]:
    """A block as the pool shows it."""
    return {**BLOCK, "id": number, "status": status, "confirmations_left": _LEFT[status]}


def in_a_row(first: int, last: int, status: str = "confirmed") -> list[tuple[int, str]]:
    """Blocks from the id `first` down to `last`."""
    return [(number, status) for number in range(first, last - 1, -1)]


def short(events: Sequence[BlockFound | BlockChanged]) -> list[tuple[Any, ...]]:
    """Each event as its block's id and its status, or both statuses."""
    return [
        (event.block.id, str(event.block.status))
        if isinstance(event, BlockFound)
        else (event.after.id, str(event.before.status) if event.before else None, str(event.after.status))
        for event in events
    ]


def found(events: Sequence[BlockFound | BlockChanged]) -> list[int]:
    """The ids of the blocks that were found."""
    return [event.block.id for event in events if isinstance(event, BlockFound)]


def now() -> float:
    """The loop's time."""
    return asyncio.get_running_loop().time()


def outages(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """What the log tells of outages."""
    return [(record.levelname, record.getMessage()) for record in caplog.records if "outage" in record.getMessage()]


async def drain(stream: Stream[Any]) -> None:
    """Take all that comes and keep nothing."""
    async for _ in stream:
        pass


class MovingPool(httpx.AsyncBaseTransport):
    """A pool whose list moves, and which answers or not."""

    def __init__(self, *blocks: tuple[int, str]) -> None:
        self.blocks = dict(blocks)
        self.is_up = True
        self.unreadable: dict[int, dict[str, Any]] = {}  # what is wrong with which
        self.cap = 50
        self.latency = 0.0
        self.newest = 0
        self.asked: list[tuple[int, int]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a page."""
        start, count = int(request.url.params["offset"]), int(request.url.params["max"])
        self.asked.append((count, start))
        await asyncio.sleep(self.latency)
        if not self.is_up:
            raise httpx.ConnectError("refused")
        rows = [
            block_json(*block)
            for block in sorted(self.blocks.items(), reverse=True)[start : start + min(count, self.cap)]
        ]
        return answer([row | self.unreadable.get(row["id"], {}) for row in rows])

    def find(self, count: int, status: str = "confirmed") -> None:
        """Find so many blocks."""
        newest = max(self.blocks, default=-1)
        self.blocks |= dict(in_a_row(newest + count, newest + 1, status))

    def move(self, what: str, number: int) -> None:
        """Find so many blocks, settle one or most, or fail."""
        unsettled = [each for each, status in self.blocks.items() if status in UNSETTLED]
        match what:
            case "find":
                self.newest = max(self.newest, *self.blocks)
                self.blocks |= {self.newest + n + n % 2: UNSETTLED[n % 2] for n in range(1, number + 1)}
                self.newest += number + 1
            case "settle" if unsettled:
                self.blocks[unsettled[number % len(unsettled)]] = SETTLED[number % 3]
            case "settle most":
                self.blocks |= dict.fromkeys(unsettled[: len(unsettled) - number % 4], "confirmed")
            case "withdraw" if len(self.blocks) > 1:
                del self.blocks[sorted(self.blocks)[-1 - number % len(self.blocks)]]
            case "slow down":
                self.latency = number % 3 / 2
            case _:
                self.is_up = what != "fail"
