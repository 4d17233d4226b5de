"""With whom a budget is shared."""

from .base import Budget
from .pace import Pace, warn_once

__all__ = ["check_share", "make_budget"]

_SCOPES = "machine", "process"


def check_share(name: str, share: object) -> None:
    """Raise TypeError unless `share` is a string, ValueError unless it is a scope that there is."""
    if not isinstance(share, str):
        raise TypeError(f"{name} must be a string, not {type(share).__name__}")
    if share not in _SCOPES:
        raise ValueError(f"{name} must be 'machine' or 'process', not {share!r}")


def make_budget(share: str | None, origin: str, *, interval: float, patience: float, timeout: float) -> Budget:
    """Return the budget of a client: shared by all who ask this origin within this scope; None: with nobody."""
    if share == "machine":
        try:
            from .machine import Machine  # noqa: PLC0415  # it brings in what only this scope needs, and not all systems have
        except ImportError as exc:
            warn_once(f"the pool's budget is shared within this process only: this system has no flock ({exc})")
        else:
            return Machine(interval, patience, origin, timeout)
    return Pace(interval, patience, origin if share else None)
