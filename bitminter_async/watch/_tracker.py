"""What a stream has told of a list, and what it still looks for, worked out from pages. Nothing here asks or waits."""

import logging
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, TypeAlias, TypeVar

from attrs import define

from .._arguments import check_integer
from .._lists.page import Id, Key, Listed, Unreadable

__all__ = ["Look", "Tracker"]

R = TypeVar("R", bound=Listed)
E = TypeVar("E")

Look: TypeAlias = Callable[[R | None, R, bool], tuple[E | None, R | None]]
"""Given a record as it was known (None: not at all), as it is now, and whether it is new: what is to be told, and the
record by which it is to be followed on (None: not)."""

_LOGGER = logging.getLogger("bitminter_async")
_BEFORE_ALL = -1
_TWICE = 2
_MOST_NAMED = 5
# A record is looked for so many places above where it should be: it still stands on the page if as many above it were
# withdrawn since it was seen.
_MARGIN = 5


@define(eq=False)
class _Followed(Generic[R]):
    record: R | None
    """As it was seen last; None where only its id is known."""
    place: int | None = None
    """Its offset in the list then, less the number of records that were found by then and push it down."""
    is_new: bool = False
    """Whether it has not been told of, because it could not be read."""
    is_named: bool = False
    """Whether the log has told that it cannot be read."""
    above: Key = math.inf
    """Where its own id is not known: the id of the record above it."""


class Tracker(Generic[R, E]):
    """The last record of a list that a stream has told of, and those that it follows.

    It follows what `look` says, and what could not be read, which counts as not yet seen.

    Args:
        what: What the list holds, for the log: `blocks`.
        after: The id of the last record known; None: all that the first page shows.
        followed: The records to follow from the beginning by id; None: only the id is known.
        look: Decides what is told of a record, and whether it is followed.

    Raises:
        ValueError: `after` is negative.
        TypeError: `after` is not an int.
    """

    def __init__(self, what: str, after: int | None, followed: Mapping[int, R | None], look: Look[R, E]) -> None:
        if after is not None:
            check_integer("after", after, 0)
        self.last = after
        """The id of the last record known."""
        self._what = what
        self._look = look
        self._followed: dict[Id, _Followed[R]] = {number: _Followed(record) for number, record in followed.items()}
        self._overdue: list[Id] = []  # the ids of followed records that are to be looked for before the next poll
        self._found = 0
        self._is_climbing = False
        self._bottom: Id = _BEFORE_ALL  # the id of the newest page's last record
        self._first_pages = _TWICE  # the second shows what the first lacks, if that was cut short
        self._first_bottom: Key = math.inf
        self._pages_behind = 0  # how many newest pages running ended before the last record known

    def next_overdue(self) -> Id | None:
        """Return the id of a followed record below the newest page that is to be looked for now, each once a poll."""
        return self._overdue.pop(0) if self._overdue else None

    def place(self, number: Id) -> int | None:
        """Return the offset of a page that is likely to show a followed record."""
        place = self._followed[number].place
        return None if place is None else max(0, place + self._found - _MARGIN)

    def update(self, offset: int, page: Sequence[R | Unreadable[R]]) -> list[E]:
        """Take the page that follows `last`, newest first; return what is to be told of it, oldest first."""
        newest = next((each.id for each in page if isinstance(each.id, int)), _BEFORE_ALL)
        is_first = self.last is None
        last = newest if self.last is None else self.last
        self.last = max(last, newest)
        new: set[Id] = {each.id for each in page if each.id > last or (is_first and isinstance(each, Unreadable))}
        if not self._is_climbing:  # else the first page of the way up has counted all that stands above it
            self._found += offset + len(new)
        self._is_climbing = offset > 0
        if self._first_pages:
            self._first_pages -= 1
            self._begin_with([each for each in page if each.id not in new and each.id < self._first_bottom])
        events = self._see(offset, page, new)
        if not offset:
            self._note_newest(page, newest, last)
        return events

    def _begin_with(self, page: Sequence[R | Unreadable[R]]) -> None:
        """Follow what the first page shows and is not new."""
        if page:
            self._first_bottom = page[-1].id
        shown = {each.id: _Followed(each) for each in page if not isinstance(each, Unreadable)}
        self._followed = {**shown, **self._followed}

    def _note_newest(self, page: Sequence[R | Unreadable[R]], newest: int, last: int) -> None:
        # One that is missing from the newest page may be back in the next answer, and costs nothing to follow.
        self._bottom = page[-1].id if page else _BEFORE_ALL
        below = [number for number in self._followed if number < self._bottom]
        unseen = [number for number in below if self._followed[number].place is None]
        self._overdue = [*unseen, *[number for number in below if number not in unseen][:1]]
        self._pages_behind = self._pages_behind + 1 if newest < last else 0
        if self._pages_behind == _TWICE:  # one alone may be an old copy, from a cache, or be cut
            end = f"ends at {newest}" if page else "is empty"
            _LOGGER.warning("watching %s: nothing comes until the list, which %s, has passed %d", self._what, end, last)

    def update_below(self, number: Id, found: tuple[int, Sequence[R | Unreadable[R]], bool] | None) -> list[E]:
        """Take the page in which a followed record stands or would stand; return what is to be told of it.

        Args:
            number: The record's id.
            found: The page's offset, the page, and whether the list ends with it. None: it could not be had, and what
                is overdue is looked for later.
        """
        if found is None:
            self._followed[number] = self._followed.pop(number)  # the last in line: one bad page holds up no other
            self._overdue.clear()
            return []
        offset, page, is_end = found
        bottom = page[-1].id if page and not is_end else _BEFORE_ALL
        seen = {each.id for each in page}
        events = self._see(offset, page, set())
        top = page[0].id if page and offset else self._bottom
        missing = [
            each for each in self._followed if bottom <= each <= top and each < self._bottom and each not in seen
        ]
        if all(isinstance(each.id, int) for each in page):
            for each in missing:
                del self._followed[each]
                name = f"{'the record with id' if isinstance(each, int) else 'what stood next to'} {int(each)}"
                _LOGGER.warning(
                    "watching %s: %s is not in the list, so it is not followed any longer", self._what, name
                )
        elif number in missing:  # it may be the one whose id cannot be read
            self._followed[number] = self._followed.pop(number)
        self._overdue = [each for each in self._overdue if each in self._followed and each not in seen]
        return events

    def _see(self, offset: int, page: Sequence[R | Unreadable[R]], new: set[Id]) -> list[E]:
        """Return what a page tells of followed records and of new ones; follow those on it that are to be followed."""
        events: list[E] = []
        latest: dict[Id, _Followed[R]] = {}
        unread: list[Unreadable[R]] = []
        for place in reversed(range(len(page))):
            each = page[place]
            followed = self._followed.pop(each.id, None)
            is_new = each.id in new
            if isinstance(each, Unreadable):
                if followed is None and not is_new:
                    continue
                followed = followed or _Followed(None, is_new=True)
                followed.above = min(followed.above, page[place - 1].id) if place else followed.above
                if not followed.is_named:
                    unread.append(each)  # pyright: ignore[reportUnknownArgumentType]  # it is one of these records
                followed.is_named = True
                latest[each.id] = followed
                continue
            followed = followed or self._pop_nameless(each.id)
            if followed is None and not is_new:
                continue
            followed = followed or _Followed(None, is_new=True)
            event, on = self._look(followed.record, each, followed.is_new)
            if event is not None:
                events.append(event)
            if on is not None:
                latest[each.id] = _Followed(on)
        # Followed records take turns in the order of this dict: those on this page have had theirs, and come last now.
        for place, each in enumerate(page, offset):
            if each.id in latest:
                latest[each.id].place = place - self._found
                self._followed[each.id] = latest[each.id]
        if unread:
            self._name(unread)
        return events

    def _pop_nameless(self, number: Id) -> _Followed[R] | None:
        """Stop following a record whose id was not known, if it may be this one; return what was known of it."""
        for each, followed in self._followed.items():
            if not isinstance(each, int) and each < number < followed.above:
                return self._followed.pop(each)
        return None

    def _name(self, unread: Sequence[Unreadable[R]]) -> None:
        names = [each.name for each in unread[:_MOST_NAMED]]
        if more := len(unread) - len(names):
            names.append(f"{more} more")
        told = "which cannot be read, is told of as soon as it can"
        _LOGGER.warning("watching %s: %s, %s: %s", self._what, ", ".join(names), told, unread[0].error.summary)
