"""`bitminter stats`, `round` and `top`: the pool's public figures."""

import asyncio
from argparse import Namespace
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from operator import attrgetter, itemgetter

from attrs import frozen

from ..client import Client
from ..errors import BitminterError, Blocked, RateLimited, ServerError, TransportError
from ..records import PoolStats, Round
from ._errors import explain
from ._json import json_of
from ._output import Output, say
from ._table import Column, show_percent

__all__ = ["round", "stats", "top"]

_STATS = (
    Column("hash_rate_hps", "hash rate", attrgetter("hash_rate"), least=10),
    Column("active_workers", "workers", attrgetter("active_workers")),
    Column("active_users", "users", attrgetter("active_users"), 2),
)
_TIME = Column("time", "time (UTC)", itemgetter(0), 3, show="{:%Y-%m-%d %H:%M:%S}".format)
_TIMED_STATS = (_TIME, *(column.of(itemgetter(1)) for column in _STATS))
_ROUND = (
    Column("of", "", attrgetter("of")),
    Column("effort", "done", attrgetter("effort"), 1, show=show_percent),
    Column("duration_s", "for", attrgetter("duration"), 2),
    Column("accepted", "accepted", attrgetter("accepted"), 3),
    Column("rejected", "rejected", attrgetter("rejected"), 4),
    Column("difficulty", "difficulty", attrgetter("difficulty"), 5),
    Column("score", "score", attrgetter("score"), 6),
)
_TOP = (
    Column("rank", "rank", itemgetter(0), 2),
    Column("name", "user", itemgetter(1)),
    Column("hash_rate_hps", "hash rate", itemgetter(2)),
)
_PASSING = TransportError, ServerError, RateLimited, Blocked


async def stats(client: Client, options: Namespace, output: Output) -> None:
    """Show the pool at a glance, once or again and again."""
    if not options.watch:
        output.card(_STATS, await client.pool.stats(), json_of)
        return
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + options.watch
        try:
            found = datetime.now(UTC), await client.pool.stats(max_age=options.watch / 2)
        except _PASSING as error:
            say(f"bitminter: {explain(error, options)[1]}")
            due = max(due, loop.time() + _rest(error))
        else:
            output.append(_TIMED_STATS, found, _json_of_timed)
        await asyncio.sleep(due - loop.time())


def _rest(error: BitminterError) -> float:
    return (isinstance(error, RateLimited | Blocked) and error.retry_after) or 0.0


def _json_of_timed(found: tuple[datetime, PoolStats]) -> bytes:
    return json_of(found[1])


@frozen
class _Part:
    """The current shift, or a chain's round."""

    of: str
    duration: timedelta
    accepted: int
    rejected: int
    difficulty: float | None = None
    effort: float | None = None
    score: float | None = None


async def round(client: Client, options: Namespace, output: Output) -> None:  # noqa: A001, ARG001  # the command's name
    """Show the current shift and each chain's round."""
    found = await client.pool.round()
    if output.as_json:
        output.write_json(json_of(found))
    else:
        await output.table(_ROUND, _parts(found))


def _parts(found: Round) -> Iterator[_Part]:
    yield _Part("shift", found.shift_duration, found.shift_accepted, found.shift_rejected, score=found.shift_score)
    for name, chain in found.chains.items():
        yield _Part(name, chain.duration, chain.accepted, chain.rejected, chain.difficulty, chain.effort)


async def top(client: Client, options: Namespace, output: Output) -> None:
    """List the fastest users."""
    found = [*(await client.pool.top50()).items()][: options.n]
    await output.table(_TOP, [(rank, *each) for rank, each in enumerate(found, 1)])
