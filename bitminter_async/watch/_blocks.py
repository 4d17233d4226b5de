"""What a stream has told of a list, and which blocks it follows, worked out from pages. Nothing here asks or waits."""

import logging
from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

from attrs import define

from .._arguments import MAX_PAGE, check_integer
from .._lists.place import Listed
from ..events import BlockChanged, BlockEvent, BlockFound
from ..records import Block, BlockStatus

__all__ = ["BlockTracker", "LastSeen"]

_LOGGER = logging.getLogger("bitminter_async")
_BEFORE_ALL = -1
_SURE_PAGE = 2  # the first may come from the cache, and be older than the answer from which the caller has `after`
# A block is looked for so many places above where it should be: it still stands on the page if as many blocks above it
# were withdrawn since it was seen.
_MARGIN = 5


R = TypeVar("R", bound=Listed)


class LastSeen(Generic[R]):
    """The last record of a list that a stream has told of.

    Args:
        after: The id of the last record known; None: all that the first page shows.

    Raises:
        ValueError: The id is negative.
        TypeError: The id is not an int.
    """

    def __init__(self, after: int | None) -> None:
        if after is not None:
            check_integer("after", after, 0)
        self.id = after
        self.pages = 0
        """How many pages it was updated with."""

    def update(self, offset: int, page: Sequence[R]) -> list[R]:
        """Take the page that follows the last record, newest first; return what is new in it, oldest first."""
        newest = page[0].id if page else _BEFORE_ALL
        last = newest if self.id is None else self.id
        self.id = max(last, newest)
        self.pages += 1
        if self.pages == _SURE_PAGE and page and not offset and newest < last:
            _LOGGER.warning("nothing comes until the pool's list, which ends at %d, has passed %d", newest, last)
        return [record for record in reversed(page) if record.id > last]


@define(eq=False)
class _Followed:
    block: Block | None
    """As it was seen last; None where only its id is known."""
    place: int | None = None
    """Its offset in the list then, less the number of blocks that were found by then and push it down."""


class BlockTracker:
    """The last block that a stream has told of, and those that it follows until they settle.

    Args:
        after: The id of the last block known; None: all that the first page shows.
        unsettled: The blocks to follow, as records or by id.

    Raises:
        ValueError: An id is negative.
        TypeError: An id is not an int.
    """

    def __init__(self, after: int | None, unsettled: Iterable[Block | int]) -> None:
        self._seen = LastSeen[Block](after)
        self._followed: dict[int, _Followed] = {}
        self._overdue: list[int] = []  # the ids of followed blocks that are to be looked for before the next poll
        self._found = 0
        self._is_climbing = False
        self._bottom = _BEFORE_ALL  # the id of the newest page's last block
        _check_iterable(unsettled)
        for block in unsettled:
            if not isinstance(block, Block):
                check_integer("an id in unsettled", block, 0)
                self._followed[block] = _Followed(None)
            elif not block.status.settled:
                self._followed[block.id] = _Followed(block)

    @property
    def last(self) -> int | None:
        """The id of the last block told of."""
        return self._seen.id

    def next_overdue(self) -> int | None:
        """Return the id of a followed block below the newest page that is to be looked for now, each once a poll."""
        return self._overdue.pop(0) if self._overdue else None

    def place(self, number: int) -> int | None:
        """Return the offset of a page that is likely to show a followed block."""
        place = self._followed[number].place
        return None if place is None else max(0, place + self._found - _MARGIN)

    def update(self, offset: int, page: Sequence[Block]) -> list[BlockEvent]:
        """Take the page that follows `last`, newest first; return what is new in it, oldest first."""
        new = {block.id for block in self._seen.update(offset, page)}
        if not self._is_climbing:  # else the first page of the way up has counted all that stands above it
            self._found += offset + len(new)
        self._is_climbing = offset > 0
        if self._seen.pages == 1:
            known = {block.id: _Followed(block) for block in page if block.id not in new}
            self._followed = {**known, **self._followed}
        events = self._follow(offset, page, new)
        if not offset:
            # One that is missing from the newest page may be back in the next answer, and costs nothing to follow.
            self._bottom = page[-1].id if len(page) == MAX_PAGE else _BEFORE_ALL
            below = [number for number in self._followed if number < self._bottom]
            unseen = [number for number in below if self._followed[number].place is None]
            self._overdue = [*unseen, *[number for number in below if number not in unseen][:1]]
        return events

    def update_below(self, number: int, found: tuple[int, Sequence[Block]] | None) -> list[BlockEvent]:
        """Take the page in which a followed block stands or would stand, with its offset; return what has changed.

        None: it could not be had, and what is overdue is looked for later.
        """
        if found is None:
            self._followed[number] = self._followed.pop(number)  # the last in line: one bad page holds up no other
            self._overdue.clear()
            return []
        offset, page = found
        top = page[0].id if page and offset else self._bottom - 1
        bottom = page[-1].id if len(page) == MAX_PAGE else _BEFORE_ALL
        seen = {block.id for block in page}
        for each in [each for each in self._followed if bottom <= each <= top and each not in seen]:
            _LOGGER.warning("block %d is not in the pool's list, so it is not followed any longer", each)
            del self._followed[each]
        self._overdue = [each for each in self._overdue if each in self._followed and each not in seen]
        return self._follow(offset, page, set())

    def _follow(self, offset: int, page: Sequence[Block], new: set[int]) -> list[BlockEvent]:
        """Return what the page tells of followed blocks and of new ones; follow those on it that are not settled."""
        events: list[BlockEvent] = []
        latest: dict[int, Block] = {}
        for block in reversed(page):
            if followed := self._followed.pop(block.id, None):
                before = followed.block
                latest[block.id] = before if before and _is_older(block, before) else block
                if latest[block.id].status is not before.status if before else block.status.settled:
                    events.append(BlockChanged(before, block))
            elif block.id in new:
                latest[block.id] = block
                events.append(BlockFound(block))
        # Followed blocks take turns in the order of this dict: those on this page have had theirs, and come last now.
        for place, block in enumerate(page, offset):
            if block.id in latest and not latest[block.id].status.settled:
                self._followed[block.id] = _Followed(latest[block.id], place - self._found)
        return events


def _check_iterable(unsettled: object) -> None:
    if not isinstance(unsettled, Iterable) or isinstance(unsettled, str | bytes | bytearray):
        raise TypeError(f"unsettled is an iterable of blocks or ids, not {type(unsettled).__name__}")


def _is_older(seen: Block, known: Block) -> bool:
    # No block goes back to `processing`: a server that lags said so.
    return seen.status is BlockStatus.PROCESSING and known.status is not BlockStatus.PROCESSING
