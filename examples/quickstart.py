"""Ask every endpoint once and print what a person wants to know.

It asks a local pool that it serves itself, or the one that BITMINTER_URL names, with the key in BITMINTER_KEY.
"""

import asyncio
import os
import sys
from contextlib import AsyncExitStack, suppress
from io import TextIOWrapper

from bitminter_async import BitminterError, Client, Unauthorized
from bitminter_async.local import LocalPool


async def show(client: Client) -> None:
    """Print the pool's figures, then the key owner's."""
    stats = await client.pool.stats()
    print(f"Pool     {stats.hash_rate}, {stats.active_workers} workers of {stats.active_users} users")
    rate, workers, users = await client.pool.hashrate(), await client.pool.workers(), await client.pool.users()
    print(f"         asked one by one: {rate}, {workers} workers, {users} users")
    current = await client.pool.round()
    print(f"Shift    {current.shift_accepted:,} shares in {current.shift_duration}, {current.reject_rate:.2%} rejected")
    for chain, round_ in current.chains.items():
        print(f"{chain:<8} {round_.effort:.0%} of a block's work done, {round_.duration} into the round")
    print("\nBlocks")
    for block in await client.pool.blocks(max=5):
        found = f"{block.generated:%d %b %H:%M}  {block.chain} {block.height}  {block.income:.8f} {block.chain}"
        print(f"  {found}  luck {block.luck:>5.0%}  {block.status}, found by {block.generator}")
    print("\nShifts")
    for shift in await client.pool.shifts(max=3):
        print(f"  {shift.completed:%d %b %H:%M}  {shift.hash_rate}, {shift.reject_rate:.2%} rejected")
    print("\nFastest users")
    for name, rate in list((await client.pool.top50()).items())[:3]:
        print(f"  {name:<16} {rate:>12}")

    me = await client.users.get()
    print(f"\n{me.name} mines at {me.hash_rate} with {me.active_workers} workers: {me.shift.share:.3%} of this shift")
    print(f"  balance  {me.balance('BTC'):.8f} BTC, {me.balance('NMC'):.8f} NMC")
    by_name = await client.users.get(me.name)
    print(f"  workers  {', '.join(worker.name for worker in by_name.workers)}; {len(by_name.idle_workers)} idle")


async def main() -> None:
    """Find a pool, ask it, and show how politely that went."""
    async with AsyncExitStack() as stack:
        url, key, interval = os.environ.get("BITMINTER_URL"), None, 1.0
        if not url:
            pool = LocalPool()
            key, interval = pool.add_user("demo"), 0.1  # a pool of one's own need not be spared
            pool.advance(600)
            url = await stack.enter_async_context(pool.serve())
        client = await stack.enter_async_context(Client(key, base_url=url, interval=interval))
        await show(client)
        print(f"\n{client.receipt}")


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
