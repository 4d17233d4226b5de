"""What goes wrong: the exit code, and one line that says what happened and what to do."""

import json
from typing import Any

import pytest

from bitminter_async.cli import _pool
from bitminter_async.cli._run import run
from bitminter_async.local import LocalPool
from bitminter_async.testing import AutojumpLoop
from tests.support.command import command, show_screen
from tests.support.samples import BLOCK

Capture = pytest.CaptureFixture[str]

_FAULTS: dict[str, tuple[str, dict[str, Any], int, str]] = {
    "a rest": ("stats", {"status": 429, "headers": {"Retry-After": "600"}}, 75, "asks for rest: try again in 600 s"),
    "a block": ("stats", {"status": 403}, 75, "has blocked this client: try again in 900 s"),
    "a failure": ("stats", {"status": 500, "times": 9}, 1, "500, the pool failed: try again later"),
    "no such path": ("stats", {"status": 404}, 1, "does --url name a pool that speaks the BitMinter API?"),
    "a redirect": ("stats", {"status": 301}, 1, "301, not an answer that the API documents"),
    "a bad answer": ("stats", {"status": 200, "body": b"[]"}, 1, "what the API does not document"),
    "no user": ("user bob", {"status": 404}, 1, "the pool has no user 'bob'"),
    "no such user": ("watch workers --user bob", {"status": 404}, 1, "the pool has no user 'bob'"),
    "a wrong key": ("user", {"status": 401}, 4, "the pool does not know this key: see BITMINTER_KEY or --key-file"),
    "an empty answer": ("user", {"status": 200}, 4, 'it lacks access to "Balance and worker summary"'),
}


@pytest.mark.parametrize(("line", "fault", "code", "said"), _FAULTS.values(), ids=_FAULTS)
def test_an_error_is_one_line(
    line: str, fault: dict[str, Any], code: int, said: str, *, pool: LocalPool, capsys: Capture
) -> None:
    """An error has its exit code, and one line on stderr; nothing of it is on stdout."""
    pool.fail_next(**fault)
    assert command(pool, *line.split()) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("bitminter: ")
    assert captured.err.count("\n") == 1
    assert said in captured.err


def test_no_answer_in_time(pool: LocalPool, capsys: Capture) -> None:
    """An answer that takes longer than `--timeout` is one to try later; the message names the option."""
    pool.latency = 60
    assert command(pool, "stats", "--timeout", "5") == 75
    assert "no complete answer within 5 s: try again later, or allow for more by --timeout" in capsys.readouterr().err
    assert len(pool.requests) == 3


def test_no_key(pool: LocalPool, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a key, the message says where one is taken from."""
    monkeypatch.delenv("BITMINTER_KEY")
    assert command(pool, "user") == 4
    assert "the pool wants a key: set BITMINTER_KEY, or name a file by --key-file" in capsys.readouterr().err


def test_a_key_goes_to_no_host_that_nobody_named(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key is for a pool that somebody named, by https: else nothing is sent."""
    monkeypatch.setenv("BITMINTER_KEY", "some-secret-key")
    assert run(["user"]) == 4
    assert "name the pool that it is for by --url or BITMINTER_URL" in capsys.readouterr().err
    assert run(["user", "--url", "http://pool.example"]) == 4
    assert "let --url begin with https" in capsys.readouterr().err
    monkeypatch.setenv("BITMINTER_URL", "http://pool.example")
    assert run(["user"]) == 4
    assert "let --url begin with https" in capsys.readouterr().err


@pytest.mark.socket
def test_nobody_there(capsys: Capture) -> None:
    """Where nothing listens, the message names what to look at."""
    assert run(["stats", "--url", "http://127.0.0.1:1"], loop_factory=AutojumpLoop) == 1
    said = capsys.readouterr().err
    assert said.startswith("bitminter: no answer: GET http://127.0.0.1:1/api/pool/stats: ")
    assert said.endswith("; see --url\n")


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("BITMINTER_URL", "pool.example", "BITMINTER_URL must be a URL"),
        ("BITMINTER_KEY", "short", "BITMINTER_KEY must be 8 or more"),
        ("BITMINTER_SHARE", "moon", "BITMINTER_SHARE must be"),
    ],
)
def test_a_wrong_variable(name: str, value: str, said: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that cannot be used is wrong usage, named as its author knows it."""
    monkeypatch.setenv("BITMINTER_URL", "https://pool.example")
    monkeypatch.setenv(name, value)
    assert run(["stats"]) == 2
    assert said in capsys.readouterr().err


def test_a_wrong_url(capsys: Capture) -> None:
    """`--url` is called so, and not repeated: it may be a key."""
    assert run(["stats", "--url", "some-secret-key"]) == 2
    said = capsys.readouterr().err
    assert "--url must be a URL with a host" in said
    assert "secret" not in said


def test_verbose_shows_where(pool: LocalPool, capsys: Capture) -> None:
    """With -v, the traceback precedes the line, and the client's log is told, without the key; -vv each request."""
    pool.fail_next(500, times=9)
    assert command(pool, "user", "-vv") == 1
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "attempt 2 of 3 failed" in said
    assert "bitminter: GET http://localhost/api/users: 500 in " in said
    assert pool.key_of("demo") not in said


def test_an_error_of_our_own(pool: LocalPool, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake of this command is told as one, and no traceback falls into a cron job's mail unasked."""

    def break_down(_: object) -> bytes:
        raise ZeroDivisionError("a mistake")

    monkeypatch.setattr(_pool, "json_of", break_down)
    assert command(pool, "stats", "--json") == 1
    said = capsys.readouterr().err
    assert said == "bitminter: an error of this command's own: ZeroDivisionError: a mistake; -v tells where\n"


@pytest.mark.parametrize("is_terminal", [True, False])
def test_what_came_before_an_error_is_there(
    is_terminal: bool,  # noqa: FBT001  # a parameter of the test
    pool: LocalPool,
    capsys: Capture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A walk that fails half-way has printed what came until then, and says what failed."""
    screen = show_screen(monkeypatch) if is_terminal else None
    page = [{**BLOCK, "id": 9 - number} for number in range(3)] + [{**BLOCK, "id": 2, "income": "much"}]
    pool.fail_next(200, body=json.dumps(page).encode(), times=9)
    assert command(pool, "blocks") == 1
    captured = capsys.readouterr()
    assert len((screen.getvalue() if screen else captured.out).splitlines()) == 1 + 3
    assert "$[3].income is not" in captured.err


def _client_that_fails(**_: object) -> Any:
    raise ModuleNotFoundError("to share through Redis, install the extra")


def test_a_missing_extra(capsys: Capture) -> None:
    """What is not installed is told in the client's one line."""
    assert run(["stats"], _client_that_fails) == 2
    assert capsys.readouterr().err == "bitminter: to share through Redis, install the extra\n"
