"""An export: what is in the file, what is left when it breaks off, and how it is taken up again."""

import asyncio
import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from bitminter_async import TransportError, to_dict
from bitminter_async.cli._export_files import ExportBusyError, ExportError, locked
from bitminter_async.cli._export_tables import Exported
from tests.support.exports import SHIFTS, START, Listing, make_blocks, make_job, make_shifts, read, run

_SUFFIXES = pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".sqlite"])


def _names(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def _breaking(at: int, error: BaseException | None = None) -> Listing:
    def fail(number: int) -> None:
        if number == at:
            raise error or TransportError("cut off")

    return Listing(make_blocks(130), fail)


@_SUFFIXES
async def test_all_records_are_in_the_file(tmp_path: Path, suffix: str) -> None:
    """Each once, oldest first, with all its fields; and nothing else is left in the folder."""
    path = tmp_path / f"blocks{suffix}"
    blocks = make_blocks(130)
    job = await run(make_job(path), blocks)
    rows = read(path)
    assert [int(row["id"]) for row in rows] == [block.id for block in blocks]
    if suffix != ".csv":
        assert rows == [to_dict(block) for block in blocks]
    assert job.count == 130
    assert _names(tmp_path) == [path.name]


@_SUFFIXES
async def test_shifts_are_exported_likewise(tmp_path: Path, suffix: str) -> None:
    """Shifts have their own columns."""
    path = tmp_path / f"shifts{suffix}"
    await run(make_job(path, table=SHIFTS), make_shifts(60))
    rows = read(path)
    assert len(rows) == 60
    assert list(rows[0]) == list(to_dict(make_shifts(1)[0])) == list(SHIFTS.columns)


@_SUFFIXES
async def test_an_empty_list_makes_an_empty_file(tmp_path: Path, suffix: str) -> None:
    """It has its header or its table, where it has such, and no row."""
    path = tmp_path / f"blocks{suffix}"
    await run(make_job(path), [])
    assert read(path) == []


@_SUFFIXES
@pytest.mark.parametrize("at", [1, 49, 50, 51, 100, 129])
async def test_what_broke_off_is_taken_up(tmp_path: Path, suffix: str, at: int) -> None:
    """After a failure all that came is kept; a run with `resume` asks for what follows, and for nothing else."""
    path, other = tmp_path / f"blocks{suffix}", tmp_path / f"other{suffix}"
    job = make_job(path)
    with pytest.raises(TransportError):
        await run(job, _breaking(at))
    assert not path.exists()
    assert job.left == f"{path}.part has what came so far: --resume goes on with it"
    assert job.count == at
    listing = Listing(make_blocks(130))
    resumed = await run(make_job(path, resume=True), listing)
    assert listing.asked == [10 * (at - 1)]
    assert resumed.count == 130 - at
    await run(make_job(other), make_blocks(130))
    assert read(path) == read(other)
    if suffix != ".sqlite":
        assert path.read_bytes() == other.read_bytes()


@_SUFFIXES
async def test_ctrl_c_leaves_what_came(tmp_path: Path, suffix: str) -> None:
    """A cancelled run keeps what came, and says so, like one that failed."""
    path = tmp_path / f"blocks{suffix}"
    job = make_job(path)
    with pytest.raises(asyncio.CancelledError):
        await run(job, _breaking(60, asyncio.CancelledError()))
    assert job.left
    assert (await run(make_job(path, resume=True), make_blocks(130))).count == 70


@_SUFFIXES
async def test_what_is_left_is_kept_though_nothing_came(tmp_path: Path, suffix: str) -> None:
    """A run that goes on, and fails at once, loses nothing of the one before."""
    path = tmp_path / f"blocks{suffix}"
    with pytest.raises(TransportError):
        await run(make_job(path), _breaking(60))
    job = make_job(path, resume=True)
    with pytest.raises(TransportError):
        await run(job, _breaking(0))
    assert job.left
    assert (await run(make_job(path, resume=True), make_blocks(130))).count == 70


@_SUFFIXES
async def test_what_failed_before_its_first_record_leaves_nothing(tmp_path: Path, suffix: str) -> None:
    """After a wrong address, say, the next run need not be told to go on with nothing."""
    job = make_job(tmp_path / f"blocks{suffix}")
    with pytest.raises(TransportError):
        await run(job, _breaking(0))
    assert job.left == ""
    assert _names(tmp_path) == []


@_SUFFIXES
async def test_what_is_there_is_not_overwritten_unasked(tmp_path: Path, suffix: str) -> None:
    """A file, and what an earlier run left, are replaced with `force` only, and nothing is asked for before."""
    path = tmp_path / f"blocks{suffix}"
    with pytest.raises(TransportError):
        await run(make_job(path), _breaking(60))
    listing = Listing(make_blocks(3))
    with pytest.raises(ExportError, match=r"\.part is there, .*: --resume goes on with it, --force begins anew"):
        await run(make_job(path), listing)
    assert listing.asked == []
    await run(make_job(path, force=True), listing)
    assert len(read(path)) == 3
    with pytest.raises(ExportError, match="is there already: --force replaces it"):
        await run(make_job(path), make_blocks(2))
    assert len(read(path)) == 3
    await run(make_job(path, force=True), make_blocks(2))
    assert len(read(path)) == 2


@_SUFFIXES
async def test_a_replacement_that_broke_off_is_taken_up(tmp_path: Path, suffix: str) -> None:
    """With both, the file is replaced by what an earlier run left, gone on with; until then it stays as it is."""
    path = tmp_path / f"blocks{suffix}"
    await run(make_job(path), make_blocks(2))
    with pytest.raises(TransportError):
        await run(make_job(path, force=True), _breaking(60))
    assert len(read(path)) == 2
    assert (await run(make_job(path, force=True, resume=True), make_blocks(130))).count == 70
    assert len(read(path)) == 130


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
async def test_a_finished_file_is_not_gone_on_with(tmp_path: Path, suffix: str) -> None:
    """Rows that are written once do not change: such a file is made anew, or kept."""
    path = tmp_path / f"blocks{suffix}"
    await run(make_job(path), make_blocks(2))
    with pytest.raises(ExportError, match=r"is there already: --force replaces it$"):
        await run(make_job(path, resume=True), make_blocks(3))


@_SUFFIXES
async def test_there_is_one_export_to_a_file_at_a_time(tmp_path: Path, suffix: str) -> None:
    """The second is refused before it asks for anything, also with `force`; the first is none the worse."""
    path = tmp_path / f"blocks{suffix}"
    second = Listing(make_blocks(5))

    class Intruded(Listing):
        async def page(self, most: int, offset: int) -> tuple[Exported, ...]:
            for options in ({}, {"force": True}, {"resume": True}):
                with pytest.raises(ExportBusyError, match="another export is writing"):
                    await run(make_job(path, **options), second)
            return await super().page(most, offset)

    await run(make_job(path, limit=130), Intruded(make_blocks(130)))
    assert len(read(path)) == 130
    assert second.asked == []


def test_a_lock_is_taken_on_the_file_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that was finished and renamed between opening and locking it is let go, and another is made."""
    path = tmp_path / "blocks.csv.part"
    path.write_text("finished")
    fstat = os.fstat
    calls: list[int] = []

    def rename_first(file: int) -> os.stat_result:
        if not calls:
            path.rename(tmp_path / "blocks.csv")
            path.write_text("")  # of a third
        calls.append(file)
        return fstat(file)

    monkeypatch.setattr(os, "fstat", rename_first)
    with locked(path) as file:
        assert os.read(file, 9) == b""
    assert len(calls) == 2


async def test_only_the_latest_are_exported(tmp_path: Path) -> None:
    """`limit` counts from the newest, `since` is a moment; both hold at once; the file is oldest first all the same."""
    listing = Listing(make_blocks(130))
    for limit, ids in ((3, [1270, 1280, 1290]), (130, list(range(0, 1300, 10))), (999, list(range(0, 1300, 10)))):
        await run(make_job(tmp_path / f"{limit}.csv", limit=limit), listing)
        assert [int(row["id"]) for row in read(tmp_path / f"{limit}.csv")] == ids
    assert listing.asked == [(1, 2), 1269, (1, 129), None, (1, 998), None]
    since = datetime.fromtimestamp(START + 3600 * 128, UTC)
    await run(make_job(tmp_path / "since.csv", limit=100, since=since), listing)
    assert [int(row["id"]) for row in read(tmp_path / "since.csv")] == [1280, 1290]


async def test_the_steps_are_told(tmp_path: Path) -> None:
    """Each record is told as it comes."""
    told: list[int] = []
    await make_job(tmp_path / "blocks.csv").run(Listing(make_blocks(3)), lambda block: told.append(block.id))
    assert told == [0, 10, 20]


@_SUFFIXES
async def test_what_cannot_be_opened_is_told(tmp_path: Path, suffix: str) -> None:
    """A missing folder, and a directory in the file's place, are told before anything is asked for."""
    listing = Listing(make_blocks(3))
    with pytest.raises(ExportError, match="No such file or directory"):
        await run(make_job(tmp_path / "none" / f"blocks{suffix}"), listing)
    (tmp_path / f"folder{suffix}").mkdir()
    with pytest.raises(ExportError, match="is no plain file"):
        await run(make_job(tmp_path / f"folder{suffix}", force=True), listing)
    assert listing.asked == []


@pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
async def test_a_full_disk_leaves_what_came(tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of a row may be on the disk: it is cut off by the run that goes on."""
    path = tmp_path / f"blocks{suffix}"
    write, room = os.write, [20_000]

    def fill_up(file: int, data: memoryview) -> int:
        if not room[0]:
            raise OSError(28, "No space left on device")
        written = write(file, data[: room[0]])
        room[0] -= written
        return written

    job = make_job(path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", fill_up)
        with pytest.raises(ExportError, match=r"\.part: No space left on device"):
            await run(job, make_blocks(130))
    assert job.left
    assert path.with_name(path.name + ".part").stat().st_size == 20_000
    await run(make_job(path, resume=True), make_blocks(130))
    assert [int(row["id"]) for row in read(path)] == list(range(0, 1300, 10))


async def test_a_full_disk_leaves_what_came_in_sqlite(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Transactions are whole or not there."""
    path = tmp_path / "blocks.sqlite"
    connect = sqlite3.connect

    def small(name: Path, **options: Any) -> sqlite3.Connection:
        db: sqlite3.Connection = connect(name, **options)
        db.execute("PRAGMA max_page_count = 7")
        return db

    job = make_job(path)
    with monkeypatch.context() as patch:
        patch.setattr(sqlite3, "connect", small)
        with pytest.raises(ExportError, match=r"\.part: database or disk is full"):
            await run(job, make_blocks(400))
    assert job.left
    assert job.count
    resumed = await run(make_job(path, resume=True), make_blocks(400))
    assert resumed.count == 400 - job.count
    with closing(connect(path)) as db:
        assert db.execute("SELECT count(*) FROM blocks").fetchone() == (400,)
