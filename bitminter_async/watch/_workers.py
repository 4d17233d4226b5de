"""What has changed for a user's workers from one poll to the next. Nothing here asks or waits."""

from collections.abc import Iterator

from immutabledict import immutabledict

from ..events import WorkerAdded, WorkerBack, WorkerEvent, WorkerGone, WorkerIdle, WorkReported
from ..records import User, Work, Worker

__all__ = ["worker_changes"]

_NO_WORK = Work(0, 0, 0, 0, 0, 0)


def worker_changes(before: User, after: User, *, work: bool) -> Iterator[WorkerEvent]:
    """Yield what has changed for a user's workers, in the order in which the pool lists them; those gone come last.

    Args:
        before: The user at the last poll.
        after: The user now.
        work: Whether work done since is told of, too.
    """
    old = {worker.name: worker for worker in before.workers}
    new = {worker.name: worker for worker in after.workers}
    for name, worker in new.items():
        if name not in old:
            yield WorkerAdded(worker, after.name, after.now)
            continue
        if work:
            yield from _work_done(old[name], worker, after)
        if worker.alive is not old[name].alive:
            yield (WorkerBack if worker.alive else WorkerIdle)(worker, after.name, after.now)
    for name, worker in old.items():
        if name not in new:
            yield WorkerGone(worker, after.name, after.now)


def _work_done(before: Worker, after: Worker, user: User) -> Iterator[WorkReported]:
    # Where a commodity is new, what the worker did before is known only if it had never worked.
    unseen = _NO_WORK if before.last_work is None else None
    pairs = [(name, before.work.get(name, unseen), work) for name, work in after.work.items()]
    accepted = {name: max(0, new.total_accepted - old.total_accepted) for name, old, new in pairs if old}
    rejected = {name: max(0, new.total_rejected - old.total_rejected) for name, old, new in pairs if old}
    if any(accepted.values()) or any(rejected.values()):
        yield WorkReported(after, user.name, user.now, immutabledict(accepted), immutabledict(rejected))
