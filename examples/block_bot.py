"""Announce the blocks that the pool finds, with luck and income, and correct it where one is lost.

It watches the pool that BITMINTER_URL names; else a local pool that it serves itself, where an hour passes in a second.
Its state file keeps the last block and those not settled yet, so that a restart misses nothing. It tells at least once:
killed after it has told something and before the file says so, it tells that again, rather than never.
"""

import argparse
import asyncio
import json
import logging
import os
import sys
from contextlib import AsyncExitStack, suppress
from io import TextIOWrapper
from pathlib import Path
from tempfile import TemporaryDirectory

from bitminter_async import BitminterError, Block, BlockChanged, BlockFound, Client
from bitminter_async.local import LocalPool


def announce(block: Block) -> str:
    """Say what was found; after an outage the block's fate may be known already."""
    luck, coins = f"luck {block.luck:.0%}", f"{block.income:.8f} {block.chain}"
    fate = f", but it is {block.status} already" if block.confirmations_left < 0 else ""
    return f"{block.generator} found {block.chain} block {block.height}: {coins}, {luck}{fate}"


def correct(block: Block) -> str:
    """Say what has become of an announced block that has settled."""
    lost = f"{block.status}: its income is lost"
    return f"{block.chain} block {block.height} is {'confirmed' if block.confirmations_left == 0 else lost}"


async def watch(client: Client, every: float, state: Path) -> None:
    """Announce, correct, and remember."""
    known = read(state)
    if not known:
        await anext(client.watch.stats(every=every))  # it waits while the pool is down, where a call gives up
        known = [block.id for block in await client.pool.blocks(max=1)] or [0]
    last, *ids = known
    write(state, known)  # what cannot be written ends it here, before anything is told
    unsettled = set(ids)
    async for event in client.watch.blocks(every=every, after=last, unsettled=unsettled):
        match event:
            case BlockFound(block):
                print(announce(block))
                last = max(last, block.id)  # one that could not be read at first comes later
            case BlockChanged(_, block) if block.id in unsettled and block.status.settled:
                print(correct(block))
            case _:
                continue  # on its way, or found before the first start
        if block.status.settled:
            unsettled.discard(block.id)
        else:
            unsettled.add(block.id)
        try:
            write(state, [last, *sorted(unsettled)])
        except OSError as error:  # the next change writes this one as well
            print(f"A restart would tell this again: {error}", file=sys.stderr)


def read(state: Path) -> list[int]:
    """Read the last block's id, then those not settled. A broken file is put aside, and it begins with what comes."""
    try:
        return [abs(int(number)) for number in json.loads(state.read_text())] if state.exists() else []
    except (OverflowError, TypeError, ValueError) as error:
        print(f"{state} is broken and put aside: {error}", file=sys.stderr)
        state.replace(f"{state}.broken")
        return []


def write(state: Path, ids: list[int]) -> None:
    """Write the state file: whole, or not at all."""
    new = Path(f"{state}.new")
    new.write_text(json.dumps(ids))
    new.replace(state)


async def main() -> None:
    """Find a pool and watch it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--state", type=Path, help="the state file (default: block_bot.json)")
    parser.add_argument("--every", type=float, default=60, help="seconds between polls (default: %(default)s)")
    options = parser.parse_args()
    async with AsyncExitStack() as stack:
        url, every, state = os.environ.get("BITMINTER_URL"), options.every, Path("block_bot.json")
        if not url:
            url, every = await stack.enter_async_context(LocalPool(speed=3600).serve()), 1.0
            state = Path(stack.enter_context(TemporaryDirectory())) / "demo"  # that pool begins anew each time
        client = await stack.enter_async_context(Client(base_url=url))
        print(f"Watching the blocks at {url}, every {every:g} s")
        await watch(client, every, options.state or state)


if __name__ == "__main__":
    console = sys.stdout
    if isinstance(console, TextIOWrapper):  # what the console has no letter for is printed as its code
        console.reconfigure(errors="backslashreplace", line_buffering=True)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")  # outages and rests, on stderr
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(main())
    except (BitminterError, OSError, ValueError) as error:
        with suppress(AttributeError, OSError):
            console.close()  # or Python tries to print once more, on its way out, what could not be printed
        sys.exit(" ".join(str(error).split()))
