"""`bitminter luck`: how lucky the pool was, per chain and per day."""

import math
from argparse import Namespace
from collections.abc import AsyncIterable
from datetime import UTC, datetime, timedelta

from ..client import Client
from ..records import Block
from ._luck_figures import Luck, by_chain, by_day
from ._output import Output
from ._table import Column, show_percent

__all__ = ["DAY_COLUMNS", "luck"]

_SPAN = timedelta(days=30)
_RARE = 0.05
_PREFIXES = ("", "k", "M", "G", "T", "P", "E")


def _ratio(luck: Luck) -> float | None:
    return luck.luck if math.isfinite(luck.luck) else None  # JSON has no infinity


def _short(work: float) -> str:
    """Write a number of proofs of work in some four digits: `169.3G`."""
    power = max(0, min(len(_PREFIXES) - 1, int(math.log10(work or 1) // 3)))
    return f"{work / 1000**power:,.1f}{_PREFIXES[power]}"


DAY_COLUMNS = (
    Column("chain", "chain", lambda luck: luck.chain),
    Column("day", "day (UTC)", lambda luck: str(luck.day or "all")),
    Column("blocks", "blocks", lambda luck: luck.blocks, 2),
    Column("luck", "luck", _ratio, show=show_percent),
    Column(
        "chance_as_bad",
        "as bad by chance",
        lambda luck: luck.chance.as_bad,
        3,
        show=show_percent,
        style=lambda chance: "red" if chance < _RARE else "",
    ),
    Column(
        "chance_as_good",
        "as good",
        lambda luck: luck.chance.as_good,
        4,
        show=show_percent,
        style=lambda chance: "green" if chance < _RARE else "",
    ),
    Column("lost", "lost", lambda luck: luck.lost, 5),
    Column("expected", "work expected", lambda luck: luck.expected, 6, show=_short),
    Column("done", "work done", lambda luck: luck.done, 7, show=_short),
)
"""What is told of the luck of some rounds of a chain."""


async def luck(client: Client, options: Namespace, output: Output) -> None:
    """Tell the luck of each chain, of all days together and of each."""
    since = options.since
    if since is None and options.n is None:
        since = (options.until or datetime.now(UTC)) - _SPAN
    blocks = await _all(client.pool.iter_blocks(since=since, until=options.until, limit=options.n))
    await output.table(DAY_COLUMNS, [*by_chain(blocks), *by_day(blocks)])


async def _all(blocks: AsyncIterable[Block]) -> list[Block]:
    return [block async for block in blocks]
