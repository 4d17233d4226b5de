"""Serve the figures of a pool, and of one's workers, to Prometheus: at /metrics on this machine's port 9420, or PORT.

It asks the pool that BITMINTER_URL names, with the key in BITMINTER_KEY, or one of its own; politely, whoever scrapes.
"""

import asyncio
import logging
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress
from io import TextIOWrapper

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bitminter_async import BitminterError, Client, Forbidden, KeyRefused, PoolStats, Unauthorized, User
from bitminter_async.local import LocalPool


class Figures(Collector):
    """The figures as of now, each with its unit in its name; what the pool did not answer is not there."""

    stats: PoolStats | None = None
    user: User | None = None

    def collect(self) -> Iterator[Metric]:  # noqa: D102  # the base class says it
        yield GaugeMetricFamily("bitminter_up", "Whether the pool answered all.", int(self.user is not None))
        if stats := self.stats:
            yield GaugeMetricFamily("bitminter_pool_hashes_per_second", "Hash rate.", stats.hash_rate.hps)
            yield GaugeMetricFamily("bitminter_pool_active_workers", "Workers mining.", stats.active_workers)
            yield GaugeMetricFamily("bitminter_pool_active_users", "Users mining.", stats.active_users)
        if user := self.user:
            balance = GaugeMetricFamily("bitminter_user_balance_coins", "Balance.", labels=["commodity"])
            for commodity, coins in user.balances.items():
                balance.add_metric([commodity], float(coins))
            rate = GaugeMetricFamily("bitminter_worker_hashes_per_second", "Hash rate.", labels=["worker"])
            alive = GaugeMetricFamily("bitminter_worker_alive", "Whether it mines.", labels=["worker"])
            shares = CounterMetricFamily("bitminter_worker_shares", "Sent.", labels=["worker", "commodity", "verdict"])
            for worker in user.workers:
                rate.add_metric([worker.name], worker.hash_rate.hps)
                alive.add_metric([worker.name], worker.alive)
                for commodity, work in worker.work.items():
                    shares.add_metric([worker.name, commodity, "accepted"], work.total_accepted)
                    shares.add_metric([worker.name, commodity, "rejected"], work.total_rejected)
            yield from (balance, rate, alive, shares)


async def main() -> None:
    """Find a pool and serve its figures until Ctrl-C."""
    port = os.environ.get("PORT") or "9420"
    if not port.isdecimal() or int(port) not in range(65536):
        sys.exit(f"PORT is a number from 0 to 65535, not {port!r}")
    async with AsyncExitStack() as stack:
        url, key, pool = os.environ.get("BITMINTER_URL"), None, LocalPool(speed=60)
        if not url:
            key, url = pool.add_user("demo"), await stack.enter_async_context(pool.serve())
        client = await stack.enter_async_context(Client(key, base_url=url, attempts=1, timeout=5))
        try:
            await client.users.get()
        except (Unauthorized, Forbidden, KeyRefused):
            raise
        except BitminterError as error:
            print(error.summary, file=sys.stderr)  # it may pass

        async def metrics(_: Request) -> Response:
            figures, registry = Figures(), CollectorRegistry()
            try:
                figures.stats = await client.pool.stats()
                figures.user = await client.users.get()
            except BitminterError as error:
                print(error.summary, file=sys.stderr)
            registry.register(figures)
            return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

        listener = stack.enter_context(socket.create_server(("127.0.0.1", int(port))))
        print(f"http://127.0.0.1:{listener.getsockname()[1]}/metrics has the figures of {url}")
        app = Starlette(routes=[Route("/metrics", metrics)])
        await uvicorn.Server(uvicorn.Config(app, log_level="warning")).serve(sockets=[listener])


if __name__ == "__main__":
    console = sys.stdout
    if isinstance(console, TextIOWrapper):  # what the console has no letter for is printed as its code
        console.reconfigure(errors="backslashreplace", line_buffering=True)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")  # outages and rests, on stderr
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(main())
    except Unauthorized as error:
        sys.exit(f"{error}; set BITMINTER_KEY to a key that may read it")
    except (BitminterError, OSError, ValueError) as error:
        with suppress(AttributeError, OSError):
            console.close()  # or Python tries to print once more, on its way out, what could not be printed
        sys.exit(" ".join(str(error).split()))
