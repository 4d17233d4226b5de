"""The world of the local pool: miners at work, blocks found, shifts completed, time moving on.

A world goes from event to event: a worker begins or ceases to work, a block is found, a shift ends. Between two
events everything is a function of the time, so that reading changes nothing, and going one day at once or in a
thousand steps leads to the same world. Time is in whole seconds since the epoch.
"""

import math
from bisect import bisect_left
from heapq import heapify, heappush, heapreplace

from .chain import COIN, COMMODITIES, Block, Chain
from .chance import seeded_rng
from .finders import Finders
from .hashrate import MEASURED_EVERY, HashRateCurve, WorkCounter
from .miners import ALIVE, User, Worker
from .names import WORKER_KINDS, user_names

__all__ = ["SHIFT", "YEAR", "World"]

SHIFT = 3600
"""Seconds that a shift takes."""

YEAR = 366 * 86_400
"""Seconds for which blocks and shifts are kept at least."""

_MEAN_RATE = 1_700_000 * 10**9  # hashes per second, of all workers together
_WORKS = 3 * 86_400.0  # seconds that a worker works at a stretch, on average
_RESTS = 5 * 3600.0
_AT_WORK = _WORKS / (_WORKS + _RESTS)
_FAST, _SLOW = 3_000 * 10**9, 500 * 10**9  # hashes per second of a worker added by hand
_NEVER_WORKED = 0.02  # of the workers
_MERGED = 0.8  # of the users have a balance in every commodity
_SCORE = 1_000_000  # the score of one block's worth of work


class World:
    """Everything that the pool knows.

    Args:
        seed: The same seed and start make the same world.
        start: When it begins, in seconds since the epoch.
        kept: Seconds after which it forgets a block or a shift, to the hour: a pool that runs fast for days would fill
            the memory with them.
    """

    def __init__(self, seed: int, start: int, kept: int = YEAR) -> None:
        self.now = start
        self._kept = kept
        self.users: dict[str, User] = {}
        self.blocks: list[Block] = []
        self.shifts: list[dict[str, object]] = []
        self.curve = HashRateCurve(seed, start)
        self.work = WorkCounter(self.curve, start)
        self.shift_start = self.work.counted
        self.chains = {name: Chain(name, seed, self.shift_start) for name in COMMODITIES}
        self._rng = seeded_rng(seed, "workers")
        self._id_rng = seeded_rng(seed, "ids")
        self._block_id, self._shift_id = 41_000, 26_000
        # A heap of when each worker next begins or ceases to work. The numbers differ: workers cannot be compared.
        self._changes: list[tuple[int, int, Worker]] = []
        self._finders: Finders | None = None  # made when a block is found, anew after a worker was added or removed
        self._populate()

    # Time

    def advance(self, now: int) -> None:
        """Let the world go on until that second."""
        while (event := self._next_event(now)) <= now:
            self.now = event
            self.work.count(event)
            chain = self._next_chain()
            if self.work.counted.accepted >= chain.next_block_at:
                self._find(chain)
            elif event == self.shift_start.time + SHIFT:
                self._end_shift()
            else:
                self._change_worker()
        self.now = now
        for chain in self.chains.values():
            chain.count_income(now)

    def _next_event(self, now: int) -> int:
        """Return the second of the next event; a later one than `now` if there is none until then."""
        end = min(now + 1, self.shift_start.time + SHIFT, self._changes[0][0])
        sought = self._next_chain().next_block_at
        if self.work.until(end).accepted < sought:
            return end
        seconds = range(self.work.counted.time, end)
        return seconds.start + bisect_left(seconds, sought, key=lambda second: self.work.until(second).accepted)

    def _next_chain(self) -> Chain:
        """Return the chain on which the next block will be found."""
        return min(self.chains.values(), key=lambda chain: chain.next_block_at)

    def _find(self, chain: Chain) -> Block:
        """Find a block by one of the workers, the likelier the faster it is."""
        if self._finders is None:
            self._finders = Finders(self.users.values())
        finder = self._finders.draw(self._rng.random())
        self._block_id += self._id_rng.choice((1, 1, 1, 2, 3))
        block = chain.find(self._block_id, self.work.counted, finder.name)
        self.blocks.append(block)
        return block

    def _end_shift(self) -> None:
        end = self.work.counted
        duration, accepted, rejected = end.since(self.shift_start)
        self._shift_id += self._id_rng.choice((1, 1, 1, 2))
        self.shifts.append(
            {
                "id": self._shift_id,
                "difficulty": self.chains["BTC"].difficulty,
                "accepted": accepted,
                "rejected": rejected,
                "score": self.score(accepted),
                "completed": end.time,
                "duration": duration,
            }
        )
        self.shift_start = end
        for chain in self.chains.values():
            chain.retarget(end)
        self._forget(end.time - self._kept)

    def _forget(self, before: int) -> None:
        """Forget the blocks and shifts of before that second."""
        del self.blocks[: bisect_left(self.blocks, before, key=lambda block: block.found.time)]
        del self.shifts[: max(0, len(self.shifts) - self._kept // SHIFT)]
        for chain in self.chains.values():
            chain.forget(before)

    def score(self, accepted: int) -> float:
        """Return what so many accepted proofs of work score: the harder the chain, the less each."""
        return round(accepted * _SCORE / self.chains["BTC"].difficulty, 4)

    # Miners

    def _populate(self) -> None:
        """Add the users that are there from the beginning."""
        rng = self._rng
        weights = {name: rng.lognormvariate(0, 0.9) for name in user_names(rng)}
        everyone = math.fsum(weights.values())
        for name, weight in weights.items():
            user = self._new_user(name, weight / everyone)
            kind = rng.choice(WORKER_KINDS)
            speeds = [rng.uniform(0.3, 1) for _ in range(1 + int(weight * rng.uniform(0.5, 2)))]
            unit = _MEAN_RATE / _AT_WORK * weight / everyone / math.fsum(speeds)
            for count, speed in enumerate(speeds, start=1):
                worker = self._new_worker(user, f"{kind}{count}", int(speed * unit))
                if rng.random() < _NEVER_WORKED:
                    continue
                worker.add_past_work(rng)
                worker.steady = False
                if rng.random() < _AT_WORK:
                    self._set_working(worker, working=True)
                self._changes.append((self._next_change(worker), len(self._changes), worker))
        heapify(self._changes)

    def _new_user(self, name: str, part: float) -> User:
        commodities = COMMODITIES[: 1 + (self._rng.random() < _MERGED)]
        balances = {
            commodity: self._rng.randrange(COIN) - int(self.chains[commodity].earned * part)
            for commodity in commodities
        }
        user = self.users[name] = User(name, part, balances)
        return user

    def _new_worker(self, user: User, name: str, rate: int) -> Worker:
        worker = Worker(name, self._rng, self.curve, rate, self.now)
        user.workers.append(worker)
        self._finders = None
        return worker

    def _next_change(self, worker: Worker) -> int:
        """Return when the worker next ceases to work, in the last second before a measurement, or begins, at one."""
        lasts = self._rng.expovariate(1 / (_WORKS if worker.working else _RESTS))
        time = self.now + int(lasts) + MEASURED_EVERY
        return time - time % MEASURED_EVERY - worker.working

    def _change_worker(self) -> None:
        _, number, worker = self._changes[0]
        if not worker.steady:
            self._set_working(worker, working=not worker.working)
        heapreplace(self._changes, (self._next_change(worker), number, worker))

    def _set_working(self, worker: Worker, *, working: bool) -> None:
        change = worker.rate * (working - worker.working)
        self.work.change_rate(self.now, change, worker.rejects)
        if self._finders is not None:
            self._finders.change_rate(worker, change)
        worker.set_working(self.now, self.shift_start.time, working=working)

    # What can be done to it by hand

    def user(self, name: str) -> User:
        """Return the user of that name, or raise LookupError if there is none."""
        if name not in self.users:
            raise LookupError(f"this pool has no user {name!r}; add_user({name!r}) brings one in")
        return self.users[name]

    def block(self, block_id: int) -> Block:
        """Return the block of that id, or raise LookupError if there is none."""
        for block in reversed(self.blocks):
            if block.id == block_id:
                return block
        raise LookupError(f"this pool has found no block {block_id!r}; find_block() finds one and returns its id")

    def add_user(self, name: str, workers: int, *, steady: bool) -> None:
        """Add a user with workers `rig1`, `rig2`, … that work, and unless steady come and go by chance later."""
        user = self._new_user(name, workers * _FAST / _MEAN_RATE)
        for number in range(1, workers + 1):
            worker = self._new_worker(user, f"rig{number}", self._rng.randrange(_SLOW, _FAST))
            worker.add_past_work(self._rng)
            self._set_working(worker, working=True)
            if not steady:
                worker.steady = False
                heappush(self._changes, (self._next_change(worker), len(self._changes), worker))

    def add_worker(self, user: str, name: str, *, alive: bool) -> None:
        """Give a user one more worker, which works from now on or never has."""
        owner = self.user(user)
        if any(worker.name == name for worker in owner.workers):
            raise ValueError(f"user {user!r} has a worker {name!r} already")
        worker = self._new_worker(owner, name, self._rng.randrange(_SLOW, _FAST))
        if alive:
            self._set_working(worker, working=True)

    def remove_worker(self, user: str, name: str) -> None:
        """Take a worker away; what it did in this shift still counts."""
        self.set_worker_alive(user, name, alive=False)
        owner = self.user(user)
        worker = owner.worker(name)
        owner.workers.remove(worker)
        self._finders = None
        owner.removed.append(worker)

    def set_worker_alive(self, user: str, name: str, *, alive: bool) -> None:
        """Make a worker alive or idle at once and for good; one made idle has been silent for five minutes."""
        worker = self.user(user).worker(name)
        worker.steady = True
        if alive and not worker.working:
            self._set_working(worker, working=True)
        elif not alive and worker.alive(self.now):
            self._set_working(worker, working=False)
            worker.last_work = self.now - ALIVE - 1

    def find_block(self, commodity: str) -> Block:
        """Find a block now. It will be confirmed, unless it is orphaned by hand."""
        if commodity not in self.chains:
            raise ValueError(f"this pool mines no {commodity!r}; it mines {', '.join(self.chains)}")
        self.work.count(self.now)
        block = self._find(self.chains[commodity])
        block.lost = None
        return block

    def orphan(self, block: Block) -> None:
        """Orphan a block that is neither confirmed nor lost."""
        status, _ = block.state(self.now)
        if status not in {"processing", "unconfirmed"}:
            raise ValueError(f"block {block.id} is {status} already; only one not yet settled can be orphaned")
        block.lost = (self.now, "orphan")

    def withdraw(self, block: Block) -> None:
        """Take a block off the list, as if it had never been there."""
        self.blocks.remove(block)
        self.chains[block.chain].withdraw(block)
