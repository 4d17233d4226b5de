"""What is known of a pool by all who share its budget within a process."""

import asyncio
import copy
import os
from secrets import token_hex
from typing import TYPE_CHECKING
from weakref import WeakSet

from attrs import define, field

from ...errors import Blocked, RateLimited
from .line import Line

if TYPE_CHECKING:
    from .lockfile import LockFile

__all__ = ["State"]

_RECOVERY = 60.0  # seconds without a 429 after which a slowed spacing is halved
_LEAST_SLOWED = 1.0
_MOST_SLOWED = 60.0  # or twice the interval, where that is longer
_NEGLIGIBLE = 0.01


@define(eq=False)
class State:
    """The last departure, the rest, the slowed spacing, and the line. Times are seconds on the loop's clock."""

    _token: str = field(factory=lambda: token_hex(8))
    line: Line = field(factory=Line)
    sharers: WeakSet[object] = field(factory=WeakSet[object])
    """The clients that share it."""
    departed: float = float("-inf")
    departed_by: object = None
    """Which client departed last; None: one of another process."""
    longest_interval: float = 0.0
    """The longest of those that share it, so that it is known when a departure is over for all."""
    slowed_to: float = 0.0
    slowed_at: float = 0.0
    rest_ends: float = float("-inf")
    rest_seconds: float = 0.0
    """How long the rest was when it began."""
    rest_reason: RateLimited | Blocked | None = None
    rests: int = 0
    blocks: int = 0
    rest_seconds_in_all: float = 0.0
    """Past and to come, overlaps counted once."""
    processes: int = 0
    """How many other processes share the budget."""
    told: object = None
    """The rest that other processes told of last, or were told of."""
    lock: "LockFile | None" = None
    """What it shares with other processes of the machine."""
    sought: float = float("-inf")
    """When that was looked for."""
    loop: asyncio.AbstractEventLoop | None = None

    @property
    def name(self) -> str:
        """What tells it from those of other processes, also from those that were forked with a copy of it."""
        return f"{self._token}-{os.getpid()}"

    def now(self) -> float:
        """Return the time."""
        if self.loop is None:
            self.loop = asyncio.get_running_loop()
        return self.loop.time()

    def depart(self, by: object) -> float:
        """Note a departure, and return when it was."""
        self.departed, self.departed_by = self.now(), by
        self.line.depart()
        return self.departed

    def spacing(self, interval: float) -> float:
        """Return the seconds between two turns now, for who keeps this interval: that, or more if slowed down."""
        if not self.slowed_to:
            return interval
        eased = self.slowed_to * 0.5 ** ((self.now() - self.slowed_at) // _RECOVERY)
        return max(interval, eased if eased > _NEGLIGIBLE else 0.0)

    def slowed_spacing(self, interval: float) -> float:
        """Return the seconds between two turns, for who keeps this interval, were they slowed down now."""
        return min(max(2 * self.spacing(interval), _LEAST_SLOWED), max(2 * interval, _MOST_SLOWED))

    def slow_down(self, interval: float) -> None:
        """Double the spacing; each quiet minute halves it again."""
        self.slowed_to = self.slowed_spacing(interval)
        self.slowed_at = self.now()

    @property
    def rest_left(self) -> float:
        """Seconds for which the pool wants rest."""
        return max(0.0, self.rest_ends - self.now()) if self.rest_reason else 0.0

    @property
    def rested(self) -> float:
        """Seconds for which there has been a rest so far."""
        return self.rest_seconds_in_all - self.rest_left

    def rest(self, seconds: float, reason: RateLimited | Blocked, left: float | None = None) -> None:
        """Let there be a rest of so many seconds, of which so many are left, unless there is one that ends later."""
        now = self.now()
        ends = now + (seconds if left is None else left)
        if ends <= self.rest_ends:
            return
        if isinstance(reason, Blocked):
            self.blocks += 1
        else:
            self.rests += 1
        self.rest_seconds_in_all += ends - max(now, self.rest_ends)
        self.rest_ends, self.rest_seconds, self.rest_reason = ends, seconds, reason
        self.line.refuse()

    def refusal(self, patience: float) -> RateLimited | Blocked | None:
        """Return a new error like the one that began the rest, if that is too long for this patience."""
        if not self.rest_reason or self.rest_seconds <= patience or not (left := self.rest_left):
            return None
        error = copy.copy(self.rest_reason)
        error.args = (f"not sent, since the client rests for another {left:.1f} s; what began the rest: {error}",)
        error.retry_after = left
        return error

    @property
    def is_over(self) -> bool:
        """Whether nobody can share it any more, and nothing in it holds for who comes."""
        is_shared = self.sharers and self.loop and not self.loop.is_closed()
        return not (is_shared or self.rest_left or self.departed + self.spacing(self.longest_interval) > self.now())
