"""What has changed for a user's workers from one poll to the next. Nothing here asks or waits."""

import logging
from collections.abc import Iterable, Iterator

from immutabledict import immutabledict

from ..errors import DecodeError
from ..events import WorkerAdded, WorkerBack, WorkerEvent, WorkerGone, WorkerIdle, WorkReported
from ..records import User, Work, Worker

__all__ = ["WorkerTracker", "check_names"]

_LOGGER = logging.getLogger("bitminter_async")
_NO_WORK = Work(0, 0, 0, 0, 0, 0)


class WorkerTracker:
    """A user's workers, each as it was last seen.

    Args:
        idle: The names of workers that were idle by what the caller knows.
        initial: Whether the other workers that are idle at first are told of.
        work: Whether work done is told of.
    """

    def __init__(self, idle: Iterable[str], *, initial: bool, work: bool) -> None:
        self._idle = frozenset(idle)
        self._initial = initial
        self._work = work
        self._last: User | None = None
        self._older: User | None = None  # the last answer, if that was older than the one before
        self._known: dict[str, Worker] = {}
        self._unread: set[str | None] = set()  # who cannot be read; None: one whose name is not known
        self._unread_since_first: set[str | None] = set()

    def update(self, user: User, error: DecodeError | None) -> list[WorkerEvent]:
        """Take an answer, of which `error` tells the workers that could not be read; return what has changed."""
        if self._last and user.now < self._last.now and not self._is_set_back(user):
            self._older = user
            return []
        self._older = None
        unread: set[str | None] = set()
        if error:
            unread = {name if isinstance(name, str) else None for name in error.unreadable.values()}
        if self._last is None:
            self._unread_since_first = unread
        events = list(self._changes(user, unread, is_first=self._last is None))
        self._last = user
        self._unread_since_first &= unread
        if error and unread - self._unread:
            names = ", ".join(sorted(f"worker {name!r}" if name else "a worker" for name in unread - self._unread))
            _LOGGER.warning("watching workers: %s cannot be read: %s", names, error.summary)
        self._unread = unread
        return events

    def _is_set_back(self, user: User) -> bool:
        """Tell whether the pool's clock was set back: two answers running say so, and are not one copy."""
        return self._older is not None and user.now >= self._older.now and user != self._older

    def _changes(self, user: User, unread: set[str | None], *, is_first: bool) -> Iterator[WorkerEvent]:
        """Yield what has changed, in the order in which the pool lists the workers; those gone come last."""
        known, self._known = self._known, {worker.name: worker for worker in user.workers}
        for name, worker in self._known.items():
            if before := known.pop(name, None):
                if self._work:
                    yield from _work_done(before, worker, user)
                if worker.alive is not before.alive:
                    yield (WorkerBack if worker.alive else WorkerIdle)(worker, user.name, user.now)
            elif not is_first and not self._unread_since_first & {name, None}:
                yield WorkerAdded(worker, user.name, user.now)
            elif worker.alive and name in self._idle:
                yield WorkerBack(worker, user.name, user.now)
            elif not worker.alive and self._initial and name not in self._idle:
                yield WorkerIdle(worker, user.name, user.now)
        for name, worker in known.items():
            if unread & {name, None}:
                self._known[name] = worker  # neither idle nor gone, until it can be read
            else:
                yield WorkerGone(worker, user.name, user.now)


def check_names(idle: object) -> frozenset[str]:
    """Return workers' names as a set, or raise TypeError unless they are an iterable of strings."""
    if not isinstance(idle, Iterable) or isinstance(idle, str | bytes | bytearray):
        raise TypeError(f"idle must be an iterable of workers' names, not {type(idle).__name__}")
    names: list[object] = [*idle]
    for name in names:
        if not isinstance(name, str):
            raise TypeError(f"a name in idle must be a string, not {type(name).__name__}")
    return frozenset(str(name) for name in names)


def _work_done(before: Worker, after: Worker, user: User) -> Iterator[WorkReported]:
    # Where a commodity is new, what the worker did before is known only if it had never worked.
    unseen = _NO_WORK if before.last_work is None else None
    pairs = [(name, before.work.get(name, unseen), work) for name, work in after.work.items()]
    accepted = {name: max(0, new.total_accepted - old.total_accepted) for name, old, new in pairs if old}
    rejected = {name: max(0, new.total_rejected - old.total_rejected) for name, old, new in pairs if old}
    if any(accepted.values()) or any(rejected.values()):
        yield WorkReported(after, user.name, user.now, immutabledict(accepted), immutabledict(rejected))
