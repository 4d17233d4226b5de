"""The block on clients that ask too often."""

import logging
from collections import deque
from math import inf

from .clock import Clock

__all__ = ["RateLimit"]

_LOGGER = logging.getLogger("bitminter_async.local")
_MINUTE = 60.0
_BLOCKED_FOR = 900.0


class RateLimit:
    """Blocks each address for 15 minutes after its last request beyond `limit` within a minute.

    Args:
        clock: Tells when requests arrive.
        limit: Requests per minute that are allowed; None: any number.
    """

    def __init__(self, clock: Clock, limit: int | None) -> None:
        self._clock = clock
        self._limit = limit
        self._arrivals: dict[str, deque[float]] = {}
        self._blocked_until: dict[str, float] = {}

    def is_blocked(self, address: str) -> bool:
        """Return whether requests from this address are refused."""
        return self._clock.elapsed() < self._blocked_until.get(address, -inf)

    def lift(self) -> None:
        """Let every address ask again, and begin to count anew."""
        self._blocked_until.clear()
        self._arrivals.clear()

    def count(self, address: str) -> None:
        """Count a request from this address, and block it if that is one too many."""
        if self._limit is None:
            return
        now = self._clock.elapsed()
        arrivals = self._arrivals.setdefault(address, deque(maxlen=self._limit + 1))
        arrivals.append(now)
        if len(arrivals) > self._limit and now - arrivals[0] < _MINUTE:
            if not self.is_blocked(address):
                _LOGGER.warning("%s is blocked: more than %d requests within a minute", address, self._limit)
            self._blocked_until[address] = now + _BLOCKED_FOR
