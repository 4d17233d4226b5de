"""The walk over a list that is read in pages and moves meanwhile: whole, each record once.

New records come in at the top and push older ones down between two pages; a withdrawn one pulls them up. Ids fall along
the list, so one page, which is one snapshot, proves that nothing is missing where it shows both sides of the seam: a
record at or above the last one given, and the next below it. Each next page therefore begins two records above the end
of the last. A page that does not show the seam is a miss, and the walk looks for it: further down if all that it shows
is known, further up if all is new, and after a burst by its id. Where a few more requests do not find it, GapError,
never a silent gap.
"""

import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Generic, TypeVar

from attrs import frozen

from .._arguments import MAX_PAGE, check_integer
from .place import MANY_MISSES, MAX_MISSES, OVERLAP, STEP_BACK, Listed, Mark, check_order, expect, gap, seek

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
        start = top = self.offset
        unproven: int | None = None  # the id of the first record found that is not known to follow it
        misses = overlap = 0
        while left > 0:
            asked = MAX_PAGE if misses else int(min(self.max, left, MAX_PAGE - overlap)) + overlap
            page = await self.fetch(asked, start)
            check_order(page, last)
            fresh = [record for record in page if self._is_fresh(record, last)]
            is_end = len(page) < asked
            if start > top and len(fresh) == len(page):  # no seam: the list shrank
                unproven = fresh[0].id if fresh else None
                start = max(top, start - STEP_BACK) if misses < MANY_MISSES else top
                misses += 1
            elif not fresh and not is_end:  # no seam: the list grew, or `until` is further down
                if last is None and self._is_past(page[-1]):
                    return
                start, top = await self._further(page, start, last, is_first=not misses), 0
                misses += 1
            else:
                for record in fresh:
                    if not left or self._is_past(record):
                        return
                    last = record.id
                    if not self._is_too_new(record):
                        yield record
                        left -= 1
                if is_end:
                    return
                overlap = min(OVERLAP, start + len(page))
                start, top, misses = start + len(page) - overlap, 0, 0
            if misses > MAX_MISSES:
                raise gap("the list moves too fast, or does not heed `offset`", last, unproven)

    async def _further(self, page: tuple[R, ...], start: int, last: int | None, *, is_first: bool) -> int:
        """Return the offset at which to look for the first fresh record, there being none in `page`."""
        key, sought = self._key(last)
        top, above = Mark(start, key(page[0])), Mark(start + len(page) - 1, key(page[-1]))
        if is_first and expect(top, above, sought) <= MAX_PAGE - OVERLAP:
            return above.offset
        return await seek(partial(self.fetch, 1), key, sought, top, above, last=last)

    def _key(self, last: int | None) -> tuple[Callable[[R], float], float]:
        """Return what falls along the list, and where in it the first fresh record stands: at that, or below."""
        if last is None and self.until is not None:
            return lambda record: self.moment(record).timestamp(), self.until.timestamp()
        return lambda record: record.id, (last or 0) - 1

    def _wanted(self) -> float:
        if self.since and self.until and self.until < self.since:
            return 0
        return math.inf if self.limit is None else self.limit

    def _is_fresh(self, record: R, last: int | None) -> bool:
        return not self._is_too_new(record) if last is None else record.id < last

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
