"""What a process does while Redis cannot be reached."""

import logging
import random

from ...errors import BudgetUnreachable
from .lease import now

__all__ = ["Outage"]

_LOGGER = logging.getLogger("bitminter_async")


class Outage:
    """Tells of an outage once, when it begins and when it ends, and when a process may go on alone in it.

    Args:
        alone: Seconds between the starts of two requests of this process meanwhile; None: nothing is sent.
    """

    def __init__(self, alone: float | None) -> None:
        self._alone = alone
        self._error: BudgetUnreachable | None = None
        self._alone_from = 0.0

    def begin(self, error: BudgetUnreachable) -> None:
        """Note that Redis cannot be reached."""
        if self._error is None:
            self._error = error
            # A random phase, or all processes of a fleet would ask at once.
            self._alone_from = now() + random.uniform(0.0, self._alone or 0.0)  # noqa: S311  # no secret depends on it
            going_on = f"this process goes on alone, {self._alone:g} s apart" if self._alone else "nothing is sent"
            _LOGGER.warning("%s; until it can, %s", error, going_on)

    def end(self) -> None:
        """Note that it can be reached."""
        if self._error:
            self._error = None
            _LOGGER.info("the budget can be reached again")

    def alone_from(self, departed: float) -> float | None:
        """Return when this process may ask by itself, which departed then; None: it may not."""
        return None if self._alone is None else max(self._alone_from, departed + self._alone)

    def refusal(self) -> BudgetUnreachable | None:
        """Return a new error like the one that began the outage, if there is one in which nothing is sent."""
        return BudgetUnreachable(*self._error.args) if self._error and self._alone is None else None
