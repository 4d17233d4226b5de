"""What is wrong with an answer: named by its place, shown in part, and never with the key."""

import time
import traceback
from typing import Any

import orjson
import pytest
from immutabledict import immutabledict

from bitminter_async._call import Expected
from bitminter_async._decode.decode import decode
from bitminter_async._decode.kinds import GHPS
from bitminter_async._wire.key import ApiKey, Mask
from bitminter_async.errors import DecodeError
from bitminter_async.records import Block, PoolStats, Round, Shift, User, Work
from bitminter_async.units import HashRate
from tests.support.kinds import ANSWERS, EXPECTED, Path, leaves, put, shown, sort_of
from tests.support.records import make_answer
from tests.support.samples import BLOCK, KEY, ROUND, SHIFT, STATS, USER, WORK, without

RANKING: Any = immutabledict[str, HashRate]
BLOCKS = tuple[Block, ...]
FIELDS = [(kind, path) for kind, sample in ANSWERS.items() for path in leaves(sample)]


def refuse(value: object, kind: Any, most: int | None = None, mask: Mask | None = None) -> DecodeError:
    """The error for an answer of these bytes, or of this JSON value."""
    answer = make_answer(value if isinstance(value, bytes) else orjson.dumps(value), mask)
    with pytest.raises(DecodeError) as caught:
        decode(answer, kind, Expected(most))
    error = caught.value
    error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next  # without this frame
    return error


def faults(value: object, kind: Any, most: int | None = None) -> list[tuple[str, str, str]]:
    """The faults of an answer, as plain tuples."""
    return [(fault.path, fault.expected, fault.got) for fault in refuse(value, kind, most).faults]


def removed(value: Any, path: Path) -> Any:
    """A copy of a JSON value without the field at this place."""
    if path[1:]:
        return put(value, path[:1], removed(value[path[0]], path[1:]))
    return without(value, str(path[0]))


@pytest.mark.parametrize(
    ("kind", "path"),
    [(kind, path) for kind, path in FIELDS if path[-1] not in {"BTC", "last_work"}],
)
def test_a_missing_field_is_a_fault(kind: Any, path: Path) -> None:
    """No field but `last_work` may be absent; the fault says where it should be and what should stand there."""
    ((place, expected, got),) = faults(removed(ANSWERS[kind], path), kind)
    unit = "Mhps" if kind is User else "Ghps"
    assert (place, got) == (shown(path), "nothing")
    assert expected == EXPECTED.get(sort_of(path), f"a number of {unit} from 0 up")


@pytest.mark.parametrize(
    ("kind", "name"),
    [(Round, "chains"), (User, "shift"), (User, "workers"), (User, "balances"), (User, "round_start")],
)
def test_a_missing_part_is_a_fault(kind: Any, name: str) -> None:
    """An object or array that is absent is as much of a fault as a scalar."""
    assert faults(without(ANSWERS[kind], name), kind) == [(f"$.{name}", "a value", "nothing")]


@pytest.mark.parametrize("bad", [None, True, 0, "", "text", [], [1]])
@pytest.mark.parametrize(
    ("kind", "path"),
    [
        *[(kind, ()) for kind in (PoolStats, Round, Shift, User, RANKING)],
        (Round, ("chains",)),
        (Round, ("chains", "BTC")),
        (User, ("shift",)),
        (User, ("balances",)),
        (User, ("workers", 0)),
        (User, ("workers", 0, "work")),
        (User, ("workers", 0, "work", "BTC")),
    ],
)
def test_all_else_is_no_object(kind: Any, path: Path, bad: object) -> None:
    """Whatever stands in an object's place is one fault there, an array too, be it empty."""
    ((place, expected, _),) = faults(put(ANSWERS.get(kind), path, bad), kind)
    assert (place, expected) == (shown(path), "an object")


@pytest.mark.parametrize("bad", [None, True, 0, "", "text", {}, {"0": BLOCK}])
@pytest.mark.parametrize(("kind", "path"), [(BLOCKS, ()), (User, ("workers",))])
def test_all_else_is_no_array(kind: Any, path: Path, bad: object) -> None:
    """Whatever stands in an array's place is one fault there, an object too, be it empty."""
    ((place, expected, _),) = faults(put(ANSWERS.get(kind), path, bad), kind)
    assert (place, expected) == (shown(path), "an array")


@pytest.mark.parametrize(
    ("value", "kind", "path"),
    [
        ([{**BLOCK, "id": 3}, {**BLOCK, "id": 2}, {**BLOCK, "income": "much"}], BLOCKS, "$[2].income"),
        (
            put(USER, ("workers", 0, "work", "BTC", "total_accepted"), None),
            User,
            "$.workers[0].work.BTC.total_accepted",
        ),
        (put(USER, ("workers", 1, "alive"), 1), User, "$.workers[1].alive"),
        ({**USER, "balances": {"BTC": 1, "a b": None}}, User, '$.balances["a b"]'),
        ({**USER, "round_start": {"": None}}, User, '$.round_start[""]'),
        ({'a"b\n': -1}, RANKING, '$["a\\"b\\n"]'),
        ({"a.b": -1}, RANKING, '$["a.b"]'),
        ({"é": -1}, RANKING, "$.é"),
        ({"x" * 59: -1}, RANKING, f"$.{'x' * 59}"),
        ({"x" * 60: -1}, RANKING, f'$["{"x" * 60}"]'),
        ({"x" * 61: -1}, RANKING, f'$["{"x" * 60}…"]'),
        ("much", GHPS, "$"),
    ],
)
def test_a_fault_names_its_place(value: object, kind: Any, path: str) -> None:
    """The path leads from the root to the fault, and to nowhere else; odd and long keys are quoted."""
    assert [place for place, *_ in faults(value, kind)] == [path]


def test_every_fault_is_named_in_order() -> None:
    """One wrong place hides no other: all are named, in the order of the documentation, and in the message."""
    error = refuse([BLOCK, None, {**without(BLOCK, "id", "status"), "hash": 1, "accepted": -1}], BLOCKS)
    places = ["$[1]", "$[2].id", "$[2].hash", "$[2].accepted", "$[2].status"]
    assert [fault.path for fault in error.faults] == places
    assert [line.split(":")[0].strip() for line in str(error).splitlines()[1:]] == places


@pytest.mark.parametrize(
    ("bad", "got"),
    [
        (None, "null"),
        (True, "true"),
        (-1, "-1"),
        (1.5, "1.5"),
        ([1, [2]], "an array of 2"),
        ({"a": 1}, "an object"),
        ("", '""'),
        ('é"\n', '"é\\"\\n"'),
        ("x" * 60, f'"{"x" * 60}"'),
        ("x" * 61, f'"{"x" * 60}…"'),
    ],
)
def test_a_fault_shows_what_stood_there(bad: object, got: str) -> None:
    """A scalar is shown as JSON, a long string cut at 60 characters; of the rest its kind."""
    assert faults({**STATS, "active_users": bad}, PoolStats) == [("$.active_users", "an integer from 0 up", got)]


def test_a_page_longer_than_asked_is_a_fault() -> None:
    """More than was asked for would upset whoever counts on it; faults in the elements come after."""
    too_many = ("$", "at most 2 elements, as asked", "an array of 3")
    assert faults([{**BLOCK, "id": number} for number in (3, 2, 1)], BLOCKS, 2) == [too_many]
    assert faults([BLOCK, BLOCK, 7], BLOCKS, 2) == [too_many, ("$[2]", "an object", "7")]
    assert faults([BLOCK, 7], BLOCKS, 2) == [("$[1]", "an object", "7")]
    assert faults({}, BLOCKS, 2) == [("$", "an array", "an object")]
    assert faults({"a": 1, "b": 2, "c": 3}, RANKING, 2) == [("$", "at most 2 names", "3")]
    assert faults({"a": 1, "b": 2, "c": -3}, RANKING, 2) == [
        ("$", "at most 2 names", "3"),
        ("$.c", "a number of Mhps from 0 up", "-3"),
    ]


@pytest.mark.parametrize(
    ("body", "got"),
    [
        (b"", "nothing"),
        (b" \r\n\t", "nothing"),
        (b"<!DOCTYPE html><html><body>Closed</body></html>", "HTML"),
        (b"\n\n  <html>", "HTML"),
        (orjson.dumps(STATS)[:-1], "something else ("),
        (b'{"hash_rate": 1,', "something else ("),
        ('{"hash_rate": "é"}'.encode("latin-1"), "something else ('utf-8' codec"),
        (b"[" * 100_000, "something else ("),
        (b"[" * 100_000 + b"]" * 100_000, "something else ("),
        (b'{"hash_rate": NaN}', "something else ("),
        (b"{} {}", "something else ("),
        (b"Service unavailable", "something else ("),
        (b"\0", "something else ("),
    ],
)
@pytest.mark.parametrize("kind", [PoolStats, BLOCKS, RANKING, GHPS])
def test_what_is_no_json_is_one_fault(body: bytes, got: str, kind: Any) -> None:
    """Nothing, HTML, and JSON that is broken, too deep or in another encoding are each called what they are."""
    error = refuse(body, kind)
    ((place, expected, came),) = error.faults
    assert (place, expected) == ("$", "JSON")
    assert came == got if "(" not in got else came.startswith(got) and came.endswith(")")
    assert error.url == "https://pool.example/api"
    assert error.body == body.decode("utf-8", "replace")[:500]


@pytest.mark.parametrize("encoding", ["UTF-8", "UTF-16LE", "UTF-16BE", "UTF-32LE", "UTF-32BE"])
def test_a_byte_order_mark_is_named(encoding: str) -> None:
    """JSON does not begin with a byte order mark: the fault says that one is there, and of which encoding."""
    named = f"something behind a byte order mark (BOM) of {encoding[:6].rstrip('LB')}"
    for text, got in (("{}", named), ("[1]", named), ("", named), (" \n<html>", "HTML")):
        assert faults(f"\ufeff{text}".encode(encoding), PoolStats) == [("$", "JSON", got)]


@pytest.mark.parametrize("element", [b"1", b'"K3Y0"', b"{}", b"null"])
def test_a_million_faults_are_quickly_told(element: bytes) -> None:
    """However many places are wrong, at most 1000 are named, and the error is there in moments."""
    body = b"[" + b",".join([element] * 1_000_000) + b"]"
    start = time.process_time()
    error = refuse(body, BLOCKS)
    assert time.process_time() - start < 5
    assert len(error.faults) == 1000
    assert "and 988 more" in str(error)


def test_a_message_is_one_screen_at_most() -> None:
    """Whatever the server writes, the message is a few lines of bounded length."""
    hostile = "\x00\n\x1b[2J\r" * 50
    sent = {**USER, "balances": {hostile + str(n): hostile for n in range(500)}, "workers": [hostile] * 500}
    lines = str(refuse(sent, User)).split("\n")
    assert len(lines) <= 20
    assert max(map(len, lines)) < 1000
    assert not set("\x00\x1b\r") & set("".join(lines))


ECHOES: list[tuple[object, Any]] = [
    ({**STATS, "active_users": KEY}, PoolStats),
    ({**STATS, "active_users": f"no such key: {KEY.lower()}"}, PoolStats),
    ({KEY: -1}, RANKING),
    ({f"key={KEY}": KEY}, RANKING),
    ({"shift": {KEY: KEY}, KEY: KEY}, User),
    ({**USER, "workers": {KEY: KEY}, "balances": {KEY: KEY, KEY * 9: KEY}}, User),
    ([{**SHIFT, "id": KEY}], tuple[Shift, ...]),
    (f"<html>{KEY}</html>".encode(), GHPS),
    (f"{KEY}".encode(), GHPS),
    (f'{{"{KEY}": "é"'.encode("latin-1"), GHPS),
]


@pytest.mark.parametrize(("echo", "kind"), ECHOES)
def test_an_echoed_key_is_not_shown(echo: object, kind: Any) -> None:
    """A key in a value, an object's key or elsewhere in the body is masked in the error, its faults and its frames."""
    error = refuse(echo, kind, mask=Mask(ApiKey(KEY)))
    report = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert "answer = " in report
    text = "\n".join([report, str(error), repr(error), repr(vars(error))]).upper()
    assert "***" in text
    assert KEY[:8] not in text


@pytest.mark.parametrize("before", range(27, 62))
def test_no_half_of_a_key_is_left_at_the_cut(before: int) -> None:
    """A key that lies across the end of what is shown of a value or a key is masked before the cut."""
    mask = Mask(ApiKey(KEY))
    echo = "-" * before + KEY
    for error in (refuse({echo: 1}, immutabledict[str, Work], mask=mask), refuse(echo, GHPS, mask=mask)):
        (fault,) = error.faults
        assert f"{'-' * min(before, 60)}{'***'[: max(0, 60 - before)]}" in fault.path + fault.got
        assert KEY[0] not in fault.path + fault.got


@pytest.mark.parametrize("before", range(466, 502, 5))
def test_no_half_of_a_key_is_left_at_the_end_of_the_body(before: int) -> None:
    """The body is masked before it is cut at 500 characters."""
    error = refuse(b"-" * before + KEY.encode() + b"-" * 900, GHPS, mask=Mask(ApiKey(KEY)))
    assert error.body == ("-" * before + "***" + "-" * 900)[:500]


@pytest.mark.parametrize("echo", [b"", b"<html>", b"{}", b"[" * 100_000, orjson.dumps({**ROUND, "chains": [WORK]})])
def test_no_foreign_error_hangs_on_a_decode_error(echo: bytes) -> None:
    """What failed on the way might hold the body: it is neither cause nor context."""
    error = refuse(echo, Round)
    assert (error.__cause__, error.__context__) == (None, None)


def test_a_page_longer_than_asked_leaves_no_key_in_a_traceback() -> None:
    """Of a page that is right but too long, no frame keeps the records, in which the server may echo the key."""
    error = refuse([{**BLOCK, "generator": KEY}] * 3, BLOCKS, 2, Mask(ApiKey(KEY)))
    told = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
    assert "at most 2 elements" in told
    assert KEY not in told


def test_a_key_of_digits_is_masked_in_a_number() -> None:
    """A key that is all digits is masked where the server echoes it as a number, too."""
    error = refuse({**WORK, "total_accepted": -12345678}, Work, mask=Mask(ApiKey("12345678")))
    assert error.faults[0].got == "-***"


def test_html_after_blanks_is_html() -> None:
    """Blanks in front of a page of HTML, however many, do not hide what it is."""
    assert faults(b" " * 100 + b"<html>", PoolStats) == [("$", "JSON", "HTML")]


def test_what_cannot_be_printed_is_escaped() -> None:
    """A control character in a fault reaches no terminal and breaks no line of a log."""
    [(_, _, got)] = faults({**STATS, "active_users": "\u009b2J\u2028\u0085é"}, PoolStats)
    assert got == '"\\u009b2J\\u2028\\u0085é"'


def test_what_may_be_absent_is_no_fault_beside_one() -> None:
    """A worker that never worked and has another fault is told of that one only."""
    worker = without(USER["workers"][0], "last_work") | {"alive": 1}
    assert [path for path, _, _ in faults({**USER, "workers": [worker]}, User)] == ["$.workers[0].alive"]
