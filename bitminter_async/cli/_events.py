"""What `bitminter watch` says of an event, in one line."""

from datetime import UTC, datetime

from .._wire.answer import printable
from ..events import (
    BlockChanged,
    BlockFound,
    WorkerAdded,
    WorkerBack,
    WorkerGone,
    WorkerIdle,
)
from ..records import Block, BlockStatus, PoolStats, Shift, Worker
from ._table import Cell, Line, show, show_age, show_percent

__all__ = ["describe"]


def describe(event: object) -> Line:
    """Return the line: when it was, by the pool's clock, and what.

    The pool's figures, and a block's new status, bear no time: theirs is ours, when we learnt of it.
    """
    when, what, style = _told(event)
    return [Cell(f"{when.astimezone(UTC):%Y-%m-%d %H:%M:%S}  "), Cell(printable(what), style)]


def _told(event: object) -> tuple[datetime, str, str]:
    style, when = "", datetime.now(UTC)
    match event:
        case PoolStats(rate, workers, users):
            told = f"the pool: {rate} from {show(workers)} workers of {show(users)} users"
        case Shift(completed=when):
            told = f"shift {event.id} completed: {event.hash_rate}, {show_percent(event.reject_rate)} rejected"
        case BlockFound(block):
            style, when = "bold", block.generated
            gain = f"{block.income:f} {block.chain}, luck {show_percent(block.luck)}"
            told = f"{_named(block)} found by {block.generator}: {gain}"
        case BlockChanged(_, block):
            style = "green" if block.status == BlockStatus.CONFIRMED else "yellow"
            told = f"{_named(block)} is {block.status} now"
        case WorkerIdle(worker, user, when):
            style = "red"
            told = f"{user}'s {worker.name} is idle, {_last_work(worker, when)}"
        case WorkerBack(worker, user, when):
            style = "green"
            told = f"{user}'s {worker.name} is back at {worker.hash_rate}"
        case WorkerAdded(worker, user, when):
            told = f"{user} has a new worker, {worker.name}"
        case WorkerGone(worker, user, when):
            style = "yellow"
            told = f"{user} has no {worker.name} any more"
        case _:
            raise TypeError(f"{type(event).__name__} is no event")
    return when, told, style


def _named(block: Block) -> str:
    return f"{block.chain} {block.height}"


def _last_work(worker: Worker, time: datetime) -> str:
    return f"its last work was {show_age(time - worker.last_work)} ago" if worker.last_work else "and never worked"
