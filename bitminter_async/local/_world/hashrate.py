"""The workers' changing hash rate, and the sums of their work."""

import math
from typing import NamedTuple

from .chance import seeded_rng

__all__ = ["HASHES_PER_SHARE", "MEASURED_EVERY", "HashRateCurve", "WorkCounter", "WorkTotal"]

HASHES_PER_SHARE = 2**32
"""Hashes behind one proof of work of difficulty 1, on average."""

MEASURED_EVERY = 20
"""Seconds between two measurements of the hash rates, which stay the same in between."""

_MILLION = 1_000_000
_WAVES = ((0.050, 86_400.0), (0.035, 19_000.0), (0.020, 2_230.0), (0.012, 307.0))  # amplitude, period in seconds


class WorkTotal(NamedTuple):
    """The proofs of work that the pool has been sent since the world began, as of a moment."""

    time: int
    accepted: float
    rejected: float

    def since(self, start: "WorkTotal") -> tuple[int, int, int]:
        """Return the seconds, and the accepted and rejected proofs of work, since an earlier total."""
        return self.time - start.time, int(self.accepted - start.accepted), int(self.rejected - start.rejected)


class HashRateCurve:
    """The workers' hash rate over time as a share of its mean: a sum of sines about 1.

    Its integral is known in closed form, so work over any span is one subtraction, and the same in any order of asking.
    """

    def __init__(self, seed: int, start: int) -> None:
        rng = seeded_rng(seed, "tide")  # named as ever: another name would change the world of each seed
        self._start = start
        self._waves = [(amplitude, math.tau / period, rng.uniform(0, math.tau)) for amplitude, period in _WAVES]

    def measured(self, now: int) -> float:
        """Return the curve's value at the last measurement."""
        age = now - now % MEASURED_EVERY - self._start
        return 1 + math.fsum([amplitude * math.sin(pace * age + phase) for amplitude, pace, phase in self._waves])

    def integral(self, now: int) -> float:
        """Return the seconds of mean hash rate until now; only the difference of two of them means something."""
        age = now - self._start
        return age - math.fsum(
            [amplitude / pace * math.cos(pace * age + phase) for amplitude, pace, phase in self._waves]
        )


class WorkCounter:
    """The pool's work: counted until the last event, and from there on a function of the time.

    The workers' rates are whole numbers, so that they add up to exactly the same in any order.
    """

    def __init__(self, curve: HashRateCurve, start: int) -> None:
        self.counted = WorkTotal(start, 0.0, 0.0)
        self._curve = curve
        self._integral = curve.integral(start)
        self._rate = self._rejected_rate = 0

    def until(self, now: int) -> WorkTotal:
        """Return the work until now, if no event comes before."""
        hashes = self._curve.integral(now) - self._integral
        return WorkTotal(
            now,
            self.counted.accepted + hashes * self._rate / HASHES_PER_SHARE,
            self.counted.rejected + hashes * self._rejected_rate / _MILLION / HASHES_PER_SHARE,
        )

    def count(self, now: int) -> None:
        """Count the work until now, and go on from here."""
        self.counted, self._integral = self.until(now), self._curve.integral(now)

    def change_rate(self, now: int, change: int, rejects: int) -> None:
        """Add `change` hashes per second from now on, of whose proofs of work `rejects` in a million are rejected."""
        self.count(now)
        self._rate += change
        self._rejected_rate += change * rejects
