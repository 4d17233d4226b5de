"""The tail of a list, as `tail -f` has it: what is new, oldest first, a page at a time."""

from collections.abc import Awaitable, Callable, Sequence
from operator import attrgetter
from typing import Generic, TypeVar

from .._arguments import MAX_PAGE
from .place import (
    LONGEST_LIST,
    MANY_MISSES,
    MAX_MISSES,
    OVERLAP,
    STEP_BACK,
    Listed,
    Mark,
    check_order,
    expect,
    gap,
    seek,
)

__all__ = ["Tail"]

R = TypeVar("R", bound=Listed)
_FURTHER = MAX_PAGE - OVERLAP


class Tail(Generic[R]):
    """Reads a list's newest page and, where more is new than that shows, climbs up to it from the oldest that is new.

    So what came is given at once, however much more there is, and a reading that fails costs none of it: the next goes
    on from there. A page that shows an id's place, both what stands above and below, proves that nothing is missing.

    Args:
        fetch: Brings a page: `await fetch(max=…)` one that others may share, with `offset` and `max_age` another.
    """

    def __init__(self, fetch: Callable[..., Awaitable[tuple[R, ...]]]) -> None:
        self._fetch = fetch
        self._next: int | None = None  # the offset of the page to read next on the way up

    @property
    def is_behind(self) -> bool:
        """Whether there is more to read, before the newest page."""
        return self._next is not None

    async def read(self, last: int | None) -> tuple[int, tuple[R, ...]]:
        """Return the page that follows the id `last`, and its offset: the newest page if that does, or for None.

        Raises:
            GapError: The list moves too fast, or is out of order.
            BitminterError: What fetching a page raised.
        """
        if self._next is None:
            page = await self._page()
            if last is None or len(page) < MAX_PAGE or page[-1].id <= last + 1:
                return 0, page
            self._next = _guess(page, last + 1)
        offset, page = await self.around(0 if last is None else last + 1, self._next)
        self._next = max(0, offset - _FURTHER) if offset else None
        return offset, page

    async def around(self, number: int, offset: int | None) -> tuple[int, tuple[R, ...]]:
        """Return the page in which the id `number` stands or would stand, and its offset: best if that is `offset`.

        Raises:
            GapError: The list moves too fast, or is out of order.
            BitminterError: What fetching a page raised.
        """
        if offset is None:
            newest = await self._page()
            offset = _guess(newest, number) if newest else 0
        for misses in range(1, MAX_MISSES + 1):
            page = await self._page(offset=offset, max_age=0.0)
            if offset and (not page or page[0].id < number):  # all of it stands below
                offset = max(0, offset - STEP_BACK)
            elif len(page) == MAX_PAGE and page[-1].id > number:  # all of it stands above
                offset += _FURTHER
            else:
                return offset, page
            if misses == MANY_MISSES:
                offset = await self._seek(await self._page(), number)
        raise gap("the list moves too fast, or does not heed `offset`", number, None)

    async def _page(self, **where: float) -> tuple[R, ...]:
        page = await self._fetch(max=MAX_PAGE, **where)
        check_order(page)
        return page

    async def _seek(self, newest: tuple[R, ...], number: int) -> int:
        if len(newest) < MAX_PAGE or newest[-1].id <= number:
            return 0

        async def fetch(offset: int) -> tuple[R, ...]:
            return await self._fetch(max=1, offset=offset, max_age=0.0)

        return await seek(fetch, attrgetter("id"), number, *_ends(newest), last=number)


def _guess(newest: Sequence[Listed], number: int) -> int:
    """Return the offset of a page that is likely to show the place of the id `number`, which is below the newest."""
    top, above = _ends(newest)
    return max(0, min(int(above.offset + expect(top, above, number)), LONGEST_LIST) - MAX_PAGE // 2)


def _ends(newest: Sequence[Listed]) -> tuple[Mark, Mark]:
    return Mark(0, newest[0].id), Mark(len(newest) - 1, newest[-1].id)
