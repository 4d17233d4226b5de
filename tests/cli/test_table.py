"""Tables in a terminal: whole columns go as it narrows, and no text is ever cut."""

import json
import re
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from operator import itemgetter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from bitminter_async import HashRate
from bitminter_async.cli._output import Output
from bitminter_async.cli._table import Column, card, lines, plain, show, show_age, show_percent
from bitminter_async.local import LocalPool
from tests.support.command import Screen, command, show_screen
from tests.support.samples import USER

Capture = pytest.CaptureFixture[str]
_COLUMNS = [Column(f"c{at}", f"c{at}", itemgetter(at), priority) for at, priority in enumerate((2, 1, 4, 1, 3))]


def _texts(columns: list[Column], records: list[Any], width: int) -> list[str]:
    return ["".join(cell.text for cell in line) for line in lines(columns, records, width, cell_len)]


def test_columns_go_by_priority() -> None:
    """The highest number goes first; of equal ones the right one; what stays keeps its order."""
    record = ["two", "one", "four", "uno", "three"]
    heads = {len(_texts(_COLUMNS, [record], width)[0].split()): width for width in range(30, 9, -1)}
    assert sorted(heads) == [2, 3, 4, 5]
    assert _texts(_COLUMNS, [record], 26)[1].split() == record
    assert _texts(_COLUMNS, [record], 20)[1].split() == ["two", "one", "uno", "three"]
    assert _texts(_COLUMNS, [record], 13)[1].split() == ["two", "one", "uno"]
    assert _texts(_COLUMNS, [record], 8)[1].split() == ["one", "uno"]


def test_records_fold_where_two_columns_have_no_room() -> None:
    """Where not even two columns fit, each record is a list of all its figures, with an empty line between two."""
    texts = _texts(_COLUMNS, [["two", "one", "four", "uno", "three"]] * 2, 7)
    assert texts[:6] == ["c0  two", "c1  one", "c2  four", "c3  uno", "c4  three", ""]
    assert len(texts) == 11


@given(
    rows=st.lists(st.lists(st.text(max_size=12), min_size=5, max_size=5), min_size=1, max_size=4),
    width=st.integers(30, 200),
)
def test_no_cell_is_cut(rows: list[list[str]], width: int) -> None:
    """Whatever the texts and the width: every line fits, and each cell that is shown is shown whole."""
    texts = _texts(_COLUMNS, rows, width)
    shown = {column.cell(row).text for row in rows for column in _COLUMNS} | {column.title for column in _COLUMNS}
    assert len(texts) in {len(rows) + 1, len(rows) * 6 - 1}
    if len(texts) == len(rows) + 1:
        assert all(cell_len(text.rstrip()) <= width for text in texts)
    for line in lines(_COLUMNS, rows, width, cell_len):
        assert all(cell.text in shown or cell.text.strip() in {"", *shown} for cell in line)


def test_wide_characters_stand_in_their_columns() -> None:
    """A name in Chinese takes two places a character: what follows stays in line."""
    columns = [Column("name", "name", itemgetter(0)), Column("rate", "rate", itemgetter(1))]
    texts = _texts(columns, [["矿工", 5], ["ab", 1234]], 40)
    assert texts == ["name   rate", "矿工      5", "ab    1,234"]


@pytest.mark.parametrize(
    ("value", "shown", "told"),
    [
        (1234, "1,234", 1234),
        (0.5, "0.50", 0.5),
        (2288153137.27, "2.288e+09", 2288153137.27),
        (float("inf"), "inf", None),
        (Decimal("1234.50000000"), "1,234.50000000", "1234.50000000"),
        (Decimal("25.1"), "25.10000000", "25.1"),
        (Decimal("0.0000000012"), "0.0000000012", "0.0000000012"),
        (Decimal("1E-8"), "0.00000001", "0.00000001"),
        (HashRate.from_phps(1.7), "1.70 PH/s", 1.7e15),
        (datetime(2014, 3, 1, 11, 32, 43, tzinfo=UTC), "2014-03-01 11:32", "2014-03-01T11:32:43Z"),
        (timedelta(seconds=90), "1m 30s", 90.0),
        ("text", "text", "text"),
        (None, "None", None),
    ],
)
def test_values(value: object, shown: str, told: object) -> None:
    """A value as people read it, and as programs do."""
    assert show(value) == shown
    assert plain(value) == told


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0s"), (-5, "0s"), (59.4, "59s"), (61, "1m 01s"), (3600, "1h 00m"), (90061, "1d 01h"), (8640000, "100d 00h")],
)
def test_ages(seconds: float, shown: str) -> None:
    """A span is told in its two largest units."""
    assert show_age(timedelta(seconds=seconds)) == shown


@pytest.mark.parametrize(
    ("ratio", "shown"), [(0.0061, "0.61%"), (1.234, "123%"), (12.5, "1,250%"), (float("inf"), "inf%")]
)
def test_percentages(ratio: float, shown: str) -> None:
    """A small part has two digits more."""
    assert show_percent(ratio) == shown


def test_a_card_has_a_line_for_each_figure() -> None:
    """One record stands as a list of its figures, in line; what it lacks is a dash."""
    columns = [*_COLUMNS[:2], Column("l", "longer", itemgetter(1))]
    texts = ["".join(cell.text for cell in line) for line in card(columns, [None, 5])]
    assert texts == ["c0      -", "c1      5", "longer  5"]


def test_a_table_in_a_terminal(pool: LocalPool, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a terminal, figures are for people, the head is bold, and what is lost or confirmed has its colour."""
    screen = show_screen(monkeypatch)
    assert command(pool, "blocks", "-n", "40") == 0
    text = screen.getvalue()
    assert "\x1b[1mfound (UTC)" in text
    assert "\x1b[32mconfirmed\x1b[0m" in text
    assert "…" not in text
    bare = re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines()
    assert len(bare) == 41
    assert max(map(len, bare)) <= 80


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colour(variables: dict[str, str], pool: LocalPool, monkeypatch: pytest.MonkeyPatch) -> None:
    """With NO_COLOR there is no colour, on a dumb terminal no escape sequence at all."""
    screen = show_screen(monkeypatch)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert command(pool, "blocks", "-n", "40") == 0
    assert "confirmed" in screen.getvalue()
    assert not re.search(r"\x1b\[(3|9)\d", screen.getvalue())
    assert ("\x1b" in screen.getvalue()) == ("NO_COLOR" in variables)


def test_without_rich(pool: LocalPool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where rich is not installed, a terminal gets the same columns without colour."""
    screen = show_screen(monkeypatch)
    monkeypatch.setitem(sys.modules, "rich.console", None)
    assert command(pool, "shifts", "-n", "2") == 0
    assert screen.getvalue().startswith("completed (UTC)   hash rate")
    assert "\x1b" not in screen.getvalue()


def test_one_record_in_a_terminal(pool: LocalPool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A single record is a list of figures in a terminal."""
    screen = show_screen(monkeypatch)
    assert command(pool, "stats") == 0
    assert re.fullmatch(
        r"hash rate  \d\.\d\d PH/s\nworkers    \d+\nusers      \d+\n", re.sub(r"\x1b\[[0-9;]*m", "", screen.getvalue())
    )


def test_json_in_a_terminal(pool: LocalPool, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--json` is JSON in a terminal as well."""
    screen = show_screen(monkeypatch)
    assert command(pool, "top", "-n", "2", "--json") == 0
    assert [json.loads(line)["rank"] for line in screen.getvalue().splitlines()] == [1, 2]


def test_nothing_to_show(pool: LocalPool, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a terminal, an empty list is told of, on stderr."""
    screen = show_screen(monkeypatch)
    assert command(pool, "workers", "--idle") == 0
    assert screen.getvalue() == ""
    assert capsys.readouterr().err == "bitminter: there are none\n"


_EVIL = "a\x1b]0;x\x07\tb\n\x9b2J\u202ec"


@pytest.mark.parametrize("is_terminal", [True, False])
async def test_no_name_reaches_a_terminal_raw(is_terminal: bool) -> None:  # noqa: FBT001  # a parameter of the test
    """Control characters and the like in a pool's strings are escaped, in a terminal and in a pipe."""
    stream = Screen()
    stream.isatty = lambda: is_terminal  # type: ignore[method-assign]  # this one says what the test wants
    output = Output(stream, as_json=False)
    columns = [Column("name", "name", itemgetter(0)), Column("same", "same", itemgetter(0))]
    await output.table(columns, [[_EVIL]])
    output.card(columns, [_EVIL])
    text = re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue())
    assert all(char.isprintable() or char in "\n\t" for char in text)
    assert text.count("\\u001b]0;x\\u0007\\u0009b\\u000a\\u009b2J\\u202ec") == 4


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_json_is_the_same_after_escaping(encoding: str) -> None:
    """JSON escapes what a terminal would obey, and what the encoding lacks, in JSON's own way."""
    stream = Screen()
    stream.encoding = encoding
    value = [_EVIL, "Ω", "𝄞", "\x7f"]
    Output(stream, as_json=True).write_json(json.dumps(value, ensure_ascii=False).encode())
    text = stream.getvalue()
    assert json.loads(text) == value
    assert text[:-1].isprintable()
    assert text.isascii() == (encoding == "ascii")


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_balance_may_be_in_whatever_the_pool_names(
    is_terminal: bool,  # noqa: FBT001  # a parameter of the test
    pool: LocalPool,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`user` shows each balance, also of a commodity that nobody could ask for, and its name as a terminal may."""
    screen = show_screen(monkeypatch) if is_terminal else None
    pool.fail_next(200, body=json.dumps({**USER, "balances": {"BTC": 0.5, _EVIL: 2}}))
    assert command(pool, "user") == 0
    text = screen.getvalue() if screen else capsys.readouterr().out
    shown = re.sub(r"\x1b\[[0-9;]*m", "", text)
    assert all(char.isprintable() or char in "\n\t" for char in shown)
    assert "a\\u001b]0;x\\u0007\\u0009b\\u000a\\u009b2J\\u202ec" in shown
    assert re.search(r"\b2(\.0+)?\n", shown)
