"""A list that moves while it is read in pages, and what a walk may be asked for."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from operator import attrgetter
from typing import Any

import attrs

from bitminter_async._lists.climb import Climb
from bitminter_async._lists.walk import Walk

START = datetime(2014, 3, 1, tzinfo=UTC)
ALL: dict[str, Any] = {"since": None, "until": None, "after": None, "limit": None, "offset": 0, "max": 50}
UPWARDS: dict[str, Any] = {"since": None, "until": None, "after": None, "limit": None}


def moment_of(number: float) -> datetime:
    """When the record with this id, or between two, happened: ten minutes lie between ids."""
    return START + timedelta(minutes=10 * number)


@attrs.frozen
class Row:
    """A record of the list."""

    id: int
    minutes: float | None = None

    @property
    def at(self) -> datetime:
        """When it happened: ten minutes to the id, unless told otherwise."""
        return START + timedelta(minutes=10 * self.id if self.minutes is None else self.minutes)


def one_by_one(moves: Iterable[tuple[int, Iterable[int]]]) -> Callable[["MovingList"], None]:
    """Return a `move` that changes the list by the next of these, as long as there are any."""
    schedule = iter(moves)
    return lambda a_list: a_list.change(*next(schedule, (0, ())))


class MovingList:
    """The pool's list, newest first, which `move` changes after each page.

    Attributes:
        cap: The most records that the server gives, whatever is asked for.
        spoil: Changes what a page shows, by which page it is, so that it is no longer what stands in the list.
    """

    def __init__(self, ids: Sequence[int], move: Callable[["MovingList"], None] = lambda _: None) -> None:
        self.rows = [Row(number) for number in ids]
        self.move = move
        self.cap = 50
        self.spoil: Callable[[int, tuple[Row, ...]], tuple[Row, ...]] = lambda _, page: page
        self.asked: list[tuple[int, int]] = []
        self.snapshots: list[list[Row]] = []

    async def fetch(self, most: int, offset: int) -> tuple[Row, ...]:
        """Answer one page and move."""
        assert 1 <= most <= 50
        assert offset >= 0
        self.asked.append((most, offset))
        self.snapshots.append(self.rows[:])
        page = tuple(self.rows[offset : offset + min(most, self.cap)])
        page = self.spoil(len(self.asked), page)
        self.move(self)
        return page

    async def fetch_aged(self, max_age: float, most: int, offset: int) -> tuple[Row, ...]:
        """Answer one page, which is always new."""
        assert max_age >= 0
        return await self.fetch(most, offset)

    @property
    def stable(self) -> set[int]:
        """The ids that were there in every snapshot."""
        ids = [{row.id for row in rows} for rows in self.snapshots]
        return ids[0].intersection(*ids[1:])

    def grow(self, count: int) -> None:
        """Let new records come in at the top."""
        newest = self.rows[0].id if self.rows else 0
        self.rows[:0] = [Row(newest + number) for number in range(count, 0, -1)]

    def change(self, added: int, withdrawn: Iterable[int]) -> None:
        """Withdraw the records at these places, one after another, where there are so many; then let new ones come."""
        for place in withdrawn:
            if place < len(self.rows):
                del self.rows[place]
        self.grow(added)

    def records(self, **wanted: Any) -> AsyncGenerator[Row, None]:
        """Walk over the rows."""
        return Walk(self.fetch_aged, attrgetter("at"), **ALL | wanted).records()

    def climb(self, **wanted: Any) -> list[int]:
        """Climb to the newest and return the ids."""
        records = Climb(self.fetch, attrgetter("at"), **UPWARDS | wanted).records()

        async def collect() -> list[int]:
            return [row.id async for row in records]

        return asyncio.run(collect())

    def walk(self, **wanted: Any) -> list[int]:
        """Walk to the end and return the ids."""
        records = self.records(**wanted)

        async def collect() -> list[int]:
            return [row.id async for row in records]

        return asyncio.run(collect())


def spoilt(page: tuple[Row, ...], how: str) -> tuple[Row, ...]:
    """What a server shows of a page that it cuts short, leaves empty, or puts an id on that no list has."""
    match how:
        case "cut":
            return page[: max(3, len(page) * 2 // 5)]  # to two, a capped page would end as the list itself does
        case "one":
            return page[:1]
        case "empty":
            return ()
        case "lie":
            return (Row(2**63 - 1), *page[1:])
        case _:
            return page
