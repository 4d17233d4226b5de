"""The pool's side of the truth: lists that move, users whose workers come and go, and when each record was there."""

import math
from random import Random
from typing import Any

from attrs import define, field

from tests.support.samples import BLOCK, SHIFT, USER, WORKER

EPOCH = 1_393_000_000.0
OWNER = "bob"
NAMES = (OWNER, "Ada Lovelace", "miné/craft", "100%pool")
SETTLED = frozenset({"confirmed", "stale", "orphan"})
_LEFT = {"processing": 120, "unconfirmed": 60, "confirmed": 0, "stale": -1, "orphan": -1}
_SPOILT: tuple[dict[str, Any], ...] = ({"difficulty": "NaN"}, {"accepted": True}, {"id": "x"}, {"id": None})


@define(eq=False)
class Row:
    """A record of a list, and when it was in it, with which status, and readable."""

    id: int
    chain: str
    at: float
    hash: str
    born: float
    is_fresh: bool
    """Whether its id was higher than any before, so that a stream owes it."""
    died: float = math.inf
    was_away: bool = False
    """Whether it was out of the list for a while, or for good."""
    statuses: list[tuple[float, str]] = field(factory=list[tuple[float, str]])
    spoilt: dict[str, Any] | None = None
    """What makes it unreadable now."""
    spoilt_until: float = -math.inf
    """When it last was unreadable."""

    @property
    def status(self) -> str:
        """How far a block has come."""
        return self.statuses[-1][1]

    def was_there(self, start: float, end: float) -> bool:
        """Tell whether it was in the list at any time between these."""
        return self.born <= end and self.died >= start

    def was_readable(self, start: float) -> bool:
        """Tell whether it could be read at all times since."""
        return self.spoilt is None and self.spoilt_until < start

    def had_status(self, status: str, start: float, end: float) -> bool:
        """Tell whether it had this status at any time between these."""
        ends = [*[time for time, _ in self.statuses[1:]], math.inf]
        return any(
            each == status and time <= end and until >= start
            for (time, each), until in zip(self.statuses, ends, strict=True)
        )


@define(eq=False)
class Listing:
    """One list, newest first, and all that ever stood in it."""

    rows: list[Row] = field(factory=list[Row])
    known: dict[str, Row] = field(factory=dict[str, Row])
    """By hash, or what stands for it."""
    highest: int = 0
    away: list[Row] = field(factory=list[Row])
    """What has left the list and will come back."""

    def add(self, number: int, time: float, random: Random, *, place: int = 0) -> Row:
        """Put a record into the list."""
        at = math.floor(EPOCH + time)
        if place:
            at = min(at, int(self.rows[place - 1].at))
        if place < len(self.rows):
            at = max(at, int(self.rows[place].at))
        row = Row(
            number, random.choice(("BTC", "BTC", "NMC")), at, f"{len(self.known):064x}", time, number > self.highest
        )
        row.statuses.append((time, random.choice(("processing", "unconfirmed", "confirmed"))))
        self.rows.insert(place, row)
        self.known[row.hash] = row
        self.highest = max(self.highest, number)
        return row

    def remove(self, row: Row, time: float) -> None:
        """Take a record out of the list."""
        self.rows.remove(row)
        row.died, row.was_away = time, True


@define(eq=False)
class World:
    """All that the pool knows.

    `move` changes it at random.
    """

    random: Random
    time: float
    blocks: Listing = field(factory=Listing)
    shifts: Listing = field(factory=Listing)
    workers: dict[str, bool] = field(factory=dict[str, bool])
    is_rough: bool = True
    """Whether records are also withdrawn, come late, or cannot be read."""

    def __attrs_post_init__(self) -> None:
        for _ in range(self.random.choice((0, 3, 40, 200, 700))):
            self._grow(self.blocks)
        for _ in range(self.random.choice((0, 3, 40, 120))):
            self._grow(self.shifts)
        for row in self.blocks.rows[30:]:
            row.statuses[-1] = (self.time, "confirmed")
        self.workers = {f"rig{number}": True for number in range(4)}

    def move(self, time: float) -> str:
        """Change something, and say what."""
        self.time = time
        names = ["block"] * 6 + ["settle"] * 8 + ["shift"] * 4 + ["worker"] * 3
        rough = ["burst", "withdraw", "withdraw newest", "late", "spoil", "mend", "mend", "restart", "vanish", "return"]
        what = self.random.choice(names + rough * (1 if self.random.random() < 0.5 else 0) if self.is_rough else names)
        listing = self.random.choice((self.blocks, self.blocks, self.shifts))
        getattr(self, f"_{what.replace(' ', '_')}")(listing)
        return what

    def calm(self, time: float) -> None:
        """Bring back what is away, and make all readable."""
        self.time = time
        for listing in (self.blocks, self.shifts):
            self._return(listing)
            for row in listing.rows:
                self._heal(row)

    def _grow(self, listing: Listing) -> None:
        newest = listing.rows[0].id if listing.rows else self.random.randrange(5)
        listing.add(newest + self.random.choice((1, 1, 1, 2, 4)), self.time, self.random)

    def _block(self, _: Listing) -> None:
        self._grow(self.blocks)

    def _shift(self, _: Listing) -> None:
        self._grow(self.shifts)

    def _burst(self, listing: Listing) -> None:
        for _ in range(self.random.choice((5, 20, 60, 130))):
            self._grow(listing)

    def _settle(self, _: Listing) -> None:
        open_ = [row for row in self.blocks.rows[:200] if row.status not in SETTLED]
        for row in open_[-self.random.randrange(1, 4) :]:
            later = ["unconfirmed"] if row.status == "processing" else ["confirmed", "confirmed", "orphan"]
            row.statuses.append((self.time, self.random.choice([*later, "stale"])))

    def _worker(self, _: Listing) -> None:
        name = f"rig{self.random.randrange(6)}"
        if name in self.workers and self.random.random() < 0.2:
            del self.workers[name]
        else:
            self.workers[name] = not self.workers.get(name, False)

    def _withdraw(self, listing: Listing) -> None:
        if len(listing.rows) > 5:
            listing.remove(self.random.choice(listing.rows[:80]), self.time)

    def _withdraw_newest(self, listing: Listing) -> None:
        if len(listing.rows) > 5:
            listing.remove(listing.rows[0], self.time)

    def _late(self, listing: Listing) -> None:
        for place in range(1, min(len(listing.rows), 100)):
            above, below = listing.rows[place - 1 : place + 1]
            if above.id - below.id > 1 and self.random.random() < 0.2:
                listing.add(above.id - 1, self.time, self.random, place=place)
                return

    def _spoil(self, listing: Listing) -> None:
        if len(listing.rows) > 5 and sum(row.spoilt is not None for row in listing.rows) < 2:
            self.random.choice(listing.rows[:60]).spoilt = self.random.choice(_SPOILT)

    def _mend(self, listing: Listing) -> None:
        for row in listing.rows:
            if self.random.random() < 0.5:
                self._heal(row)

    def _heal(self, row: Row) -> None:
        if row.spoilt is not None:
            row.spoilt, row.spoilt_until = None, self.time

    def _restart(self, listing: Listing) -> None:
        """Lose the newest for good: ids are given anew."""
        if self.random.random() < 0.3:
            for row in listing.rows[: self.random.randrange(1, 12)]:
                if len(listing.rows) > 5:
                    listing.remove(row, self.time)

    def _vanish(self, listing: Listing) -> None:
        """Show an older list for a while."""
        if self.random.random() < 0.3 and not listing.away and len(listing.rows) > 20:
            listing.away = listing.rows[: self.random.randrange(1, len(listing.rows) - 5)]
            for row in listing.away:
                listing.remove(row, self.time)

    def _return(self, listing: Listing) -> None:
        """Show the list as it was before; what came meanwhile is gone, or moments would not fall along the list."""
        if listing.away:
            since = listing.away[0].died
            for row in [row for row in listing.rows if row.born >= since]:
                listing.remove(row, self.time)
            for row in listing.away:
                row.born, row.died = self.time, math.inf
                # A stream that has been told of higher ids meanwhile is past it.
                row.is_fresh = row.is_fresh and listing.highest == listing.away[0].id
            listing.rows, listing.away = [*listing.away, *listing.rows], []

    def page(self, what: str, most: int, offset: int, commodity: str | None, serial: int) -> list[dict[str, Any]]:
        """Return a page as it is on the wire; `accepted` is the answer's serial number."""
        listing = self.blocks if what == "blocks" else self.shifts
        rows = [row for row in listing.rows if commodity is None or row.chain == commodity][offset : offset + most]
        return [(self._block_json if what == "blocks" else self._shift_json)(row, serial) for row in rows]

    def _block_json(self, row: Row, serial: int) -> dict[str, Any]:
        own = {"id": row.id, "chain": row.chain, "hash": row.hash, "generated": row.at, "accepted": serial}
        status = {"status": row.status, "confirmations_left": _LEFT[row.status]}
        return {**BLOCK, **own, **status, **(row.spoilt or {})}

    def _shift_json(self, row: Row, serial: int) -> dict[str, Any]:
        own = {"id": row.id, "completed": row.at, "accepted": serial, "rejected": int(row.hash, 16)}
        return {**SHIFT, **own, **(row.spoilt or {})}

    def user(self, name: str, serial: int, now: float) -> dict[str, Any]:
        """Return a user as it is on the wire; `shift.accepted` is the answer's serial number."""
        workers = [{**WORKER, "name": worker, "alive": alive} for worker, alive in self.workers.items()]
        shift = {**USER["shift"], "accepted": serial}
        return {**USER, "name": name, "now": EPOCH + now, "shift": shift, "workers": workers}
