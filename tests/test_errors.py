"""The errors: one tree, and nothing lost when one is copied, pickled or printed."""

import copy
import pickle
import re
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest

from bitminter_async import errors
from bitminter_async.errors import (
    BadRequest,
    BitminterError,
    Blocked,
    BudgetUnreachable,
    ClientClosed,
    DecodeError,
    Fault,
    Forbidden,
    GapError,
    KeyRefused,
    NotFound,
    QueueTimeout,
    RateLimited,
    RequestTimeout,
    ServerError,
    StatusError,
    TransportError,
    Unauthorized,
)
from bitminter_async.records import Block
from tests.support.records import make_record

URL = "https://pool.example/api/pool/stats"
FAULT = Fault("$.hash_rate", "a number of Ghps from 0 up", "null")
A_BLOCK = make_record(Block)
OF_STATUS = [StatusError, BadRequest, Unauthorized, Forbidden, NotFound, RateLimited, Blocked, ServerError]


def make_status_error(kind: type[StatusError]) -> StatusError:
    """An error of this kind with all its attributes."""
    error = kind("it failed", status=418, url=URL, body="short and stout", headers={"a": "b"})
    if isinstance(error, RateLimited | Blocked):
        error.retry_after = 12.5
    return error


EVERY = [
    *map(make_status_error, OF_STATUS),
    *[
        kind("why")
        for kind in (BitminterError, TransportError, RequestTimeout, BudgetUnreachable, KeyRefused, ClientClosed)
    ],
    DecodeError(URL, [FAULT, FAULT], body="{}", readable=[A_BLOCK], unreadable={1: 6999, 2: None}),
    GapError("a gap", last_seen=12, first_new=None),
    QueueTimeout("not sent", place=3),
]


def pickled(error: BitminterError) -> BitminterError:
    """Send it to another process and back."""
    return cast("BitminterError", pickle.loads(pickle.dumps(error)))  # noqa: S301  # our own


def drawn() -> Iterator[tuple[str, str]]:
    """Yield the name of each class that the module's docstring draws, and of the one above it."""
    above: dict[int, str] = {}
    for line in (errors.__doc__ or "").splitlines():
        if branch := re.match(r"((?:[│ ]   )*)[├└]── (\w+)", line):
            depth = len(branch[1]) // 4 + 1
            above[depth] = branch[2]
            yield branch[2], above[depth - 1]
        elif line == "BitminterError":
            above[0] = line
            yield line, "Exception"


def public_base(kind: type) -> str:
    """The name of the nearest class above that has a public name."""
    return next(base.__name__ for base in kind.__mro__[1:] if not base.__name__.startswith("_"))


def test_the_tree_is_as_it_is_drawn() -> None:
    """The drawing at the head of the module shows every public error, and each below its base."""
    public = [getattr(errors, name) for name in errors.__all__ if name != "Fault"]
    assert dict(drawn()) == {kind.__name__: public_base(kind) for kind in public}


def test_every_kind_is_tried_here() -> None:
    """No error is left out of the tests below."""
    assert {type(error).__name__ for error in EVERY} | {"Fault"} == set(errors.__all__)


@pytest.mark.parametrize("remake", [copy.copy, copy.deepcopy, pickled])
@pytest.mark.parametrize("error", EVERY, ids=lambda error: type(error).__name__)
def test_a_copy_is_whole(error: BitminterError, remake: Callable[[BitminterError], BitminterError]) -> None:
    """A copy, or what comes out of a pickle, is another error of the same kind, words, attributes and notes."""
    error.__notes__ = ["attempt 1: it failed"]
    again = remake(error)
    assert again is not error
    assert type(again) is type(error)
    assert (again.args, str(again), vars(again)) == (error.args, str(error), vars(error))
    assert again.__notes__ == ["attempt 1: it failed"]


@pytest.mark.parametrize("remake", [copy.copy, copy.deepcopy, pickled])
def test_a_copy_has_notes_of_its_own(remake: Callable[[BitminterError], BitminterError]) -> None:
    """A note added to a copy stands in no other, so many waiters can each note what they like."""
    error = TransportError("why")
    error.add_note("first")
    again = remake(error)
    again.add_note("second")
    error.add_note("third")
    assert (error.__notes__, again.__notes__) == (["first", "third"], ["first", "second"])


def test_a_copy_without_notes_has_none() -> None:
    """Copying adds nothing."""
    assert not hasattr(copy.copy(TransportError("why")), "__notes__")


def test_a_copy_carries_no_traceback() -> None:
    """A copy has not been raised: no frame and no cause of the first one hangs on it."""
    with pytest.raises(TransportError) as caught:
        raise TransportError("why") from OSError("reset")
    again = copy.copy(caught.value)
    assert (again.__traceback__, again.__cause__, again.__context__) == (None, None, None)


@pytest.mark.parametrize("kind", OF_STATUS)
def test_a_status_error_tells_what_came(kind: type[StatusError]) -> None:
    """Its message is its text, and status, URL, body and headers stand in attributes."""
    error = make_status_error(kind)
    assert str(error) == "it failed"
    assert (error.status, error.url, error.body, error.headers) == (418, URL, "short and stout", {"a": "b"})


def test_headers_are_read_only() -> None:
    """The headers are a copy, and nobody can change it."""
    given = {"a": "b"}
    error = StatusError("", status=500, url=URL, body="", headers=given)
    given["a"] = "changed"
    with pytest.raises(TypeError):
        cast("dict[str, str]", error.headers)["a"] = "changed"
    assert error.headers == {"a": "b"}


@pytest.mark.parametrize("kind", [RateLimited, Blocked])
def test_a_rest_of_unknown_length_is_none(kind: type[RateLimited | Blocked]) -> None:
    """`.retry_after` is there even where the pool did not say for how long."""
    assert kind("", status=429, url=URL, body="", headers={}).retry_after is None


def test_only_rests_have_a_length() -> None:
    """An error that bids nobody rest has no `.retry_after` to be mistaken for one."""
    assert [kind for kind in OF_STATUS if hasattr(kind, "retry_after")] == [RateLimited, Blocked]


def test_a_gap_tells_where() -> None:
    """The records on both sides of the gap can be read off."""
    error = GapError("a gap", last_seen=12, first_new=None)
    assert (str(error), error.last_seen, error.first_new) == ("a gap", 12, None)


def test_a_decode_error_names_its_faults() -> None:
    """The message has the URL, then one line for each fault: where, what was expected, what came."""
    other = Fault("$[3].income", "an amount", '"much"')
    error = DecodeError(URL, iter([FAULT, other]), body="the body")
    assert str(error).splitlines() == [
        f"GET {URL} answered with what the API does not document:",
        "  $.hash_rate: expected a number of Ghps from 0 up, got null",
        '  $[3].income: expected an amount, got "much"',
    ]
    assert (error.url, error.faults, error.body) == (URL, (FAULT, other), "the body")
    assert (FAULT.path, FAULT.expected, FAULT.got) == FAULT


def test_a_decode_error_carries_what_could_be_read() -> None:
    """The records stand in attributes that nobody can change, and in no text; where there are none, they are empty."""
    given: dict[int, int | str | None] = {1: 6999, 2: None}
    error = DecodeError(URL, [FAULT], body="", readable=iter([A_BLOCK]), unreadable=given)
    given.clear()
    assert (error.readable, error.unreadable) == ((A_BLOCK,), {1: 6999, 2: None})
    with pytest.raises(TypeError):
        cast("dict[int, None]", error.unreadable)[0] = None
    assert not re.search(r"bob|6999|7000", f"{error} {error!r} {error.summary}")
    plain = DecodeError(URL, [FAULT], body="")
    assert (plain.readable, plain.unreadable) == ((), {})
    assert str(plain) == str(error)


@pytest.mark.parametrize(("count", "last"), [(12, "$[11]: "), (13, "… and 1 more"), (700, "… and 688 more")])
def test_many_faults_take_one_screen(count: int, last: str) -> None:
    """The message shows the first dozen and counts the rest; the attribute keeps them all."""
    faults = [Fault(f"$[{n}]", "an object", "null") for n in range(count)]
    error = DecodeError(URL, faults, body="")
    lines = str(error).splitlines()
    assert len(lines) <= 20
    assert [line.strip().split(":")[0] for line in lines[1:13]] == [f"$[{n}]" for n in range(12)]
    assert lines[-1].strip().startswith(last)
    assert len(error.faults) == count


def test_one_name_catches_all() -> None:
    """Whoever catches BitminterError catches each of them, and no wrong argument, which is the caller's own."""
    kinds: list[Any] = [type(error) for error in EVERY]
    assert all(issubclass(kind, BitminterError) for kind in kinds)
    assert not any(issubclass(kind, ValueError | TypeError | RuntimeError | OSError) for kind in kinds)


@pytest.mark.parametrize(
    "error",
    [
        TransportError("GET https://pool.example/" + "x" * 40_000),
        ServerError("it failed", status=500, url=URL + "x" * 40_000, body="0.21323507", headers={}),
        DecodeError(URL + "x" * 40_000, [FAULT], body="0.21323507"),
    ],
)
def test_a_summary_fits_a_screen_line_or_two(error: BitminterError) -> None:
    """However long a URL or a message is, what goes into a log is short, and holds nothing of the body."""
    assert len(error.summary) < 350
    assert "0.21323507" not in error.summary
    assert error.summary.startswith(f"{type(error).__name__}: GET https://pool.example")


def test_a_summary_tells_what_matters() -> None:
    """The status, or the first fault without what stood there, stands in the one line."""
    failed = ServerError("it failed", status=500, url=URL, body="", headers={})
    assert failed.summary == f"ServerError: GET {URL}: 500"
    told = DecodeError(URL, [FAULT, FAULT], body="{}").summary
    assert told == (
        f"DecodeError: GET {URL} answered with what the API does not document: $.hash_rate is not a number of Ghps "
        "from 0 up"
    )
