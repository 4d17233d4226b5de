"""Serve the figures of a pool, and of one's workers, to Prometheus: at /metrics on this machine's port 9420, or PORT.

It asks the pool that BITMINTER_URL names, with the key in BITMINTER_KEY; else a local pool that it serves itself.
However often it is scraped, the client's cache and pace keep it polite.
"""

import asyncio
import os
from collections.abc import Iterator
from contextlib import AsyncExitStack, suppress

import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bitminter_async import BitminterError, Client, PoolStats, User
from bitminter_async.local import LocalPool


class Figures(Collector):
    """The figures as of now, each with its unit in its name; where the pool did not answer, there are none."""

    stats: PoolStats | None = None
    user: User | None = None

    def collect(self) -> Iterator[Metric]:  # noqa: D102  # the base class says it
        yield GaugeMetricFamily("bitminter_up", "Whether the pool answered.", int(self.stats is not None))
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
            labels = ["worker", "commodity", "verdict"]
            shares = CounterMetricFamily("bitminter_worker_shares", "Proofs of work sent.", labels=labels)
            for worker in user.workers:
                rate.add_metric([worker.name], worker.hash_rate.hps)
                alive.add_metric([worker.name], worker.alive)
                for commodity, work in worker.work.items():
                    shares.add_metric([worker.name, commodity, "accepted"], work.total_accepted)
                    shares.add_metric([worker.name, commodity, "rejected"], work.total_rejected)
            yield from (balance, rate, alive, shares)


async def main() -> None:
    """Find a pool and serve its figures until Ctrl-C."""
    async with AsyncExitStack() as stack:
        url, key = os.environ.get("BITMINTER_URL"), None
        if not url:
            pool = LocalPool(speed=60)
            key, url = pool.add_user("demo"), await stack.enter_async_context(pool.serve())
        client = await stack.enter_async_context(Client(key, base_url=url, attempts=1, timeout=5))

        async def metrics(_: Request) -> Response:
            figures, registry = Figures(), CollectorRegistry()
            try:  # what is not in the client's cache is asked for
                figures.stats, figures.user = await client.pool.stats(), await client.users.get()
            except BitminterError as error:
                print(error, flush=True)
            registry.register(figures)
            return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

        app = Starlette(routes=[Route("/metrics", metrics)])
        await uvicorn.Server(uvicorn.Config(app, port=int(os.environ.get("PORT", "9420")), access_log=False)).serve()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
