"""Where a machine's budget lies: which directory, and what if that comes and goes while a process lives."""

import asyncio
import logging
import os
import shutil
import stat
from pathlib import Path

import pytest

from bitminter_async import Blocked
from bitminter_async._session.budget import machine as module
from bitminter_async._session.budget import pace
from bitminter_async._session.budget.base import Turn
from bitminter_async._session.budget.machine import Machine
from bitminter_async._session.budget.record import Record
from tests.support.machine import make_machine, record_of
from tests.support.pace import Queue, make_reason, make_wish, turn_of

pytestmark = [pytest.mark.socket, pytest.mark.usefixtures("runtime_dir")]  # the wall clock is real


@pytest.fixture(autouse=True)
def _warn_anew() -> None:
    """No warning of another test counts as told."""
    pace.warn_once.cache_clear()


def move(monkeypatch: pytest.MonkeyPatch, runtime_dir: Path) -> Path:
    """Let there be another runtime directory, as after a login, and return it."""
    other = runtime_dir.parent / "login"
    other.mkdir(mode=0o700)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(other))
    return other


def grow_older(machine: Machine, seconds: float) -> None:
    """Let so much time have passed since the directory was looked for."""
    machine._state.sought -= seconds


async def test_a_directory_that_was_removed_is_made_anew(runtime_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    """After a logout has removed it, the next turn shares again, in the one that there is, without a warning."""
    caplog.set_level(logging.WARNING)
    machine = make_machine()
    grow_older(machine, 2)

    for _ in range(2):
        await Queue(machine).take(0)
        shutil.rmtree(runtime_dir / "bitminter_async")
        await Queue(machine).take(0)
        assert record_of(machine).exists()
        grow_older(machine, 2)
    assert not caplog.records


async def test_a_directory_that_is_removed_in_a_turn(runtime_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A turn whose lock was removed sends nothing; it is taken anew, in the directory that there is then."""
    caplog.set_level(logging.WARNING)
    machine, tries = make_machine(), 0
    grow_older(machine, 2)

    async def send(turn: Turn) -> None:
        nonlocal tries
        tries += 1
        if tries == 1:
            shutil.rmtree(runtime_dir / "bitminter_async")
        await turn.depart()

    await machine.fetch(make_wish(), send)
    assert tries == 2
    assert record_of(machine).exists()
    assert not caplog.records


async def test_a_login_lets_a_process_share_with_it(monkeypatch: pytest.MonkeyPatch, runtime_dir: Path) -> None:
    """A process older than the login meets those of the login within a minute, and tells them of its rest."""
    machine = make_machine(patience=1000.0)
    async with turn_of(machine) as turn:
        await turn.rest(600.0, make_reason(Blocked))
    grow_older(machine, 60)
    machine._seek()
    old = record_of(machine)
    other = move(monkeypatch, runtime_dir)
    machine._seek()
    assert record_of(machine) == old
    grow_older(machine, 60)
    waiting = asyncio.ensure_future(Queue(machine).take(0))
    await asyncio.sleep(0.02)
    waiting.cancel()
    assert record_of(machine).is_relative_to(other)
    with pytest.raises(Blocked):
        await Queue(make_machine()).take(0)


async def test_sharing_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, runtime_dir: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Where it cannot be shared, as while a disk is full, that is tried again each minute; one warning tells of it."""
    machine = make_machine()
    real = Record.save

    def refuse(_record: Record, _path: Path) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(Record, "save", refuse)
    for _ in range(3):
        await Queue(machine).take(0)
        assert machine._lock is None
        grow_older(machine, 60)
    monkeypatch.setattr(Record, "save", real)
    await Queue(machine).take(0)
    assert record_of(machine).is_relative_to(runtime_dir)
    (warning,) = [each for each in caplog.records if each.levelno >= logging.WARNING]
    assert "no space left" in warning.getMessage()


async def test_clients_of_a_process_wait_in_one_place() -> None:
    """All clients of a process have one lock file, so that however many give up, one thread waits for it."""
    first, second = make_machine(), Machine(0.0, 60.0, "https://pool.example", 10.0)
    second.bind()
    assert first._lock is second._lock is not None


async def test_a_link_in_its_place_is_refused(runtime_dir: Path, tmp_path: Path) -> None:
    """A directory that a link leads to is not used, and its mode is left as it is."""
    target = tmp_path / "target"
    target.mkdir(mode=0o755)
    (runtime_dir / "bitminter_async").symlink_to(target)
    with pytest.raises(OSError, match="bitminter_async"):
        module._directory()
    assert stat.S_IMODE(target.stat().st_mode) == 0o755
    assert not os.listdir(target)  # noqa: PTH208  # names are enough
