"""Announce the blocks that the pool finds, with luck and income, and correct it where one is lost.

It watches the pool that BITMINTER_URL names; else a local pool that it serves itself, where an hour passes in a second.
Its state file keeps the last block and those not settled yet, so that a restart misses nothing.
"""

import argparse
import asyncio
import json
import os
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from tempfile import mkdtemp

from bitminter_async import Block, BlockChanged, BlockFound, Client
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


def keep(state: Path, last: int, unsettled: set[int]) -> None:
    """Write the state file: whole, or not at all."""
    state.with_suffix(".new").write_text(json.dumps([last, *sorted(unsettled)]))
    state.with_suffix(".new").replace(state)


async def watch(client: Client, every: float, state: Path) -> None:
    """Announce, correct, and remember."""
    if not state.exists():
        newest = await client.pool.blocks(max=1)
        keep(state, newest[0].id if newest else 0, set())
    last, *ids = json.loads(state.read_text())
    unsettled = set(ids)
    async for event in client.watch.blocks(every=every, after=last, unsettled=unsettled):
        match event:
            case BlockFound(block):
                print(announce(block), flush=True)
                last = block.id
            case BlockChanged(_, block) if block.id in unsettled and block.status.settled:
                print(correct(block), flush=True)
            case _:
                continue  # on its way, or found before the first start
        if block.status.settled:
            unsettled.discard(block.id)
        else:
            unsettled.add(block.id)
        keep(state, last, unsettled)


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
            state = Path(mkdtemp()) / "demo.json"  # that pool begins anew each time
        client = await stack.enter_async_context(Client(base_url=url))
        print(f"Watching the blocks at {url}, every {every:g} s", flush=True)
        await watch(client, every, options.state or state)


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
