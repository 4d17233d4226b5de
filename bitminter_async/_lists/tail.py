"""The tail of a list, as `tail -f` has it: what is new, oldest first, a page at a time."""

from collections.abc import Awaitable, Callable
from functools import partial
from operator import attrgetter
from typing import Generic, TypeVar

from .._arguments import MAX_PAGE
from .page import Id, Listed, Unreadable, read_page, read_page_at
from .place import OVERLAP, likely_offset, page_at

__all__ = ["Tail"]

R = TypeVar("R", bound=Listed)


class Tail(Generic[R]):
    """Reads a list's newest page and, where more is new than that shows, climbs up to it from the oldest that is new.

    So what came is given at once, however much more there is, and a reading that fails costs none of it: the next goes
    on from there.

    Args:
        fetch: Brings a page: `await fetch(max=…)` one that others may share, with `offset` and `max_age` another.
    """

    def __init__(self, fetch: Callable[..., Awaitable[tuple[R, ...]]]) -> None:
        self._fetch = fetch
        self.newest: Id | None = None
        """The id of the newest record, when the newest page was read last."""
        self._next: int | None = None  # the offset of the page to read next on the way up
        self._last_stood = 0  # on the way up: the offset at which the last record known stood in the page before

    @property
    def is_behind(self) -> bool:
        """Whether there is more to read, before the newest page."""
        return self._next is not None

    async def read(self, last: int | None) -> tuple[int, tuple[R | Unreadable[R], ...]]:
        """Return the page that follows the id `last`, and its offset: the newest page if that does, or for None.

        Raises:
            GapError: The list moves too fast, or is out of order.
            BitminterError: What fetching a page raised.
        """
        if self._next is None or last is None:
            newest = await self._newest()
            if last is None and not newest:
                newest = await self._fetch_anew(MAX_PAGE, 0)  # or all there is would be news, were it empty once only
            if last is None or not newest or newest[-1].id <= last + 1:
                return 0, newest
            self._next = likely_offset(newest, last + 1)
            self._last_stood = self._next + len(newest) // 2
        offset, page, _ = await self.around(last + 1, self._next)
        # What comes in meanwhile pushes the next page's bottom away from this page's top: with no more overlap than for
        # a list that stands still, a quick one would be climbed by a record or two a page, or never.
        grown = max(0, offset + sum(record.id > last for record in page) - self._last_stood)
        overlap = OVERLAP + min(2 * grown, len(page) // 2)
        self._next = max(0, offset - max(1, len(page) - overlap)) if offset else None
        self._last_stood = offset
        return offset, page

    async def around(self, number: Id, offset: int | None) -> tuple[int, tuple[R | Unreadable[R], ...], bool]:
        """Return the page in which the id `number` stands or would stand: best if its offset is `offset`.

        Returns:
            Its offset, the page, and whether the list ends with it.

        Raises:
            GapError: The list moves too fast, or is out of order.
            BitminterError: What fetching a page raised.
        """
        if offset is None:
            newest = await self._newest()
            offset = likely_offset(newest, number) if newest else 0
        return await page_at(self._fetch_anew, attrgetter("id"), number, offset, last=number)

    async def _newest(self) -> tuple[R | Unreadable[R], ...]:
        page = await read_page(partial(self._fetch, max=MAX_PAGE), partial(self._ask_anew, MAX_PAGE, 0))
        self.newest = page[0].id if page else None
        return page

    async def _fetch_anew(self, most: int, offset: int) -> tuple[R | Unreadable[R], ...]:
        return await read_page_at(self._ask_anew, most, offset)

    async def _ask_anew(self, most: int, offset: int) -> tuple[R, ...]:
        return await self._fetch(max=most, offset=offset, max_age=0.0)
