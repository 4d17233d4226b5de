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
    """The pool has found a block. After an outage it may be settled already: see its `status`.

    Attributes:
        block: The block, as it stood in the answer that told of it.
    """

    block: Block


@frozen
class BlockChanged:
    """A block that was not settled has another status.

    Attributes:
        before: The block as it was known until then; None where the caller gave only its id.
        after: The block as it is now.
    """

    before: Block | None
    after: Block


@frozen
class _WorkerEvent:
    worker: Worker
    user: str
    time: datetime


@frozen
class WorkerIdle(_WorkerEvent):
    """A worker fell idle: no proof of work has come for 5 minutes. `worker.last_work` tells since when.

    Attributes:
        worker: The worker as it is now.
        user: The name of the user whose worker it is.
        time: When: the pool's own time of the answer that told of it (UTC).
    """


@frozen
class WorkerBack(_WorkerEvent):
    """A worker that was idle, or had never worked, mines.

    Attributes:
        worker: The worker as it is now.
        user: The name of the user whose worker it is.
        time: When: the pool's own time of the answer that told of it (UTC).
    """


@frozen
class WorkerAdded(_WorkerEvent):
    """The user has a worker that was not there before. `worker.alive` tells whether it mines.

    Attributes:
        worker: The worker as it is now.
        user: The name of the user whose worker it is.
        time: When: the pool's own time of the answer that told of it (UTC).
    """


@frozen
class WorkerGone(_WorkerEvent):
    """The user has a worker no more.

    Attributes:
        worker: The worker as it was when last seen.
        user: The name of the user whose worker it is.
        time: When: the pool's own time of the answer that told of it (UTC).
    """


@frozen
class WorkReported(_WorkerEvent):
    """A worker's proofs of work have come in since the answer before: how far its all-time counts have risen.

    A count that fell, because the pool began it anew, counts as none.

    Attributes:
        worker: The worker as it is now.
        user: The name of the user whose worker it is.
        time: When: the pool's own time of the answer that told of it (UTC).
        accepted: Proofs of work accepted, by commodity. Merged mining counts one proof for each: do not add them up.
        rejected: Proofs of work rejected, by commodity.
    """

    accepted: Mapping[str, int]
    rejected: Mapping[str, int]


BlockEvent: TypeAlias = BlockFound | BlockChanged
"""What `client.watch.blocks` yields."""

WorkerEvent: TypeAlias = WorkerIdle | WorkerBack | WorkerAdded | WorkerGone | WorkReported
"""What `client.watch.workers` yields."""
