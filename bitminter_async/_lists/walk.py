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
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from itertools import chain, repeat
from operator import attrgetter
from typing import Generic, TypeVar

from attrs import frozen

from .._arguments import MAX_PAGE, check_flag, check_integer, check_seconds
from .page import Id, Key, Listed, Unreadable, read_page_at, seconds_of
from .place import OVERLAP, End, page_at

__all__ = ["Walk", "begins_later", "check_moments"]

R = TypeVar("R", bound=Listed)

_LOGGER = logging.getLogger("bitminter_async")


@frozen(eq=False, repr=False)
class Walk(Generic[R]):
    """What to walk over, and from where to where.

    Args:
        fetch: Brings the page of at most so many records after skipping so many: `await fetch(max_age, max, offset)`.
        moment: Tells when a record happened.
        since: The earliest moment wanted, included.
        until: The latest moment wanted, included.
        after: An id: the walk stops at it, or at the first lower one.
        limit: How many records are wanted; None: all.
        offset: How many records of the pool's list are skipped.
        max: How many new records a page brings, 1 to 50.
        skip_unreadable: Whether the walk passes over records that cannot be read, with a WARNING for each.
        max_age: Seconds that a page may be old; None: each is asked anew.

    Raises:
        ValueError: A bound is out of range, a moment has no time zone, or `since` is later than `until`.
        TypeError: A bound is of the wrong type.
    """

    fetch: Callable[[float, int, int], Awaitable[tuple[R, ...]]]
    moment: Callable[[R], datetime]
    since: datetime | None
    until: datetime | None
    after: int | None
    limit: int | None
    offset: int
    max: int
    skip_unreadable: bool = False
    max_age: float | None = None

    def __attrs_post_init__(self) -> None:
        check_moments(self.since, self.until)
        if self.after is not None:
            check_integer("after", self.after, 0)
        if self.limit is not None:
            check_integer("limit", self.limit, 0)
        check_integer("offset", self.offset, 0)
        check_integer("max", self.max, 1, MAX_PAGE)
        check_flag("skip_unreadable", self.skip_unreadable)
        if self.max_age is not None:
            check_seconds("max_age", self.max_age)

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
                partial(self._fetch_page, chain([0.0 if end else self.max_age or 0.0], repeat(0.0))),
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
        return seconds_of(record, self.moment)

    def _begins_later(self, page: Sequence[R | Unreadable[R]]) -> bool:
        return begins_later([*map(self._seconds, page)], float(self._next_place(None)[1]))

    def _is_past(self, record: R | Unreadable[R]) -> bool:
        return self.after is not None and record.id <= self.after

    def _pass_over(self, record: Unreadable[R]) -> None:
        if not self.skip_unreadable:
            raise record.error
        _LOGGER.warning("%s cannot be read, and is skipped: %s", record.name, record.error.summary)

    async def _fetch_page(self, ages: Iterator[float], most: int, offset: int) -> tuple[R | Unreadable[R], ...]:
        # An old page proves as much as a new one where it shows what is sought, since each is one snapshot. Where it
        # does not, others as old would be no better; and an older page than the one before is no proof of the end.
        return await read_page_at(partial(self.fetch, next(ages)), most, offset)


def begins_later(seconds: Sequence[float], place: float) -> bool:
    """Tell whether a page, by its moments, begins with two, as one may be odd, that are its latest and at `place`."""
    first, *others = seconds
    second = others[0] if others else first
    return first >= second >= max([place, *others])


def check_moments(since: object, until: object) -> None:
    """Raise TypeError unless both are a datetime or None, ValueError unless they are aware and in order."""
    _check_moment("since", since)
    _check_moment("until", until)
    if isinstance(since, datetime) and isinstance(until, datetime) and until < since:
        raise ValueError(f"since must not be later than until, {until}, but is {since}")


def _check_moment(name: str, moment: object) -> None:
    if moment is None:
        return
    if not isinstance(moment, datetime):
        raise TypeError(f"{name} is a datetime, not {type(moment).__name__}")
    if moment.utcoffset() is None:
        raise ValueError(f"{name} has no time zone: give an aware datetime, for example one of datetime.now(UTC)")
