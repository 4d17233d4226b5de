"""The walk over a list that is read in pages and moves meanwhile: whole, each record once.

New records come in at the top and push older ones down between two pages; a withdrawn one pulls them up. Ids fall along
the list, so one page, which is one snapshot, proves that nothing is missing where it shows both sides of the seam: a
record at or above the last one given, and the next below it. Each next page therefore begins two records above the end
of the last; one that does not show the seam is followed by others, until one does or GapError says that none could be
found. There is never a silent gap: also the list's end is believed only where two answers show it, and a moment
only where another beside it shows the same.
"""

import logging
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from datetime import datetime
from functools import partial
from operator import attrgetter
from typing import Generic, TypeVar

from attrs import frozen

from .._arguments import MAX_PAGE, check_flag, check_integer
from ..errors import DecodeError
from .page import Id, Key, Listed, Unreadable, read_page
from .place import OVERLAP, End, page_at

__all__ = ["Walk"]

R = TypeVar("R", bound=Listed)

_MOST_ABOVE = 10  # how many records above a page of which no id can be read are asked for as well

_LOGGER = logging.getLogger("bitminter_async")


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
        skip_unreadable: Whether the walk passes over records that cannot be read, with a WARNING for each.

    Raises:
        ValueError: A bound is out of range, a moment has no time zone, or `since` is later than `until`.
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
        if self.since and self.until and self.until < self.since:
            raise ValueError(f"since must not be later than until, {self.until}, but is {self.since}")
        if self.after is not None:
            check_integer("after", self.after, 0)
        if self.limit is not None:
            check_integer("limit", self.limit, 0)
        check_integer("offset", self.offset, 0)
        check_integer("max", self.max, 1, MAX_PAGE)
        check_flag("skip_unreadable", self.skip_unreadable)

    async def records(self) -> AsyncGenerator[R, None]:
        """Yield the records, newest first, each once. No page is fetched before it is needed.

        Raises:
            GapError: The list moved too far between two pages for the walk to be whole.
            DecodeError: A record cannot be read, after all that stands before it.
            BitminterError: What fetching a page raised.
        """
        left = math.inf if self.limit is None else self.limit
        last: Id | None = None  # of the record met last, since `until` was reached
        start, overlap, is_end = self.offset, 0, False
        end: End | None = None
        # Records older than `since`, one after the other, and how many of them end the walk. One alone may be odd, and
        # each time that newer ones came after it shows that moments do not fall here.
        older, enough = 0, OVERLAP
        while left > 0 and older < enough and not is_end:
            key, place = self._next_place(last)
            size = int(min(self.max, left, MAX_PAGE - overlap)) + overlap
            start, page, is_end = await page_at(
                self._fetch_page,
                key,
                place,
                start,
                last=last,
                size=size,
                end=end,
                begins_above=None if last is not None or self.until is None else self._begins_later,
                is_past=self._is_past,
            )
            for record in page:
                if key(record) >= place:
                    continue
                if not left or self._is_past(record):
                    return
                last = record.id
                if isinstance(record, Unreadable):
                    if older >= enough:
                        return
                    self._pass_over(record)  # pyright: ignore[reportUnknownArgumentType]  # it is one of these records
                elif self.since is not None and self.moment(record) < self.since:
                    older += 1
                else:
                    if older:
                        older, enough = 0, enough + MAX_PAGE - OVERLAP
                    if self.until is None or self.moment(record) <= self.until:
                        yield record
                        left -= 1
            end = End.of(start, page) if len(page) < size else None
            following = end.beyond if end else start + len(page) - min(OVERLAP, start + len(page))
            overlap, start = start + len(page) - following, following

    def _next_place(self, last: Id | None) -> tuple[Callable[[R | Unreadable[R]], Key], Key]:
        """Return what falls along the list, and what is wanted next: the first record whose key is below that."""
        if last is not None:
            return attrgetter("id"), last
        if self.until is None:
            return attrgetter("id"), math.inf
        return self._seconds, math.nextafter(self.until.timestamp(), math.inf)

    def _seconds(self, record: R | Unreadable[R]) -> float:
        return record.seconds(self.moment) if isinstance(record, Unreadable) else self.moment(record).timestamp()

    def _begins_later(self, page: Sequence[R | Unreadable[R]]) -> bool:
        """Tell whether a page begins with two records, as one may be odd, that are after `until` and its latest."""
        first, *others = map(self._seconds, page)
        second = others[0] if others else first
        return first >= second >= max([self._next_place(None)[1], *others])

    def _is_past(self, record: R | Unreadable[R]) -> bool:
        return self.after is not None and record.id <= self.after

    def _pass_over(self, record: Unreadable[R]) -> None:
        if not self.skip_unreadable:
            raise record.error
        _LOGGER.warning("%s cannot be read, and is skipped: %s", record.name, record.error.summary)

    async def _fetch_page(self, most: int, offset: int) -> tuple[R | Unreadable[R], ...]:
        ask = partial(self.fetch, most, offset)
        try:
            return await read_page(ask, ask)
        except DecodeError as error:
            # Where no id on a page can be read, those of the records above it tell where it stands.
            count = len(error.unreadable)
            above = min(offset, _MOST_ABOVE, MAX_PAGE - count)
            if error.readable or not count or not above:
                raise
            ask = partial(self.fetch, above + count, offset - above)
            page = (await read_page(ask, ask))[above:]
            if not page:
                raise
            return page


def _check_moment(name: str, moment: object) -> None:
    if moment is None:
        return
    if not isinstance(moment, datetime):
        raise TypeError(f"{name} is a datetime, not {type(moment).__name__}")
    if moment.utcoffset() is None:
        raise ValueError(f"{name} has no time zone: give an aware datetime, for example one of datetime.now(UTC)")
