"""The miners' changing speed, and the sums of their work."""

import math
from typing import NamedTuple

from .chance import dice

__all__ = ["HASHES_PER_SHARE", "SLICE", "Mark", "Tide", "WorkCounter"]

HASHES_PER_SHARE = 2**32
"""Hashes behind one proof of work of difficulty 1, on average."""

SLICE = 20
"""Seconds for which the hash rates stay as they were last measured."""

_MILLION = 1_000_000
_WAVES = ((0.050, 86_400.0), (0.035, 19_000.0), (0.020, 2_230.0), (0.012, 307.0))


class Mark(NamedTuple):
    """A moment, and the proofs of work that the pool had taken since the world began."""

    time: int
    accepted: float
    rejected: float

    def since(self, start: "Mark") -> tuple[int, int, int]:
        """Seconds, accepted and rejected proofs of work from `start` until here."""
        return self.time - start.time, int(self.accepted - start.accepted), int(self.rejected - start.rejected)


class Tide:
    """The miners' speed as a share of its mean: slow waves about 1.

    A closed form of time, so that work can be added up over any span at once, and exactly the same in any order.
    """

    def __init__(self, seed: int, start: int) -> None:
        chance = dice(seed, "tide")
        self._start = start
        self._waves = [(height, math.tau / period, chance.uniform(0, math.tau)) for height, period in _WAVES]

    def measured(self, now: int) -> float:
        """The speed as of the last measurement."""
        age = now - now % SLICE - self._start
        return 1 + math.fsum([height * math.sin(pace * age + phase) for height, pace, phase in self._waves])

    def work(self, now: int) -> float:
        """Seconds of mean speed until then; only the difference of two means something."""
        age = now - self._start
        return age - math.fsum([height / pace * math.cos(pace * age + phase) for height, pace, phase in self._waves])


class WorkCounter:
    """The pool's work: counted until the last event, and from there on a function of the time.

    The workers' rates are whole numbers, so that they add up to exactly the same in any order.
    """

    def __init__(self, tide: Tide, start: int) -> None:
        self.counted = Mark(start, 0.0, 0.0)
        self._tide = tide
        self._mean_seconds = tide.work(start)
        self._rate = self._rejected_rate = 0

    def until(self, now: int) -> Mark:
        """The pool's work until that second, which no event may precede."""
        hashes = self._tide.work(now) - self._mean_seconds
        return Mark(
            now,
            self.counted.accepted + hashes * self._rate / HASHES_PER_SHARE,
            self.counted.rejected + hashes * self._rejected_rate / _MILLION / HASHES_PER_SHARE,
        )

    def count(self, now: int) -> None:
        """Count the work until now, so that it is counted on from here."""
        self.counted, self._mean_seconds = self.until(now), self._tide.work(now)

    def change_rate(self, now: int, rate: int, rejects: int) -> None:
        """Let the workers be faster by `rate` hashes per second from now on, of which `rejects` in a million fail."""
        self.count(now)
        self._rate += rate
        self._rejected_rate += rate * rejects
