"""One run of `bitminter export`: which file it writes to, from which record on, and what it leaves when it fails."""

import os
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing, closing
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from attrs import define

from ._export_files import CsvFile, ExportError, ExportFile, JsonLinesFile, locked
from ._export_sqlite import SqliteFile
from ._export_tables import Exported, Table

__all__ = ["FORMS", "ExportJob", "Source"]

FORMS: Mapping[str, Callable[[Path, Table, int], ExportFile]] = {
    ".csv": CsvFile,
    ".jsonl": JsonLinesFile,
    ".sqlite": SqliteFile,
}
"""What a file is, by the suffix of its name."""

_AT_ONCE = 50  # as many records as a page has: those that are asked for once more after a crash


class Source(Protocol):
    """Where the records come from."""

    async def page(self, most: int, offset: int) -> tuple[Exported, ...]:
        """Return a page of them, newest first."""
        ...

    def walk(self, since: datetime | None, after: int | None) -> AsyncGenerator[Any, None]:
        """Give them one by one, oldest first, from a moment on, and above an id."""
        ...


@define
class ExportJob:
    """What to export, and whereto.

    A new file is written under another name, `FILE.part`, and renamed when it is whole. A SQLite file that is there is
    brought up to date in its place, since who reads it meanwhile sees whole transactions only.

    Attributes:
        path: The file.
        table: What goes into it.
        since: The earliest moment wanted; None: any. Where a file is gone on with, that decides.
        limit: How many of the latest records are wanted; None: all. Likewise.
        resume: Whether to go on with what an earlier run left, and to bring a SQLite file up to date.
        force: Whether to replace the file; and, but for `resume`, what an earlier run left.
        count: How many records this run has written.
        left: What is to be said of the file after a failure; empty: nothing is left.
    """

    path: Path
    table: Table
    since: datetime | None = None
    limit: int | None = None
    resume: bool = False
    force: bool = False
    count: int = 0
    left: str = ""

    async def run(self, source: Source, step: Callable[[Exported], None]) -> None:
        """Write the file, and call `step` with each record.

        Raises:
            ExportError: The file cannot be written.
            BitminterError: What the source raised.
        """
        is_there = self.path.exists()
        is_sqlite = self.path.suffix == ".sqlite"
        if is_there and not self.path.is_file():
            raise ExportError(f"{self.path} is no plain file")
        if is_there and not self.force and not (is_sqlite and self.resume):
            or_else = ", --resume brings it up to date" if is_sqlite else ""
            raise ExportError(f"{self.path} is there already: --force replaces it{or_else}")
        in_place = is_there and not self.force
        target = self.path if in_place else self.path.with_name(f"{self.path.name}.part")
        try:
            with locked(target) as file:
                await self._fill(target, file, source, step)
                if not in_place:
                    target.replace(self.path)
                    _sync_folder(self.path.parent)
        except OSError as error:
            raise ExportError(f"{target}: {error.strerror}") from error

    async def _fill(self, target: Path, file: int, source: Source, step: Callable[[Exported], None]) -> None:
        if os.fstat(file).st_size and not self.resume and not self.force:
            raise ExportError(
                f"{target} is there, of an export that broke off: --resume goes on with it, --force begins anew"
            )
        with closing(FORMS[self.path.suffix](target, self.table, file)) as out:
            last = None
            if self.resume:
                last = out.go_on()
            else:
                out.begin()
            try:
                await self._copy(out, source, last, step)
            except BaseException:
                if last is not None or self.count:
                    self.left = f"{target} has what came so far: --resume goes on with it"
                elif target != self.path:
                    _remove(target)
                raise

    async def _copy(self, out: ExportFile, source: Source, last: int | None, step: Callable[[Exported], None]) -> None:
        after = await self._start(source) if last is None else last
        pending: list[Exported] = []
        async with aclosing(source.walk(self.since, after)) as records:
            try:
                async for record in records:
                    pending.append(record)
                    step(record)
                    if len(pending) == _AT_ONCE:
                        whole, pending = pending, []  # were it to fail, it must not be written once more below
                        self._write(out, whole)
            finally:
                self._write(out, pending)

    def _write(self, out: ExportFile, records: list[Exported]) -> None:
        if records:
            out.write(records)
            self.count += len(records)

    async def _start(self, source: Source) -> int | None:
        """Return the id that stands below the records wanted."""
        if self.limit is None:
            return None
        page = await source.page(1, self.limit - 1)
        return page[0].id - 1 if page and page[0].id else None


def _remove(path: Path) -> None:
    path.unlink()


def _sync_folder(path: Path) -> None:
    """See to it that the file has its new name also after the machine has died."""
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
