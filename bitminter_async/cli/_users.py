"""`bitminter user` and `workers`: what needs a key."""

from argparse import Namespace
from datetime import datetime, timedelta
from operator import attrgetter

from attrs import frozen

from .._wire.answer import printable
from ..client import Client
from ..records import Work, Worker
from ._json import json_of
from ._output import Output
from ._table import Column, show_percent

__all__ = ["user", "workers"]

_USER = (
    Column("name", "user", attrgetter("name")),
    Column("hash_rate_hps", "hash rate", attrgetter("hash_rate")),
    Column("active_workers", "workers that mine", attrgetter("active_workers")),
    Column("idle_workers", "idle workers", lambda user: len(user.idle_workers)),
    Column("shift_share", "part of the shift", attrgetter("shift.share"), show=show_percent),
)
_WORKERS = (
    Column("name", "worker", attrgetter("worker.name")),
    Column("state", "state", attrgetter("state"), style=lambda state: "green" if state == "mines" else "red"),
    Column("hash_rate_hps", "hash rate", attrgetter("worker.hash_rate"), 2),
    Column("last_work", "last work (UTC)", attrgetter("worker.last_work"), 5),
    Column("since_last_work_s", "ago", attrgetter("since"), 3),
    Column("accepted", "accepted", lambda row: row.work and row.work.total_accepted, 4),
    Column("reject_rate", "rejected part", lambda row: row.work and row.work.reject_rate, 6, show=show_percent),
)


async def user(client: Client, options: Namespace, output: Output) -> None:
    """Show a user at a glance."""
    found = await client.users.get(options.name)
    output.card((*_USER, *map(_balance, found.balances)), found, json_of)


def _balance(commodity: str) -> Column:
    # As the pool spells it, which need not be a name that a caller may ask for.
    name = printable(commodity)
    return Column(f"balance_{name}", name, lambda user: user.balances[commodity])


@frozen
class _Row:
    """A worker, and the pool's time when it told of it."""

    worker: Worker
    now: datetime

    @property
    def state(self) -> str:
        """In a word."""
        return "mines" if self.worker.alive else "idle"

    @property
    def since(self) -> timedelta | None:
        """How long ago it worked last, by the pool's clock."""
        last = self.worker.last_work
        return None if last is None else max(self.now - last, timedelta(0))

    @property
    def work(self) -> Work | None:
        """Its work of one commodity: merged mining counts one proof for each, so they must not be added up."""
        return max(self.worker.work.values(), key=attrgetter("total_accepted"), default=None)


async def workers(client: Client, options: Namespace, output: Output) -> None:
    """List a user's workers."""
    found = await client.users.get(options.name)
    chosen = found.idle_workers if options.idle else found.workers
    await output.table(_WORKERS, [_Row(worker, found.now) for worker in chosen], lambda row: json_of(row.worker))
