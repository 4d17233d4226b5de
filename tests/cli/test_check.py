"""`check`: four lines, and the exit code of what is wrong."""

import pytest

from bitminter_async.local import LocalPool
from tests.support.command import command, show_screen

Capture = pytest.CaptureFixture[str]


def _answers(capsys: Capture) -> list[tuple[str, str]]:
    rows = [line.split("\t") for line in capsys.readouterr().out.splitlines()[1:]]
    assert [row[0] for row in rows] == [
        "the address answers",
        "the key is right",
        "it may read balances",
        "the pool may be asked",
    ]
    return [(row[1], row[2]) for row in rows]


def test_all_is_well(pool: LocalPool, capsys: Capture) -> None:
    """Two requests tell that all is as it should be, and what was there to read."""
    assert command(pool, "check") == 0
    answers = _answers(capsys)
    assert [answer for answer, _ in answers] == ["yes"] * 4
    assert "PH/s from" in answers[0][1]
    assert answers[1][1] == "it is demo's"
    assert " BTC, " in answers[2][1]
    assert [request.path for request in pool.requests] == ["/api/pool/stats", "/api/users"]


def test_no_key(pool: LocalPool, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a key, that is told, and is nothing wrong: one request."""
    monkeypatch.delenv("BITMINTER_KEY")
    assert command(pool, "check") == 0
    assert [answer for answer, _ in _answers(capsys)] == ["yes", "unknown", "unknown", "yes"]
    assert len(pool.requests) == 1


def test_a_wrong_key(pool: LocalPool, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong key is wrong; what it may read is not known."""
    monkeypatch.setenv("BITMINTER_KEY", "some-other-key")
    assert command(pool, "check") == 4
    assert [answer for answer, _ in _answers(capsys)] == ["yes", "no", "unknown", "yes"]


def test_a_key_without_the_permission(pool: LocalPool, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that may not read balances is right all the same."""
    monkeypatch.setenv("BITMINTER_KEY", pool.add_user("eve", permission=False))
    assert command(pool, "check") == 4
    answers = _answers(capsys)
    assert [answer for answer, _ in answers] == ["yes", "yes", "no", "yes"]
    assert "Balance and worker summary" in answers[2][1]


@pytest.mark.parametrize("status", [429, 403])
def test_a_rest(status: int, pool: LocalPool, capsys: Capture) -> None:
    """An address that asks for rest, or blocks, answers; when it may be asked again is told."""
    pool.fail_next(status, headers={"Retry-After": "1000"})
    assert command(pool, "check") == 75
    answers = _answers(capsys)
    assert [answer for answer, _ in answers] == ["yes", "unknown", "unknown", "no"]
    assert "try again in 1000 s" in answers[3][1]


def test_a_rest_at_the_second_question(pool: LocalPool, capsys: Capture) -> None:
    """The second question may meet with a rest, too."""
    pool.fail_next(429, headers={"Retry-After": "1000"}, path="/api/users")
    assert command(pool, "check") == 75
    assert [answer for answer, _ in _answers(capsys)] == ["yes", "unknown", "unknown", "no"]


def test_nothing_that_answers(pool: LocalPool, capsys: Capture) -> None:
    """An address that does not speak the API is told so."""
    pool.fail_next(404)
    assert command(pool, "check") == 1
    answers = _answers(capsys)
    assert answers[0][0] == "no"
    assert "does --url name a pool" in answers[0][1]


def test_in_a_terminal(pool: LocalPool, monkeypatch: pytest.MonkeyPatch) -> None:
    """However narrow the terminal, nothing is left out."""
    screen = show_screen(monkeypatch, 30)
    monkeypatch.setenv("TERM", "dumb")
    assert command(pool, "check") == 0
    lines = screen.getvalue().splitlines()
    assert len(lines) == 4
    assert lines[1] == "the key is right: yes, it is demo's"
