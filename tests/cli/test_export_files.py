"""CSV and lines of JSON: what a crash may leave of them, wherever it cuts, is gone on with to the same file."""

import csv
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitminter_async import to_dict
from bitminter_async.cli._export_files import ExportError
from tests.support.exports import BLOCKS, ODD_NAMES, SHIFTS, make_blocks, make_job, make_shifts, read, run

_SUFFIXES = pytest.mark.parametrize("suffix", [".csv", ".jsonl"])
_NAMES = len(ODD_NAMES)


def _part(path: Path) -> Path:
    return path.with_name(f"{path.name}.part")


@_SUFFIXES
@pytest.mark.parametrize("count", range(1, _NAMES + 2))
async def test_a_cut_anywhere_in_the_last_row_is_mended(tmp_path: Path, suffix: str, count: int) -> None:
    """Cut at every byte of the last row, the file that is gone on with is the same as one that was never cut.

    Cut in the row before that one, it is byte by byte the file of one row less, which is another case.
    """
    path = tmp_path / f"blocks{suffix}"
    blocks = make_blocks(count + 2)
    await run(make_job(path), blocks[: count - 1])
    begin = path.stat().st_size
    await run(make_job(path, force=True), blocks[:count])
    cut = path.read_bytes()
    await run(make_job(path, force=True), blocks)
    whole = path.read_bytes()
    assert whole.startswith(cut)
    path.unlink()
    for end in range(begin, len(cut) + 1):
        _part(path).write_bytes(cut[:end])
        job = await run(make_job(path, resume=True), blocks)
        assert path.read_bytes() == whole
        assert 2 <= job.count <= 4
        path.unlink()


@_SUFFIXES
@settings(max_examples=60, deadline=None)
@given(names=st.lists(st.text(max_size=12), min_size=1, max_size=5), data=st.data())
def test_a_cut_anywhere_is_mended_whatever_the_names(
    tmp_path_factory: pytest.TempPathFactory, suffix: str, names: list[str], data: st.DataObject
) -> None:
    """Whatever text the pool sends comes back as it was, also after a cut anywhere, the header included."""
    path = tmp_path_factory.mktemp("cut") / f"blocks{suffix}"
    blocks = [make_blocks(number + 1, generator=name)[-1] for number, name in enumerate(names)]
    steps = make_job(path)
    _finish(steps, blocks)
    whole = path.read_bytes()
    path.rename(_part(path))
    with _part(path).open("r+b") as file:
        file.truncate(data.draw(st.integers(0, len(whole))))
    _finish(make_job(path, resume=True), blocks)
    assert path.read_bytes() == whole
    told = [row["generator"] for row in read(path)]
    assert [text.removeprefix("'") if suffix == ".csv" else text for text in told] == names


def _finish(job: object, blocks: object) -> None:
    coroutine = run(job, blocks)  # type: ignore[arg-type]
    with pytest.raises(StopIteration):
        coroutine.send(None)


async def test_csv_is_read_by_any_reader(tmp_path: Path) -> None:
    """Its first line names the columns; numbers are as `to_dict` has them, money with all its digits."""
    path = tmp_path / "blocks.csv"
    blocks = make_blocks(_NAMES)
    await run(make_job(path), blocks)
    with path.open(encoding="utf-8", newline="") as file:
        names, *rows = csv.reader(file)
    assert names == list(BLOCKS.columns)
    for row, block in zip(rows, blocks, strict=True):
        plain = to_dict(block)
        assert row[: names.index("generator")] == [str(plain[name]) for name in names[: names.index("generator")]]
        assert row[-2:] == [plain["generated"], str(plain["duration_s"])]


@pytest.mark.parametrize("name", ["=cmd|'/c calc'!A0", "+1", "-1", "@SUM(1)", "\tx", "\rx", "\n=1", "＝1", "'", "'=1"])  # noqa: RUF001  # full width
async def test_no_text_of_the_pool_is_a_formula(tmp_path: Path, name: str) -> None:
    """Who names himself like a formula gets a `'` in front in CSV, and there only; numbers stay numbers."""
    for suffix, expected in ((".csv", f"'{name}"), (".jsonl", name), (".sqlite", name)):
        path = tmp_path / f"blocks{suffix}"
        await run(make_job(path), make_blocks(1, generator=name, confirmations_left=-1, status="stale"))
        [row] = read(path)
        assert row["generator"] == expected
        assert str(row["confirmations_left"]) == "-1"


@pytest.mark.parametrize("name", ["bob", "b=1", "", "1-2", "ü"])
async def test_other_text_stays_as_it_is(tmp_path: Path, name: str) -> None:
    """Only the beginning makes a formula."""
    path = tmp_path / "blocks.csv"
    await run(make_job(path), make_blocks(1, generator=name))
    assert [row["generator"] for row in read(path)] == [name]


async def test_a_line_of_json_is_what_to_json_makes(tmp_path: Path) -> None:
    """One object a line."""
    path = tmp_path / "blocks.jsonl"
    blocks = make_blocks(_NAMES)
    await run(make_job(path), blocks)
    assert [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]] == [to_dict(block) for block in blocks]


@_SUFFIXES
async def test_another_file_is_not_gone_on_with(tmp_path: Path, suffix: str) -> None:
    """Shifts are not appended to blocks, nor blocks to what is no export at all; what was there stays."""
    path = tmp_path / f"mine{suffix}"
    await run(make_job(path, table=SHIFTS), make_shifts(3))
    shifts = path.read_bytes()
    path.unlink()
    for text in (shifts, b"dear diary\n", b"[1]\n", b"\xff\n", b'{"id": 1}\n'):
        _part(path).write_bytes(text)
        with pytest.raises(ExportError, match=r"mine\.\w+\.part is no export of blocks: move it away, or begin anew"):
            await run(make_job(path, resume=True), make_blocks(5))
        assert _part(path).read_bytes() == text


async def test_a_row_of_csv_that_is_whole_but_wrong_is_told(tmp_path: Path) -> None:
    """Below the right header there may be other lines: nothing is appended to them."""
    path = tmp_path / "blocks.csv"
    await run(make_job(path), [])
    head = path.read_bytes()
    path.unlink()
    for text in (b"1,2\n", b"\n", b"x" + b"," * 12 + b"\n", b'"a"b' + b"," * 12 + b"\n", b"\xff\n"):
        _part(path).write_bytes(head + text)
        with pytest.raises(ExportError, match="is no export of blocks"):
            await run(make_job(path, resume=True), make_blocks(5))


async def test_a_quote_that_is_never_closed_takes_no_time(tmp_path: Path) -> None:
    """The search for the last whole row looks at each line once."""
    path = tmp_path / "blocks.csv"
    await run(make_job(path), make_blocks(1))
    whole = path.read_bytes()
    path.unlink()
    _part(path).write_bytes(whole + b'"' + b"a\n" * 300_000)
    await run(make_job(path, resume=True), make_blocks(1))
    assert path.read_bytes() == whole
