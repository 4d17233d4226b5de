"""The miners: users, and the workers that do their work."""

from random import Random

from .chain import COIN, COMMODITIES
from .hashrate import HASHES_PER_SHARE, Tide

__all__ = ["ALIVE", "User", "Worker"]

ALIVE = 300
"""A worker is alive for so many seconds after its last proof of work."""

CASH_OUT = COIN
"""A balance that reaches this is paid out and begins again."""

_UNSEEN: tuple[dict[str, int | None], ...] = ({"last_work": 0}, {"last_work": None}, {})
"""The ways in which an answer says that a worker never sent work."""

_MILLION = 1_000_000
_MEGAHASH = 1_000_000


class Worker:
    """One machine. It works or it rests; its proofs of work are a function of the time since that last changed."""

    def __init__(self, name: str, chance: Random, tide: Tide, rate: int, now: int) -> None:
        self.name = name
        self.rate = rate  # hashes per second on average
        self.rejects = chance.randrange(500, 12_000)  # of a million
        self.working = False
        self.steady = True  # stays as it is until told otherwise
        self.last_work: int | None = None
        self._tide = tide
        self._unseen = chance.choice(_UNSEEN)
        self._before = dict.fromkeys(COMMODITIES, 0)
        self._checkpoint = dict.fromkeys(COMMODITIES, 0)
        self._done = 0.0
        self._since = now
        self._at_shift = 0

    def remember(self, chance: Random) -> None:
        """Give the worker a past: work done before the world began."""
        work = self.rate * chance.randrange(10 * 86_400, 400 * 86_400) // HASHES_PER_SHARE
        for commodity in COMMODITIES:
            self._before[commodity] = work
            self._checkpoint[commodity] = chance.choice((0, chance.randrange(work)))
            work = chance.randrange(work // 2, work)  # the next chain was mined for a shorter time
        self._at_shift = self._before[COMMODITIES[0]]
        self.last_work = self._since - chance.randrange(ALIVE + 1, 5 * 86_400)

    def set_working(self, now: int, shift_start: int, *, working: bool) -> None:
        """Begin or cease to work. The last proof of work is sent in the second of ceasing."""
        self._at_shift = self._total(shift_start) if self._since <= shift_start else self._at_shift
        self._done, self._since = self._accepted(now), now
        self.last_work = now
        self.working = working

    def alive(self, now: int) -> bool:
        """Whether a proof of work came within the last five minutes."""
        return self.working or (self.last_work is not None and now - self.last_work <= ALIVE)

    def megahashes(self, now: int) -> float:
        """The measured hash rate in Mhps."""
        return round(self.rate * self._tide.measured(now) / _MEGAHASH, 2) if self.alive(now) else 0.0

    def shift_work(self, now: int, shift_start: int) -> tuple[int, int]:
        """Accepted and rejected proofs of work since the shift's start."""
        start = self._total(shift_start) if self._since <= shift_start else self._at_shift
        total = self._total(now)
        return total - start, self._rejected(total) - self._rejected(start)

    def view(self, now: int) -> dict[str, object]:
        """The worker as the API shows it."""
        last_work = now if self.working else self.last_work
        return {
            "name": self.name,
            "hash_rate": self.megahashes(now),
            **(self._unseen if last_work is None else {"last_work": last_work}),
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
        """Proofs of work since the world began."""
        speed = self.rate / HASHES_PER_SHARE if self.working else 0.0
        return self._done + speed * (self._tide.work(now) - self._tide.work(self._since))

    def _total(self, now: int, commodity: str = COMMODITIES[0]) -> int:
        return self._before[commodity] + int(self._accepted(now))

    def _rejected(self, accepted: int) -> int:
        return accepted * self.rejects // _MILLION


class User:
    """One account: its workers, and its part of what the blocks earn."""

    def __init__(self, name: str, part: float, balances: dict[str, int]) -> None:
        self.name = name
        self.workers: list[Worker] = []
        self.removed: list[Worker] = []
        self._part = part  # of all earnings
        self._balances = balances

    def worker(self, name: str) -> Worker:
        """The worker of that name; LookupError if there is none."""
        for worker in self.workers:
            if worker.name == name:
                return worker
        names = ", ".join(repr(worker.name) for worker in self.workers) or "none"
        raise LookupError(f"user {self.name!r} has no worker {name!r}; its workers: {names}")

    def active_workers(self, now: int) -> int:
        """How many workers are alive."""
        return sum(worker.alive(now) for worker in self.workers)

    def megahashes(self, now: int) -> float:
        """The hash rate of all workers in Mhps."""
        return sum(round(100 * worker.megahashes(now)) for worker in self.workers) / 100

    def shift_work(self, now: int, shift_start: int) -> tuple[int, int]:
        """Accepted and rejected proofs of work since the shift's start, those of workers removed since included."""
        work = [worker.shift_work(now, shift_start) for worker in (*self.workers, *self.removed)]
        return sum(accepted for accepted, _ in work), sum(rejected for _, rejected in work)

    def balances(self, earned: dict[str, int]) -> dict[str, float]:
        """What the pool owes the user, commodity by commodity."""
        return {
            commodity: (base + int(earned[commodity] * self._part)) % CASH_OUT / COIN
            for commodity, base in self._balances.items()
        }
