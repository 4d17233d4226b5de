"""Record the figures of a pool, and of one's workers, in a SQLite file, and plot the hash rate of the last day.

It asks the pool that BITMINTER_URL names, with the key in BITMINTER_KEY; else a local pool that it serves itself. It
goes on in the file where it left off; on Ctrl-C it prints the plot. It records at most once: killed before a reading is
in the file, it leaves that out.
"""

import argparse
import asyncio
import logging
import os
import sqlite3
import sys
import time
from contextlib import AsyncExitStack, closing, suppress
from io import TextIOWrapper
from typing import Any

import plotext  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]  # it has no types
import stamina
from stamina.instrumentation import set_on_retry_hooks

from bitminter_async import BitminterError, Client, PoolStats, Unauthorized
from bitminter_async.local import LocalPool

POOL = "CREATE TABLE IF NOT EXISTS pool (time REAL, ghps REAL, workers INTEGER, users INTEGER)"
WORKER = """CREATE TABLE IF NOT EXISTS worker
(time REAL, name TEXT, mhps REAL, commodity TEXT, accepted INTEGER, rejected INTEGER)"""


def passes(error: Exception) -> bool:
    """Whether it helps to wait: another program holds the file, or the disk is full."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL}


@stamina.retry(on=passes, attempts=None, timeout=None)
async def write(db: sqlite3.Connection, statement: str, *rows: tuple[object, ...]) -> None:
    """Write all rows, or none: the streams wait meanwhile, and lose nothing."""
    with db:
        for row in rows:
            db.execute(statement, row)


async def record(client: Client, every: float, db: sqlite3.Connection) -> None:
    """Write down the stats and each worker's life. Its counts are all-time ones: shares are their differences."""
    watch = client.watch
    async for event in watch.merge(watch.stats(every=every), watch.workers(every=every, initial=True, work=True)):
        if isinstance(event, PoolStats):
            stats = (time.time(), event.hash_rate.ghps, event.active_workers, event.active_users)
            await write(db, "INSERT INTO pool VALUES (?, ?, ?, ?)", stats)
            continue
        now, worker = event.time.timestamp(), event.worker
        rows = [
            (now, worker.name, worker.hash_rate.mhps, name, work.total_accepted, work.total_rejected)
            for name, work in worker.work.items()
        ]
        await write(db, "INSERT INTO worker VALUES (?, ?, ?, ?, ?, ?)", *rows)


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
    print(figure.build().string(colorless=True))  # not show(), which prints past Python


async def main() -> None:
    """Find a pool, record it, and show what there is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--db", help="the file (default: recorder.sqlite)")
    parser.add_argument("--every", type=float, default=60, help="seconds between polls (default: %(default)s)")
    options = parser.parse_args()
    set_on_retry_hooks([lambda details: print(f"Trying again: {details.caused_by!r}", file=sys.stderr)])
    url, key, every = os.environ.get("BITMINTER_URL"), None, options.every
    file = options.db or ("recorder.sqlite" if url else ":memory:")  # the pool of its own begins anew each time
    try:
        async with AsyncExitStack() as stack:
            db = stack.enter_context(closing(sqlite3.connect(file, timeout=0)))  # a wait in SQLite would stop all else
            await write(db, POOL, ())
            await write(db, WORKER, ())
            if not url:
                pool, every = LocalPool(speed=600), 1.0
                key, url = pool.add_user("demo"), await stack.enter_async_context(pool.serve())
            client = await stack.enter_async_context(Client(key, base_url=url))
            stack.callback(lambda: plot(db, time.time()))
            print(f"Recording {url} in {file}, every {every:g} s, until Ctrl-C")
            await record(client, every, db)
    except sqlite3.Error as error:
        sys.exit(f"{file}: {error}")


if __name__ == "__main__":
    console = sys.stdout
    if isinstance(console, TextIOWrapper):  # what the console has no letter for is printed as a ?
        console.reconfigure(errors="replace", line_buffering=True)
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
