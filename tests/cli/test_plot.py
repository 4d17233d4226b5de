"""`bitminter plot`: a drawing that fits where it is shown, or the figures."""

import json
import math
import sys
from collections.abc import Callable, Sequence
from datetime import date
from io import BytesIO, TextIOWrapper
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitminter_async.cli import _plot
from bitminter_async.cli._luck_figures import Luck
from bitminter_async.cli._run import run
from bitminter_async.local import LocalPool
from bitminter_async.testing import AutojumpLoop

Bitminter = Callable[..., list[str]]


@pytest.fixture
def bitminter(capsys: pytest.CaptureFixture[str]) -> Bitminter:
    """Run the command at a pool with a month behind it, and return the lines that it prints."""

    def call(*arguments: str) -> list[str]:
        assert run(arguments, make_client=LocalPool().client, loop_factory=AutojumpLoop) == 0
        out, err = capsys.readouterr()
        assert err == ""
        return out.splitlines()

    return call


def test_the_hash_rate_is_drawn(bitminter: Bitminter) -> None:
    """In a pipe: 78 columns wide, with no colour, in a unit that fits, from 0 up, with days below."""
    title, *lines = bitminter("plot", "hashrate", "--since", "2014-02-22")
    assert title.strip() == "The pool's hash rate in PH/s, by the shift"
    assert max(map(len, lines)) <= 78
    assert not any("\x1b" in line for line in lines)
    assert lines[-3].startswith("  0┤")
    assert lines[-1].split() == ["02-23", "02-25", "02-27", "03-01"]
    assert any("⠤" in line for line in lines)


def test_luck_is_drawn_chain_by_chain(bitminter: Bitminter) -> None:
    """Each with a line across at 100 %, which is luck as expected."""
    lines = bitminter("plot", "luck", "--since", "2014-02-01")
    titles = [line.strip() for line in lines if "luck" in line]
    assert titles == [f"{chain}: luck in %, by the day; 100 is as expected" for chain in ("BTC", "NMC")]
    assert len([line for line in lines if line.startswith("100┼")]) == 2


@pytest.mark.parametrize("width", [1, 5, 10, 30, 80, 200])
def test_it_fits_the_terminal(bitminter: Bitminter, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    """As wide as that, or a little less."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))
    lines = bitminter("plot", "hashrate", "--since", "2014-02-22")
    assert width - 4 <= max(map(len, lines)) <= width


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "cp437"])
def test_an_encoding_without_its_characters_gets_others(monkeypatch: pytest.MonkeyPatch, encoding: str) -> None:
    """No traceback, and no escapes: what it can write."""
    stream = BytesIO()
    monkeypatch.setattr(sys, "stdout", TextIOWrapper(stream, encoding=encoding))
    assert run(["plot", "hashrate", "--since", "2014-02-22"], LocalPool().client, AutojumpLoop) == 0
    lines = stream.getvalue().decode("ascii").splitlines()
    assert "\\" not in "".join(lines)
    assert any("**" in line for line in lines)
    assert lines[-2].strip(" +-") == ""


def test_json_is_the_figures(bitminter: Bitminter) -> None:
    """One object a line, oldest first, as they would be drawn."""
    rates = [json.loads(line) for line in bitminter("plot", "hashrate", "--since", "2014-02-27", "--json")]
    assert list(rates[0]) == ["completed", "hash_rate_hps"]
    assert rates[0]["completed"].startswith("2014-02-27T0")
    assert [row["completed"] for row in rates] == sorted(row["completed"] for row in rates)
    assert all(1e15 < row["hash_rate_hps"] < 3e15 for row in rates)
    lucks = [json.loads(line) for line in bitminter("plot", "luck", "--since", "2014-02-27", "--json")]
    assert [row["day"] for row in lucks if row["chain"] == "BTC"] == ["2014-02-27", "2014-02-28", "2014-03-01"]


@pytest.mark.parametrize("what", ["hashrate", "luck"])
def test_nothing_to_draw_is_told(capsys: pytest.CaptureFixture[str], what: str) -> None:
    """The last days, unless asked for others; on stderr, since it is no drawing."""
    assert run(["plot", what], LocalPool().client, AutojumpLoop) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("bitminter: there is nothing to draw since 20")


def test_without_plotext_one_line_says_so(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Before anything is asked; the figures are to be had without it."""
    monkeypatch.setitem(sys.modules, "plotext", None)
    pool = LocalPool()
    assert run(["plot", "luck"], pool.client, AutojumpLoop) == 1
    out, err = capsys.readouterr()
    assert (out, pool.requests) == ("", ())
    assert err == (
        "bitminter: plot draws with plotext: pip install 'bitminter-async[cli]'; --json gives the figures without it\n"
    )
    assert run(["plot", "luck", "--since", "2014-02-27", "--json"], pool.client, AutojumpLoop) == 0


def test_blocks_for_nothing_are_not_drawn() -> None:
    """Infinite luck has no place on the paper; a chain that had no other is left out."""
    nothing = Luck("BTC", date(2014, 3, 1), 1, 0, 100.0, 0, 0.0)
    something = Luck("BTC", date(2014, 3, 2), 1, 0, 100.0, 50, 0.5)
    [drawn] = _plot._lucks([nothing, something])
    assert drawn.points == [(1_393_718_400.0, 200.0)]
    assert _plot._lucks([nothing]) == []


@given(st.lists(st.integers(0, 2_000_000_000), min_size=1), st.integers(30, 300))
def test_ticks_have_room(moments: Sequence[float], width: int) -> None:
    """There is one at least, and no more than their texts have room for; they rise, and none is told twice."""
    ticks, texts = _plot._ticks(moments, width)
    assert 1 <= len(ticks) <= width // 13 + 1
    assert ticks == sorted(set(ticks))
    assert max(map(len, texts)) <= 10
    assert all(min(moments) <= tick <= max(moments) for tick in ticks)


@given(st.floats(1e-6, 1e9))
def test_levels_are_round_and_few(top: float) -> None:
    """Two to five of them, from 0 up to `top` at most."""
    levels, texts = _plot._levels(top)
    assert 2 <= len(levels) <= 6
    assert levels[0] == 0
    assert math.isclose(levels[-1], min(levels[-1], top))
    assert len(set(texts)) == len(texts)


def test_a_single_figure_is_drawn(bitminter: Bitminter) -> None:
    """A line of one point is a point."""
    lines: list[Any] = bitminter("plot", "hashrate", "--since", "2014-03-01T11:00")
    assert len(lines) == 16
