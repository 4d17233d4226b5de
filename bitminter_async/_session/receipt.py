"""The receipt: how polite a client has been."""

from datetime import UTC, datetime, timedelta

from attrs import define, field, frozen

from .budget.base import Budget

__all__ = ["Receipt", "Tally"]


@frozen
class Receipt:
    """A snapshot of what a client has asked of the pool, and how; `str()` of it is a paragraph for the operator."""

    since: datetime
    """When the client was made (UTC)."""
    calls: int
    """Questions asked of the client."""
    requests: int
    """Requests sent to the pool."""
    cached: int
    """Calls answered from the cache, without a request."""
    joined: int
    """Calls that shared the answer to a request already in the air or waiting for its turn."""
    retried: int
    """Attempts made again after a failure."""
    rests: int
    """Times that the pool asked for rest."""
    blocks: int
    """Times that the pool blocked this client."""
    rested: timedelta
    """The time for which rests and blocks have kept it from asking so far, overlaps counted once."""
    shortest_gap: timedelta | None
    """The shortest time between the starts of two requests; None before the second."""
    mean_gap: timedelta | None
    """The mean time between the starts of two requests; None before the second."""
    longest_wait: timedelta
    """The longest that a request has waited for its turn."""
    shared_with: int
    """With how many others it shares the pool's budget: clients of this process now, other processes lately."""
    waited_for_others: timedelta
    """How long it has waited, all told, because others had their turns."""
    bytes_received: int
    """Bytes of answers' bodies, as they came over the wire."""

    def __str__(self) -> str:
        text = (
            f"Since {self.since:%Y-%m-%d %H:%M} UTC this client has sent {_count(self.requests, 'request')} for "
            f"{_count(self.calls, 'call')} made of it: {self.cached} answered from its cache, {self.joined} by a "
            f"request already under way; {_count(self.retried, 'attempt')} made again. "
        )
        if self.shortest_gap is not None and self.mean_gap is not None:
            text += (
                f"Requests started {self.mean_gap.total_seconds():.3f} s apart on average and never less than "
                f"{self.shortest_gap.total_seconds():.3f} s; the longest wait for a turn was "
                f"{self.longest_wait.total_seconds():.3f} s. "
            )
        causes = [
            *([f"asked for rest {_count(self.rests, 'time')}"] if self.rests else []),
            *([f"blocked {_count(self.blocks, 'time')}"] if self.blocks else []),
        ]
        if causes:
            text += f"It was {' and '.join(causes)}, and has rested {self.rested.total_seconds():.0f} s in all. "
        if self.shared_with or self.waited_for_others:
            waited = self.waited_for_others.total_seconds()
            text += (
                f"It shares the pool with {_count(self.shared_with, 'other')}, for whom it has waited {waited:.1f} s. "
            )
        return f"{text}It received {_count(self.bytes_received, 'byte')}."


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


@define(eq=False, repr=False)
class Tally:
    """The running counts behind a receipt; times are seconds on the loop's clock. `asked` is calls past the cache."""

    since: datetime = field(factory=lambda: datetime.now(UTC))
    asked: int = 0
    requests: int = 0
    cached: int = 0
    retried: int = 0
    longest_wait: float = 0.0
    _shortest_gap: float = float("inf")
    _first: float = 0.0
    _last: float = 0.0

    def sent(self, departed: float) -> None:
        """Count a request that left at `departed`."""
        if self.requests:
            self._shortest_gap = min(self._shortest_gap, departed - self._last)
        else:
            self._first = departed
        self._last = departed
        self.requests += 1

    def receipt(self, *, joined: int, budget: Budget, bytes_received: int) -> Receipt:
        """Return the receipt as of now."""
        gaps = self.requests - 1
        return Receipt(
            since=self.since,
            calls=self.cached + self.asked,
            requests=self.requests,
            cached=self.cached,
            joined=joined,
            retried=self.retried,
            rests=budget.rests,
            blocks=budget.blocks,
            rested=timedelta(seconds=budget.rested),
            shortest_gap=timedelta(seconds=self._shortest_gap) if gaps > 0 else None,
            mean_gap=timedelta(seconds=(self._last - self._first) / gaps) if gaps > 0 else None,
            longest_wait=timedelta(seconds=self.longest_wait),
            shared_with=budget.shared_with,
            waited_for_others=timedelta(seconds=budget.waited_for_others),
            bytes_received=bytes_received,
        )
