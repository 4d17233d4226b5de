"""The walk in rising order: from what one has to the newest, whole, each record once, however the list moves.

It climbs as streams do (`tail.py`): each page shows both sides of the last record given, so that nothing is missing
between the two. It holds one page at a time, and one that is broken off goes on with `after`, the id of the last one.
"""

import logging
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from datetime import datetime
from functools import partial
from operator import attrgetter
from typing import Generic, TypeVar

from attrs import frozen

from .._arguments import MAX_PAGE, check_flag, check_integer
from .page import Id, Listed, Unreadable, read_page_at, seconds_of
from .place import OVERLAP, page_at
from .tail import Tail
from .walk import begins_later, check_moments

__all__ = ["Climb"]

R = TypeVar("R", bound=Listed)

_LOGGER = logging.getLogger("bitminter_async")


@frozen(eq=False, repr=False)
class Climb(Generic[R]):
    """What to climb over, and from where to where.

    Args:
        fetch: Brings the page of at most so many records after skipping so many: `await fetch(max, offset)`.
        moment: Tells when a record happened.
        since: The earliest moment wanted, included.
        until: The latest moment wanted, included.
        after: The id of the last record known; None: begin at `since`, or with the oldest.
        limit: How many records are wanted, from the oldest; None: all.
        skip_unreadable: Whether records that cannot be read are passed over, with a WARNING for each.

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
    skip_unreadable: bool = False

    def __attrs_post_init__(self) -> None:
        check_moments(self.since, self.until)
        if self.after is not None:
            check_integer("after", self.after, 0)
        if self.limit is not None:
            check_integer("limit", self.limit, 0)
        check_flag("skip_unreadable", self.skip_unreadable)

    async def records(self) -> AsyncGenerator[R, None]:
        """Yield the records, oldest first, each once, up to the one that was the newest when it began.

        Raises:
            GapError: The list moved too far between two pages for the climb to be whole.
            DecodeError: A record cannot be read, after all that are older.
            BitminterError: What fetching a page raised.
        """
        left = math.inf if self.limit is None else self.limit
        if not left:
            return
        # Records later than `until`, one after the other, and how many of them end the climb: see `Walk`.
        later, enough = 0, OVERLAP
        async with aclosing(self._all_after(await self._before_first())) as records:
            async for record in records:
                if isinstance(record, Unreadable):
                    self._pass_over(record)  # pyright: ignore[reportUnknownArgumentType]  # it is one of these records
                elif self.until is not None and self.moment(record) > self.until:
                    later += 1
                    if later == enough:
                        return
                else:
                    if later:
                        later, enough = 0, enough + MAX_PAGE - OVERLAP
                    if self.since is None or self.moment(record) >= self.since:
                        yield record
                        left -= 1
                        if not left:
                            return

    async def _all_after(self, last: Id) -> AsyncGenerator[R | Unreadable[R], None]:
        """Yield all that follows an id, up to what is the newest now: a list that grows quickly would have no end."""
        tail = Tail(self._ask)
        _, page = await tail.read(math.floor(last))
        if not page:  # once may be an accident
            _, page = await tail.read(math.floor(last))
        newest = tail.newest
        while newest is not None and last < newest:
            for record in reversed(page):
                if record.id > newest:
                    return
                if record.id > last:
                    last = record.id
                    yield record
            if not tail.is_behind:
                return
            _, page = await tail.read(math.floor(last))

    async def _before_first(self) -> int:
        """Return an id below which nothing is wanted."""
        if self.after is not None or self.since is None:
            return -1 if self.after is None else self.after
        place = self.since.timestamp()
        start, page, is_end = await page_at(
            self._fetch_page, self._seconds, place, 0, last=None, begins_above=partial(self._begins_later, place)
        )
        # Two records running that are older, as one alone may be odd.
        while not is_end and any(self._seconds(record) >= place for record in page[-OVERLAP:]):
            bottom = page[-1].id
            start += len(page) - OVERLAP
            start, page, is_end = await page_at(self._fetch_page, attrgetter("id"), bottom, start, last=bottom)
        return -1 if is_end else math.ceil(page[-1].id) - 1

    def _seconds(self, record: R | Unreadable[R]) -> float:
        return seconds_of(record, self.moment)

    def _begins_later(self, place: float, page: Sequence[R | Unreadable[R]]) -> bool:
        return begins_later([*map(self._seconds, page)], place)

    def _pass_over(self, record: Unreadable[R]) -> None:
        if not self.skip_unreadable:
            raise record.error
        _LOGGER.warning("%s cannot be read, and is skipped: %s", record.name, record.error.summary)

    async def _ask(self, *, max: int, offset: int = 0, max_age: float = 0) -> tuple[R, ...]:
        del max_age  # each page is asked anew, the newest too
        return await self.fetch(max, offset)

    async def _fetch_page(self, most: int, offset: int) -> tuple[R | Unreadable[R], ...]:
        return await read_page_at(self.fetch, most, offset)
