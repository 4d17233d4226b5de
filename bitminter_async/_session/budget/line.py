"""The line in front of a budget, within a process."""

import asyncio
from collections.abc import Callable
from typing import Any, TypeAlias

from ...errors import BitminterError
from .base import Wish

__all__ = ["Line"]

Refusal: TypeAlias = Callable[[], BitminterError | None]


class Line:
    """Who waits for a turn, first come first served, one at a time. Who leaves the line costs nobody their turn.

    An `asyncio.Lock` keeps the same order, but tells nobody's place, and lets nobody be told that waiting is in vain.
    """

    def __init__(self) -> None:
        self._first: Wish[Any] | None = None
        self._waiting: dict[Wish[Any], tuple[asyncio.Future[BitminterError | None], Refusal]] = {}
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
        self._waiting[wish] = told, refusal
        try:
            error = await told
        except BaseException:
            if self._first is wish:  # its turn had just come
                self.leave()
            raise
        finally:
            del self._waiting[wish]
        if error:
            raise error

    def depart(self) -> None:
        """Note that the first has departed, so that it stands in nobody's way but for the time that it takes."""
        self._has_departed = True

    def leave(self) -> None:
        """Let the next be the first."""
        self._first, self._has_departed = None, False
        for wish, (told, _) in self._waiting.items():
            if not told.done():
                self._first = wish
                told.set_result(None)
                return

    def refuse(self) -> None:
        """Tell each who waits and is to be refused by now."""
        for told, refusal in self._waiting.values():
            if not told.done() and (error := refusal()):
                told.set_result(error)

    @property
    def is_free(self) -> bool:
        """Whether who comes now is the first at once."""
        return self._first is None

    def ahead_of(self, wish: Wish[Any] | None) -> int:
        """Return how many are to depart before this one does, or before one that comes now."""
        if wish is not None and wish is self._first:
            return 0
        ahead = 0 if self._first is None or self._has_departed else 1
        for waiting, (told, _) in self._waiting.items():
            if waiting is wish:
                break
            ahead += not told.done()
        return ahead
