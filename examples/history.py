"""Walk over some hundred blocks and print the pool's luck per week.

It asks a local pool that it serves itself, or the one that BITMINTER_URL names.
"""

import asyncio
import os
import sys
from collections import defaultdict
from contextlib import AsyncExitStack, suppress
from datetime import timedelta
from io import TextIOWrapper
from math import inf

from bitminter_async import BitminterError, Block, Client
from bitminter_async.local import LocalPool


def week(block: Block) -> str:
    """Name the week, by its Monday, in which a block was found."""
    return f"{block.generated - timedelta(days=block.generated.weekday()):%Y-%m-%d}"


async def print_luck(client: Client, commodity: str, limit: int) -> None:
    """Print, for each week, how many blocks were found, how lucky that was, and what they brought."""
    weeks: defaultdict[str, list[Block]] = defaultdict(list)
    async for block in client.pool.iter_blocks(commodity=commodity, limit=limit):
        weeks[week(block)].append(block)
    print(f"Week of     Blocks  Lost   Luck  Income in {commodity}")
    for monday, blocks in weeks.items():
        expected = sum(block.difficulty for block in blocks)
        worked = sum(block.accepted for block in blocks)
        luck = expected / worked if worked else inf
        earning = [block for block in blocks if block.confirmations_left >= 0]
        income = sum(block.income for block in earning)
        print(f"{monday}  {len(blocks):>6}  {len(blocks) - len(earning):>4}  {luck:>5.0%}  {income:.8f}")


async def main() -> None:
    """Find a pool and print its luck."""
    async with AsyncExitStack() as stack:
        url, interval = os.environ.get("BITMINTER_URL"), 1.0
        if not url:
            url, interval = await stack.enter_async_context(LocalPool().serve()), 0.1
        client = await stack.enter_async_context(Client(base_url=url, interval=interval))
        await print_luck(client, commodity="BTC", limit=400)


if __name__ == "__main__":
    console = sys.stdout
    if isinstance(console, TextIOWrapper):  # what the console has no letter for is printed as its code
        console.reconfigure(errors="backslashreplace", line_buffering=True)
    try:
        asyncio.run(main())
    except KeyboardInterrupt:
        sys.exit(130)  # as shells expect
    except (BitminterError, OSError, ValueError) as error:
        with suppress(AttributeError, OSError):
            console.close()  # or Python tries to print once more, on its way out, what could not be printed
        sys.exit(" ".join(str(error).split()))
