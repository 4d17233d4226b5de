"""`bitminter blocks` and `shifts`: the pool's history."""

from argparse import Namespace
from operator import attrgetter

from ..client import Client
from ..records import BlockStatus
from ._json import json_of
from ._output import Output
from ._table import Column, show_percent

__all__ = ["blocks", "shifts"]

_STYLES = {
    BlockStatus.CONFIRMED: "green",
    BlockStatus.ORPHAN: "red",
    BlockStatus.STALE: "red",
}
_BLOCKS = (
    Column("generated", "found (UTC)", attrgetter("generated"), 2),
    Column("chain", "chain", attrgetter("chain"), 3),
    Column("height", "height", attrgetter("height"), 1, show=str),
    Column("status", "status", attrgetter("status"), 1, style=lambda status: _STYLES.get(status, "yellow")),
    Column("income", "income", attrgetter("income"), 4),
    Column("luck", "luck", attrgetter("luck"), 3, show=show_percent),
    Column("generator", "found by", attrgetter("generator"), 5),
    Column("duration_s", "round took", attrgetter("duration"), 6),
    Column("confirmations_left", "to confirm", attrgetter("confirmations_left"), 7),
    Column("id", "id", attrgetter("id"), 8, show=str),
    Column("difficulty", "difficulty", attrgetter("difficulty"), 9),
    Column("accepted", "accepted", attrgetter("accepted"), 10),
    Column("rejected", "rejected", attrgetter("rejected"), 11),
    Column("hash", "hash", attrgetter("hash"), 12),
)
_SHIFTS = (
    Column("completed", "completed (UTC)", attrgetter("completed"), 1),
    Column("hash_rate_hps", "hash rate", attrgetter("hash_rate"), 1),
    Column("duration_s", "took", attrgetter("duration"), 3),
    Column("accepted", "accepted", attrgetter("accepted"), 2),
    Column("rejected", "rejected", attrgetter("rejected"), 5),
    Column("reject_rate", "rejected part", attrgetter("reject_rate"), 4, show=show_percent),
    Column("score", "score", attrgetter("score"), 6),
    Column("id", "id", attrgetter("id"), 7, show=str),
    Column("difficulty", "difficulty", attrgetter("difficulty"), 8),
)
_MANY = 20


async def blocks(client: Client, options: Namespace, output: Output) -> None:
    """List the blocks."""
    walk = client.pool.iter_blocks(
        commodity=options.commodity, since=options.since, until=options.until, limit=_limit(options)
    )
    await output.table(_BLOCKS, walk, json_of)


async def shifts(client: Client, options: Namespace, output: Output) -> None:
    """List the shifts."""
    walk = client.pool.iter_shifts(since=options.since, until=options.until, limit=_limit(options))
    await output.table(_SHIFTS, walk, json_of)


def _limit(options: Namespace) -> int | None:
    return _MANY if options.n is None and options.since is None else options.n
