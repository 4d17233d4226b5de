"""Checks of what callers pass in: a wrong argument is named before anything is sent."""

import math
import sys

__all__ = [
    "MAX_PAGE",
    "check_commodity",
    "check_flag",
    "check_integer",
    "check_max_wait",
    "check_seconds",
    "check_user_name",
]

MAX_PAGE = 50
"""The most records that the API gives in one page."""

_LONGEST_COMMODITY = 20
_LONGEST_NAME = 1000


def check_seconds(name: str, value: object, *, above_zero: bool = False) -> None:
    """Raise TypeError unless `value` is a number, ValueError unless it is finite and 0 or more (or above 0)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number of seconds, not {type(value).__name__}")
    if not 0 <= value <= sys.float_info.max or (above_zero and not value):
        kind = "a finite number" if value == math.inf else "a number"
        raise ValueError(f"{name} must be {kind} of seconds{' above 0' if above_zero else ', 0 or more'}, not {value}")


def check_max_wait(value: float) -> float | None:
    """Check a number of seconds that a call may wait, and return it; None for infinity, which is no bound."""
    if value == math.inf:
        return None
    check_seconds("max_wait", value)
    return value


def check_flag(name: str, value: object) -> None:
    """Raise TypeError unless `value` is a bool: any other would count as true or false by surprise."""
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, not {type(value).__name__}")


def check_integer(name: str, value: object, least: int, most: float = math.inf) -> None:
    """Raise TypeError unless `value` is an int, ValueError unless it is within the bounds, both included."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int, not {type(value).__name__}")
    if not least <= value <= most:
        raise ValueError(f"{name} must be {least} {'or more' if most == math.inf else f'to {most}'}, not {value}")


def check_commodity(value: object) -> None:
    """Raise TypeError unless `value` is a string or None, ValueError unless it is a name that a commodity may have."""
    if value is None:
        return
    if not isinstance(value, str):
        raise TypeError(f"commodity must be a string, not {type(value).__name__}")
    if not value.isascii() or not value.isalnum() or len(value) > _LONGEST_COMMODITY:
        raise ValueError(
            f"commodity must be a short name of letters and digits, such as 'BTC', of at most {_LONGEST_COMMODITY}"
        )


def check_user_name(value: object) -> None:
    """Raise TypeError unless `value` is a string or None, ValueError unless it is a name that a URL can carry."""
    if value is None:
        return
    if not isinstance(value, str):
        raise TypeError(f"a user's name must be a string, not {type(value).__name__}")
    if value in {"", ".", ".."}:
        raise ValueError(f"a user's name must not be {value!r}: no URL can carry it")
    if len(value) > _LONGEST_NAME:
        raise ValueError(f"a user's name must have at most {_LONGEST_NAME} characters, not {len(value)}")
