"""Records as JSON, with what they derive."""

from typing import Any

__all__ = ["json_of"]


def json_of(record: Any) -> bytes:
    """Return a record or an event as one line of JSON, its derived figures included."""
    from ..data import to_json  # noqa: PLC0415  # the converter is loaded where JSON is asked for

    return to_json(record, derived=True)
