"""What has changed from one look to the next: plain functions of what was seen, which send nothing."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from immutabledict import immutabledict

from .arguments import MAX_PAGE, check_integer
from .events import (
    BlockChanged,
    BlockEvent,
    BlockFound,
    WorkerAdded,
    WorkerBack,
    WorkerEvent,
    WorkerGone,
    WorkerIdle,
    WorkReported,
)
from .records import Block, User, Worker

__all__ = ["KnownBlocks", "newest_id", "worker_changes"]

_LOGGER = logging.getLogger("bitminter_async")
_BEFORE_ALL = -1


class KnownBlocks:
    """What a stream of blocks knows: the last block that it told of, and those that it follows until they settle.

    Args:
        after: The id of the last block known; None: all that the first look sees.
        unsettled: The blocks to follow, as records or by id.

    Raises:
        ValueError: An id is negative.
        TypeError: An id is not an int.
    """

    def __init__(self, after: int | None, unsettled: Iterable[Block | int]) -> None:
        if after is not None:
            check_integer("after", after, 0)
        self._last = after
        self._has_looked = False
        self._followed: dict[int, Block | None] = {}
        for block in unsettled:
            if not isinstance(block, Block):
                check_integer("an id in unsettled", block, 0)
                self._followed[block] = None
            elif not block.status.settled:
                self._followed[block.id] = block

    @property
    def floor(self) -> int | None:
        """The id down to which the next look must reach; None: the newest page is enough."""
        floors = [number - 1 for number in self._followed]
        if self._last is not None:
            floors.append(self._last)
        return min(floors, default=None)

    def learn(self, blocks: Sequence[Block]) -> list[BlockEvent]:
        """Take in all blocks above `floor`, and at least the newest page; return what is new in them, oldest first."""
        if self._last is None:
            self._last = newest_id(blocks)
        if not self._has_looked:
            self._has_looked = True
            self._followed = {**{b.id: b for b in blocks[:MAX_PAGE] if b.id <= self._last}, **self._followed}
        events: list[BlockEvent] = []
        for block in reversed(blocks):
            if block.id in self._followed:
                before = self._followed[block.id]
                if block.status.settled if before is None else block.status is not before.status:
                    events.append(BlockChanged(before, block))
            elif block.id > self._last:
                events.append(BlockFound(block))
            else:
                continue
            self._followed[block.id] = block
        self._last = max(self._last, newest_id(blocks))
        self._let_go(blocks)
        return events

    def _let_go(self, blocks: Sequence[Block]) -> None:
        """Follow no more what has settled, nor what is gone."""
        seen = {block.id for block in blocks}
        # One that is missing from the newest page may be back in the next answer, and costs nothing to follow. Deeper
        # down it would cost a walk at each look.
        bottom = blocks[MAX_PAGE - 1].id if len(blocks) >= MAX_PAGE else _BEFORE_ALL
        for number, block in list(self._followed.items()):
            if number not in seen and number < bottom:
                _LOGGER.warning("block %d is in the pool's list no more, so it is not followed any longer", number)
                del self._followed[number]
            elif block and block.status.settled:
                del self._followed[number]


def newest_id(records: Sequence["_Listed"]) -> int:
    """Return the id of the newest of some records, newest first; one below all ids where there are none."""
    return records[0].id if records else _BEFORE_ALL


class _Listed(Protocol):
    @property
    def id(self) -> int: ...


def worker_changes(before: User, after: User, *, work: bool) -> Iterator[WorkerEvent]:
    """Yield what has changed for a user's workers, in the order in which the pool lists them; those gone come last.

    Args:
        before: The user at the last look.
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
    both = [(name, before.work[name], work) for name, work in after.work.items() if name in before.work]
    accepted = {name: max(0, new.total_accepted - old.total_accepted) for name, old, new in both}
    rejected = {name: max(0, new.total_rejected - old.total_rejected) for name, old, new in both}
    if any(accepted.values()) or any(rejected.values()):
        yield WorkReported(after, user.name, user.now, immutabledict(accepted), immutabledict(rejected))
