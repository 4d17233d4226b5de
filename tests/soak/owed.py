"""What is owed to whom: the model against which walks, streams and calls are held."""

import math
from typing import Any

from attrs import define, field

from bitminter_async import (
    Block,
    BlockChanged,
    BlockFound,
    Shift,
    WorkerAdded,
    WorkerBack,
    WorkerGone,
    WorkerIdle,
)
from tests.soak.server import Server, now
from tests.soak.world import SETTLED, Listing, Row


def row_of(listing: Listing, record: Block | Shift) -> Row | None:
    """The row that a record was made of."""
    key = record.hash if isinstance(record, Block) else f"{record.rejected:064x}"
    row = listing.known.get(key)
    return row if row and row.id == record.id else None


@define(eq=False)
class WalkOwed:
    """One walk, and what it gave."""

    server: Server
    listing: Listing
    wanted: dict[str, Any]
    start: float = field(factory=now)
    given: list[Row] = field(factory=list[Row])

    def take(self, record: Block | Shift) -> None:
        """Look at a record as it is given."""
        row = row_of(self.listing, record)
        if row is None or not row.was_there(self.start, now()):
            self.server.fault(f"a walk gave {record}, which was not there")
            return
        if self.given and row.id >= self.given[-1].id:
            self.server.fault(f"a walk gave {row.id} after {self.given[-1].id}")
        if isinstance(record, Block) and not row.had_status(str(record.status), self.start, now()):
            self.server.fault(f"a walk gave {row.id} as {record.status}, which it was not meanwhile")
        if not self._is_wanted(row):
            self.server.fault(f"a walk of {self.wanted} gave {row}")
        self.given.append(row)

    def _is_wanted(self, row: Row) -> bool:
        wanted = self.wanted
        after, commodity = wanted.get("after"), wanted.get("commodity")
        since, until = (wanted[each].timestamp() if each in wanted else None for each in ("since", "until"))
        return (
            (commodity is None or row.chain == commodity)
            and (after is None or row.id > after)
            and (since is None or row.at >= since)
            and (until is None or row.at <= until)
        )

    def end(self, *, is_whole: bool) -> None:
        """Look whether a walk gave all that it should, down to its end or to what it gave last."""
        limit = self.wanted.get("limit", math.inf)
        is_whole = is_whole and len(self.given) < limit
        if len(self.given) > limit:
            self.server.fault(f"a walk gave {len(self.given)} of {limit}")
        if not self.given and not is_whole:
            return
        lowest = -1 if is_whole else self.given[-1].id
        highest = math.inf
        if "offset" in self.wanted:
            if not self.given:
                return
            highest = self.given[0].id
        given = {row.hash for row in self.given}
        lost = [
            row.id
            for row in self.listing.rows
            if row.born <= self.start
            and row.was_readable(self.start)
            and lowest <= row.id <= highest
            and row.hash not in given
            and self._is_wanted(row)
        ]
        if lost:
            self.server.fault(f"the walk of {self.wanted} lost {lost[:20]}; it gave {[row.id for row in self.given]}")


@define(eq=False)
class ListOwed:
    """What a bot that follows a list has been told, over all its streams."""

    server: Server
    listing: Listing
    name: str
    commodity: str | None = None
    last: int | None = None
    """What it would save: the highest id told."""
    begins: float = math.inf
    """All fresh rows above this id are owed."""
    told: dict[int, Row] = field(factory=dict[int, Row])
    status: dict[int, str | None] = field(factory=dict[int, str | None])
    """Of what is not settled, as last told; None: it is followed by its id alone."""
    records: dict[int, Block] = field(factory=dict[int, Block])
    forgiven: set[int] = field(factory=set[int])
    count: int = 0

    def begin(self, after: int | None) -> None:
        """Begin to follow."""
        self.last = after
        self.begins = math.inf if after is None else after

    def restart(self) -> None:
        """Forget what a bot that saves its place does not save."""
        if self.last is None:
            return
        below = [row for row in self.listing.rows if row.id <= (self.last or 0) and row.id not in self.told]
        self.forgiven |= {row.id for row in below if not row.was_readable(-math.inf)}

    def take(self, event: BlockFound | BlockChanged | Shift) -> None:
        """Look at an event."""
        self.count += 1
        match event:
            case BlockFound(block):
                self.server.note(f"{self.name}: {block.id} found, {block.status}")
                self._find(block)
            case Shift():
                self.server.note(f"{self.name}: {event.id} found")
                self._find(event)
            case BlockChanged(before, after):
                self.server.note(f"{self.name}: {after.id} from {before and before.status} to {after.status}")
                self._change(before, after)

    def _find(self, record: Block | Shift) -> None:
        row = row_of(self.listing, record)
        if row is None:
            self.server.fault(f"{self.name}: {record} was found, which never was")
            return
        if row.id in self.told:
            self.server.fault(f"{self.name}: {row.id} was found twice")
        if self.last is not None and row.id <= self.last and row.was_readable(-math.inf) and row.is_fresh:
            self.server.fault(f"{self.name}: {row.id} was found after {self.last}")
        if self.commodity and row.chain != self.commodity:
            self.server.fault(f"{self.name}: {row.id} of {row.chain} was found")
        self.told[row.id] = row
        if math.isinf(self.begins):
            self.begins = row.id
        self.last = max(row.id, -1 if self.last is None else self.last)
        if isinstance(record, Block):
            self._keep(record)

    def _keep(self, block: Block) -> None:
        if block.status.settled:
            self.status.pop(block.id, None)
            self.records.pop(block.id, None)
        else:
            self.status[block.id], self.records[block.id] = str(block.status), block

    def _change(self, before: Block | None, after: Block) -> None:
        known = self.status.get(after.id)
        row = row_of(self.listing, after)
        if row is None:
            self.server.fault(f"{self.name}: {after} changed, which never was")
            return
        if not row.is_fresh or (after.id in self.told and self.told[after.id] is not row):
            self._keep(after)  # ids that were given anew are nobody's promise
            return
        if before is not None and before.status is after.status:
            self.server.fault(f"{self.name}: {after.id} changed from {before.status} to itself")
        if known is not None and before is not None and str(before.status) != known:
            self.server.fault(f"{self.name}: {after.id} changed from {before.status}, but was told as {known}")
        if after.id in self.told and after.id not in self.status:
            self.server.fault(f"{self.name}: {after.id} changed to {after.status} after it was told as settled")
        self._keep(after)

    def missing(self) -> list[str]:
        """Say what is owed now and has not been told."""
        rows = [row for row in self.listing.rows if self.commodity is None or row.chain == self.commodity]
        lost = [
            f"{row.id} was not found"
            for row in rows
            if row.id > self.begins and row.is_fresh and row.id not in self.told and row.id not in self.forgiven
        ]
        for row in rows:
            if row.was_away or not row.is_fresh or row.id not in self.status:
                continue
            known = self.status[row.id]
            if row.status != known and (known is not None or row.status in SETTLED):
                lost.append(f"{row.id} is {row.status}, but was last told as {known}")
        return lost


@define(eq=False)
class WorkersOwed:
    """What a bot has been told of a user's workers."""

    server: Server
    name: str
    alive: dict[str, bool] = field(factory=dict[str, bool])
    saved: set[str] = field(factory=set[str])
    """Those that a stream began with, which it cannot know to be gone."""
    count: int = 0

    def begin(self, idle: list[str]) -> None:
        """Begin again, with those that were idle."""
        self.alive = dict.fromkeys(idle, False)
        self.saved = {*idle}

    def take(self, event: WorkerIdle | WorkerBack | WorkerAdded | WorkerGone) -> None:
        """Look at an event."""
        self.count += 1
        worker = event.worker.name
        known = self.alive.get(worker)
        match event:
            case WorkerGone():
                self.alive.pop(worker, None)
                return
            case WorkerIdle():
                is_odd = known is False
            case WorkerBack():
                is_odd = known is True
            case _:
                is_odd = known is not None and worker not in self.saved
        if is_odd:
            self.server.fault(f"{self.name}: {type(event).__name__} of {worker}, known as {known}")
        if isinstance(event, WorkerIdle | WorkerBack) and event.worker.alive is isinstance(event, WorkerIdle):
            self.server.fault(f"{self.name}: {event}")
        self.alive[worker] = event.worker.alive
        self.saved.discard(worker)

    def missing(self) -> list[str]:
        """Say what is owed now and has not been told."""
        real = self.server.world.workers
        return [
            f"{worker} is alive: {real.get(worker)}, but was told as {alive}"
            for worker, alive in self.alive.items()
            if real.get(worker) is not alive and (worker in real or worker not in self.saved)
        ]
