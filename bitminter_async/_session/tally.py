"""The running counts behind a receipt."""

from datetime import UTC, datetime, timedelta

from attrs import define, field

from .._receipt import Receipt
from .budget.base import Budget

__all__ = ["Tally"]


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
