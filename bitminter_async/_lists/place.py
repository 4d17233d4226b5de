"""A place in a list that is read in pages while it moves: the page that shows both sides of it, in few requests."""

import math
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Self, TypeVar

from .._arguments import MAX_PAGE
from ..errors import GapError
from .page import Id, Key, Listed

__all__ = ["OVERLAP", "End", "likely_offset", "page_at"]

OVERLAP = 2
"""How many records a page shares with the one before it, so that the two prove to be neighbours."""

_MANY_MISSES = 3  # after which the way up is no longer taken by steps, but from the top
_MAX_MISSES = 10
_MAX_SEEKS = 2  # each takes many requests, and a list that needs a third moves faster than it can be followed by them
_LONGEST_LIST = 10**8  # a list that seems longer does not heed `offset`
_LONGEST_LEAP = 64  # times what is known of the list, which may end sooner
_MIDDLE = 0.5


R = TypeVar("R", bound=Listed)


class Mark(NamedTuple):
    """A record of a list by its key: what falls along the list, as its id or its moment in seconds does."""

    offset: int
    key: Key
    """-inf past the list's end."""


class End(NamedTuple):
    """Where the list ends by a page that is shorter than asked for, unless that was cut, or capped by the server."""

    offset: int
    number: Key
    """The last record's id; inf where there is none."""
    length: int
    """How many records the page has."""

    @classmethod
    def of(cls, start: int, page: Sequence[Listed]) -> Self:
        """Return where the page at `start` says that the list ends."""
        return cls(start + len(page), page[-1].id if page else math.inf, len(page))

    @property
    def beyond(self) -> int:
        """The offset of the page that shows whether the list goes on."""
        return self.offset - min(OVERLAP, max(0, self.length - 1))

    def is_shown_by(self, start: int, page: Sequence[Listed]) -> bool:
        """Tell whether the page at `start` shows nothing further down, although a page may have as many records."""
        if not page:
            return start == self.offset
        # What stands for an id that cannot be read may be another on each page.
        is_same = page[-1].id == self.number if isinstance(page[-1].id, int) else start + len(page) == self.offset
        return is_same and len(page) < self.length


async def page_at(
    fetch: Callable[[int, int], Awaitable[tuple[R, ...]]],
    key: Callable[[R], Key],
    place: Key,
    start: int,
    *,
    last: Id | None,
    size: int = MAX_PAGE,
    end: End | None = None,
    begins_above: Callable[[tuple[R, ...]], bool] | None = None,
    is_past: Callable[[R], bool] = lambda _: False,
) -> tuple[int, tuple[R, ...], bool]:
    """Return the page that shows both sides of `place`, its offset, and whether the list ends with it.

    Both sides: a record whose key is at or above `place`, and one whose key is below it; the list's ends count as well.
    A page is one snapshot, so nothing is missing between the two. Where the page at `start` shows one side only, since
    the list has moved or `start` was a guess, others are tried: the next one down, one a little further up, or after
    a burst of records one where the place was found by its key.

    The list ends where two answers say so. One that is shorter than asked for may have been cut, or capped by a server
    that gives less than is asked for; only if a page beyond it shows nothing further down is it the list's end.

    Args:
        fetch: Brings the page of at most so many records after skipping so many: `await fetch(max, offset)`.
        key: Tells what falls along the list.
        place: The key whose place is sought.
        start: The offset of a page that is likely to show it.
        last: The id of the last record known, which is above `place`. None: nothing is known yet, so what stands above
            the page at `start` does not matter.
        size: The most records of the page at `start`; any other page is a full one.
        end: Where the list ends by the page before this one; None: that was as long as asked for.
        begins_above: Tells whether all that stands above a page is at or above `place`. None: its first record tells.
        is_past: Tells a record at which the list ends for the caller.

    Raises:
        GapError: The list moves too fast, is out of order or does not heed offsets.
        BitminterError: What fetching a page raised.
    """
    top = start if last is None else 0
    first_new: Id | None = None
    full = MAX_PAGE  # how many records a page brings that is neither cut nor the list's last
    claim: tuple[int, tuple[R, ...]] | None = None  # the page by which the list ends at `end`
    longest = seeks = 0
    was_near = False
    for misses in range(_MAX_MISSES + 1):
        page = await fetch(size, start)
        longest = max(longest, len(page))
        shows_below = any(key(record) < place for record in page)
        if end and end.is_shown_by(start, page):
            return (*(claim or (start, page)), True)
        if start > top and not (page and (begins_above(page) if begins_above else key(page[0]) >= place)):
            if shows_below:
                first_new, claim, end = page[0].id, None, None
            start = max(top, start - full * 4 // 5) if misses < _MANY_MISSES else top
        elif shows_below:
            return start, page, False
        elif page and is_past(page[-1]):
            return start, page, True
        elif len(page) < min(size, full):
            if end and page and page[-1].id < end.number:  # that page was capped, or cut
                full = max(longest, OVERLAP + 1)
            claim, end = (start, page), End.of(start, page)
            start = end.beyond
        else:
            first, lowest = Mark(start, key(page[0])), Mark(start + len(page) - 1, key(page[-1]))
            is_near = not was_near and not seeks and _expected(first, lowest, place) <= full - OVERLAP
            if is_near or seeks == _MAX_SEEKS:
                start = lowest.offset
                was_near = True
            else:
                start = await _seek(fetch, key, place, first, lowest, last=last, full=full)
                seeks += 1
            start, top = max(top, start - 1), 0
        size = MAX_PAGE
    raise _gap("the list moves too fast, or does not heed `offset`", last, first_new)


def likely_offset(newest: Sequence[Listed], number: Id) -> int:
    """Return the offset of a page that is likely to show the id `number`, which is below the newest page."""
    top, lowest = Mark(0, newest[0].id), Mark(len(newest) - 1, newest[-1].id)
    return max(0, min(int(lowest.offset + _expected(top, lowest, number)), _LONGEST_LIST) - len(newest) // 2)


async def _seek(
    fetch: Callable[[int, int], Awaitable[tuple[R, ...]]],
    key: Callable[[R], Key],
    place: Key,
    top: Mark,
    above: Mark,
    *,
    last: Id | None,
    full: int,
) -> int:
    """Return the offset of a record at or above `place` that a page of `full` records shows with one below it.

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
        if mark.key >= place:
            above = mark
        else:
            below = mark
        if below and below.offset - above.offset <= max(1, full - OVERLAP):
            return above.offset
        bisect = not bisect and below is not None and below.offset - above.offset > width / 2
    raise _gap("what comes next is not found: the list does not heed `offset`", last, None)


def _probe(top: Mark, above: Mark, below: Mark | None, place: Key, *, bisect: bool) -> int:
    """Return the offset to ask for next: below `above`, and above `below` once such a record is known."""
    expected = _expected(top, above, place)
    if below is None:
        known = max(above.offset - top.offset, 1)
        leap = expected + 2 * math.sqrt(expected)
        return above.offset + int(min(max(leap, known), _LONGEST_LEAP * known))
    guess = above.offset + expected
    if below.key > -math.inf:
        width = below.offset - above.offset
        part = float(above.key - place) / float(above.key - below.key)
        # Where keys fall by chance, the place lies about `sqrt(width * part * (1 - part))` to either side of the guess.
        # Aimed at exactly, it would be approached from the nearer bound only, and the other would stay far away.
        margin = min(1.5 * math.sqrt(width * part * (1 - part)), width / 4)
        guess = above.offset + width * part + (margin if part < _MIDDLE else -margin)
    if bisect or not above.offset < guess < below.offset:
        guess = (above.offset + below.offset) / 2
    return min(max(int(guess), above.offset + 1), below.offset - 1)


def _expected(top: Mark, above: Mark, place: Key) -> float:
    """Return how many records after `above` are at or above `place` as well, if they go on as from `top` to `above`."""
    return (above.offset - top.offset) * float(above.key - place) / max(float(top.key - above.key), 1.0)


def _gap(why: str, last: Id | None, first_new: Id | None) -> GapError:
    """Make the error that says why a walk cannot begin, or cannot go on after the id `last`."""
    last_seen, first = (None if number is None else int(number) for number in (last, first_new))
    where = "cannot begin" if last is None else f"cannot go on whole after the record with id {last_seen}"
    return GapError(f"the walk {where}: {why}", last_seen=last_seen, first_new=first)
