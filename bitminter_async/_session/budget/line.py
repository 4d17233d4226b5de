"""The line in front of a budget, within a process."""

import asyncio
from bisect import bisect_left
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

from ...errors import BitminterError
from .base import Wish

__all__ = ["Line"]

Refusal: TypeAlias = Callable[[], BitminterError | None]


class _Waiting(NamedTuple):
    number: int
    told: asyncio.Future[BitminterError | None]
    refusal: Refusal


class Line:
    """Who waits for a turn, first come first served, one at a time. Who leaves the line costs nobody their turn.

    An `asyncio.Lock` keeps the same order, but tells nobody's place, and lets nobody be told that waiting is in vain.
    """

    def __init__(self) -> None:
        self._first: Wish[Any] | None = None
        # A plain dict that is emptied at its front is searched past all that it has lost there for each next one.
        self._waiting: OrderedDict[Wish[Any], _Waiting] = OrderedDict()
        self._numbers = _Numbers()
        self._has_departed = False

    async def enter(self, wish: Wish[Any], refusal: Refusal) -> None:
        """Wait to be the first, who is so until `leave` is called.

        Raises:
            BitminterError: What `refusal` returned, when it was asked while this wish waited.
        """
        if self._first is None:
            self._first = wish
            return
        told = asyncio.get_running_loop().create_future()
        self._waiting[wish] = _Waiting(self._numbers.add(), told, refusal)
        try:
            error = await told
        except BaseException:
            if self._first is wish:  # its turn had just come
                self.leave()
            self._forget(wish)
            raise
        if error:
            raise error

    def _forget(self, wish: Wish[Any]) -> None:
        if waiting := self._waiting.pop(wish, None):
            self._numbers.remove(waiting.number)

    def depart(self) -> None:
        """Note that the first has departed, so that it stands in nobody's way but for the time that it takes."""
        self._has_departed = True

    def leave(self) -> None:
        """Let the next be the first."""
        self._first, self._has_departed = None, False
        while self._waiting and self._first is None:
            wish, waiting = next(iter(self._waiting.items()))
            self._forget(wish)
            if not waiting.told.done():
                self._first = wish
                waiting.told.set_result(None)

    def refuse(self) -> None:
        """Tell each who waits and is to be refused by now."""
        for wish, (_, told, refusal) in list(self._waiting.items()):
            if not told.done() and (error := refusal()):
                self._forget(wish)
                told.set_result(error)

    @property
    def is_free(self) -> bool:
        """Whether who comes now is the first at once."""
        return self._first is None

    def ahead_of(self, wish: Wish[Any] | None) -> int:
        """Return how many are to depart before this one does, or before one that comes now."""
        if wish is not None and wish is self._first:
            return 0
        waiting = self._waiting.get(wish) if wish else None
        ahead = self._numbers.below(waiting.number) if waiting else len(self._waiting)
        return ahead if self._first is None or self._has_departed else ahead + 1


class _Numbers:
    """Rising numbers, each of which is given out once and taken back at any time; how many are out is soon counted."""

    def __init__(self) -> None:
        self._out: list[int] = []
        self._back = 0
        """How many of the first in the list were taken back: a list that is emptied at its front moves all the rest."""
        self._next = 0

    def add(self) -> int:
        """Give out the next."""
        self._out.append(self._next)
        self._next += 1
        return self._out[-1]

    def remove(self, number: int) -> None:
        """Take one back."""
        place = bisect_left(self._out, number, self._back)
        if place > self._back:
            del self._out[place]
            return
        self._back += 1
        if self._back * 2 >= len(self._out):
            del self._out[: self._back]
            self._back = 0

    def below(self, number: int) -> int:
        """Return how many are out below this one."""
        return bisect_left(self._out, number, self._back) - self._back
