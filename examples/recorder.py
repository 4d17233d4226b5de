"""Record the figures of a pool, and of one's workers, in a SQLite file, and plot the hash rate of the last day.

It asks the pool that BITMINTER_URL names, with the key in BITMINTER_KEY; else a local pool that it serves itself. It
goes on in the file where it left off; on Ctrl-C it prints the plot.
"""

import argparse
import asyncio
import os
import sqlite3
import sys
import time
from contextlib import AsyncExitStack, closing, suppress
from typing import Any

import plotext  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]  # it has no types

from bitminter_async import Client, Forbidden, PoolStats, Unauthorized
from bitminter_async.local import LocalPool

SCHEMA = """CREATE TABLE IF NOT EXISTS pool (time REAL, ghps REAL, workers INTEGER, users INTEGER);
CREATE TABLE IF NOT EXISTS worker (time REAL, name TEXT, mhps REAL, commodity TEXT, accepted INTEGER, rejected INTEGER);
"""


async def record(client: Client, every: float, db: sqlite3.Connection) -> None:
    """Write down the stats and each worker's life. Its counts are all-time ones: shares are their differences."""
    watch = client.watch
    async for event in watch.merge(watch.stats(every=every), watch.workers(every=every, initial=True, work=True)):
        with db:
            if isinstance(event, PoolStats):
                stats = (time.time(), event.hash_rate.ghps, event.active_workers, event.active_users)
                db.execute("INSERT INTO pool VALUES (?, ?, ?, ?)", stats)
                continue
            now, worker = event.time.timestamp(), event.worker
            for name, work in worker.work.items():
                row = (now, worker.name, worker.hash_rate.mhps, name, work.total_accepted, work.total_rejected)
                db.execute("INSERT INTO worker VALUES (?, ?, ?, ?, ?, ?)", row)


def plot(db: sqlite3.Connection, now: float) -> None:
    """Print the hash rate of the last day."""
    rows = db.execute("SELECT time, ghps FROM pool WHERE time > ? ORDER BY time", (now - 86_400,)).fetchall()
    figure: Any = plotext.figure
    figure.plot_size(76, 15)
    figure.title(f"The pool's hash rate in PH/s, {len(rows)} values")
    figure.label("hours from now", "x")
    if rows:
        hours, rates = [(at - now) / 3600 for at, _ in rows], [ghps / 1e6 for _, ghps in rows]
        figure.draw(figure.signal(hours, rates, marker="braille").lines())
    figure.show(colorless=True)


async def main() -> None:
    """Find a pool, record it, and show what there is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--db", help="the file (default: recorder.sqlite)")
    parser.add_argument("--every", type=float, default=60, help="seconds between polls (default: %(default)s)")
    options = parser.parse_args()
    async with AsyncExitStack() as stack:
        url, key, every = os.environ.get("BITMINTER_URL"), None, options.every
        file = options.db or ("recorder.sqlite" if url else ":memory:")  # the pool of its own begins anew each time
        db = stack.enter_context(closing(sqlite3.connect(file)))
        db.executescript(SCHEMA)
        stack.callback(lambda: plot(db, time.time()))
        if not url:
            pool, every = LocalPool(speed=600), 1.0
            key, url = pool.add_user("demo"), await stack.enter_async_context(pool.serve())
        client = await stack.enter_async_context(Client(key, base_url=url))
        print(f"Recording {url} in {file}, every {every:g} s, until Ctrl-C", flush=True)
        try:
            await record(client, every, db)
        except (Unauthorized, Forbidden) as error:
            sys.exit(f"{error}\nSet BITMINTER_KEY to a key that may read it.")


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
