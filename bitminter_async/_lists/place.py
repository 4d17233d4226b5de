"""A place in a list that is read in pages while it moves: the page that shows both sides of it, in few requests."""

import math
from collections.abc import Awaitable, Callable, Sequence
from itertools import pairwise
from typing import NamedTuple, Protocol, TypeVar

from .._arguments import MAX_PAGE
from ..errors import GapError

__all__ = ["OVERLAP", "Listed", "check_order", "likely_offset", "page_at"]

OVERLAP = 2
"""How many records a page shares with the one before it, so that the two prove to be neighbours."""

_STEP_BACK = 40  # records, where a page begins too far down
_MANY_MISSES = 3  # after which the way up is no longer taken by steps, but from the top
_MAX_MISSES = 8
_MAX_SEEKS = 2  # each takes many requests, and a list that needs a third moves faster than it can be followed by them
_LONGEST_LIST = 10**8  # a list that seems longer does not heed `offset`
_LONGEST_LEAP = 64  # times what is known of the list, which may end sooner
_MIDDLE = 0.5


class Listed(Protocol):
    """What stands in a list: it has an id, and ids fall along the list."""

    @property
    def id(self) -> int:
        """Unique in the list."""
        ...


R = TypeVar("R", bound=Listed)


class Mark(NamedTuple):
    """A record of a list by its key: what falls along the list, as its id or its moment in seconds does."""

    offset: int
    key: float
    """-inf past the list's end."""


async def page_at(
    fetch: Callable[[int, int], Awaitable[tuple[R, ...]]],
    key: Callable[[R], float],
    place: float,
    start: int,
    *,
    last: int | None,
    size: int = MAX_PAGE,
    full: int = MAX_PAGE,
    is_past: Callable[[R], bool] = lambda _: False,
) -> tuple[int, tuple[R, ...], bool]:
    """Return the page that shows both sides of `place`, its offset, and whether the list ends with it.

    Both sides: a record whose key is above `place`, and one whose key is at or below it; the list's ends count as well.
    A page is one snapshot, so nothing is missing between the two. Where the page at `start` shows one side only, since
    the list has moved or `start` was a guess, others are tried: the next one down, one a little further up, or after
    a burst of records one where the place was found by its key.

    Args:
        fetch: Brings the page of at most so many records after skipping so many: `await fetch(max, offset)`.
        key: Tells what falls along the list.
        place: The key whose place is sought.
        start: The offset of a page that is likely to show it.
        last: The id of the last record known, which is above `place`. None: nothing is known yet, so what stands above
            the page at `start` does not matter.
        size: The most records of the page at `start`; any other page is a full one.
        full: How many records the pool is known to give in one page. One that is shorter than asked for, but not than
            that, may have been cut by a pool that gives no more, and does not prove that the list ends with it.
        is_past: Tells a record below which the caller wants nothing.

    Raises:
        GapError: The list moves too fast, is out of order or does not heed offsets.
        BitminterError: What fetching a page raised.
    """
    top = start if last is None else 0
    first_new: int | None = None
    seeks = 0
    for misses in range(_MAX_MISSES + 1):
        page = await fetch(size, start)
        check_order(page, last)
        is_end = len(page) < min(size, full)
        if start > top and all(key(record) <= place for record in page):
            first_new = page[0].id if page else None
            start = max(top, start - _STEP_BACK) if misses < _MANY_MISSES else top
        elif not is_end and not is_past(page[-1]) and all(key(record) > place for record in page):
            first, above = Mark(start, key(page[0])), Mark(start + len(page) - 1, key(page[-1]))
            is_near = not misses and _expected(first, above, place) <= MAX_PAGE - OVERLAP
            # After a seek, a short page is one of a pool that gives no more, or the list's last.
            if is_near or seeks == _MAX_SEEKS or (seeks and len(page) < size):
                start = above.offset
            else:
                start = await _seek(fetch, key, place, first, above, last=last)
                seeks += 1
            top = 0
        else:
            return start, page, is_end
        size = MAX_PAGE
    raise _gap("the list moves too fast, or does not heed `offset`", last, first_new)


def likely_offset(newest: Sequence[Listed], number: int) -> int:
    """Return the offset of a page that is likely to show the id `number`, which is below the newest page."""
    top, above = Mark(0, newest[0].id), Mark(len(newest) - 1, newest[-1].id)
    return max(0, min(int(above.offset + _expected(top, above, number)), _LONGEST_LIST) - MAX_PAGE // 2)


def check_order(page: Sequence[Listed], last: int | None = None) -> None:
    """Raise GapError unless the ids fall along the page; `last` is the id of the last record known, for the error."""
    if any(below.id >= above.id for above, below in pairwise(page)):
        raise _gap("the ids do not fall along the list, so no page can prove that it is whole", last, page[0].id)


async def _seek(
    fetch: Callable[[int, int], Awaitable[tuple[R, ...]]],
    key: Callable[[R], float],
    place: float,
    top: Mark,
    above: Mark,
    *,
    last: int | None,
) -> int:
    """Return the offset of a record above `place` that is less than a page above the first one at or below it.

    It asks for single records, at offsets that it interpolates on the key between two that are known, `top` and further
    down `above` at first. It bisects after each step that did not halve what is left, in case keys fall unevenly: in
    O(log n) requests.
    """
    below: Mark | None = None
    bisect = False
    while above.offset < _LONGEST_LIST:
        width = below.offset - above.offset if below else math.inf
        offset = _probe(top, above, below, place, bisect=bisect)
        found = await fetch(1, offset)
        mark = Mark(offset, key(found[0]) if found else -math.inf)
        if mark.key > place:
            above = mark
        else:
            below = mark
        if below and below.offset - above.offset <= MAX_PAGE - OVERLAP:
            return above.offset
        bisect = not bisect and below is not None and below.offset - above.offset > width / 2
    raise _gap("what comes next is not found: the list does not heed `offset`", last, None)


def _probe(top: Mark, above: Mark, below: Mark | None, place: float, *, bisect: bool) -> int:
    """Return the offset to ask for next: below `above`, and above `below` once such a record is known."""
    expected = _expected(top, above, place)
    if below is None:
        known = max(above.offset - top.offset, 1)
        leap = expected + 2 * math.sqrt(expected)
        return above.offset + int(min(max(leap, known), _LONGEST_LEAP * known))
    guess = above.offset + expected
    if below.key > -math.inf:
        width = below.offset - above.offset
        part = (above.key - place) / (above.key - below.key)
        # Where keys fall by chance, the place lies about `sqrt(width * part * (1 - part))` to either side of the guess.
        # Aimed at exactly, it would be approached from the nearer bound only, and the other would stay far away.
        margin = min(1.5 * math.sqrt(width * part * (1 - part)), width / 4)
        guess = above.offset + width * part + (margin if part < _MIDDLE else -margin)
    if bisect or not above.offset < guess < below.offset:
        guess = (above.offset + below.offset) / 2
    return min(max(int(guess), above.offset + 1), below.offset - 1)


def _expected(top: Mark, above: Mark, place: float) -> float:
    """Return how many records after `above` are above `place` as well, if they go on as from `top` to `above`."""
    return (above.offset - top.offset) * (above.key - place) / max(top.key - above.key, 1.0)


def _gap(why: str, last: int | None, first_new: int | None) -> GapError:
    """Make the error that says why a walk cannot begin, or cannot go on after the id `last`."""
    place = "cannot begin" if last is None else f"cannot go on whole after the record with id {last}"
    return GapError(f"the walk {place}: {why}", last_seen=last, first_new=first_new)
