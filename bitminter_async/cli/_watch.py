"""`bitminter watch`: what changes, a line each, above the pool's figures of now."""

import sys
from argparse import Namespace
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

from ..client import Client
from ..records import PoolStats
from ..watch.stream import Stream
from ._events import describe
from ._json import json_of
from ._output import Output

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.live import Live

__all__ = ["watch"]

_ECHO = 3


async def watch(client: Client, options: Namespace, output: Output) -> None:
    """Print events as they come, for ever."""
    what = options.what or ["blocks", "shifts", *(["workers"] if options.has_key or options.user else [])]
    streams = [_stream(client, name, options) for name in dict.fromkeys(what)]
    foot = _foot(output)
    shows_stats = "stats" in what
    if foot and not shows_stats:
        streams.append(_stream(client, "stats", options))
    async with client.watch.merge(*streams) as events:
        with foot or nullcontext():
            async for event in events:
                if foot and isinstance(event, PoolStats):
                    foot.update(_figures(event, foot.console.width), refresh=True)
                if shows_stats or not isinstance(event, PoolStats):
                    _write(event, output)


def _write(event: object, output: Output) -> None:
    if output.as_json:
        output.write_json(json_of(event))
    else:
        output.write_styled(describe(event))
    output.flush()


def _stream(client: Client, name: str, options: Namespace) -> Stream[Any]:
    every = {} if options.every is None else {"every": options.every}
    if name == "workers":
        return client.watch.workers(options.user, **every)
    make: Callable[..., Stream[Any]] = getattr(client.watch, name)
    return make(**every)


def _foot(output: Output) -> "Live | None":
    """Return what shows a line at the terminal's foot; None where none can be shown, or nobody looks."""
    if output.console is None or output.console.is_dumb_terminal:
        return None
    from rich.live import Live  # noqa: PLC0415  # where there is a terminal to show it on

    # Stderr is written above the line as well, if it is the same terminal.
    is_shared = sys.stderr is not None and sys.stderr.isatty()
    return Live(console=output.console, auto_refresh=False, transient=True, redirect_stderr=is_shared)


def _figures(stats: PoolStats, width: int) -> str:
    """Return as many figures as one line has room for, and for the `^C` that a terminal adds to it."""
    figures = [str(stats.hash_rate), f"{stats.active_workers:,} workers", f"{stats.active_users:,} users"]
    while len(line := "  ".join(figures)) > width - _ECHO and len(figures) > 1:
        figures.pop()
    return line
