"""SQLite: typed, exact, and kept up to date by running the same command again."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import attrs
import pytest

from bitminter_async import TransportError
from bitminter_async.cli._export_files import ExportBusyError, ExportError
from bitminter_async.cli._export_sqlite import SqliteFile
from bitminter_async.cli._export_tables import BLOCKS, SHIFTS
from bitminter_async.records import Block, BlockStatus
from tests.support.exports import Listing, make_blocks, make_job, make_shifts, read, run


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def _query(path: Path, statement: str) -> list[Any]:
    with closing(sqlite3.connect(path)) as db:
        return db.execute(statement).fetchall()


def _with(blocks: Sequence[Block], status: str, *ids: int) -> list[Block]:
    return [attrs.evolve(block, status=BlockStatus(status)) if block.id in ids else block for block in blocks]


async def test_columns_have_types(tmp_path: Path) -> None:
    """Numbers are numbers, money is text with all its digits, moments are what SQLite's functions take."""
    path = tmp_path / "blocks.sqlite"
    await run(make_job(path), make_blocks(1, income=0.00000001))
    assert _query(path, "SELECT typeof(id), typeof(difficulty), typeof(income), typeof(generated) FROM blocks") == [
        ("integer", "real", "text", "text")
    ]
    assert _query(path, "SELECT income, unixepoch(generated), duration_s FROM blocks") == [
        ("0.00000001", 1_393_632_000, 5387.0)
    ]
    assert _query(path, "SELECT pk FROM pragma_table_info('blocks') WHERE name = 'id'") == [(1,)]


async def test_a_file_is_brought_up_to_date(tmp_path: Path) -> None:
    """From the lowest block on that was not settled: what became of it is in its row, and what came since follows."""
    path = tmp_path / "blocks.sqlite"
    before = _with(make_blocks(100), "unconfirmed", 970, 980, 990)
    await run(make_job(path, resume=True), before)
    after = _with(_with(make_blocks(105), "orphan", 980), "processing", 1040)
    listing = Listing(after)
    job = await run(make_job(path, resume=True), listing)
    assert listing.asked == [969]
    assert job.count == 8
    assert [(row["id"], row["status"]) for row in read(path)] == [(block.id, block.status) for block in after]
    listing = Listing(after)
    await run(make_job(path, resume=True), listing)
    assert listing.asked == [1039]


async def test_shifts_go_on_after_the_last(tmp_path: Path) -> None:
    """A shift is final."""
    path = tmp_path / "shifts.sqlite"
    await run(make_job(path, table=SHIFTS), make_shifts(3))
    listing = Listing(make_shifts(5))
    await run(make_job(path, table=SHIFTS, resume=True), listing)
    assert listing.asked == [3]
    assert len(read(path)) == 5


async def test_blocks_and_shifts_share_a_file(tmp_path: Path) -> None:
    """Each has its table."""
    path = tmp_path / "pool.sqlite"
    await run(make_job(path), make_blocks(3))
    await run(make_job(path, table=SHIFTS, resume=True), make_shifts(4))
    assert _query(path, "SELECT (SELECT count(*) FROM blocks), (SELECT count(*) FROM shifts)") == [(3, 4)]


async def test_a_block_that_was_withdrawn_is_taken_out(tmp_path: Path) -> None:
    """If it was not settled, and a later one is listed, which no old list would have: else it is asked for again."""
    path = tmp_path / "blocks.sqlite"
    await run(make_job(path), _with(make_blocks(8), "unconfirmed", 20, 30, 50, 70))
    gone = {20, 40, 50, 70}  # of which 40 was settled, and 70 the latest
    now = [block for block in _with(make_blocks(8), "unconfirmed", 30) if block.id not in gone]
    await run(make_job(path, resume=True), now)
    assert [row["id"] for row in read(path)] == [0, 10, 30, 40, 60, 70]


async def test_an_update_that_breaks_off_takes_nothing_out_above(tmp_path: Path) -> None:
    """What the walk has not come to is left as it is, and brought up to date by the next run."""
    path = tmp_path / "blocks.sqlite"
    before = _with(make_blocks(120), "unconfirmed", *range(0, 1200, 10))
    await run(make_job(path), before)

    def fail(number: int) -> None:
        if number == 60:
            raise TransportError("cut off")

    job = make_job(path, resume=True)
    with pytest.raises(TransportError):
        await run(job, Listing(make_blocks(120), fail))
    assert job.left == f"{path} has what came so far: --resume goes on with it"
    assert [row["status"] for row in read(path)] == ["confirmed"] * 60 + ["unconfirmed"] * 60
    listing = Listing(make_blocks(120))
    await run(make_job(path, resume=True), listing)
    assert listing.asked == [599]
    assert {row["status"] for row in read(path)} == {"confirmed"}


async def test_an_update_that_fails_at_once_keeps_an_empty_file(tmp_path: Path) -> None:
    """A file that was there is never removed."""
    path = tmp_path / "blocks.sqlite"
    await run(make_job(path), [])

    def fail(_: int) -> None:
        raise TransportError("cut off")

    with pytest.raises(TransportError):
        await run(make_job(path, resume=True), Listing(make_blocks(3), fail))
    assert read(path) == []


async def test_indexes_and_columns_of_ones_own_are_kept(tmp_path: Path) -> None:
    """Who adds to the table keeps what was added."""
    path = tmp_path / "blocks.sqlite"
    await run(make_job(path), _with(make_blocks(2), "unconfirmed", 10))
    with closing(sqlite3.connect(path)) as db:
        db.execute("ALTER TABLE blocks ADD COLUMN note TEXT")
        db.execute("UPDATE blocks SET note = 'mine'")
        db.commit()
    await run(make_job(path, resume=True), make_blocks(3))
    assert [(row["status"], row["note"]) for row in read(path)] == [
        ("confirmed", "mine"),
        ("confirmed", "mine"),
        ("confirmed", None),
    ]


async def test_another_table_of_that_name_is_let_be(tmp_path: Path) -> None:
    """It is told, and nothing in it changes."""
    path = tmp_path / "blocks.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE blocks (id INTEGER PRIMARY KEY, colour TEXT)")
    listing = Listing(make_blocks(3))
    with pytest.raises(ExportError, match="has a table blocks of other columns: move it away, or name another file"):
        await run(make_job(path, resume=True), listing)
    assert listing.asked == []


async def test_what_is_no_database_is_told(tmp_path: Path) -> None:
    """In SQLite's words."""
    path = tmp_path / "blocks.sqlite"
    path.write_text("dear diary, " * 100)
    with pytest.raises(ExportError, match=r"blocks\.sqlite: file is not a database"):
        await run(make_job(path, resume=True), make_blocks(3))
    assert path.read_text().startswith("dear diary")


async def test_a_file_that_another_program_writes_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a while; then it is told, as something that passes."""
    path = tmp_path / "blocks.sqlite"
    await run(make_job(path), make_blocks(2))
    connect = sqlite3.connect
    waits: list[float] = []

    def hasty(name: Path, timeout: float = 0, **options: Any) -> sqlite3.Connection:
        waits.append(timeout)
        db: sqlite3.Connection = connect(name, timeout=0, **options)
        return db

    with closing(connect(path)) as other:
        other.execute("BEGIN IMMEDIATE")
        monkeypatch.setattr(sqlite3, "connect", hasty)
        with pytest.raises(ExportBusyError, match="database is locked"):
            await run(make_job(path, resume=True), make_blocks(4))
    assert waits == [30.0]
    assert len(read(path)) == 2


async def test_an_old_journal_is_not_rolled_back_into_a_new_file(tmp_path: Path) -> None:
    """What a killed export left beside its file goes with it."""
    path = tmp_path / "blocks.sqlite"
    for ending in ("-journal", "-wal", "-shm"):
        (tmp_path / f"blocks.sqlite.part{ending}").write_bytes(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + b"\x00" * 600)
    (tmp_path / "blocks.sqlite.part").write_bytes(b"SQLite format 3\x00" + b"\x00" * 4080)
    await run(make_job(path, force=True), make_blocks(3))
    assert len(read(path)) == 3
    assert _names(tmp_path) == ["blocks.sqlite"]


def test_a_killed_transaction_is_not_there(tmp_path: Path) -> None:
    """An upsert that raises takes back what came before it in its transaction."""
    path = tmp_path / "blocks.sqlite"
    blocks = make_blocks(3)
    odd: Any = {"generator": object()}  # which SQLite does not take
    with path.open("w+b") as file, closing(SqliteFile(path, BLOCKS, file.fileno())) as out:
        out.begin()
        out.write(blocks[:1])
        with pytest.raises((ExportError, TypeError)):
            out.write([blocks[1], attrs.evolve(blocks[2], **odd)])
    assert [row["id"] for row in read(path)] == [0]
