"""Serves a local pool: `python -m bitminter_async.local --port 8420 --user NAME:KEY`."""

import argparse
import asyncio
import logging
import shlex
import signal
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .pool import LocalPool

__all__ = ["main"]

_COMMAND = "python -m bitminter_async.local"
_HEAD_START = timedelta(minutes=10)  # the users have worked so long when the first client comes


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve a pool until SIGINT or SIGTERM, and return the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        from . import LocalPool  # noqa: PLC0415  # its absence is told in one line
    except ImportError as error:
        return _fail(error)
    try:
        pool = LocalPool(options.seed, options.speed, now=datetime.now(UTC) - _HEAD_START, limit=options.limit or None)
        pool.latency = options.latency
        users = dict(_name_and_key(user) for user in options.user or ["demo"])
        keys = {name: pool.add_user(name, key, steady=False) for name, key in users.items()}
        pool.advance(_HEAD_START)
    except ValueError as error:
        parser.error(str(error))
    logging.basicConfig(format="%(message)s")  # whom the pool blocks is told on stderr
    try:
        asyncio.run(_serve(pool, options.host, options.port, keys))
    except (OSError, OverflowError) as error:
        return _fail(error)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_COMMAND,
        description="Serve a mining pool that lives in memory and speaks the BitMinter API. Its time begins now.",
    )
    add = parser.add_argument
    add("--port", type=int, default=8420, help="the port to listen on; 0 picks a free one (default: %(default)s)")
    add("--host", default="127.0.0.1", help="the IPv4 address to listen on (default: %(default)s)")
    add("--seed", type=int, default=0, help="the same seed makes the same pool (default: %(default)s)")
    add("--speed", type=float, default=1.0, help="pool seconds per real second (default: %(default)s)")
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
    return parser


def _name_and_key(user: str) -> tuple[str, str | None]:
    name, colon, key = user.partition(":")
    return name, (key if colon else None)


async def _serve(pool: "LocalPool", host: str, port: int, keys: dict[str, str]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def end(_number: int, _frame: object) -> None:
        loop.call_soon_threadsafe(stop.set)

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, end)
    async with pool.serve(port, host) as url:
        users = [f"  user {name!r}, key {key}" for name, key in keys.items()]
        name, key = next(iter(keys.items()))
        hint = f"  to ask it as {name}: export BITMINTER_URL={url} BITMINTER_KEY={shlex.quote(key)}"
        lines = [f"The local pool listens on {url}", *users, hint, "Ctrl-C stops it"]
        print("\n".join(lines), flush=True)  # noqa: T201  # a command prints
        await stop.wait()


def _fail(error: Exception) -> int:
    print(f"{_COMMAND}: {error}", file=sys.stderr)  # noqa: T201  # a command prints
    return 1


if __name__ == "__main__":
    sys.exit(main())
