"""What an export holds of a record: its columns, as `to_dict` names them, and their types in SQLite."""

from collections.abc import Callable, Mapping
from datetime import datetime
from operator import attrgetter
from typing import Any, TypeAlias

from attrs import frozen

from ..data import to_dict
from ..records import Block, Shift

__all__ = ["BLOCKS", "SHIFTS", "Exported", "Table", "row_of"]

Exported: TypeAlias = Block | Shift


@frozen
class Table:
    """What is exported: blocks or shifts.

    Attributes:
        name: How the command, SQLite's table and messages call it.
        columns: Each one's type in SQLite, by name, `id` first. Money is TEXT, since REAL would round it. A moment is
            TEXT in ISO 8601, in UTC, which sorts by time, and which SQLite's own date functions take.
        free_text: The columns whose text the pool, or whoever named himself there, may choose.
        moment: Tells when a record happened.
        settles: Whether a record may change until its status is settled.
    """

    name: str
    columns: Mapping[str, str]
    free_text: frozenset[str]
    moment: Callable[[Any], datetime]
    settles: bool


BLOCKS = Table(
    "blocks",
    {
        "id": "INTEGER PRIMARY KEY",
        "chain": "TEXT",
        "hash": "TEXT",
        "height": "INTEGER",
        "difficulty": "REAL",
        "income": "TEXT",
        "accepted": "INTEGER",
        "rejected": "INTEGER",
        "status": "TEXT",
        "confirmations_left": "INTEGER",
        "generator": "TEXT",
        "generated": "TEXT",
        "duration_s": "REAL",
    },
    free_text=frozenset({"chain", "hash", "generator"}),
    moment=attrgetter("generated"),
    settles=True,
)
SHIFTS = Table(
    "shifts",
    {
        "id": "INTEGER PRIMARY KEY",
        "difficulty": "REAL",
        "accepted": "INTEGER",
        "rejected": "INTEGER",
        "score": "REAL",
        "completed": "TEXT",
        "duration_s": "REAL",
    },
    free_text=frozenset(),
    moment=attrgetter("completed"),
    settles=False,
)


def row_of(record: Exported) -> dict[str, Any]:
    """Return a record as plain data, column by column."""
    return to_dict(record)
