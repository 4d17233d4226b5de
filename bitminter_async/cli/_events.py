"""What `bitminter watch` says of an event, in one line."""

from datetime import UTC, datetime

from ..events import (
    BlockChanged,
    BlockFound,
    WorkerAdded,
    WorkerBack,
    WorkerGone,
    WorkerIdle,
)
from ..records import PoolStats, Shift, Worker
from ._table import Cell, Line, show, show_age, show_percent
from .._wire.answer import printable

__all__ = ["describe"]


def describe(event: object) -> Line:
    """Return the line: when it was, by the pool's clock, and what. Statistics bear no time: they are as of now."""
    when, what, style = _told(event)
    return [Cell(f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S}  "), Cell(printable(what), style)]


def _told(event: object) -> tuple[datetime, str, str]:
    match event:
        case PoolStats(rate, workers, users):
            return datetime.now(UTC), f"the pool: {rate} from {show(workers)} workers of {show(users)} users", ""
        case Shift():
            told = f"shift {event.id} completed: {event.hash_rate}, {show_percent(event.reject_rate)} rejected"
            return event.completed, told, ""
        case BlockFound(block):
            told = (
                f"{block.chain} {block.height} found by {block.generator}: {show(block.income)} {block.chain}, "
                f"luck {show_percent(block.luck)}"
            )
            return block.generated, told, "bold"
        case BlockChanged(_, block):
            told = f"{block.chain} {block.height} is {block.status} now"
            return block.generated, told, "green" if block.status == "confirmed" else "yellow"
        case WorkerIdle(worker, user, time):
            return time, f"{user}'s {worker.name} is idle, {_last_work(worker, time)}", "red"
        case WorkerBack(worker, user, time):
            return time, f"{user}'s {worker.name} is back: {worker.hash_rate}", "green"
        case WorkerAdded(worker, user, time):
            return time, f"{user} has a new worker, {worker.name}", ""
        case WorkerGone(worker, user, time):
            return time, f"{user} has no {worker.name} any more", "yellow"
        case _:
            raise TypeError(f"no event: {type(event).__name__}")


def _last_work(worker: Worker, time: datetime) -> str:
    return f"its last work was {show_age(time - worker.last_work)} ago" if worker.last_work else "and never worked"
