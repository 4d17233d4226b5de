"""The users, and the workers that mine for them."""

from collections.abc import Mapping
from random import Random

from .chain import COIN, COMMODITIES
from .hashrate import HASHES_PER_SHARE, HashRateCurve

__all__ = ["ALIVE", "User", "Worker"]

ALIVE = 300
"""A worker is alive for so many seconds after its last proof of work."""

_CASH_OUT = COIN
"""A balance that reaches this is paid out and begins again."""

_NO_LAST_WORK: tuple[Mapping[str, int | None], ...] = ({"last_work": 0}, {"last_work": None}, {})
"""The ways in which an answer says that a worker never sent work."""

_DAY = 86_400
_MILLION = 1_000_000
_MEGAHASH = 1_000_000


class Worker:
    """One machine. It works or it rests; its proofs of work are a function of the time since that last changed."""

    def __init__(self, name: str, rng: Random, curve: HashRateCurve, rate: int, now: int) -> None:
        self.name = name
        self.rate = rate  # hashes per second on average
        self.rejects = rng.randrange(500, 12_000)  # of a million proofs of work
        self.working = False
        self.steady = True  # stays as it is until told otherwise
        self.last_work: int | None = None
        self._curve = curve
        self._no_last_work = rng.choice(_NO_LAST_WORK)
        self._before = dict.fromkeys(COMMODITIES, 0)
        self._checkpoint = dict.fromkeys(COMMODITIES, 0)
        self._done = 0.0  # proofs of work since the world began, until `_since`
        self._since = now  # when it last began or ceased to work
        self._at_shift = 0  # its total at the start of the shift in which `_since` is

    def add_past_work(self, rng: Random) -> None:
        """Add work that was done before the world began."""
        work = self.rate * rng.randrange(10 * _DAY, 400 * _DAY) // HASHES_PER_SHARE
        for commodity in COMMODITIES:
            self._before[commodity] = work
            self._checkpoint[commodity] = rng.choice((0, rng.randrange(work)))
            work = rng.randrange(work // 2, work)  # the next chain was mined for a shorter time
        self._at_shift = self._before[COMMODITIES[0]]
        self.last_work = self._since - rng.randrange(ALIVE + 1, 5 * _DAY)

    def set_working(self, now: int, shift_start: int, *, working: bool) -> None:
        """Begin or cease to work. The last proof of work is sent in the second of ceasing."""
        self._at_shift = self._at_start_of(shift_start)
        self._done, self._since = self._accepted(now), now
        self.last_work = now
        self.working = working

    def alive(self, now: int) -> bool:
        """Return whether a proof of work came within the last five minutes."""
        return self.working or (self.last_work is not None and now - self.last_work <= ALIVE)

    def megahashes(self, now: int) -> float:
        """Return the measured hash rate in Mhps."""
        return round(self.rate * self._curve.measured(now) / _MEGAHASH, 2) if self.alive(now) else 0.0

    def shift_work(self, now: int, shift_start: int) -> tuple[int, int]:
        """Return the accepted and rejected proofs of work since the shift's start."""
        start, total = self._at_start_of(shift_start), self._total(now)
        return total - start, self._rejected(total) - self._rejected(start)

    def view(self, now: int) -> dict[str, object]:
        """Return the worker as the API shows it."""
        last_work = now if self.working else self.last_work
        return {
            "name": self.name,
            "hash_rate": self.megahashes(now),
            **(self._no_last_work if last_work is None else {"last_work": last_work}),
            "alive": self.alive(now),
            "work": {commodity: self._work(commodity, now) for commodity in COMMODITIES},
        }

    def _work(self, commodity: str, now: int) -> dict[str, int]:
        total, checkpoint = self._total(now, commodity), self._checkpoint[commodity]
        return {
            "total_accepted": total,
            "total_rejected": self._rejected(total),
            "round_accepted": 0,
            "round_rejected": 0,
            "checkpoint_accepted": checkpoint,
            "checkpoint_rejected": self._rejected(checkpoint),
        }

    def _accepted(self, now: int) -> float:
        """Return the proofs of work since the world began."""
        speed = self.rate / HASHES_PER_SHARE if self.working else 0.0
        return self._done + speed * (self._curve.integral(now) - self._curve.integral(self._since))

    def _total(self, now: int, commodity: str = COMMODITIES[0]) -> int:
        return self._before[commodity] + int(self._accepted(now))

    def _at_start_of(self, shift: int) -> int:
        """Return the total at the start of the current shift, which began at that time."""
        return self._total(shift) if self._since <= shift else self._at_shift

    def _rejected(self, accepted: int) -> int:
        return accepted * self.rejects // _MILLION


class User:
    """One account: its workers, and its part of what the blocks earn."""

    def __init__(self, name: str, part: float, balances: Mapping[str, int]) -> None:
        self.name = name
        self.workers: list[Worker] = []
        self.removed: list[Worker] = []
        self._part = part  # of all earnings
        self._balances = balances

    def worker(self, name: str) -> Worker:
        """Return the worker of that name, or raise LookupError if there is none."""
        for worker in self.workers:
            if worker.name == name:
                return worker
        names = ", ".join(repr(worker.name) for worker in self.workers) or "none"
        raise LookupError(f"user {self.name!r} has no worker {name!r}; its workers: {names}")

    def active_workers(self, now: int) -> int:
        """Return how many workers are alive."""
        return sum(worker.alive(now) for worker in self.workers)

    def megahashes(self, now: int) -> float:
        """Return the hash rate of all workers in Mhps."""
        return sum(round(100 * worker.megahashes(now)) for worker in self.workers) / 100

    def shift_work(self, now: int, shift_start: int) -> tuple[int, int]:
        """Return the accepted and rejected work since the shift's start, that of removed workers included."""
        work = [worker.shift_work(now, shift_start) for worker in (*self.workers, *self.removed)]
        return sum(accepted for accepted, _ in work), sum(rejected for _, rejected in work)

    def balances(self, earned: Mapping[str, int]) -> dict[str, float]:
        """Return what the pool owes the user, by commodity, from what each chain has earned."""
        return {
            commodity: (base + int(earned[commodity] * self._part)) % _CASH_OUT / COIN
            for commodity, base in self._balances.items()
        }
