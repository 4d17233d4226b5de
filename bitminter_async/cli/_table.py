"""Columns: what a record shows in each, and how they find room in a terminal."""

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from operator import attrgetter
from typing import Any, NamedTuple

from attrs import evolve, frozen

from .._wire.answer import printable
from ..units import HashRate

__all__ = ["Cell", "Column", "Line", "card", "lines", "plain", "show", "show_age", "show_percent"]

_GAP = "  "
_LARGE, _SMALL = 1e6, 0.1
_DIGITS = 8
_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


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

        def value(record: object) -> object:
            return self.value(part(record))

        return evolve(self, value=value)

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


def plain(value: object) -> object:
    """Return a value for programs, as `to_json` has it: a hash rate in H/s, a span in seconds, a moment in ISO 8601."""
    return _PLAIN.get(type(value), _same)(value)


def show(value: object) -> str:
    """Return a value for people."""
    return _SHOWN.get(type(value), str)(value)


def _same(value: object) -> object:
    return value


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _moment(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"


def _show_amount(value: Decimal) -> str:
    """Write money with all its digits, and eight behind the point at least, so that amounts stand in line."""
    exponent = value.as_tuple().exponent
    return f"{value:,.{max(_DIGITS, -int(exponent))}f}"


def _show_float(value: float) -> str:
    return f"{value:,.2f}" if abs(value) < _LARGE else f"{value:.4g}"


def show_age(span: timedelta) -> str:
    """Write a span in its two largest units: `3d 4h`, `12m 05s`, `8s`."""
    left = round(max(span.total_seconds(), 0.0))
    counts: list[tuple[int, str]] = []
    for unit, size in _UNITS:
        count, left = divmod(left, size)
        counts.append((count, unit))
    first = next((at for at, (count, _) in enumerate(counts) if count), len(counts) - 1)
    (count, unit), *rest = counts[first : first + 2]
    return f"{count}{unit}" + "".join(f" {more:02d}{smaller}" for more, smaller in rest)


def show_percent(ratio: float) -> str:
    """Write a ratio as a percentage."""
    return f"{ratio:.2%}" if ratio < _SMALL else f"{ratio:,.0%}"


_PLAIN: dict[type, Callable[[Any], object]] = {
    HashRate: attrgetter("hps"),
    timedelta: timedelta.total_seconds,
    datetime: _moment,
    Decimal: "{:f}".format,
    float: _finite,
}
_SHOWN: dict[type, Callable[[Any], str]] = {
    int: "{:,}".format,
    float: _show_float,
    Decimal: _show_amount,
    datetime: "{:%Y-%m-%d %H:%M}".format,
    timedelta: show_age,
}
