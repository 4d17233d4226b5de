"""With whom a budget is shared."""

from .base import Budget
from .options import Redis
from .pace import Pace, warn_once

__all__ = ["check_share", "make_budget"]

_SCOPES = "machine", "process"


def check_share(name: str, share: object) -> None:
    """Raise TypeError unless `share` is a string or a Redis, ValueError unless it is a scope or a URL of Redis."""
    if isinstance(share, Redis):
        return
    if not isinstance(share, str):
        raise TypeError(f"{name} must be a string or a Redis, not {type(share).__name__}")
    if "://" in share:
        try:
            Redis(share)
        except ValueError as exc:  # which says what is wrong with it, but not what it is: it may hold a password
            raise ValueError(f"{name}: {exc}") from None
    elif share not in _SCOPES:
        raise ValueError(f"{name} must be 'machine', 'process' or the URL of a Redis server, not {share!r}")


def make_budget(
    share: str | Redis | None, origin: str, base_url: str, *, interval: float, patience: float, timeout: float
) -> Budget:
    """Return the budget of a client: shared by all who ask this origin within this scope; None: with nobody."""
    if share and not isinstance(share, Redis) and "://" in share:
        share = Redis(share)
    if isinstance(share, Redis):
        try:
            from .redis import RedisBudget  # noqa: PLC0415  # 50 ms, and packages of an extra, which only this scope needs
        except ModuleNotFoundError as exc:
            raise ModuleNotFoundError(
                f"to share through Redis, install the extra: pip install 'bitminter-async[redis]' ({exc})"
            ) from None
        return RedisBudget(
            share, origin=origin, base_url=base_url, interval=interval, patience=patience, timeout=timeout
        )
    if share == "machine":
        try:
            from .machine import Machine  # noqa: PLC0415  # it brings in what only this scope needs, and not all systems have
        except ImportError as exc:
            warn_once(f"the pool's budget is shared within this process only: this system has no flock ({exc})")
        else:
            return Machine(interval, patience, origin, timeout)
    return Pace(interval, patience, origin if share else None)
