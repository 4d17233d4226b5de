"""The receipt: how polite a client has been."""

from datetime import datetime, timedelta

from attrs import frozen

__all__ = ["Receipt"]


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
