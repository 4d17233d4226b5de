"""What the streams of `client.watch` tell of, as records: frozen, hashable, made for `match`."""

from collections.abc import Mapping
from datetime import datetime
from typing import TypeAlias

from attrs import frozen

from .records import Block, Worker

__all__ = [
    "BlockChanged",
    "BlockEvent",
    "BlockFound",
    "WorkReported",
    "WorkerAdded",
    "WorkerBack",
    "WorkerEvent",
    "WorkerGone",
    "WorkerIdle",
]


@frozen
class BlockFound:
    """The pool has found a block. After an outage it may be settled already: see its `status`."""

    block: Block
    """The block, as it stood in the answer that told of it."""


@frozen
class BlockChanged:
    """A block that was not settled has another status."""

    before: Block | None
    """The block as it was known until then; None where the caller gave only its id."""
    after: Block
    """The block as it is now."""


@frozen
class _WorkerEvent:
    worker: Worker
    """The worker as it is now."""
    user: str
    """The name of the user whose worker it is."""
    time: datetime
    """When: the pool's own time of the answer that told of it (UTC)."""


@frozen
class WorkerIdle(_WorkerEvent):
    """A worker fell idle: no proof of work has come for 5 minutes. `worker.last_work` tells since when."""


@frozen
class WorkerBack(_WorkerEvent):
    """A worker that was idle, or had never worked, mines."""


@frozen
class WorkerAdded(_WorkerEvent):
    """The user has a worker that was not there before. `worker.alive` tells whether it mines."""


@frozen
class WorkerGone(_WorkerEvent):
    """The user has a worker no more; `worker` is as it was when last seen."""


@frozen
class WorkReported(_WorkerEvent):
    """A worker's proofs of work have come in since the last look: how far its all-time counts have risen.

    A count that fell, because the pool began it anew, counts as none.
    """

    accepted: Mapping[str, int]
    """Proofs of work accepted, by commodity. Merged mining counts the same proof for each: do not add them up."""
    rejected: Mapping[str, int]
    """Proofs of work rejected, by commodity."""


BlockEvent: TypeAlias = BlockFound | BlockChanged
"""What `client.watch.blocks` yields."""

WorkerEvent: TypeAlias = WorkerIdle | WorkerBack | WorkerAdded | WorkerGone | WorkReported
"""What `client.watch.workers` yields."""
