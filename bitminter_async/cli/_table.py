"""Columns: what a record shows in each, and how they find room in a terminal."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

from attrs import evolve, frozen

from .._wire.answer import printable
from ..units import HashRate

__all__ = ["Cell", "Column", "Line", "card", "lines", "plain", "show", "show_age", "show_percent"]

_GAP = "  "
_PARTS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


class Cell(NamedTuple):
    """A piece of a line, and its style where colours are shown: a name that rich knows."""

    text: str
    style: str = ""


Line = list[Cell]


@frozen
class Column:
    """One figure of a record.

    Attributes:
        name: What a pipe calls it, with its unit: `hash_rate_hps`.
        title: What a terminal calls it.
        value: Takes it from a record.
        priority: 1 stays longest as the terminal narrows; those of equal priority go from the right.
        show: Makes text of the value for a terminal.
        style: Tells the text's style by the value.
        least: How wide it is at least, where lines are written one at a time.
    """

    name: str
    title: str
    value: Callable[[Any], object]
    priority: int = 1
    show: Callable[[Any], str] | None = None
    style: Callable[[Any], str] | None = None
    least: int = 0

    def of(self, part: Callable[[Any], object]) -> "Column":
        """Return the same column of a part of what the records are."""
        return evolve(self, value=lambda record: self.value(part(record)))

    def cell(self, record: object) -> Cell:
        """Return what a terminal shows of the record, with nothing in it that a terminal would obey."""
        value = self.value(record)
        text = "-" if value is None else (self.show or show)(value)
        return Cell(printable(text), self.style(value) if self.style else "")


def lines(columns: Sequence[Column], records: Sequence[Any], width: int, measure: Callable[[str], int]) -> list[Line]:
    """Lay records out as a table with a head, in as many of the columns as the width has room for.

    Where not even two of them have room, each record is a card of its own instead: no text is ever cut.
    """
    cells = [[column.cell(record) for column in columns] for record in records]
    widths = [
        max(column.least, *map(measure, [column.title, *(row[at].text for row in cells)]))
        for at, column in enumerate(columns)
    ]
    kept = [*range(len(columns))]
    while sum(widths[at] for at in kept) + len(_GAP) * (len(kept) - 1) > width:
        kept.remove(max(kept, key=lambda at: (columns[at].priority, at)))
        if len(kept) < min(2, len(columns)):
            return [line for record in records for line in [*card(columns, record), []]][:-1]
    right = [
        any(isinstance(column.value(record), int | float | Decimal | HashRate | timedelta) for record in records)
        for column in columns
    ]

    def line(row: Sequence[Cell]) -> Line:
        made: Line = []
        for at in kept:
            space = " " * (widths[at] - measure(row[at].text))
            gap = _GAP if made else ""
            is_last = at == kept[-1]
            made += [Cell(gap + space if right[at] else gap), row[at], Cell("" if right[at] or is_last else space)]
        return made

    return [line([Cell(column.title, "bold") for column in columns]), *map(line, cells)]


def card(columns: Sequence[Column], record: object) -> list[Line]:
    """Lay one record out as a line for each of its figures; one that is too long for the terminal wraps there."""
    widest = max(len(column.title) for column in columns)
    return [[Cell(f"{column.title:<{widest}}{_GAP}", "bold"), column.cell(record)] for column in columns]


def plain(value: object) -> str:
    """Write a value for programs, as `to_json` does: a hash rate in H/s, a span in seconds, a moment in ISO 8601."""
    match value:
        case None:
            return ""
        case bool():
            return str(value).lower()
        case HashRate():
            return repr(value.hps)
        case timedelta():
            return repr(value.total_seconds())
        case datetime():
            return value.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"
        case Decimal():
            return format(value, "f")
        case _:
            return printable(str(value))


def show(value: object) -> str:
    """Write a value for people."""
    match value:
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}"
        case float():
            return f"{value:,.2f}" if abs(value) < 1e6 else f"{value:.4g}"
        case Decimal():
            return f"{value:,f}"
        case datetime():
            return f"{value.astimezone(UTC):%Y-%m-%d %H:%M}"
        case timedelta():
            return show_age(value)
        case _:
            return str(value)


def show_age(span: timedelta) -> str:
    """Write a span in its two largest units: `3d 4h`, `12m 05s`, `8s`."""
    left = round(max(span.total_seconds(), 0.0))
    counts = [
        (left // size if unit == "d" else left // size % (86400 // size if unit == "h" else 60), unit)
        for unit, size in _PARTS
    ]
    first = next((at for at, (count, _) in enumerate(counts) if count), len(counts) - 1)
    (count, unit), *rest = counts[first : first + 2]
    return f"{count}{unit}" + "".join(f" {more:02d}{smaller}" for more, smaller in rest)


def show_percent(ratio: float) -> str:
    """Write a ratio as a percentage."""
    return f"{ratio:.2%}" if ratio < 0.1 else f"{ratio:,.0%}"
