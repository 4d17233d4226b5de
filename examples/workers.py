"""Print one's workers as a table, and one's balances.

It asks a local pool that it serves itself, or the one that BITMINTER_URL names, with the key in BITMINTER_KEY.
"""

import asyncio
import os
import sys
from contextlib import AsyncExitStack, suppress
from datetime import datetime
from io import TextIOWrapper

from bitminter_async import BitminterError, Client, Unauthorized, User, Worker
from bitminter_async.local import LocalPool


def state(worker: Worker, now: datetime) -> str:
    """Say whether a worker mines, or since when it does not."""
    if worker.alive:
        return "mining"
    return f"idle for {now - worker.last_work}" if worker.last_work else "never worked"


def print_workers(user: User) -> None:
    """Print a row for each worker, then the balances."""
    print(f"{user.name}'s workers: {user.hash_rate} from {user.active_workers} of {len(user.workers)}\n")
    print(f"{'Name':<12} {'Hash rate':>12}  {'BTC shares':>15}  {'Rejected':>8}  State")
    for worker in user.workers:
        work = worker.work.get("BTC")  # a commodity that it has not mined may be absent
        shares = f"{work.total_accepted:>15,}  {work.reject_rate:>8.2%}" if work else f"{0:>15}  {'-':>8}"
        print(f"{worker.name:<12} {worker.hash_rate:>12}  {shares}  {state(worker, user.now)}")
    print()
    for commodity, balance in user.balances.items():
        print(f"{balance:>14.8f} {commodity}")


async def main() -> None:
    """Find a pool and print the key owner's workers."""
    async with AsyncExitStack() as stack:
        url, key = os.environ.get("BITMINTER_URL"), None
        if not url:
            pool = LocalPool()
            key = pool.add_user("demo", workers=4)
            pool.advance(7200)
            pool.set_worker_alive("demo", "rig3", alive=False)
            pool.advance(1800)
            url = await stack.enter_async_context(pool.serve())
        client = await stack.enter_async_context(Client(key, base_url=url))
        print_workers(await client.users.get())


if __name__ == "__main__":
    console = sys.stdout
    if isinstance(console, TextIOWrapper):  # what the console has no letter for is printed as its code
        console.reconfigure(errors="backslashreplace", line_buffering=True)
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        sys.exit(130)  # as shells expect
    except Unauthorized as error:
        sys.exit(f"{error}; set BITMINTER_KEY to a key that may read it")
    except (BitminterError, OSError, ValueError) as error:
        with suppress(AttributeError, OSError):
            console.close()  # or Python tries to print once more, on its way out, what could not be printed
        sys.exit(" ".join(str(error).split()))
