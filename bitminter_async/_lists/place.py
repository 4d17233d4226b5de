"""Lists that are read in pages: what proves a page whole, and how a place in them is found in few requests."""

import math
from collections.abc import Awaitable, Callable, Sequence
from itertools import pairwise
from typing import NamedTuple, Protocol, TypeVar, cast

from .._arguments import MAX_PAGE
from ..errors import GapError

__all__ = [
    "LONGEST_LIST",
    "MANY_MISSES",
    "MAX_MISSES",
    "OVERLAP",
    "STEP_BACK",
    "Listed",
    "Mark",
    "check_order",
    "expect",
    "gap",
    "seek",
]

OVERLAP = 2
"""How many records a page shares with the one before it, so that the two prove to be neighbours."""

STEP_BACK = 40
"""How many records a reader goes back where it is too far down."""

MANY_MISSES = 3
"""Pages that do not show a place, after which it is sought."""

MAX_MISSES = 8
"""Pages that do not show a place, after which the list moves too fast."""

LONGEST_LIST = 10**8
"""What seems longer does not heed `offset`."""

_LONGEST_LEAP = 64  # times what is known, in case the list ends sooner
_MIDDLE = 0.5


class Listed(Protocol):
    """What stands in a list: it has an id, and ids fall along the list."""

    @property
    def id(self) -> int:
        """Unique in the list."""
        ...


R = TypeVar("R", bound=Listed)


class Mark(NamedTuple):
    """A record of a list by what falls along the list: its id, or its moment in seconds."""

    offset: int
    key: float | None
    """None past the list's end."""


async def seek(
    fetch: Callable[[int], Awaitable[tuple[R, ...]]],
    key: Callable[[R], float],
    sought: float,
    top: Mark,
    above: Mark,
    *,
    last: int | None,
) -> int:
    """Return the offset of a record above `sought` that is less than a page above the first one at or below it.

    It interpolates on the key, and bisects after each step that did not halve what is left, in case keys fall unevenly:
    in O(log n) requests.

    Args:
        fetch: Brings the one record at an offset, or none past the list's end.
        key: Tells what falls along the list.
        sought: The key whose place is sought.
        top: A record above it.
        above: Another, further down.
        last: The id of the record met last, for the error.

    Raises:
        GapError: The list seems endless, and so does not heed offsets.
        BitminterError: What fetching a record raised.
    """
    below: Mark | None = None
    bisect = False
    while above.offset < LONGEST_LIST:
        width = below.offset - above.offset if below else math.inf
        offset = _guess(top, above, below, sought, bisect=bisect)
        found = await fetch(offset)
        mark = Mark(offset, key(found[0]) if found else None)
        if mark.key is not None and mark.key > sought:
            above = mark
        else:
            below = mark
        if below and below.offset - above.offset <= MAX_PAGE - OVERLAP:
            return above.offset
        bisect = not bisect and below is not None and below.offset - above.offset > width / 2
    raise gap("what comes next is not found: the list does not heed `offset`", last, None)


def expect(top: Mark, above: Mark, key: float) -> float:
    """Return how many records after `above` are above `key` as well, if they go on as from `top` to `above`."""
    covered = max(_drop(top, cast("float", above.key)), 1.0)
    return (above.offset - top.offset) * _drop(above, key) / covered


def _guess(top: Mark, above: Mark, below: Mark | None, key: float, *, bisect: bool) -> int:
    """Return the offset, strictly between `above` and `below`, at which to look next."""
    if below and below.key is not None:
        width = below.offset - above.offset
        part = _drop(above, key) / _drop(above, below.key)
        # Aim beyond the middle of what chance allows, so that the nearer bound comes close as well.
        margin = min(1.5 * math.sqrt(width * part * (1 - part)), width / 4)
        guess = above.offset + width * part + (margin if part < _MIDDLE else -margin)
    else:
        expected = expect(top, above, key)
        guess = above.offset + expected
        if below is None:
            known = max(above.offset - top.offset, 1)
            leap = expected + 2 * math.sqrt(expected)
            return above.offset + int(min(max(leap, known), _LONGEST_LEAP * known))
    if bisect or not above.offset < guess < below.offset:
        guess = (above.offset + below.offset) / 2
    return min(max(int(guess), above.offset + 1), below.offset - 1)


def _drop(upper: Mark, key: float) -> float:
    return cast("float", upper.key) - key


def check_order(page: Sequence[Listed], last: int | None = None) -> None:
    """Raise GapError unless the ids fall along the page; `last` is the id met before it, for the error."""
    if any(below.id >= above.id for above, below in pairwise(page)):
        raise gap("the ids do not fall along the list, so no page can prove that it is whole", last, page[0].id)


def gap(why: str, last: int | None, first_new: int | None) -> GapError:
    """Make the error that says why a walk cannot begin, or cannot go on after the id `last`."""
    place = "cannot begin" if last is None else f"cannot go on whole after the record with id {last}"
    return GapError(f"the walk {place}: {why}", last_seen=last, first_new=first_new)
