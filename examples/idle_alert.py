"""Tell when one of your workers falls idle and when it is back: post it to a webhook, or print it.

It watches the pool that BITMINTER_URL names, with the key in BITMINTER_KEY; else a local pool that it serves itself,
where hours pass in seconds. Its state file keeps who is idle, so that a restart misses nothing. It tells at least once:
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

import httpx
import stamina
from stamina.instrumentation import set_on_retry_hooks

from bitminter_async import BitminterError, Client, Unauthorized, WorkerAdded, WorkerBack, WorkerIdle
from bitminter_async.local import LocalPool


@stamina.retry(on=(httpx.TransportError, ConnectionError), attempts=None, timeout=None, wait_max=60)
async def post(text: str, webhook: httpx.URL) -> None:
    """Post until it is taken: the stream waits meanwhile, and loses nothing."""
    body, headers = json.dumps({"text": text}), {"Content-Type": "application/json"}
    async with httpx.AsyncClient() as http, http.stream("POST", webhook, content=body, headers=headers) as response:
        status = response.status_code  # the answer's body is not read, so that nothing in it leads to a second post
    if status in {408, 425, 429} or response.is_server_error:
        raise ConnectionError(f"the webhook answers {status}")
    if not response.is_success:  # a redirect as well: a POST that follows it may arrive without its body
        sys.exit(f"The webhook does not take it: {status} {response.headers.get('Location', '')}".rstrip())


async def watch(client: Client, every: float, state: Path, webhook: httpx.URL) -> None:
    """Tell of each change, and remember it when it was told."""
    idle = read(state)
    write(state, idle)  # what cannot be written ends it here, before anything is told
    async for event in client.watch.workers(every=every, initial=True, idle=[*idle]):
        name = event.worker.name
        match event:
            case WorkerIdle(worker) | WorkerAdded(worker) if name not in idle and not worker.alive:
                text = f"{event.user}'s {name} is idle, its last work came {worker.last_work or 'never'}"
                idle.add(name)
            case WorkerBack(worker) if name in idle:
                text = f"{event.user}'s {name} is back at {worker.hash_rate}"
                idle.remove(name)
            case _:
                continue
        await post(text, webhook) if webhook.host else print(text)
        try:
            write(state, idle)
        except OSError as error:  # the next change writes this one as well
            print(f"A restart would tell this again: {error}", file=sys.stderr)


def read(state: Path) -> set[str]:
    """Read who is idle. A broken file is put aside, and who is idle is told anew."""
    try:
        return {str(name) for name in json.loads(state.read_text())} if state.exists() else set()
    except (TypeError, ValueError) as error:
        print(f"{state} is broken and put aside: {error}", file=sys.stderr)
        state.replace(f"{state}.broken")
        return set()


def write(state: Path, idle: set[str]) -> None:
    """Write who is idle: whole, or not at all."""
    new = Path(f"{state}.new")
    new.write_text(json.dumps(sorted(idle)))
    new.replace(state)


async def main() -> None:
    """Find a pool and watch it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--webhook", metavar="URL", help="where to post")
    parser.add_argument("--state", type=Path, help="the state file (default: idle_alert.json)")
    parser.add_argument("--every", type=float, default=60, help="seconds between polls (default: %(default)s)")
    options = parser.parse_args()
    webhook = httpx.URL(options.webhook or "")
    is_usable = webhook.scheme in {"http", "https"} and webhook.host and (webhook.port or 0) in range(65536)
    if options.webhook and not is_usable:
        sys.exit(f"--webhook is a URL with a host, its scheme http or https, not {options.webhook!r}")
    set_on_retry_hooks([lambda details: print(f"Trying again: {details.caused_by!r}", file=sys.stderr)])
    async with AsyncExitStack() as stack:
        url, key, every, state = os.environ.get("BITMINTER_URL"), None, options.every, Path("idle_alert.json")
        if not url:
            pool, every, state = LocalPool(speed=14_400), 1.0, Path(stack.enter_context(TemporaryDirectory())) / "demo"
            key = pool.add_user("demo", workers=12, steady=False)
            url = await stack.enter_async_context(pool.serve())
        client = await stack.enter_async_context(Client(key, base_url=url))
        print(f"Watching the workers at {url}, every {every:g} s")
        await watch(client, every, options.state or state, webhook)


if __name__ == "__main__":
    console = sys.stdout
    if isinstance(console, TextIOWrapper):  # what the console has no letter for is printed as its code
        console.reconfigure(errors="backslashreplace", line_buffering=True)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s")  # outages and rests, on stderr
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(main())
    except Unauthorized as error:
        sys.exit(f"{error}; set BITMINTER_KEY to a key that may read it")
    except (BitminterError, OSError, ValueError, httpx.InvalidURL) as error:
        with suppress(AttributeError, OSError):
            console.close()  # or Python tries to print once more, on its way out, what could not be printed
        sys.exit(" ".join(str(error).split()))
