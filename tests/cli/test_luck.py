"""`bitminter luck`, as the command prints it."""

import json
import re
import sys
from collections.abc import Callable

import pytest

from bitminter_async.cli._luck import DAY_COLUMNS
from bitminter_async.cli._luck_figures import Luck
from bitminter_async.cli._run import run
from bitminter_async.local import LocalPool
from bitminter_async.testing import AutojumpLoop

Bitminter = Callable[..., list[str]]


@pytest.fixture
def pool() -> LocalPool:
    """A pool with a month behind it, whose time is now's for the command."""
    return LocalPool()


@pytest.fixture
def bitminter(pool: LocalPool, capsys: pytest.CaptureFixture[str]) -> Bitminter:
    """Run the command, and return the lines that it prints."""

    def call(*arguments: str) -> list[str]:
        assert run(arguments, make_client=pool.client, loop_factory=AutojumpLoop) == 0
        out, err = capsys.readouterr()
        assert err == ""
        return out.splitlines()

    return call


def test_luck_is_told_per_chain_and_per_day(bitminter: Bitminter, pool: LocalPool) -> None:
    """In a pipe: a head, the chains as wholes, then the days of each; the days add up to the whole."""
    head, *rows = [line.split("\t") for line in bitminter("luck", "--since", "2014-02-20")]
    assert " ".join(head) == "chain day blocks luck chance_as_bad chance_as_good lost expected done"
    assert [row[:2] for row in rows[:2]] == [["BTC", "all"], ["NMC", "all"]]
    days = [row[:2] for row in rows[2:]]
    assert days == sorted(sorted(days, reverse=True), key=lambda row: row[0])
    for chain, whole in (("BTC", rows[0]), ("NMC", rows[1])):
        of_chain = [row for row in rows[2:] if row[0] == chain]
        assert sum(int(row[2]) for row in of_chain) == int(whole[2])
        assert sum(int(row[8]) for row in of_chain) == int(whole[8])
        assert float(whole[3]) == pytest.approx(float(whole[7]) / int(whole[8]))
    assert all(request.path.startswith("/api/pool/blocks") for request in pool.requests)


def test_json_is_an_object_a_line(bitminter: Bitminter) -> None:
    """The same figures by the same names; `-n` counts blocks."""
    rows = [json.loads(line) for line in bitminter("luck", "--json", "-n", "30")]
    assert sum(row["blocks"] for row in rows if row["day"] == "all") == 30
    assert sum(row["blocks"] for row in rows if row["day"] != "all") == 30
    assert rows[0]["chance_as_bad"] + rows[0]["chance_as_good"] == pytest.approx(1.0)


def test_the_last_thirty_days_are_told_unless_asked(bitminter: Bitminter) -> None:
    """Up to now, or up to `--until`."""
    assert bitminter("luck") == [bitminter("luck", "-n", "1")[0]]  # the pool's time is long past
    told = bitminter("luck", "--until", "2014-02-28")
    assert told == bitminter("luck", "--until", "2014-02-28", "--since", "2014-01-29T23:59:59.999999")
    assert len(told) > 20


def test_a_block_for_nothing_has_no_luck() -> None:
    """Infinite luck, which JSON has no number for, is left empty."""
    values = {column.name: column.value(Luck("BTC", None, 1, 0, 100.0, 0, 0.0)) for column in DAY_COLUMNS}
    assert (values["luck"], values["chance_as_bad"]) == (None, 1.0)


def test_work_is_short_in_a_terminal() -> None:
    """Whatever its size."""
    shown = [DAY_COLUMNS[-1].cell(Luck("BTC", None, 1, 0, 1.0, done, 1.0)).text for done in (0, 999, 163_655_849_658)]
    assert shown == ["0.0", "999.0", "163.7G"]
    assert DAY_COLUMNS[-1].cell(Luck("BTC", None, 1, 0, 1.0, 10**24, 1.0)).text == "1,000,000.0E"


@pytest.mark.parametrize("width", [30, 45, 80, 200])
def test_a_terminal_shows_a_table(bitminter: Bitminter, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    """As wide as it is at most, with the luck always, and what is rarer than one in twenty in colour."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(width))
    head, *rows = [re.sub(r"\x1b\[\d*m", "", line) for line in bitminter("luck", "--since", "2014-02-01")]
    assert head.split()[:1] == ["chain"]
    assert "luck" in head
    assert ("as bad by chance" in head) == (width > 45)
    assert max(map(len, rows)) <= width
    assert len(rows) > 20
