"""How the streams of blocks and of shifts look at a record."""

from collections.abc import Iterable

from .._arguments import check_integer
from ..events import BlockChanged, BlockEvent, BlockFound
from ..records import Block, BlockStatus, Shift

__all__ = ["look_at_block", "look_at_shift", "unsettled_by_id"]


def look_at_block(before: Block | None, now: Block, is_new: bool) -> tuple[BlockEvent | None, Block | None]:  # noqa: FBT001  # as `Look` says
    """Tell of a new block, and of each change of its status until it is settled: so long it is followed."""
    if is_new:
        event: BlockEvent | None = BlockFound(now)
    elif before is None:
        event = BlockChanged(None, now) if now.status.settled else None
    elif _is_older(now, before):
        return None, before
    else:
        event = BlockChanged(before, now) if now.status is not before.status else None
    return event, None if now.status.settled else now


def look_at_shift(_: Shift | None, now: Shift, is_new: bool) -> tuple[Shift | None, Shift | None]:  # noqa: FBT001  # as `Look` says
    """Tell of a new shift; it does not change, so it is not followed."""
    return now if is_new else None, None


def unsettled_by_id(unsettled: Iterable[Block | int]) -> dict[int, Block | None]:
    """Return the blocks to follow by their ids; None for one that was given by its id.

    Raises:
        ValueError: An id is negative.
        TypeError: An id is not an int, or `unsettled` no iterable of blocks and ids.
    """
    _check_iterable(unsettled)
    known: dict[int, Block | None] = {}
    for block in unsettled:
        if not isinstance(block, Block):
            check_integer("an id in unsettled", block, 0)
            known[block] = None
        elif not block.status.settled:
            known[block.id] = block
    return known


def _check_iterable(unsettled: object) -> None:
    if not isinstance(unsettled, Iterable) or isinstance(unsettled, str | bytes | bytearray):
        raise TypeError(f"unsettled must be an iterable of blocks or ids, not {type(unsettled).__name__}")


def _is_older(seen: Block, known: Block) -> bool:
    # No block goes back to `processing`: a server that lags said so.
    return seen.status is BlockStatus.PROCESSING and known.status is not BlockStatus.PROCESSING
