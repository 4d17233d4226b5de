"""The cache: answers by call, each with its age."""

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import NamedTuple

__all__ = ["Cache", "Moment"]


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
    """Keeps the last answer to each call, at most `size` of them; the one used longest ago goes first.

    Args:
        clock: The loop's clock, in seconds.
        size: How many answers are kept.
    """

    def __init__(self, clock: Callable[[], float], size: int = 256) -> None:
        self._clock = clock
        self._size = size
        self._answers: OrderedDict[Hashable, tuple[Moment, object]] = OrderedDict()

    def get(self, call: Hashable, max_age: float) -> object | None:
        """Return the answer if it is at most `max_age` seconds old; else None. At a `max_age` of 0 none is."""
        kept = self._answers.get(call)
        if kept is None or not max_age:
            return None
        (loop, wall), answer = kept
        if self._clock() - loop > max_age or time.time() - wall > max_age:  # `age`, without what a call of it costs
            return None
        self._answers.move_to_end(call)
        return answer

    def put(self, call: Hashable, answer: object, asked: Moment) -> None:
        """Keep an answer, whose age counts from `asked`, the moment at which the request left."""
        self._answers[call] = (asked, answer)
        self._answers.move_to_end(call)
        if len(self._answers) > self._size:
            self._answers.popitem(last=False)
