"""`bitminter export`, as a command: what it says, its exit codes, and what it asks the pool for."""

import json
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bitminter_async import Block, Pool
from bitminter_async.cli._export_progress import progress
from bitminter_async.cli._run import run
from bitminter_async.local import LocalPool
from bitminter_async.testing import AutojumpLoop
from tests.support.exports import BLOCKS, make_blocks, read

Bitminter = Callable[..., int]


@pytest.fixture
def pool() -> LocalPool:
    """A pool with five days behind it."""
    return LocalPool(history=timedelta(days=5))


@pytest.fixture
def bitminter(pool: LocalPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bitminter:
    """Run the command in an empty folder, and return its exit code."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: run(arguments, make_client=pool.client, loop_factory=AutojumpLoop)


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".sqlite"])
@pytest.mark.parametrize("what", ["blocks", "shifts"])
def test_all_that_the_pool_has_is_exported(
    bitminter: Bitminter, tmp_path: Path, suffix: str, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Oldest first, as the list itself has it; nothing is said where nobody watches."""
    assert bitminter("export", what, f"file{suffix}") == 0
    assert capsys.readouterr() == ("", "")
    ids = [int(row["id"]) for row in read(tmp_path / f"file{suffix}")]
    assert bitminter(what, "--json", "-n", "9999") == 0
    assert ids == [json.loads(line)["id"] for line in capsys.readouterr().out.splitlines()][::-1]
    assert len(ids) > 100


@pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".sqlite"])
def test_an_outage_is_gone_on_from(
    bitminter: Bitminter, pool: LocalPool, tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """What came is kept, the next command is told, and it asks for little more than what is missing."""
    assert bitminter("export", "blocks", f"whole{suffix}") == 0
    asked = len(pool.requests)
    blocks = Pool.blocks

    async def fail_late(self: Pool, **options: Any) -> tuple[Block, ...]:
        if len(pool.requests) == 2 * asked - 2:
            pool.fail_next(500, times=3)
        return await blocks(self, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Pool, "blocks", fail_late)
        assert bitminter("export", "blocks", f"file{suffix}") == 1
    out, err = capsys.readouterr()
    *_, left, told = err.splitlines()
    assert out == ""
    assert left == f"bitminter: file{suffix}.part has what came so far: --resume goes on with it"
    assert told.endswith("500, the pool failed: try again later")
    before = len(pool.requests)
    assert bitminter("export", "blocks", f"file{suffix}", "--resume") == 0
    assert len(pool.requests) - before < asked
    assert read(tmp_path / f"file{suffix}") == read(tmp_path / f"whole{suffix}")


def test_a_wrong_ending_is_wrong_usage(
    bitminter: Bitminter, pool: LocalPool, capsys: pytest.CaptureFixture[str]
) -> None:
    """The choices are told, and nothing is asked or made."""
    for name in ("blocks.xlsx", "blocks", ".csv"):
        assert bitminter("export", "blocks", name) == 2
        told = f"bitminter: FILE must end in .csv, .jsonl, .sqlite, which tells its form, not '{name}'\n"
        assert capsys.readouterr().err == told
    assert pool.requests == ()


def test_what_is_there_is_refused(bitminter: Bitminter, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By exit code 1, and a line that says what to do."""
    (tmp_path / "mine.csv").write_text("dear diary")
    assert bitminter("export", "blocks", "mine.csv") == 1
    assert capsys.readouterr().err == "bitminter: mine.csv is there already: --force replaces it\n"
    (tmp_path / "mine.csv").unlink()
    (tmp_path / "mine.csv.part").write_text("dear diary")
    assert bitminter("export", "blocks", "mine.csv") == 1
    what = "mine.csv.part is there, of an export that broke off"
    assert capsys.readouterr().err == f"bitminter: {what}: --resume goes on with it, --force begins anew\n"
    assert (tmp_path / "mine.csv.part").read_text() == "dear diary"


def test_json_tells_what_was_written(bitminter: Bitminter, capsys: pytest.CaptureFixture[str]) -> None:
    """The command's own result, as one object; `-n` counts from the newest, `--since` is a moment."""
    assert bitminter("export", "blocks", "a.csv", "-n", "7", "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"file": "a.csv", "table": "blocks", "written": 7}
    assert bitminter("export", "shifts", "b.csv", "--since", "2014-03-01T08:30", "--json") == 0
    assert json.loads(capsys.readouterr().out)["written"] == 4
    assert bitminter("export", "shifts", "c.csv", "-n", "3", "--json") == 0
    assert json.loads(capsys.readouterr().out)["written"] == 3


def test_an_update_asks_for_what_is_new_alone(bitminter: Bitminter, pool: LocalPool, tmp_path: Path) -> None:
    """A cron job's run: what was found since, and what became of the blocks that were not settled."""
    assert bitminter("export", "blocks", "pool.sqlite", "--resume", "-q") == 0
    first = read(tmp_path / "pool.sqlite")
    lowest = min(row["id"] for row in first if row["status"] in {"unconfirmed", "processing"})
    pool.orphan(lowest)
    found = pool.find_block("NMC")
    before = len(pool.requests)
    assert bitminter("export", "blocks", "pool.sqlite", "--resume", "-q") == 0
    assert len(pool.requests) - before <= 4
    rows = {row["id"]: row["status"] for row in read(tmp_path / "pool.sqlite")}
    assert rows[lowest] == "orphan"
    assert rows[found] in {"processing", "unconfirmed"}
    assert len(rows) == len(first) + 1


def test_a_person_is_told_what_was_written(
    bitminter: Bitminter, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """On stderr, in a terminal, after the bar, and not with `-q`."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    assert bitminter("export", "blocks", "a.csv", "-n", "1") == 0
    assert capsys.readouterr().err.splitlines()[-1].endswith("a.csv: 1 blocks written")
    assert bitminter("export", "blocks", "b.csv", "-n", "1", "-q") == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("has_rich", [True, False])
def test_the_bar_fills_by_the_time_walked(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *, has_rich: bool
) -> None:
    """It tells how many came, and up to when; without rich, and where nobody watches, there is none."""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    if not has_rich:
        monkeypatch.setitem(sys.modules, "rich.console", None)
    now = int(datetime.now(UTC).timestamp())
    blocks: list[Block] = [make_blocks(1, generated=now - seconds)[0] for seconds in (86_400, 43_200)]
    with progress(BLOCKS, is_shown=True) as step:
        for block in blocks:
            step(block)
    shown = capsys.readouterr().err
    assert ("2 blocks, 20" in shown) == has_rich
    assert ("50%" in shown) == has_rich
    with progress(BLOCKS, is_shown=False) as step:
        step(blocks[0])
    assert capsys.readouterr().err == ""
