"""Moments as they are written on a command line."""

import re
from datetime import UTC, datetime, timedelta

__all__ = ["parse_moment", "parse_until"]

_AGO = re.compile(r"([0-9]{1,6})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")


def parse_moment(text: str) -> datetime:
    """Return the moment so long ago (`30m`, `12h`, `7d`, `2w`), or of this ISO date or datetime, in UTC unless it says.

    Raises:
        ValueError: It is none of these.
    """
    try:
        if ago := _AGO.fullmatch(text):
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        moment = datetime.fromisoformat(text)
        return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        raise ValueError(
            f"must be a moment such as 7d, 12h, 2014-03-01 or 2014-03-01T12:00, in UTC, not {text!r}"
        ) from None


def parse_until(text: str) -> datetime:
    """Return the moment as `parse_moment` does, but of a date the last of its day: `--until` includes what it names."""
    moment = parse_moment(text)
    return moment + timedelta(days=1, microseconds=-1) if _DATE.fullmatch(text) else moment
