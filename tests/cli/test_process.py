"""The command as a process: its pipes, its signals, and the budget that it shares with others."""

import asyncio
import json
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from bitminter_async.local import LocalPool
from tests.support.raw import raw_server, reply

pytestmark = pytest.mark.socket

_COMMAND = [sys.executable, "-m", "bitminter_async"]
_STATS = reply(b'{"hash_rate": 1701000, "active_workers": 5, "active_users": 3}')
# The pool is on loopback, with which nothing is shared unless it is passed: this passes it.
_INTERVAL = 1.5
_SHARING = f"""\
import sys
from functools import partial
from bitminter_async import Client
from bitminter_async.cli._run import run
sys.exit(run(None, partial(Client, share="machine", interval={_INTERVAL})))
"""


@pytest.fixture(autouse=True)
def _own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Budgets of a machine are no other test's."""
    tmp_path.chmod(0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


async def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return await asyncio.to_thread(
        subprocess.run, command, capture_output=True, text=True, check=False, timeout=60, encoding="utf-8"
    )


async def _shell(redirection: str, *argv: str) -> subprocess.CompletedProcess[str]:
    """Run the command with a shell's redirection."""
    return await _run(["sh", "-c", f'exec "$@" {redirection}', "sh", *_COMMAND, *argv])


async def test_a_closed_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nobody can read the answer, nobody is asked."""
    pool = LocalPool()
    async with pool.serve() as url:
        monkeypatch.setenv("BITMINTER_URL", url)
        run = await _shell(">&-", "stats")
    assert (run.returncode, run.stderr) == (1, "bitminter: standard output is closed\n")
    assert not pool.requests


@pytest.mark.parametrize("line", ["stats", "blocks --json", "--help", "--version", "completion bash"])
async def test_a_full_disk(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be written is told in one line, and is no success."""
    async with LocalPool().serve() as url:
        monkeypatch.setenv("BITMINTER_URL", url)
        run = await _shell(">/dev/full", *line.split())
    assert run.returncode == 1
    assert run.stderr == "bitminter: the output cannot be written: No space left on device\n"


@pytest.mark.parametrize("line", ["stats", "blocks -n 200", "--help"])
async def test_a_broken_pipe(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the reader has gone, the command goes, too, and says nothing."""
    async with LocalPool().serve() as url:
        monkeypatch.setenv("BITMINTER_URL", url)
        process = await asyncio.to_thread(
            subprocess.Popen, [*_COMMAND, *line.split()], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        with process:
            assert process.stdout
            assert process.stderr
            process.stdout.close()
            said = await asyncio.to_thread(process.stderr.read)
            assert await asyncio.to_thread(process.wait, 60) == 141
    assert said == b""


@pytest.mark.parametrize("unbuffered", ["", "1"])
async def test_a_closed_error_output(unbuffered: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where errors cannot be told, the exit code tells them, and none goes into the output."""
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    async with LocalPool().serve() as url:
        monkeypatch.setenv("BITMINTER_URL", url)
        run = await _shell("2>&-", "user", "--receipt", "-v")
    assert (run.returncode, run.stdout) == (4, "")
    run = await _shell("2>/dev/full", "user", "--url", "x")
    assert (run.returncode, run.stdout) == (2, "")
    for streams in (">&- 2>&-", ">&- 2>/dev/full", ">/dev/full 2>/dev/full"):
        assert (await _shell(streams, "stats", "--url", url)).returncode == 1


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
async def test_a_name_that_the_encoding_lacks(encoding: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user named Ω is shown by an encoding that has no Ω as well, escaped; JSON stays JSON."""
    pool = LocalPool()
    monkeypatch.setenv("BITMINTER_KEY", pool.add_user("Ω"))
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    async with pool.serve() as url:
        monkeypatch.setenv("BITMINTER_URL", url)
        run = await _shell("", "user", "--json")
        shown = await _shell("", "user")
    assert json.loads(run.stdout)["name"] == "Ω"
    assert (run.returncode, run.stderr, shown.returncode, shown.stderr) == (0, "", 0, "")
    assert shown.stdout.splitlines()[1].startswith("Ω\t" if encoding == "utf-8" else "\\u03a9\t")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
async def test_a_signal_ends_a_watch(number: signal.Signals, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C and SIGTERM end a watch quietly; each line was in the pipe before."""
    async with LocalPool().serve() as url:
        monkeypatch.setenv("BITMINTER_URL", url)
        command = [*_COMMAND, "watch", "stats", "--json"]
        process = await asyncio.to_thread(
            subprocess.Popen, command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        with process:
            assert process.stdout
            assert process.stderr
            line = await asyncio.to_thread(process.stdout.readline)
            process.send_signal(number)
            said = await asyncio.to_thread(process.stderr.read)
            assert await asyncio.to_thread(process.wait, 60) == code
    assert json.loads(line)["active_users"]
    assert said == ""


async def test_commands_take_turns() -> None:
    """Commands that run at once ask one after the other, an interval apart."""
    async with raw_server(*[[_STATS, b""]] * 3) as server:
        began = asyncio.get_running_loop().time()
        command = [sys.executable, "-c", _SHARING, "stats", "--url", server.url]
        runs = await asyncio.gather(*[_run(command) for _ in range(3)])
        assert [(run.returncode, run.stderr) for run in runs] == [(0, "")] * 3
        # Counted from the beginning, since a busy machine may see an arrival late, but none too early.
        assert server.at[-1] - began >= 2 * _INTERVAL


async def test_a_command_heeds_the_rest_that_an_earlier_one_was_told_of() -> None:
    """In a shell's loop, the next command keeps to the rest that the pool asked the last for: it sends nothing."""
    async with raw_server([reply(b"", "429 Too Many Requests", Retry_After="600")], [_STATS]) as server:
        command = [sys.executable, "-c", _SHARING, "stats", "--url", server.url]
        first, second = await _run(command), await _run(command)
        assert len(server.heads) == 1
    assert (first.returncode, second.returncode) == (75, 75)
    assert first.stderr == "bitminter: the pool asks for rest: try again in 600 s\n"
    assert re.fullmatch(r"bitminter: the pool asks for rest: try again in (600|5\d\d) s\n", second.stderr)


async def test_serve_serves_a_pool() -> None:
    """`bitminter serve` is the local pool, with its options; a wrong one is wrong usage."""
    command = [*_COMMAND, "serve", "--port", "0", "--user", "bob:BOBSKEY42"]
    process = await asyncio.to_thread(subprocess.Popen, command, stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout
        line = await asyncio.to_thread(process.stdout.readline)
        stats = await _run([*_COMMAND, "stats", "--json", "--url", line.split()[-1]])
        process.send_signal(signal.SIGINT)
        assert await asyncio.to_thread(process.wait, 60) == 0
    assert json.loads(stats.stdout)["active_users"]
    assert (await _run([*_COMMAND, "serve", "--port", "moon"])).returncode == 2
