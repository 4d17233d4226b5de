"""The examples that run until they are stopped: each against a served pool, through restarts, to a clean end."""

import asyncio
import json
import os
import re
import signal
import sqlite3
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bitminter_async.local import LocalPool
from bitminter_async.local._server.serve import serving

pytestmark = pytest.mark.socket

_EXAMPLES = Path(__file__).parent.parent / "examples"
# An example's pace is for real pools: here it need not take its time. And it tells when it can be stopped.
_RUN = """
import asyncio, inspect, runpy, sys
import bitminter_async
inspect.unwrap(bitminter_async.Client.__init__).__kwdefaults__["interval"] = 0.02
async def begin(main):
    print("begun", flush=True)
    await main
asyncio.run = lambda main, run=asyncio.run: run(begin(main))
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


class _Service:
    """An example at work."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.begun = ""
        """The line in which it says what it does, and where."""

    async def line(self) -> str:
        """The next line that it prints."""
        assert self._process.stdout
        return (await asyncio.wait_for(self._process.stdout.readline(), 20)).decode().rstrip("\n")

    async def ended(self) -> tuple[int | None, str, str]:
        """Wait for its end: the exit code, and what else it has printed and complained of."""
        out, err = await asyncio.wait_for(self._process.communicate(), 20)
        return self._process.returncode, out.decode(), err.decode()

    async def stop(self, *, warning: str = "") -> str:
        """Stop it, as Ctrl-C does; what else it has printed. It complains of nothing, or has this warning."""
        self._process.send_signal(signal.SIGINT)
        code, out, err = await self.ended()
        assert code == 0, err
        assert warning in err if warning else err == ""
        return out


@asynccontextmanager
async def running(name: str, *arguments: object, **environment: str) -> AsyncGenerator[_Service, None]:
    """Run an example; the test stops it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-W", "error", "-c", _RUN, str(_EXAMPLES / f"{name}.py"), *map(str, arguments)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **environment},
    )
    service = _Service(process)
    try:
        assert await service.line() == "begun", await service.ended()
        service.begun = await service.line()
        assert re.match(r"Watching|Recording|http://127.0.0.1:\d+/metrics", service.begun)
        yield service
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def until(is_so: Callable[[], object]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(20):
        while not is_so():  # noqa: ASYNC110  # another process makes it so
            await asyncio.sleep(0.01)


def answered(pool: LocalPool, path: str) -> int:
    """How many requests for `path` the pool has answered."""
    return sum(request.path == path and request.status == 200 for request in pool.requests)


async def wait_for_polls(pool: LocalPool, path: str, count: int) -> None:
    """Wait until so many polls more have been answered."""
    goal = answered(pool, path) + count
    await until(lambda: answered(pool, path) >= goal)


async def test_idle_alert(tmp_path: Path) -> None:
    """A worker that falls idle is posted, tried again where the webhook fails; a restart tells nothing twice."""
    posted: list[str] = []
    refused: list[bool] = [True]

    async def hook(request: Request) -> Response:
        if refused:
            refused.clear()
            return Response(status_code=503)
        posted.append((await request.json())["text"])
        return Response()

    state, pool = tmp_path / "state.json", LocalPool(speed=60)
    key = pool.add_user("demo", workers=3)
    app = Starlette(routes=[Route("/hook", hook, methods=["POST"])])
    async with pool.serve() as url, serving(app, "127.0.0.1", 0) as webhook:
        environment = {"BITMINTER_URL": url, "BITMINTER_KEY": key}
        options = ("--every", 0.1, "--state", state)
        async with running("idle_alert", *options, "--webhook", f"{webhook}/hook", **environment) as service:
            await wait_for_polls(pool, "/api/users", 1)
            pool.set_worker_alive("demo", "rig1", alive=False)
            await until(lambda: state.exists() and posted)
            pool.set_worker_alive("demo", "rig2", alive=False)
            await until(lambda: len(posted) == 2)
            await until(lambda: json.loads(state.read_text()) == ["rig1", "rig2"])
            await service.stop(warning="Trying again: ConnectionError('the webhook answers 503')\n")
        assert re.fullmatch(r"demo's rig1 is idle, its last work came 2014-03-01 \d\d:\d\d:\d\d\+00:00", posted[0])
        pool.set_worker_alive("demo", "rig1", alive=True)
        pool.set_worker_alive("demo", "rig3", alive=False)
        async with running("idle_alert", *options, **environment) as service:
            told = {await service.line() for _ in range(2)}
            await until(lambda: json.loads(state.read_text()) == ["rig2", "rig3"])
            await service.stop()
        assert {re.split(" at |,", line)[0] for line in told} == {"demo's rig1 is back", "demo's rig3 is idle"}
        async with running("idle_alert", *options, **environment) as service:
            await wait_for_polls(pool, "/api/users", 4)
            assert await service.stop() == ""
    assert len(posted) == 2


async def test_block_bot(tmp_path: Path) -> None:
    """A block is announced with luck and income, and corrected when it is orphaned, be it while the bot was down."""
    pool, options = LocalPool(), ("--every", 0.05, "--state", tmp_path / "state.json")
    async with pool.serve() as url:
        async with running("block_bot", *options, BITMINTER_URL=url) as service:
            await until((tmp_path / "state.json").exists)
            await service.stop()
        first = pool.find_block()  # the very first, which comes while the bot is down
        async with running("block_bot", *options, BITMINTER_URL=url) as service:
            found = await service.line()
            pool.orphan(first)
            lost = await service.line()
            second = pool.find_block()
            assert "found BTC block" in await service.line()
            await until(lambda: str(second) in (tmp_path / "state.json").read_text())
            await service.stop()
        pool.orphan(second)
        third = pool.find_block("NMC")
        async with running("block_bot", *options, BITMINTER_URL=url) as service:
            told = [await service.line() for _ in range(2)]
            await wait_for_polls(pool, "/api/pool/blocks", 3)
            assert await service.stop() == ""
    match = re.fullmatch(r"\S+ found (BTC block \d+): 25\.\d{8} BTC, luck \d+%", found)
    assert match
    assert lost == f"{match[1]} is orphan: its income is lost"
    assert re.fullmatch(r"BTC block \d+ is orphan: its income is lost", told[0])
    assert re.fullmatch(r"\S+ found NMC block \d+: 50\.\d{8} NMC, luck \d+%", told[1])
    assert json.loads((tmp_path / "state.json").read_text()) == [third, third]


async def test_exporter() -> None:
    """A scrape over HTTP finds the pool's and the user's figures, by Prometheus' conventions, and is not rude."""
    pool = LocalPool()
    key = pool.add_user("demo", workers=2)
    pool.set_worker_alive("demo", "rig2", alive=False)
    async with pool.serve() as url, httpx.AsyncClient() as http, pool.client(user="demo") as client:
        stats, user = await client.pool.stats(), await client.users.get()
        pool.fail_next(500, path="/api/pool/stats")
        async with running("exporter", BITMINTER_URL=url, BITMINTER_KEY=key, PORT="0") as service:
            scrapes = [await http.get(service.begun.split()[0]) for _ in range(10)]
            await service.stop(warning=": 500\n")
        assert (answered(pool, "/api/pool/stats"), answered(pool, "/api/users")) == (2, 2)
    down, up, *_ = [_samples(scrape.text) for scrape in scrapes]
    assert scrapes[0].headers["content-type"].startswith("text/plain; version=")
    assert down == {("bitminter_up",): 0}
    expected: dict[tuple[str, ...], float] = {
        ("bitminter_up",): 1,
        ("bitminter_pool_hashes_per_second",): stats.hash_rate.hps,
        ("bitminter_pool_active_workers",): stats.active_workers,
        ("bitminter_pool_active_users",): stats.active_users,
        ("bitminter_worker_alive", "rig1"): 1,
        ("bitminter_worker_alive", "rig2"): 0,
    }
    for commodity, coins in user.balances.items():
        expected["bitminter_user_balance_coins", commodity] = float(coins)
    for worker in user.workers:
        expected["bitminter_worker_hashes_per_second", worker.name] = worker.hash_rate.hps
        for commodity, work in worker.work.items():
            expected["bitminter_worker_shares_total", commodity, "accepted", worker.name] = work.total_accepted
            expected["bitminter_worker_shares_total", commodity, "rejected", worker.name] = work.total_rejected
    assert up == expected


def _samples(text: str) -> dict[tuple[str, ...], float]:
    families = text_string_to_metric_families(text)
    samples = [sample for family in families for sample in family.samples]
    return {(sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value for sample in samples}


async def test_recorder(tmp_path: Path) -> None:
    """Stats and workers' work are in the file, a second run adds to them, and each ends with a plot of them all."""
    pool, file = LocalPool(speed=600), tmp_path / "db.sqlite"
    key = pool.add_user("demo", workers=2)
    plots: list[str] = []
    rows: list[list[tuple[float, ...]]] = []
    async with pool.serve() as url:
        for _ in range(2):
            async with running(
                "recorder", "--every", 0.1, "--db", file, BITMINTER_URL=url, BITMINTER_KEY=key
            ) as service:
                await wait_for_polls(pool, "/api/users", 5)
                plots.append(await service.stop())
            with closing(sqlite3.connect(file)) as db:
                rows.append(db.execute("SELECT ghps, workers, users FROM pool ORDER BY time").fetchall())
    for plot, values in zip(plots, rows, strict=True):
        assert f"The pool's hash rate in PH/s, {len(values)} values" in plot
        assert re.search(r"^1\.\d+┤", plot, re.MULTILINE)
        assert "hours from now" in plot
    assert len(rows[1]) > len(rows[0]) > 1
    assert rows[1][: len(rows[0])] == rows[0]
    assert all(1e6 < ghps < 3e6 and workers > users > 50 for ghps, workers, users in rows[1])
    with closing(sqlite3.connect(file)) as db:
        work = db.execute("SELECT mhps, accepted FROM worker WHERE name = 'rig1' AND commodity = 'BTC' ORDER BY time")
        rates, counts = zip(*work, strict=True)
    assert len(counts) > 5
    assert counts == tuple(sorted(set(counts)))
    assert all(1e5 < mhps < 1e7 for mhps in rates)


async def test_each_service_brings_its_own_pool(tmp_path: Path) -> None:
    """Without anything set, each serves itself a pool, lives, and ends cleanly; a block is found within seconds."""
    async with (
        running("idle_alert", "--state", tmp_path / "idle") as alert,
        running("block_bot", "--state", tmp_path / "blocks") as bot,
        running("recorder", "--db", tmp_path / "db") as recorder,
    ):
        assert "found" in await bot.line()
        await asyncio.gather(alert.stop(), bot.stop())
        assert "values" in await recorder.stop()
