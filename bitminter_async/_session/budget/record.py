"""What the processes of a machine tell each other of a pool: one line of JSON, in a file."""

import json
import math
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from threading import get_ident

from attrs import asdict, evolve, field, frozen, validators
from cattrs import Converter

from ...errors import Blocked, RateLimited, StatusError

__all__ = ["Lease", "Record", "Rest", "sweep"]

_TO_COME = 1.0  # seconds by which a moment may lie ahead: clocks are not read at the same time
_LONGEST = 30 * 86_400.0  # seconds: what is longer, nobody here has written
_SEEN_FOR = 600.0
_MOST_SEEN = 100
_LARGEST = 2**20  # bytes
_LEFT_BEHIND = 60.0
_KINDS: Mapping[str, type[RateLimited | Blocked]] = {"RateLimited": RateLimited, "Blocked": Blocked}


_CONVERTER = Converter(detailed_validation=False)
_MOMENT = [validators.ge(0.0), validators.lt(math.inf)]
_SPAN = [validators.ge(0.0), validators.le(_LONGEST)]


@frozen
class Lease:
    """For how long a turn may last, so that one whose holder stands still can be taken away."""

    begun: float = field(default=0.0, validator=_MOMENT)
    seconds: float = field(default=0.0, validator=_SPAN)

    @property
    def left(self) -> float:
        """Seconds until it has run out; no more than it had when it began, should the clock have been set back."""
        return min(max(0.0, self.begun + self.seconds - time.time()), self.seconds)


@frozen
class Rest:
    """A rest, and what began it."""

    begun: float = field(default=0.0, validator=_MOMENT)
    seconds: float = field(default=0.0, validator=_SPAN)
    kind: str = field(default="RateLimited", validator=validators.in_(_KINDS))
    said: str = ""
    status: int = 0
    url: str = ""

    @classmethod
    def of(cls, seconds: float, error: StatusError) -> "Rest":
        """Return a rest that begins now. Of the answer only what the error says is kept, in which a key is masked."""
        return cls(time.time(), seconds, type(error).__name__, str(error), error.status, error.url)

    @property
    def ends(self) -> float:
        """When it is over."""
        return self.begun + self.seconds

    @property
    def reason(self) -> RateLimited | Blocked:
        """An error like the one that began it."""
        error = _KINDS[self.kind](self.said, status=self.status, url=self.url, body="", headers={})
        error.retry_after = self.seconds
        return error


@frozen
class Record:
    """The last departure, the slowed spacing, the rest, and the present turn. Moments are seconds of the wall clock."""

    departed: float = field(default=0.0, validator=_MOMENT)
    slowed_to: float = field(default=0.0, validator=_SPAN)
    slowed_at: float = field(default=0.0, validator=_MOMENT)
    rest: Rest = Rest()
    lease: Lease = Lease()
    by: str = ""
    """Which process departed last."""
    seen: Mapping[str, float] = field(factory=dict[str, float])
    """When each process departed last."""

    @classmethod
    def load(cls, path: Path) -> "Record":
        """Read what is known: nothing, where the file is missing or cannot be understood.

        Raises:
            OSError: It cannot be read.
        """
        try:
            found = _CONVERTER.structure(json.loads(_read(path)), cls)
        except (FileNotFoundError, ValueError, TypeError, AttributeError, OverflowError, RecursionError):
            return cls()
        sane = found.made_sane()
        if sane is not found:
            sane.save(path)  # or it would stay so until the clock has caught up
        return sane

    def made_sane(self) -> "Record":
        """Let nothing have happened in the future: a clock that was set back must not hold up anybody for long."""
        now = time.time()
        if max(self.departed, self.slowed_at, self.rest.begun) <= now + _TO_COME:
            return self
        rest = evolve(self.rest, begun=min(self.rest.begun, now))
        return evolve(self, departed=min(self.departed, now), slowed_at=min(self.slowed_at, now), rest=rest)

    def save(self, path: Path) -> None:
        """Write it, whole or not at all.

        Raises:
            OSError: It cannot be written.
        """
        beside = path.with_suffix(f".{os.getpid()}-{get_ident()}.new")
        try:
            with open(beside, "w", encoding="ascii", opener=_for_us) as file:
                file.write(json.dumps(asdict(self)))
            beside.replace(path)
        except OSError:
            with suppress(OSError):
                beside.unlink()
            raise

    def others(self, process: str) -> int:
        """Return how many other processes have departed lately."""
        now = time.time()
        return sum(abs(now - at) < _SEEN_FOR for name, at in self.seen.items() if name != process)

    def departed_by(self, process: str) -> "Record":
        """Return it with a departure of this process, now, and without the processes of long ago."""
        now = time.time()
        latest = sorted((-at, name) for name, at in self.seen.items() if abs(now - at) < _SEEN_FOR and name != process)
        recent = latest[:_MOST_SEEN]
        return evolve(self, departed=now, by=process, seen={process: now, **{name: -at for at, name in recent}})


def _for_us(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _read(path: Path) -> bytes:
    # What is too large is cut, and so is not understood; what is no file, as a pipe, does not hold up the loop.
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        return os.read(file, _LARGEST)
    finally:
        os.close(file)


def sweep(directory: Path) -> None:
    """Remove what processes that were killed while they wrote have left behind.

    Raises:
        OSError: It cannot be removed.
    """
    for each in directory.glob("*.new"):
        with suppress(FileNotFoundError):  # another has removed it, or it has taken its place
            if time.time() - each.stat().st_mtime > _LEFT_BEHIND:
                each.unlink()
