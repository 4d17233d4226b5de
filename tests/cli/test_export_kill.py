"""An export as a process of its own: killed, interrupted, and beside another."""

import asyncio
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from bitminter_async.local import LocalPool
from tests.support.exports import read

pytestmark = pytest.mark.socket
_SUFFIXES = pytest.mark.parametrize("suffix", [".csv", ".jsonl", ".sqlite"])
_COMMAND = """
import sys
from functools import partial
from bitminter_async import Client
from bitminter_async.cli._run import run
sys.exit(run(sys.argv[1:], make_client=partial(Client, interval=0.0)))
"""
_KILLS = 2


@pytest.fixture
async def url() -> AsyncIterator[str]:
    """The address of a pool whose time stands still, so that two exports of it are alike."""
    pool = LocalPool(history=timedelta(days=12), limit=None)
    pool.latency = 0.03
    async with pool.serve() as url:
        yield url


async def _start(url: str, path: Path, *options: str) -> Process:
    arguments = ("export", "blocks", str(path), "--url", url, *options)
    return await asyncio.create_subprocess_exec(sys.executable, "-c", _COMMAND, *arguments, stderr=PIPE)


async def _end(process: Process) -> tuple[int, str]:
    _, told = await process.communicate()
    assert process.returncode is not None
    return process.returncode, told.decode()


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


async def _grown(process: Process, part: Path, size: int) -> None:
    """Wait until the file is larger than that, or the process has ended."""
    while process.returncode is None:
        if _size(part) > size:
            return
        await asyncio.sleep(0.005)


@_SUFFIXES
async def test_kill_9_costs_nothing_that_came(url: str, tmp_path: Path, suffix: str) -> None:
    """Killed again and again while it writes, and gone on with, it is the file of an export that was left alone."""
    whole, path = tmp_path / f"whole{suffix}", tmp_path / f"killed{suffix}"
    assert await _end(await _start(url, whole)) == (0, "")
    part = path.with_name(f"{path.name}.part")
    size = kills = 0
    for _ in range(_KILLS):
        process = await _start(url, path, "--resume")
        await _grown(process, part, size + 1000)
        with suppress(ProcessLookupError):
            process.kill()
        if (await _end(process))[0] == -signal.SIGKILL:
            kills += 1
            size = _size(part)
    assert kills
    if not path.exists():
        assert await _end(await _start(url, path, "--resume")) == (0, "")
    assert read(path) == read(whole)
    assert len(read(whole)) > 300
    if suffix != ".sqlite":
        assert path.read_bytes() == whole.read_bytes()
    assert _names(tmp_path) == {path.name, whole.name}


@_SUFFIXES
async def test_ctrl_c_says_how_to_go_on(url: str, tmp_path: Path, suffix: str) -> None:
    """Exit code 130, one line on stderr, and nothing lost."""
    path = tmp_path / f"blocks{suffix}"
    part = path.with_name(f"{path.name}.part")
    process = await _start(url, path)
    await _grown(process, part, 9000)
    process.send_signal(signal.SIGINT)
    code, told = await _end(process)
    assert (code, told) == (130, f"bitminter: {part} has what came so far: --resume goes on with it\n")
    assert await _end(await _start(url, path, "--resume")) == (0, "")
    ids = [int(row["id"]) for row in read(path)]
    assert ids == sorted(set(ids))


async def test_two_exports_to_one_file_do_not_mix(url: str, tmp_path: Path) -> None:
    """The second ends at once, as one that may try later; the first is whole."""
    path = tmp_path / "blocks.csv"
    first = await _start(url, path)
    await _grown(first, path.with_name("blocks.csv.part"), 0)
    first.send_signal(signal.SIGSTOP)  # or it might be whole before the second has begun
    code, told = await _end(await _start(url, path, "--force"))
    first.send_signal(signal.SIGCONT)
    assert (code, told) == (75, f"bitminter: another export is writing {path}.part\n")
    assert await _end(first) == (0, "")
    ids = [int(row["id"]) for row in read(path)]
    assert ids == sorted(set(ids))
