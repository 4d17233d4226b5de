"""One page of a list: with what stands for the records that cannot be read, and no id that no list has."""

import math
from collections.abc import Awaitable, Callable
from datetime import datetime
from fractions import Fraction
from functools import partial
from itertools import pairwise
from typing import Any, Generic, Protocol, TypeAlias, TypeVar, cast

from attrs import frozen

from .._arguments import MAX_PAGE
from ..errors import DecodeError

__all__ = ["Id", "Key", "Listed", "Unreadable", "read_page", "read_page_at", "seconds_of"]

Id: TypeAlias = int | Fraction
"""An integer, or for a record whose id cannot be read a number between those of its neighbours."""

Key: TypeAlias = float | Fraction
"""What falls along a list: an id, or a moment in seconds."""

_LONGEST_STEP = 10**8
_MOST_ABOVE = 10
_LARGEST = 2**62


class Listed(Protocol):
    """What stands in a list: it has an id, and ids fall along the list."""

    @property
    def id(self) -> Id:
        """Unique in the list."""
        ...


R = TypeVar("R", bound=Listed)


@frozen(eq=False)
class Unreadable(Generic[R]):
    """Stands in a page for a record that cannot be read."""

    id: Id
    """Its id; where that is not known, a number just above the id of the record below it."""
    near: R | None
    """The nearest record above it that can be read, else below it; None: nothing on the page can."""
    error: DecodeError
    """What is wrong."""

    @property
    def has_known_id(self) -> bool:
        """Whether the pool told its id."""
        return isinstance(self.id, int)

    @property
    def name(self) -> str:
        """What a log calls it."""
        if self.has_known_id:
            return f"the record with id {self.id}"
        return f"a record next to the one with id {self.near.id}" if self.near else "a record"


def seconds_of(record: R | Unreadable[R], moment: Callable[[R], datetime]) -> float:
    """Return when a record happened; where it cannot be read, when its neighbour did; -inf where there is none."""
    near = cast("R | None", record.near if isinstance(record, Unreadable) else record)  # pyright: ignore[reportUnknownMemberType]  # it is one of these records
    return moment(near).timestamp() if near else -math.inf


async def read_page(
    ask: Callable[[], Awaitable[tuple[R, ...]]], again: Callable[[], Awaitable[tuple[R, ...]]]
) -> tuple[R | Unreadable[R], ...]:
    """Return the page that `ask` brings, newest first, with an `Unreadable` for each record that cannot be read.

    Where it shows an id that is far out of line with the others, `again` asks for it once more, and what comes then
    is believed: one such id would otherwise pass for the newest record, and every real one for an old one.

    Raises:
        BitminterError: What asking raised; a DecodeError only where that does not lie in single records, or lies in all
            of them, ids included.
    """
    page = await _read(ask)
    is_odd = any(above.id > 2 * below.id + _LONGEST_STEP for above, below in pairwise(page))
    return await _read(again) if is_odd or (page and page[0].id > _LARGEST) else page


async def read_page_at(
    fetch: Callable[[int, int], Awaitable[tuple[R, ...]]], most: int, offset: int
) -> tuple[R | Unreadable[R], ...]:
    """Return the page of at most so many records after skipping so many, as `read_page` does.

    Where no id on it can be read, those of the records above it tell where it stands: it is asked for with some.
    """
    ask = partial(fetch, most, offset)
    try:
        return await read_page(ask, ask)
    except DecodeError as error:
        count = len(error.unreadable)
        above = min(offset, _MOST_ABOVE, MAX_PAGE - count)
        if error.readable or not count or not above:
            raise
        ask = partial(fetch, above + count, offset - above)
        page = (await read_page(ask, ask))[above:]
        if not page:
            raise
        return page


async def _read(ask: Callable[[], Awaitable[tuple[R, ...]]]) -> tuple[R | Unreadable[R], ...]:
    try:
        return await ask()
    except DecodeError as error:
        if not error.readable and all(number is None for number in error.unreadable.values()):
            raise  # there is nothing by which the page could be told apart from any other
        return _filled(error)


def _filled(error: DecodeError) -> tuple[Any, ...]:
    readable = iter(error.readable)
    count = len(error.readable) + len(error.unreadable)
    records = [None if place in error.unreadable else next(readable) for place in range(count)]
    told = [each.id if each else error.unreadable[place] for place, each in enumerate(records)]
    page: list[Any] = []
    for place in reversed(range(count)):
        record = records[place]
        if record is None:
            near = next((each for each in [*reversed(records[:place]), *records[place:]] if each), None)
            above = next((each for each in reversed(told[:place]) if isinstance(each, int)), None)
            ceiling = next((each.id for each in reversed(records[:place]) if each), math.inf)
            record = Unreadable(_id(told[place], page[-1].id if page else None, above, ceiling), near, error)
        page.append(record)
    return tuple(reversed(page))


def _id(told: int | str | None, below: Id | None, above: int | None, ceiling: float) -> Id:
    """Return the id that was told, if it can stand there; else a number just above `below`, or just under `above`."""
    if isinstance(told, int) and (-1 if below is None else below) < told < ceiling:
        return told
    floor = below if below is not None else -1 if above is None else above - 1
    return (floor + Fraction(math.floor(floor) + 1)) / 2
