"""The walk over a list that is read in pages and moves meanwhile: whole, each record once.

New records come in at the top and push older ones down between two pages; a withdrawn one pulls them up. Ids fall along
the list, so one page, which is one snapshot, proves that nothing is missing where it shows both sides of the seam: a
record at or above the last one given, and the next below it. Each next page therefore begins two records above the end
of the last; one that does not show the seam is followed by others, until one does or GapError says that none could be
found. There is never a silent gap.
"""

import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import datetime
from operator import attrgetter
from typing import Generic, TypeVar

from attrs import frozen

from .._arguments import MAX_PAGE, check_integer
from .place import OVERLAP, Listed, page_at

__all__ = ["Walk"]

R = TypeVar("R", bound=Listed)


@frozen(eq=False, repr=False)
class Walk(Generic[R]):
    """What to walk over, and from where to where.

    Args:
        fetch: Brings the page of at most so many records after skipping so many: `await fetch(max, offset)`.
        moment: Tells when a record happened.
        since: The earliest moment wanted, included.
        until: The latest moment wanted, included.
        after: An id: the walk stops at it, or at the first lower one.
        limit: How many records are wanted; None: all.
        offset: How many records of the pool's list are skipped.
        max: How many new records a page brings, 1 to 50.

    Raises:
        ValueError: A bound is out of range or a moment has no time zone.
        TypeError: A bound is of the wrong type.
    """

    fetch: Callable[[int, int], Awaitable[tuple[R, ...]]]
    moment: Callable[[R], datetime]
    since: datetime | None
    until: datetime | None
    after: int | None
    limit: int | None
    offset: int
    max: int

    def __attrs_post_init__(self) -> None:
        _check_moment("since", self.since)
        _check_moment("until", self.until)
        if self.after is not None:
            check_integer("after", self.after, 0)
        if self.limit is not None:
            check_integer("limit", self.limit, 0)
        check_integer("offset", self.offset, 0)
        check_integer("max", self.max, 1, MAX_PAGE)

    async def records(self) -> AsyncGenerator[R, None]:
        """Yield the records, newest first, each once. No page is fetched before it is needed.

        Raises:
            GapError: The list moved too far between two pages for the walk to be whole.
            BitminterError: What fetching a page raised.
        """
        left = self._wanted()
        last: int | None = None  # the id of the record met last, since `until` was reached
        start, overlap, is_end = self.offset, 0, False
        while left > 0 and not is_end:
            key, place = self._next_place(last)
            size = int(min(self.max, left, MAX_PAGE - overlap)) + overlap
            start, page, is_end = await page_at(
                self.fetch, key, place, start, last=last, size=size, is_past=self._is_past
            )
            for record in page:
                if key(record) > place:
                    continue
                if not left or self._is_past(record):
                    return
                last = record.id
                if not self._is_too_new(record):
                    yield record
                    left -= 1
            overlap = min(OVERLAP, start + len(page))
            start += len(page) - overlap

    def _next_place(self, last: int | None) -> tuple[Callable[[R], float], float]:
        """Return what falls along the list, and what is wanted next: the first record whose key is that, or below."""
        if last is not None:
            return attrgetter("id"), last - 1
        if self.until is None:
            return attrgetter("id"), math.inf
        return lambda record: self.moment(record).timestamp(), self.until.timestamp()

    def _wanted(self) -> float:
        if self.since and self.until and self.until < self.since:
            return 0
        return math.inf if self.limit is None else self.limit

    def _is_too_new(self, record: R) -> bool:
        return self.until is not None and self.moment(record) > self.until

    def _is_past(self, record: R) -> bool:
        return (self.after is not None and record.id <= self.after) or (
            self.since is not None and self.moment(record) < self.since
        )


def _check_moment(name: str, moment: object) -> None:
    if moment is None:
        return
    if not isinstance(moment, datetime):
        raise TypeError(f"{name} is a datetime, not {type(moment).__name__}")
    if moment.utcoffset() is None:
        raise ValueError(f"{name} has no time zone: give an aware datetime, for example one of datetime.now(UTC)")
