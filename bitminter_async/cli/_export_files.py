"""The files that an export is written to, in CSV and in lines of JSON: what is in them after a crash, and what follows.

Records are appended oldest first, so that the last whole row tells where to go on. What a killed process, or a full
disk, has left of a row is cut off.
"""

import csv
import fcntl
import json
import os
from abc import ABC, abstractmethod
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import StringIO
from pathlib import Path
from typing import Any

from ..data import to_json
from ._errors import LATER, CommandError
from ._export_tables import Exported, Table, row_of

__all__ = ["CsvFile", "ExportBusyError", "ExportError", "ExportFile", "JsonLinesFile", "locked"]

_FORMULA = tuple("=+-@\t\r\n＝＋－＠'")  # noqa: RUF001  # full width: spreadsheets take these as well


class ExportError(CommandError):
    """The file cannot be written, or not gone on with; the message says why, and what to do."""


class ExportBusyError(ExportError):
    """Another export is writing the file, or another program holds it."""

    def __init__(self, message: str) -> None:
        super().__init__(message, LATER)


class ExportFile(ABC):
    """A file that records are exported to, oldest first."""

    @abstractmethod
    def begin(self) -> None:
        """Make it an empty one, whatever is in it."""

    @abstractmethod
    def go_on(self) -> int | None:
        """Cut off what is not whole, and return the id after which to go on; None: from the beginning.

        Raises:
            ExportError: It is no export of these records.
        """

    @abstractmethod
    def write(self, records: Sequence[Exported]) -> None:
        """Write records, so that they are still there when the machine dies."""

    def close(self) -> None:  # noqa: B027  # most have nothing to do
        """Close the file. The lock on it is held by another."""


class _RowsFile(ExportFile):
    def __init__(self, path: Path, table: Table, file: int) -> None:
        self._path = path
        self._table = table
        self._file = file

    def begin(self) -> None:
        os.ftruncate(self._file, 0)
        os.lseek(self._file, 0, os.SEEK_SET)
        self._append(self._head)

    def go_on(self) -> int | None:
        end, last, head = 0, b"", self._head
        for row in self._whole_rows():
            if not end and head and row != head:
                raise self._unfit()
            end, last = end + len(row), row
        if not end:
            self.begin()
            return None
        os.ftruncate(self._file, end)
        os.lseek(self._file, end, os.SEEK_SET)
        return None if last == head else self._id_in(last)

    def write(self, records: Sequence[Exported]) -> None:
        self._append(b"".join(map(self._row, records)))

    def _whole_rows(self) -> Iterator[bytes]:
        with open(self._file, "rb", closefd=False) as lines:  # a path could be another file by now
            row: list[bytes] = []
            is_quoted = False
            for line in lines:
                row.append(line)
                is_quoted ^= self._ends_within_quotes(line)
                if line.endswith(b"\n") and not is_quoted:
                    yield b"".join(row)
                    row = []

    def _append(self, text: bytes) -> None:
        rest = memoryview(text)
        while rest:
            rest = rest[os.write(self._file, rest) :]
        os.fsync(self._file)

    def _id_in(self, row: bytes) -> int:
        with suppress(ValueError, TypeError, csv.Error):
            values = self._values(row)
            if list(values) == list(self._table.columns):
                return int(values["id"])
        raise self._unfit()

    def _unfit(self) -> ExportError:
        return ExportError(f"{self._path} is no export of {self._table.name}: move it away, or begin anew with --force")

    @property
    def _head(self) -> bytes:
        return b""

    @abstractmethod
    def _row(self, record: Exported) -> bytes: ...

    def _ends_within_quotes(self, line: bytes) -> bool:  # noqa: ARG002  # of a line that begins outside of them
        return False

    @abstractmethod
    def _values(self, row: bytes) -> dict[str, Any]: ...


class JsonLinesFile(_RowsFile):
    """One object a line, as `to_json` has it."""

    def _row(self, record: Exported) -> bytes:
        return to_json(record) + b"\n"

    def _values(self, row: bytes) -> dict[str, Any]:
        values: dict[str, Any] = json.loads(row)
        return values


class CsvFile(_RowsFile):
    """Comma-separated values, UTF-8, with a line of names; text with a comma, a quote or a line break is quoted.

    A spreadsheet would run a text that begins like a formula, and who mines at a pool may choose such a name. So text
    that begins with `=`, `+`, `-`, `@`, a tab or a line break has a `'` in front, and so has text that begins with `'`:
    to have the pool's text, take one `'` away.
    """

    @property
    def _head(self) -> bytes:
        return _csv(list(self._table.columns))

    def _row(self, record: Exported) -> bytes:
        values = row_of(record)
        return _csv([_guarded(text) if name in self._table.free_text else text for name, text in values.items()])

    def _ends_within_quotes(self, line: bytes) -> bool:
        return line.count(b'"') % 2 == 1

    def _values(self, row: bytes) -> dict[str, Any]:
        [values] = csv.reader(StringIO(row.decode(), newline=""), strict=True)
        return dict(zip(self._table.columns, values, strict=True))


def _csv(values: Sequence[object]) -> bytes:
    text = StringIO(newline="")
    csv.writer(text).writerow(values)  # up to Python 3.12, it quotes a \r only where lines end in \r\n
    return text.getvalue().removesuffix("\r\n").encode() + b"\n"


def _guarded(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


@contextmanager
def locked(path: Path) -> Generator[int]:
    """Open a file, which is made if it is not there, and hold a lock on it.

    Raises:
        ExportBusyError: Another process holds it.
        OSError: The file cannot be opened.
    """
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(file), path.stat()):  # else another has just finished it, and moved it
                    yield file
                    return
        except BlockingIOError:
            raise ExportBusyError(f"another export is writing {path}") from None
        finally:
            os.close(file)
