"""Where a command's results go: a table in a terminal, tab-separated lines in a pipe, or JSON."""

import json
import sys
from collections.abc import AsyncIterable, Callable, Iterable, Sequence
from contextlib import suppress
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Any, TextIO

from .._wire.answer import printable
from ._table import Column, Line, card, lines, plain

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["Output", "make_console", "say"]


_HEAD_AND_LINE = 2


class Output:
    """The standard output of a command.

    Args:
        stream: What to write to.
        as_json: Whether results are written as JSON, one object a line.
    """

    def __init__(self, stream: TextIO, *, as_json: bool) -> None:
        self._stream = stream
        self._head: object = None
        self._measure: Callable[[str], int] = len
        self.as_json = as_json
        self.is_terminal = stream.isatty()
        self.console: Console | None = None
        if self.is_terminal and not as_json and (console := make_console(stream)):
            from rich.cells import cell_len  # noqa: PLC0415  # 40 ms, where there is a terminal to show it on

            self.console, self._measure = console, cell_len

    async def table(
        self,
        columns: Sequence[Column],
        records: AsyncIterable[Any] | Iterable[Any],
        to_json: Callable[[Any], bytes] | None = None,
    ) -> None:
        """Write records: in a terminal when all have come, or an error ends them, elsewhere each as it comes.

        Args:
            columns: What to show of each.
            records: The records.
            to_json: Makes JSON of one; None: an object of the columns' names and values.
        """
        if self.is_terminal and not self.as_json:
            seen: list[Any] = []
            try:
                async for record in _each(records):
                    seen.append(record)  # noqa: PERF401  # what has come is shown, also where an error follows
            finally:
                if seen:
                    self.write_lines(lines(columns, seen, get_terminal_size().columns, self._measure))
            if not seen:
                say("bitminter: there are none")
        else:
            async for record in _each(records):
                self.write_row(columns, record, to_json)
            if not self.as_json and self._head is not columns:
                self._write_head(columns)

    def card(self, columns: Sequence[Column], record: object, to_json: Callable[[Any], bytes] | None = None) -> None:
        """Write one record: in a terminal a line for each figure, elsewhere as a table of one."""
        if self.is_terminal and not self.as_json:
            self.write_lines(card(columns, record))
        else:
            self.write_row(columns, record, to_json)

    def append(self, columns: Sequence[Column], record: object, to_json: Callable[[Any], bytes] | None = None) -> None:
        """Write one record of a table that grows, at once."""
        if self.is_terminal and not self.as_json:
            made = lines(columns, [record], get_terminal_size().columns, self._measure)
            self.write_lines(made[1:] if self._head is columns and len(made) == _HEAD_AND_LINE else made)
            self._head = columns
        else:
            self.write_row(columns, record, to_json)
        self.flush()

    def write_row(self, columns: Sequence[Column], record: object, to_json: Callable[[Any], bytes] | None) -> None:
        """Write one record for programs, with a head before the first."""
        if self.as_json:
            self.write_json(to_json(record) if to_json else _json_of(columns, record))
            return
        if self._head is not columns:
            self._write_head(columns)
        self.write("\t".join(_field(column.value(record)) for column in columns))

    def _write_head(self, columns: Sequence[Column]) -> None:
        self._head = columns
        self.write("\t".join(column.name for column in columns))

    def write_json(self, text: bytes) -> None:
        """Write a line of JSON, with everything escaped that a terminal would obey, or that the encoding lacks."""
        line = text.decode()
        is_wide = self._stream.encoding.lower().replace("-", "") == "utf8"
        if not (line.isprintable() and (is_wide or line.isascii())):
            line = "".join(
                char if char.isprintable() and (is_wide or char.isascii()) else json.dumps(char)[1:-1] for char in line
            )
        self.write(line)

    def write_lines(self, many: Iterable[Line]) -> None:
        """Write lines to a terminal, in colour where it has them."""
        for line in many:
            self.write_styled(line)

    def write_styled(self, line: Line) -> None:
        """Write one line to a terminal, in colour where it has them."""
        if self.console is None:
            self.write("".join(cell.text for cell in line))
            return
        from rich.text import Text  # noqa: PLC0415  # as above

        text = Text.assemble(*[(cell.text, cell.style) for cell in line])
        self.console.print(text, soft_wrap=True, highlight=False)

    def write(self, line: str) -> None:
        """Write a line as it is."""
        self._stream.write(f"{line}\n")

    def flush(self) -> None:
        """Hand on what has been written."""
        self._stream.flush()


def _field(value: object) -> str:
    """Write a value for a pipe; nothing in it ends a line or a field."""
    told = plain(value)
    return "" if told is None else printable(str(told))


def _json_of(columns: Sequence[Column], record: object) -> bytes:
    values = {column.name: plain(column.value(record)) for column in columns}
    return json.dumps(values, separators=(",", ":")).encode()


async def _each(records: AsyncIterable[Any] | Iterable[Any]) -> AsyncIterable[Any]:
    if isinstance(records, AsyncIterable):
        async for record in records:
            yield record
    else:
        for record in records:
            yield record


def make_console(stream: TextIO) -> "Console | None":
    """Return what writes to a terminal in colour; None where rich is not installed."""
    try:
        from rich.console import Console  # noqa: PLC0415  # as above
    except ModuleNotFoundError:
        return None
    return Console(file=stream, markup=False, emoji=False)


def say(text: str) -> None:
    """Tell a person something on stderr, if that can be written."""
    if sys.stderr is not None:
        with suppress(OSError):
            sys.stderr.write("".join(f"{printable(line)}\n" for line in text.split("\n")))
            sys.stderr.flush()
