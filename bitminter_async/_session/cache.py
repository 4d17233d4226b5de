"""The cache: answers by call, each with its age."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import NamedTuple

__all__ = ["Cache", "Moment"]

_LEAST = 30.0  # seconds
_ENTRY = 512  # bytes


class Moment(NamedTuple):
    """A moment by two clocks: the loop's stands still while the machine sleeps, the wall's is set by people."""

    loop: float
    wall: float

    @classmethod
    def now(cls, clock: Callable[[], float]) -> "Moment":
        """Return the present moment; `clock` is the loop's."""
        return cls(clock(), time.time())

    def age(self, clock: Callable[[], float]) -> float:
        """Return how many seconds ago it was, by the clock that says more."""
        return max(clock() - self.loop, time.time() - self.wall)


class Cache:
    """Keeps the last answer to each call for as long as some call may want one so old: the longest age asked for.

    So it follows what is asked, and not a count: where more were asked by turns than the count, none would be found
    again, just where that costs most. What bounds it is the bytes of the answers' bodies; the records that are made of
    them take about three times as many. 32 MiB hold over 20,000 users. The oldest answer goes first, since it is the
    first to serve nobody any more; so a hit changes nothing.

    Args:
        clock: The loop's clock, in seconds.
        max_age: Seconds that an answer is kept at least, or 30 if that is more, unless the bound is met; and as long as
            any call has asked for.
        size: How many bytes of bodies are kept. Each counts for half a KiB more, which the call itself takes.
    """

    def __init__(self, clock: Callable[[], float], max_age: float, size: int = 32 * 2**20) -> None:
        self._clock = clock
        self._longest = max(max_age, _LEAST)
        self._size = size
        self._used = 0
        # The oldest first. A plain dict that is emptied at its front is searched past all that it has lost there.
        self._answers: OrderedDict[Hashable, tuple[Moment, object, int]] = OrderedDict()

    def get(self, call: Hashable, max_age: float) -> object | None:
        """Return the answer if it is at most `max_age` seconds old; else None. At a `max_age` of 0 none is."""
        if max_age and (kept := self._answers.get(call)):
            (loop, wall), answer, _ = kept
            if self._clock() - loop <= max_age and time.time() - wall <= max_age:  # `age`, without what a call costs
                return answer
        # Not on each hit: what was found was kept for long enough, and a hit is to cost next to nothing.
        self._longest = max(self._longest, max_age)
        return None

    def put(self, call: Hashable, answer: object, asked: Moment, size: int) -> None:
        """Keep an answer whose body had `size` bytes, and whose age counts from `asked`, when the request left."""
        if replaced := self._answers.pop(call, None):
            self._used -= replaced[2]
        self._answers[call] = asked, answer, size + _ENTRY
        self._used += size + _ENTRY
        while self._answers:
            oldest, (moment, _, bytes_of_it) = next(iter(self._answers.items()))
            if self._used <= self._size and moment.age(self._clock) <= self._longest:
                break
            del self._answers[oldest]
            self._used -= bytes_of_it
