"""`watch`, and `stats -w`: a line each as it comes, for ever."""

import asyncio
import json
import os
import re
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import attrs
import pytest

from bitminter_async import (
    BlockChanged,
    BlockFound,
    BlockStatus,
    Client,
    WorkerAdded,
    WorkerBack,
    WorkerGone,
    WorkerIdle,
    WorkReported,
)
from bitminter_async.cli._events import describe
from bitminter_async.local import LocalPool
from tests.support.command import Screen, show_screen, watch_until

Capture = pytest.CaptureFixture[str]


def test_events_come_as_they_happen(pool: LocalPool, capsys: Capture) -> None:
    """With a key, blocks, shifts and the owner's workers are watched; an event is a line; Ctrl-C ends it with 130."""
    happen: dict[float, Callable[[], object]] = {
        5: lambda: pool.find_block("NMC"),
        25: lambda: pool.set_worker_alive("demo", "rig1", alive=False),
        45: lambda: pool.set_worker_alive("demo", "rig1", alive=True),
    }
    assert watch_until(pool, "watch", "--every", "10", happen=happen) == 130
    captured = capsys.readouterr()
    found, idle, back = captured.out.splitlines()
    assert re.fullmatch(r"2014-03-01 12:00:00  NMC \d+ found by .+: \d+\.\d+ NMC, luck \d+%", found)
    assert re.fullmatch(r"2014-03-01 12:00:00  demo's rig1 is idle, its last work was 5m \d\ds ago", idle)
    assert re.fullmatch(r"2014-03-01 12:00:00  demo's rig1 is back at \d+\.\d\d [GT]H/s", back)
    assert captured.err == ""


def test_events_as_json(pool: LocalPool, capsys: Capture) -> None:
    """`--json` is one event a line; each stream that is named is watched once, and no other."""
    happen: dict[float, Callable[[], object]] = {5: lambda: pool.find_block("BTC")}
    assert watch_until(pool, "watch", "blocks", "blocks", "stats", "--every", "10", "--json", happen=happen) == 130
    first, *rest = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert "active_users" in first
    assert [event["event"] for event in rest if "event" in event] == ["BlockFound"]
    assert {request.path for request in pool.requests} == {"/api/pool/blocks", "/api/pool/stats"}


def test_a_signal_to_end(pool: LocalPool, capsys: Capture) -> None:
    """SIGTERM ends a watch as quietly, with 143."""
    happen: dict[float, Callable[[], object]] = {5: lambda: os.kill(os.getpid(), signal.SIGTERM)}
    assert watch_until(pool, "watch", "blocks", happen=happen) == 143
    assert capsys.readouterr() == ("", "")


def test_an_outage_is_told_and_lived_through(pool: LocalPool, capsys: Capture) -> None:
    """What the stream warns of is on stderr; events go on."""
    happen: dict[float, Callable[[], object]] = {5: lambda: pool.fail_next(500, times=4), 45: pool.find_block}
    assert watch_until(pool, "watch", "blocks", "--every", "10", happen=happen) == 130
    captured = capsys.readouterr()
    assert "watching blocks: an outage begins" in captured.err
    assert len(captured.out.splitlines()) == 1


def test_a_stranger_is_watched_without_a_word_of_blocks(pool: LocalPool, capsys: Capture) -> None:
    """`--user` watches another's workers."""
    happen: dict[float, Callable[[], object]] = {5: lambda: pool.add_worker("deepdigger", "fresh")}
    assert watch_until(pool, "watch", "workers", "--user", "deepdigger", "--every", "10", happen=happen) == 130
    assert "deepdigger has a new worker, fresh" in capsys.readouterr().out
    assert {request.path for request in pool.requests} == {"/api/users/deepdigger"}


def test_without_a_key_no_workers_are_watched(
    pool: LocalPool, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has no key watches blocks and shifts."""
    monkeypatch.delenv("BITMINTER_KEY")
    assert watch_until(pool, "watch", happen={}) == 130
    assert {request.path for request in pool.requests} == {"/api/pool/blocks", "/api/pool/shifts"}
    assert capsys.readouterr() == ("", "")


def test_the_foot(pool: LocalPool, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a terminal the pool's figures stand below the events, and are gone in the end, the cursor shown again."""
    screen = show_screen(monkeypatch)
    assert watch_until(pool, "watch", "blocks", "--every", "10", happen={5: pool.find_block}) == 130
    text = screen.getvalue()
    assert re.search(r"PH/s.* workers.* users", text)
    assert "BTC" in text
    assert text.index("\x1b[?25l") < text.index("\x1b[?25h")
    assert text.endswith("\x1b[2K")
    assert "the pool:" not in text


def test_a_dumb_terminal_has_no_foot(pool: LocalPool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where lines cannot be written over, there is no foot, and nobody asks for its figures."""
    screen = show_screen(monkeypatch)
    monkeypatch.setenv("TERM", "dumb")
    assert watch_until(pool, "watch", "blocks", "--every", "10", happen={5: pool.find_block}) == 130
    assert "\x1b" not in screen.getvalue()
    assert {request.path for request in pool.requests} == {"/api/pool/blocks"}


@pytest.mark.parametrize("is_terminal", [True, False])
def test_stats_again_and_again(
    is_terminal: bool,  # noqa: FBT001  # a parameter of the test
    pool: LocalPool,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`stats -w` asks every so many seconds, a line each below one head, and goes on after what passes."""
    screen = show_screen(monkeypatch) if is_terminal else Screen()
    happen: dict[float, Callable[[], object]] = {15: lambda: pool.fail_next(429, headers={"Retry-After": "100"})}
    assert watch_until(pool, "stats", "-w", "10", happen=happen, ends=135) == 130
    captured = capsys.readouterr()
    text = re.sub(r"\x1b\[[0-9;]*m", "", screen.getvalue()) if is_terminal else captured.out
    head, *rows = text.splitlines()
    assert head.startswith("time (UTC)" if is_terminal else "time\thash_rate_hps\t")
    assert len(rows) == 4
    assert "the pool asks for rest: try again in 100 s" in captured.err
    assert len(pool.requests) == 5


def test_stats_again_and_again_after_a_failure(pool: LocalPool, capsys: Capture) -> None:
    """A failure that has no time of its own is tried again when the next is due; as JSON, lines are stats alone."""
    happen: dict[float, Callable[[], object]] = {15: lambda: pool.fail_next(501)}
    assert watch_until(pool, "stats", "-w", "10", "--json", happen=happen, ends=35) == 130
    captured = capsys.readouterr()
    assert len([json.loads(line) for line in captured.out.splitlines()]) == 3
    assert "501, the pool failed: try again later" in captured.err


def _first(pool: LocalPool, ask: Callable[[Client], Any]) -> Any:
    async def answer() -> Any:
        async with pool.client(user="demo") as client:
            return await ask(client)

    return asyncio.run(answer())


def test_each_event_has_its_words(pool: LocalPool) -> None:
    """Every event says what happened to whom, by the pool's clock."""
    (block,) = _first(pool, lambda client: client.pool.blocks(max=1))
    worker, *_ = _first(pool, lambda client: client.users.get()).workers
    at = datetime(2014, 3, 1, tzinfo=UTC)
    never = attrs.evolve(worker, last_work=None)
    settled = attrs.evolve(block, status=BlockStatus.CONFIRMED)
    lost = attrs.evolve(block, status=BlockStatus.ORPHAN)
    (shift,) = _first(pool, lambda client: client.pool.shifts(max=1))
    stats = _first(pool, lambda client: client.pool.stats())
    words = {
        stats: f"the pool: {stats.hash_rate} from {stats.active_workers} workers of {stats.active_users} users",
        BlockFound(block): "found by",
        BlockChanged(block, settled): "is confirmed now",
        BlockChanged(None, lost): "is orphan now",
        WorkerIdle(never, "demo", at): "2014-03-01 00:00:00  demo's rig1 is idle, and never worked",
        WorkerBack(worker, "demo", at): "is back at",
        WorkerAdded(worker, "demo", at): "demo has a new worker, rig1",
        WorkerGone(worker, "demo", at): "demo has no rig1 any more",
        shift: f"shift {shift.id} completed: ",
    }
    for event, said in words.items():
        assert said in "".join(cell.text for cell in describe(event))
    with pytest.raises(TypeError, match="WorkReported is no event"):
        describe(WorkReported(worker, "demo", at, {}, {}))
