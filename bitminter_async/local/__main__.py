"""Serves a local pool: `python -m bitminter_async.local --port 8420 --user NAME:KEY`."""

import argparse
import asyncio
import logging
import shlex
import signal
import sys
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta

__all__ = ["main"]

_COMMAND = "python -m bitminter_async.local"
_HEAD_START = timedelta(minutes=10)  # the users have worked so long when the first client comes

_COMMANDS = """\
commands of --control, each a POST of its arguments as a JSON object, with Content-Type: application/json:
  /control/advance          {"seconds": 3600}
  /control/find_block       {"commodity": "BTC"}; the result is its id
  /control/orphan           {"block_id": 41234}
  /control/withdraw_block   {"block_id": 41234}
  /control/set_worker_alive {"user": "demo", "worker": "rig1", "alive": false}
  /control/add_worker       {"user": "demo", "worker": "rig3", "alive": true}
  /control/remove_worker    {"user": "demo", "worker": "rig3"}
  /control/add_user         {"name": "bob", "key": "BOBSKEY42", "permission": true, "workers": 2, "steady": true};
                            the result is the key
  /control/fail_next        {"status": 503, "times": 2, "path": "/api/users", "headers": {"Retry-After": "5"},
                            "body": "", "cut": false}
  /control/slow_next        {"seconds": 30, "times": 2, "path": "/api/users"}
  /control/lift_blocks      {}: whoever asked too often may ask again
  /control/requests         {"last": 10}; the result is what the operator saw
The answer is {"result": ...}, or {"error": "..."} with 400 or the like.
"""


def main(arguments: Sequence[str] | None = None, prog: str = _COMMAND) -> int:
    """Serve a pool until SIGINT or SIGTERM, and return the exit code; `prog` is what help and errors call it."""
    parser = _parser(prog)
    options = parser.parse_args(arguments)
    try:
        from . import LocalPool  # noqa: PLC0415  # its absence is told in one line
    except ImportError as error:
        return _fail(error, prog)
    try:
        pool = LocalPool(options.seed, options.speed, now=datetime.now(UTC) - _HEAD_START, limit=options.limit or None)
        pool.latency = options.latency
        users = dict(_name_and_key(user) for user in options.user or ["demo"])
        keys = {name: pool.add_user(name, key, steady=False) for name, key in users.items()}
        pool.advance(_HEAD_START)
        serving = pool.serve(options.port, options.host, control=options.control)
    except ValueError as error:
        parser.error(str(error))
    logging.basicConfig(format="%(message)s")  # whom the pool blocks is told on stderr
    try:
        asyncio.run(_serve(serving, keys, has_control=options.control))
    except (OSError, OverflowError) as error:
        return _fail(error, prog)
    return 0


def _parser(prog: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=prog,
        description="Serve a mining pool that lives in memory and speaks the BitMinter API. Its time begins now.",
        epilog=_COMMANDS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--port", type=int, default=8420, help="the port to listen on; 0 picks a free one (default: %(default)s)")
    add("--host", default="127.0.0.1", help="the IPv4 address to listen on (default: %(default)s)")
    add("--seed", type=int, default=0, help="the same seed makes the same pool (default: %(default)s)")
    add(
        "--speed",
        type=float,
        default=1.0,
        help="pool seconds per real second; what is 366 pool days old is forgotten (default: %(default)s)",
    )
    add("--latency", type=float, default=0.0, metavar="SECONDS", help="how long every answer takes (default: none)")
    add(
        "--limit",
        type=int,
        default=120,
        help="requests per minute beyond which a client is blocked; 0 blocks nobody (default: %(default)s)",
    )
    add(
        "--user",
        action="append",
        metavar="NAME[:KEY]",
        help="a user with this API key, or with a made-up one; may be repeated (default: demo)",
    )
    add("--control", action="store_true", help="let tests on this machine change the pool, by the commands below")
    return parser


def _name_and_key(user: str) -> tuple[str, str | None]:
    name, colon, key = user.partition(":")
    return name, (key if colon else None)


async def _serve(serving: AbstractAsyncContextManager[str], keys: dict[str, str], *, has_control: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def end(_number: int, _frame: object) -> None:
        loop.call_soon_threadsafe(stop.set)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    async with serving as url:
        users = [f"  user {name!r}, key {key}" for name, key in keys.items()]
        name, key = next(iter(keys.items()))
        hint = f"  to ask it as {name}: export BITMINTER_URL={url} BITMINTER_KEY={shlex.quote(key)}"
        control = [f"  to control it: POST {url}/control/COMMAND, see --help"] if has_control else []
        lines = [f"The local pool listens on {url}", *users, hint, *control, "Ctrl-C stops it"]
        print("\n".join(lines), flush=True)  # noqa: T201  # a command prints
        await stop.wait()


def _fail(error: Exception, prog: str) -> int:
    print(f"{prog}: {error}", file=sys.stderr)  # noqa: T201  # a command prints
    return 1


if __name__ == "__main__":
    sys.exit(main())
