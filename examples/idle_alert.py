"""Tell when one of your workers falls idle and when it is back: post it to a webhook, or print it.

It watches the pool that BITMINTER_URL names, with the key in BITMINTER_KEY; else a local pool that it serves itself,
where hours pass in seconds. Its state file keeps who is idle, so that a restart tells nothing twice and misses nothing.
"""

import argparse
import asyncio
import json
import os
import sys
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from tempfile import mkdtemp

import httpx
import stamina

from bitminter_async import Client, Forbidden, Unauthorized, WorkerAdded, WorkerBack, WorkerIdle, WorkReported
from bitminter_async.local import LocalPool


@stamina.retry(on=httpx.HTTPError, attempts=None, timeout=None, wait_max=60)
async def tell(text: str, webhook: str | None) -> None:
    """Post until it is taken: the stream waits meanwhile, and loses nothing."""
    if webhook:
        async with httpx.AsyncClient() as http:
            response = await http.post(webhook, json={"text": text})
        if response.is_client_error and response.status_code not in {408, 429}:
            sys.exit(f"the webhook does not take it: {response.status_code}")
        response.raise_for_status()
    else:
        print(text, flush=True)


async def watch(client: Client, every: float, state: Path, webhook: str | None) -> None:
    """Tell of each change once, and remember it when it was told."""
    idle: set[str] = set(json.loads(state.read_text())) if state.exists() else set()
    # `work` shows who came back while this was not running: no event says so, but work does.
    async for event in client.watch.workers(every=every, initial=True, work=True):
        name = event.worker.name
        match event:
            case WorkerIdle(worker) | WorkerAdded(worker) if name not in idle and not worker.alive:
                await tell(f"{event.user}'s {name} is idle, its last work came {worker.last_work or 'never'}", webhook)
                idle.add(name)
            case WorkerBack(worker) | WorkReported(worker) if name in idle and worker.alive:
                await tell(f"{event.user}'s {name} is back at {worker.hash_rate}", webhook)
                idle.remove(name)
            case _:
                continue
        state.with_suffix(".new").write_text(json.dumps(sorted(idle)))
        state.with_suffix(".new").replace(state)  # whole, or not at all


async def main() -> None:
    """Find a pool and watch it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--webhook", metavar="URL", help="where to post")
    parser.add_argument("--state", type=Path, help="the state file (default: idle_alert.json)")
    parser.add_argument("--every", type=float, default=60, help="seconds between polls (default: %(default)s)")
    options = parser.parse_args()
    async with AsyncExitStack() as stack:
        url, key, every, state = os.environ.get("BITMINTER_URL"), None, options.every, Path("idle_alert.json")
        if not url:
            pool, every, state = LocalPool(speed=14_400), 1.0, Path(mkdtemp()) / "demo.json"
            key = pool.add_user("demo", workers=12, steady=False)
            url = await stack.enter_async_context(pool.serve())
        client = await stack.enter_async_context(Client(key, base_url=url))
        print(f"Watching the workers at {url}, every {every:g} s", flush=True)
        try:
            await watch(client, every, options.state or state, options.webhook)
        except (Unauthorized, Forbidden) as error:
            sys.exit(f"{error}\nSet BITMINTER_KEY to a key that may read it.")


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
