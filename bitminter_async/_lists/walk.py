"""The walk over a list that is read in pages and moves meanwhile: whole, each record once.

New records come in at the top and push older ones down between two pages; a withdrawn one pulls them up. Ids fall along
the list, so one page, which is one snapshot, proves that nothing is missing where it shows both sides of the seam: a
record at or above the last one given, and the next below it. Each next page therefore begins two records above the end
of the last; one that does not show the seam is followed by others, until one does or GapError says that none could be
found. There is never a silent gap.
"""

import logging
import math
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import datetime
from itertools import pairwise
from operator import attrgetter
from typing import Generic, TypeVar

from attrs import frozen

from .._arguments import MAX_PAGE, check_flag, check_integer
from ..errors import DecodeError, GapError
from .place import OVERLAP, Listed, page_at
from .unreadable import Unreadable, page_of

__all__ = ["Walk"]

R = TypeVar("R", bound=Listed)

_LOGGER = logging.getLogger("bitminter_async")
_LEAST_PAGE = 3  # records that every pool can give in a page, so that fewer are the end of the list


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
        skip_unreadable: Whether a record that cannot be read is passed over with a WARNING, or raises DecodeError.

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
    skip_unreadable: bool = False

    def __attrs_post_init__(self) -> None:
        _check_moment("since", self.since)
        _check_moment("until", self.until)
        if self.after is not None:
            check_integer("after", self.after, 0)
        if self.limit is not None:
            check_integer("limit", self.limit, 0)
        check_integer("offset", self.offset, 0)
        check_integer("max", self.max, 1, MAX_PAGE)
        check_flag("skip_unreadable", self.skip_unreadable)
        if self.since and self.until and self.until < self.since:
            raise ValueError(f"since must not be later than until, {self.until}, but is {self.since}")

    async def records(self) -> AsyncGenerator[R, None]:
        """Yield the records, newest first, each once. No page is fetched before it is needed.

        Raises:
            GapError: The list moved too far between two pages for the walk to be whole, or moments do not fall.
            DecodeError: A record cannot be read, and is not to be skipped; what stands before it has been given.
            BitminterError: What fetching a page raised.
        """
        left = math.inf if self.limit is None else self.limit
        last: int | None = None  # the id of the record met last, since `until` was reached
        start, overlap, full, is_end, is_sure = self.offset, 0, _LEAST_PAGE, False, False
        while left > 0 and not is_end:
            key, place = self._next_place(last)
            size = int(min(self.max, left, MAX_PAGE - overlap)) + overlap
            start, page, is_end = await page_at(
                self._fetch, key, place, start, last=last, size=size, full=full, is_past=self._is_past
            )
            if not page and last is None and not is_sure:
                is_end, is_sure = False, True  # that there is nothing at all is believed when it is said again
                continue
            if last is None and start > self.offset:
                self._check_moments(page)
            for record in page:
                if key(record) > place:
                    continue
                if not left or (self.after is not None and record.id <= self.after):
                    return
                last = record.id
                if isinstance(record, Unreadable):
                    self._skip(record)
                elif self._is_wanted(record):
                    yield record
                    left -= 1
            if self._is_beyond(page):
                return
            full = max(full, len(page))
            overlap = min(OVERLAP, start + len(page))
            start += len(page) - overlap

    async def _fetch(self, most: int, offset: int) -> tuple[R | Unreadable, ...]:
        try:
            return await self.fetch(most, offset)
        except DecodeError as error:
            return page_of(error, self.moment)

    def _skip(self, record: Unreadable) -> None:
        if not self.skip_unreadable:
            raise record.error
        _LOGGER.warning("%s cannot be read, and is skipped: %s", record.name, record.error.summary)

    def _next_place(self, last: int | None) -> tuple[Callable[[R | Unreadable], float], float]:
        """Return what falls along the list, and what is wanted next: the first record whose key is that, or below."""
        if last is not None:
            return attrgetter("id"), math.ceil(last) - 1
        if self.until is None:
            return attrgetter("id"), math.inf
        return lambda record: self._moment(record).timestamp(), self.until.timestamp()

    def _moment(self, record: R | Unreadable) -> datetime:
        return record.moment if isinstance(record, Unreadable) else self.moment(record)

    def _is_old(self, record: R | Unreadable) -> bool:
        return self.since is not None and self._moment(record) < self.since

    def _is_wanted(self, record: R) -> bool:
        return not self._is_old(record) and (self.until is None or self.moment(record) <= self.until)

    def _is_past(self, record: R | Unreadable) -> bool:
        return (self.after is not None and record.id <= self.after) or self._is_old(record)

    def _is_beyond(self, page: tuple[R | Unreadable, ...]) -> bool:
        """Tell whether nothing below a page is wanted: it reaches `after`, or its end is too old without exception."""
        are_old = [self._is_old(record) for record in page]
        is_old = any(are_old) and all(are_old[are_old.index(True) :])
        return is_old or (self.after is not None and any(record.id <= self.after for record in page))

    def _check_moments(self, page: tuple[R | Unreadable, ...]) -> None:
        """Raise GapError unless moments fall along the page at which `until` was found, on which that relies."""
        moments = [self._moment(record) for record in page]
        if any(above < below for above, below in pairwise(moments)):
            raise GapError(
                "the walk cannot begin: the moments do not fall along the list, so `until` has no place in it",
                last_seen=None,
                first_new=None,
            )


def _check_moment(name: str, moment: object) -> None:
    if moment is None:
        return
    if not isinstance(moment, datetime):
        raise TypeError(f"{name} is a datetime, not {type(moment).__name__}")
    if moment.utcoffset() is None:
        raise ValueError(f"{name} has no time zone: give an aware datetime, for example one of datetime.now(UTC)")
