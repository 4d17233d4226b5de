"""The command in a real terminal: widths, colour, the live foot, and Ctrl-C."""

import asyncio
from datetime import UTC, datetime

import pytest

from bitminter_async.local import LocalPool
from tests.support.command import Terminal, terminal

pytestmark = pytest.mark.socket


def _shown(*argv: str, width: int = 80, environment: dict[str, str] | None = None) -> Terminal:
    with terminal(*argv, width=width, height=60, **(environment or {})) as shown:
        assert shown.end() == 0
    return shown


@pytest.mark.parametrize(("width", "columns"), [(30, 2), (40, 3), (80, 7), (200, 13)])
async def test_a_table_fits_its_terminal(width: int, columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """From 30 to 200 columns, a table shows the columns that have room, whole, each block in one line."""
    async with LocalPool().serve() as url:
        monkeypatch.setenv("BITMINTER_URL", url)
        shown = await asyncio.to_thread(_shown, "blocks", "-n", "30", width=width)
    assert len(shown.lines) == 31
    head, *rows = shown.lines
    titles = [title for title in head.split("  ") if title.strip()]
    assert len(titles) == columns
    assert all("…" not in row for row in rows)
    assert "height  status" in head


async def test_check_is_whole_in_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `check` has to say wraps, and is all there."""
    pool = LocalPool()
    monkeypatch.setenv("BITMINTER_KEY", pool.add_user("demo"))
    async with pool.serve() as url:
        monkeypatch.setenv("BITMINTER_URL", url)
        shown = await asyncio.to_thread(_shown, "check", width=30)
    assert "the pool may be asked: yes, it asks for no rest" in "".join(shown.screen.display).replace("  ", "")


@pytest.mark.parametrize(
    ("environment", "has_colour"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)]
)
async def test_colour(environment: dict[str, str], has_colour: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001  # a parameter of the test
    """A terminal gets colours, unless NO_COLOR or its own kind forbids them."""
    async with LocalPool().serve() as url:
        monkeypatch.setenv("BITMINTER_URL", url)
        shown = await asyncio.to_thread(lambda: _shown("blocks", "-n", "40", environment=environment))
    assert (b"\x1b[32m" in shown.raw) == has_colour
    assert "confirmed" in "\n".join(shown.lines)


@pytest.mark.parametrize("width", [30, 80])
async def test_watch_has_a_live_foot(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events stand above the pool's figures of now; Ctrl-C takes those away and leaves the terminal as it was."""
    pool = LocalPool(speed=1.0, now=datetime.now(UTC))
    name = pool.add_user("demo")

    def watch(terminal_of: Terminal) -> int:
        terminal_of.until("workers")
        assert terminal_of.screen.cursor.hidden
        loop.call_soon_threadsafe(pool.find_block, "NMC")
        terminal_of.until("found by")
        assert "PH/s" in "".join(terminal_of.lines[-2:])
        terminal_of.type("\x03")
        return terminal_of.end()

    loop = asyncio.get_running_loop()
    async with pool.serve() as url:
        monkeypatch.setenv("BITMINTER_URL", url)
        monkeypatch.setenv("BITMINTER_KEY", name)
        with terminal("watch", "--every", "0.2", width=width) as shown:
            assert await asyncio.to_thread(watch, shown) == 130
    assert not shown.screen.cursor.hidden
    text = "".join(shown.screen.display)
    assert "found by" in text
    assert "workers" not in text
    assert "Traceback" not in text


async def test_a_wait_is_told_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who sits at the terminal is told that the command waits, and why, where the client knows it."""
    pool = LocalPool()
    pool.slow_next(60)
    async with pool.serve() as url:
        monkeypatch.setenv("BITMINTER_URL", url)
        with terminal("stats", "--timeout", "50") as shown:
            await asyncio.to_thread(shown.until, "waiting for a turn to ask, or for an answer")
            shown.type("\x03")
            assert await asyncio.to_thread(shown.end) == 130


async def test_an_error_in_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A person is told of the attempts before, too."""
    pool = LocalPool()
    pool.fail_next(500, times=9)
    async with pool.serve() as url:
        monkeypatch.setenv("BITMINTER_URL", url)
        with terminal("stats") as shown:
            assert await asyncio.to_thread(shown.end) == 1
    text = "".join(shown.screen.display)
    assert "attempt 2 of 3 failed" in text
    assert "the pool failed: try again later" in text
