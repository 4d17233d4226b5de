"""The SQLite file that an export is written to, and kept up to date."""

import os
import sqlite3
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

from ..records import BlockStatus
from ._export_files import ExportBusyError, ExportError, ExportFile
from ._export_tables import Exported, Table, row_of

__all__ = ["SqliteFile"]

_PATIENCE = 30.0  # seconds for another program that holds the file
_UNSETTLED = ", ".join(f"'{status}'" for status in BlockStatus if not status.settled)


class SqliteFile(ExportFile):
    """A table in a SQLite file, written by whole transactions of upserts: who reads it meanwhile sees no half of one.

    What is not settled is asked for again: an export goes on from the lowest such block, so that its row tells what
    became of it. One that the pool no longer lists between its neighbours, because it was withdrawn, is taken out.
    """

    def __init__(self, path: Path, table: Table, file: int) -> None:
        self._path = path
        self._table = table
        self._file = file
        self._last = -1
        names = ", ".join(f'"{name}"' for name in table.columns)
        marks = ", ".join(f":{name}" for name in table.columns)
        changes = ", ".join(f'"{name}" = excluded."{name}"' for name in list(table.columns)[1:])
        self._upsert = f"INSERT INTO {table.name} ({names}) VALUES ({marks}) ON CONFLICT (id) DO UPDATE SET {changes}"  # noqa: S608  # all of it is ours
        with self._errors():
            self._db = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None)

    def begin(self) -> None:
        for ending in ("-journal", "-wal", "-shm"):  # of what was there before, and would be rolled back into this
            Path(f"{self._path}{ending}").unlink(missing_ok=True)
        os.ftruncate(self._file, 0)
        self._make_table()

    def go_on(self) -> int | None:
        self._make_table()
        with self._errors():
            found = self._db.execute(f"PRAGMA table_info({self._table.name})").fetchall()
            if not {name: kind.split()[0] for name, kind in self._table.columns.items()}.items() <= {
                (name, kind) for _, name, kind, *_ in found
            }:
                raise ExportError(
                    f"{self._path} has a table {self._table.name} of other columns: move it away, or name another file"
                )
            [(last,)] = self._db.execute(f"SELECT max(id) FROM {self._table.name}")  # noqa: S608  # our own name
            if self._table.settles:
                [(unsettled,)] = self._db.execute(
                    f"SELECT min(id) FROM {self._table.name} WHERE status IN ({_UNSETTLED})"  # noqa: S608  # likewise
                )
                last = last if unsettled is None else unsettled - 1
        self._last = -1 if last is None else last
        return None if self._last < 0 else self._last

    def write(self, records: Sequence[Exported]) -> None:
        with self._errors(), self._db:  # which commits, or rolls back
            self._db.execute("BEGIN IMMEDIATE")
            for record in records:
                self._take_out_before(record.id)
                self._db.execute(self._upsert, row_of(record))

    def close(self) -> None:
        self._db.close()

    def _take_out_before(self, number: int) -> None:
        """Take out what is not settled between the record before and this one: the pool has withdrawn it."""
        if self._table.settles:
            self._db.execute(
                f"DELETE FROM {self._table.name} WHERE id > ? AND id < ? AND status IN ({_UNSETTLED})",  # noqa: S608  # our own names
                (self._last, number),
            )
        self._last = number

    def _make_table(self) -> None:
        columns = ", ".join(f'"{name}" {kind}' for name, kind in self._table.columns.items())
        with self._errors():
            self._db.execute(f"CREATE TABLE IF NOT EXISTS {self._table.name} ({columns})")

    @contextmanager
    def _errors(self) -> Generator[None]:
        try:
            yield
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            kind = ExportBusyError if code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED} else ExportError
            raise kind(f"{self._path}: {error}") from error
