"""Records to export, and a pool's list of them that may break off."""

import csv
import json
import sqlite3
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

from bitminter_async.cli._export_job import ExportJob
from bitminter_async.cli._export_tables import BLOCKS, SHIFTS, Exported
from bitminter_async.records import Block, Shift
from tests.support.records import make_record

START = 1_393_632_000
ODD_NAMES = ("bob", "=cmd|'/c calc'!A0", 'a "quoted", name', "two\nlines", '"', "'", "end\r\n", "-1", "ü\x00ß", "")


def make_blocks(count: int, **changed: Any) -> list[Block]:
    """Blocks, oldest first, an hour apart, found by who has an odd name."""
    return [
        make_record(
            Block,
            **{
                "id": 10 * number,
                "generated": START + 3600 * number,
                "generator": ODD_NAMES[number % len(ODD_NAMES)],
                "status": "confirmed",
                "confirmations_left": 0,
                **changed,
            },
        )
        for number in range(count)
    ]


def make_shifts(count: int) -> list[Shift]:
    """Shifts, oldest first, an hour apart."""
    return [make_record(Shift, id=number + 1, completed=START + 3600 * number) for number in range(count)]


class Listing:
    """A pool's list.

    Attributes:
        records: What is in it, oldest first.
        fail: Called before each record is given, with how many were.
        asked: What was asked for.
    """

    def __init__(self, records: Sequence[Exported], fail: Callable[[int], None] = lambda _: None) -> None:
        self.records = list(records)
        self.fail = fail
        self.asked: list[Any] = []

    async def page(self, most: int, offset: int) -> tuple[Exported, ...]:
        """Give a page of it."""
        self.asked.append((most, offset))
        return tuple(self.records[::-1][offset : offset + most])

    async def walk(self, since: datetime | None, after: int | None) -> AsyncGenerator[Any, None]:
        """Give what is in it, oldest first."""
        self.asked.append(after)
        wanted = [record for record in self.records if after is None or record.id > after]
        moment = (BLOCKS if wanted and isinstance(wanted[0], Block) else SHIFTS).moment
        for number, record in enumerate(record for record in wanted if since is None or moment(record) >= since):
            self.fail(number)
            yield record


def make_job(path: Path, **options: Any) -> ExportJob:
    """An export of blocks."""
    given: dict[str, Any] = {"table": BLOCKS, **options}
    return ExportJob(path, **given)


async def run(job: ExportJob, records: Listing | Sequence[Exported]) -> ExportJob:
    """Run it over a list."""
    await job.run(records if isinstance(records, Listing) else Listing(records), lambda _: None)
    return job


def read(path: Path) -> list[dict[str, Any]]:
    """Return what an export holds, row by row."""
    if path.suffix == ".sqlite":
        with closing(sqlite3.connect(path)) as db:
            db.row_factory = sqlite3.Row
            [(table,)] = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            return [dict(row) for row in db.execute(f"SELECT * FROM {table} ORDER BY id")]  # noqa: S608  # a test's own
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file)) if path.suffix == ".csv" else [json.loads(line) for line in file]


__all__ = ["BLOCKS", "ODD_NAMES", "SHIFTS", "START", "Listing", "make_blocks", "make_job", "make_shifts", "read", "run"]
