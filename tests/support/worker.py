"""A process of its own that asks a pool, and tells when each request departed and was over: `python -m … URL OPTIONS`.

It prints a line a request: the departure and the end, on the clock that all processes of a machine share. At its end it
prints what came of each task.
"""

import asyncio
import json
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from bitminter_async import BitminterError, Client
from bitminter_async._session.tally import Tally

tell = partial(print, flush=True)


class Told(Tally):
    """A tally that prints what it counts."""

    def sent(self, departed: float) -> None:
        """Count a request that left at `departed`, and is over now."""
        super().sent(departed)
        tell("sent", departed, asyncio.get_running_loop().time())


async def work(
    url: str, *, tasks: int, cancel: int = 0, clients: int = 1, share: str = "machine", **options: Any
) -> None:
    """Ask for so many pages at once with each client, each another, and give so many of them up soon."""
    async with AsyncExitStack() as stack:
        asking: list[asyncio.Future[Any]] = []
        for _ in range(clients):
            client = await stack.enter_async_context(Client(base_url=url, share=share, **options))
            client._session._tally = Told()
            asking += [asyncio.ensure_future(client.pool.blocks(max=1, offset=each)) for each in range(tasks + cancel)]
        tell("began")
        for number in range(cancel):
            await asyncio.sleep(0.01)
            asking[2 * number].cancel()
        for outcome in await asyncio.gather(*asking, return_exceptions=True):
            said = type(outcome).__name__ if isinstance(outcome, BitminterError | asyncio.CancelledError) else "answer"
            tell("outcome", said)


if __name__ == "__main__":
    run: Callable[..., Any] = work
    asyncio.run(run(sys.argv[1], **json.loads(sys.argv[2])))
