"""The tail of a list: what is new, oldest first, whatever moves and fails meanwhile."""

import pytest

from bitminter_async import TransportError
from bitminter_async._lists.tail import Tail
from tests.support.lists import MovingList, Row


class _Pages:
    """Brings pages as an endpoint does, and remembers how."""

    def __init__(self, a_list: MovingList) -> None:
        self.list = a_list
        self.asked: list[dict[str, float]] = []
        self.is_up = True

    async def fetch(self, *, max: int, offset: int = 0, **age: float) -> tuple[Row, ...]:  # noqa: A002  # the API's name
        """Answer a page, or fail."""
        self.asked.append({"max": max, "offset": offset, **age})
        if not self.is_up:
            raise TransportError("down")
        return await self.list.fetch(max, offset)


async def _read(tail: Tail[Row], last: int | None) -> list[int]:
    _, page = await tail.read(last)
    return [int(row.id) for row in reversed(page) if last is None or row.id > last]


async def test_the_newest_page_is_one_that_others_may_share() -> None:
    """Where the newest page shows all that is new, it is all that is asked for, of whatever age the caller takes."""
    pages = _Pages(MovingList(range(100, 0, -1)))
    tail = Tail(pages.fetch)
    assert await _read(tail, None) == list(range(51, 101))
    assert await _read(tail, 50) == list(range(51, 101))  # the page's last neighbour is known, so nothing is missing
    assert not tail.is_behind
    assert pages.asked == [{"max": 50, "offset": 0}] * 2


async def test_it_climbs_from_the_oldest_that_is_new() -> None:
    """More than a page comes oldest first, in pages asked for anew, up to the newest, while the list grows."""
    pages = _Pages(MovingList(range(400, 0, -1), lambda a_list: a_list.grow(3)))
    tail = Tail(pages.fetch)
    last, came = 200, list[int]()
    while not came or tail.is_behind:
        came += await _read(tail, last)
        last = came[-1]
    assert came == list(range(201, last + 1))
    assert last > 400
    assert [page.get("max_age") for page in pages.asked] == [None, *[0.0] * (len(pages.asked) - 1)]
    assert len(pages.asked) <= 8


async def test_a_reading_that_fails_goes_on_from_there() -> None:
    """What failed on the way up is asked for again, and the newest page is not."""
    pages = _Pages(MovingList(range(400, 0, -1)))
    tail = Tail(pages.fetch)
    first = await _read(tail, 200)
    pages.is_up = False
    with pytest.raises(TransportError):
        await tail.read(first[-1])
    pages.is_up = True
    assert tail.is_behind
    assert (await _read(tail, first[-1]))[0] == first[-1] + 1
    assert pages.asked[-1] == pages.asked[-2]
