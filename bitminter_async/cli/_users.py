"""`bitminter user` and `workers`: what needs a key."""

from argparse import Namespace
from datetime import datetime, timedelta
from operator import attrgetter

from attrs import frozen

from ..client import Client
from ..records import Worker
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
    Column("accepted", "accepted", attrgetter("accepted"), 4),
    Column("reject_rate", "rejected part", attrgetter("reject_rate"), 6, show=show_percent),
)


async def user(client: Client, options: Namespace, output: Output) -> None:
    """Show a user at a glance."""
    found = await client.users.get(options.name)
    output.card((*_USER, *map(_balance, found.balances)), found, json_of)


def _balance(commodity: str) -> Column:
    return Column(f"balance_{commodity}", commodity, lambda user: user.balance(commodity))


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
        return self.worker.last_work and max(self.now - self.worker.last_work, timedelta(0))

    @property
    def accepted(self) -> int:
        """Its proofs of work; merged mining counts one for each chain, so the most of one chain."""
        return max((work.total_accepted for work in self.worker.work.values()), default=0)

    @property
    def reject_rate(self) -> float | None:
        """The rejected part of that."""
        most = max(self.worker.work.values(), key=attrgetter("total_accepted"), default=None)
        return most and most.reject_rate


async def workers(client: Client, options: Namespace, output: Output) -> None:
    """List a user's workers."""
    found = await client.users.get(options.name)
    chosen = found.idle_workers if options.idle else found.workers
    await output.table(_WORKERS, [_Row(worker, found.now) for worker in chosen], lambda row: json_of(row.worker))
