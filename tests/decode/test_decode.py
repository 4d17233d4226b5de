"""Bytes to records: whole answers, and that what is read is what was sent."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import attrs
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from immutabledict import immutabledict

from bitminter_async._call import Expected
from bitminter_async._decode.decode import decode
from bitminter_async._decode.kinds import FROM_MINUS_ONE, GHPS
from bitminter_async.errors import DecodeError, Fault
from bitminter_async.records import Block, BlockStatus, PoolStats, Round, Shift, User
from bitminter_async.units import HashRate
from tests.support.kinds import SORTS, Path, at, put, refused, shown, with_raw
from tests.support.records import make_answer
from tests.support.samples import BLOCK, ROUND, SHIFT, STATS, USER, WORKER, without

MAPPINGS = {"balances", "round_start"}  # whose keys are data, not fields
RANKING: Any = immutabledict[str, HashRate]
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
WHOLE: dict[Any, Any] = {
    PoolStats: STATS,
    Round: ROUND,
    tuple[Block, ...]: [BLOCK, {**BLOCK, "id": 6999, "confirmations_left": -1, "status": "orphan"}],
    tuple[Shift, ...]: [SHIFT, {**SHIFT, "id": 26904, "score": 7}],
    User: USER,
    RANKING: {"bob": 1500, "al": "1200.5"},
}
EACH_KIND = pytest.mark.parametrize("kind", WHOLE, ids=["stats", "round", "blocks", "shifts", "user", "top50"])
PLACES: dict[Any, tuple[Any, Path]] = {
    int: (Block, ("height",)),
    FROM_MINUS_ONE: (Block, ("confirmations_left",)),
    float: (Block, ("difficulty",)),
    Decimal: (Block, ("income",)),
    datetime: (Block, ("generated",)),
    timedelta: (Block, ("duration",)),
    str: (Block, ("hash",)),
    bool: (User, ("workers", 0, "alive")),
    BlockStatus: (Block, ("status",)),
}
EDGES = [0, 1, -1, 12.0, 0.0, -0.0, 1e-4, 9.9e-5, 1e15, 2.0**53, 9e98, 253402300799, 86399999999999, 2**63]
NUMBERS = st.integers(-3, 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(EDGES)
OTHERS = st.none() | st.booleans() | st.text(max_size=5) | st.sampled_from([*map(str, BlockStatus)])
SCALARS = NUMBERS | NUMBERS.map(str) | OTHERS
KEYS = st.sampled_from(["BTC", "é", "a b"])
VALUES = SCALARS | st.lists(SCALARS, max_size=2) | st.dictionaries(KEYS, SCALARS, max_size=2)


def read(value: object, kind: Any, most: int | None = None) -> Any:
    """What an answer with this JSON value is read as."""
    return decode(make_answer(orjson.dumps(value)), kind, Expected(most))


def attempt(value: object, kind: Any) -> tuple[Any, tuple[Fault, ...] | None]:
    """What an answer is read as, and None; or None, and the faults for which it is refused."""
    try:
        return read(value, kind), None
    except DecodeError as error:
        return None, error.faults


def places(value: Any, path: Path = ()) -> list[Path]:
    """The place of every value within a JSON value, its own included."""
    steps: list[Any] = [*value] if value.__class__ is dict else [*range(len(value))] if value.__class__ is list else []
    return [path, *(place for step in steps for place in places(value[step], (*path, step)))]


def mirrors(read: Any, sent: Any, factor: float = 1e6) -> bool:
    """Whether a record, or a part of one, says what the JSON value said; `factor` is the unit of hash rates."""
    kind: Any = read.__class__
    if kind is bool:
        return read is sent
    if isinstance(read, str):
        return type(sent) is str and read == sent
    if kind is tuple:
        return len(read) == len(sent) and all(map(mirrors, read, sent))
    if kind is immutabledict:
        items: list[tuple[str, Any]] = [*read.items()]
        return read.keys() == sent.keys() and all(mirrors(value, sent[key]) for key, value in items)
    if attrs.has(kind) and kind is not HashRate:
        factor = 1e9 if kind in {PoolStats, Round} else 1e6
        fields = attrs.asdict(read, recurse=False)
        return all(mirrors(value, sent.get(name), factor) for name, value in fields.items())
    return is_number(read, Decimal(sent if isinstance(sent, str) else repr(sent or 0)), factor)


def is_number(read: Any, number: Decimal, factor: float) -> bool:
    """Whether a value is that number in its unit, as exactly as its type can be."""
    match read:
        case None:
            return not number
        case HashRate():
            return read.hps == float(number) * factor
        case datetime():
            return abs(read - EPOCH - timedelta(seconds=float(number))) <= timedelta(microseconds=1)
        case timedelta():
            return read == timedelta(seconds=float(number))
        case float():
            return read == float(number)
        case _:
            return bool(read == number)


@EACH_KIND
def test_an_answer_is_read_as_it_was_sent(kind: Any) -> None:
    """Every field of every record of a whole answer is the value that stood there."""
    assert mirrors(read(WHOLE[kind], kind), WHOLE[kind])


@EACH_KIND
@given(data=st.data())
@settings(max_examples=150, deadline=None)
def test_an_answer_is_read_right_or_not_at_all(kind: Any, data: st.DataObject) -> None:
    """With any value in any place an answer is read as it was sent, or refused with a fault that lies in that place."""
    place = data.draw(st.sampled_from(places(WHOLE[kind])))
    sent = orjson.loads(orjson.dumps(put(WHOLE[kind], place, data.draw(VALUES))))
    record, faults = attempt(sent, kind)
    if faults is None:
        assert mirrors(record, sent)
    elif faults[0].expected == "ids that fall along the list":
        assert place in {(0, "id"), (1, "id")}
        assert Decimal(str(sent[0]["id"])) <= Decimal(str(sent[1]["id"]))
    else:
        assert {fault.path.startswith(shown(place)) for fault in faults} == {True}


@pytest.mark.parametrize("scalar", PLACES, ids=lambda scalar: getattr(scalar, "__name__", "from -1"))
@given(value=SCALARS)
@settings(max_examples=60, deadline=None)
def test_what_is_right_at_once_is_what_would_be_read(scalar: Any, value: object) -> None:
    """The quick way past a value that is right at once gives what the careful reading gives, and nothing more."""
    kind, path = PLACES[scalar]
    raw = orjson.dumps(value).decode()
    try:
        careful = decode(make_answer(raw.encode()), scalar)
    except DecodeError:
        assert raw in refused(kind, path, (raw,))
    else:
        quick = at(decode(with_raw(kind, path, raw), kind), path)
        assert (repr(quick), type(quick)) == (repr(careful), type(careful))


def test_a_plain_number_is_an_answer() -> None:
    """The pool's hash rate comes as a bare number of Ghps, its workers as a bare count; either may be in quotes."""
    assert [read(value, GHPS) for value in (1701000, "1701000", 1701000.0)] == [HashRate.from_phps(1.701)] * 3
    assert [read(value, int) for value in (1234, "1234", 1234.0)] == [1234] * 3


def test_no_records_are_an_answer() -> None:
    """An empty array or object where the API has one is as good as a full one."""
    assert read([], tuple[Block, ...]) == ()
    assert read({}, RANKING) == {}
    user: User = read({**USER, "workers": [], "balances": {}, "round_start": {}}, User)
    assert (len(user.workers), len(user.balances), len(user.round_start)) == (0, 0, 0)
    assert read({**ROUND, "chains": {}}, Round).chains == {}


def test_the_ranking_is_sorted() -> None:
    """The fastest comes first, whatever the order on the wire; those as fast as one another stay as they came."""
    sent = {"slow": 1, "b": "50.5", "a": 50.5, "fast": 1e6, "none": 0}
    ranking = read(sent, RANKING)
    assert [*ranking] == ["fast", "b", "a", "slow", "none"]
    assert ranking["fast"] == HashRate.from_thps(1)
    assert type(ranking) is immutabledict


def test_names_may_be_anything() -> None:
    """A user's name is the user's own, a commodity's the pool's: none is changed."""
    names = ["", " ", "é", "__class__", "a.b", "a:b", '":"', "😀", "\0", "x" * 1000]
    assert [*read(dict.fromkeys(names, 1), RANKING)] == names
    assert [*read({**USER, "balances": dict.fromkeys(names, 1)}, User).balances] == names


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (r"\ud800", r"\ud800"),
        (r"rig\uDE00!", r"rig\uDE00!"),
        (r"\ud83d\ud83d\ude00", "\\ud83d😀"),
        (r"\ud83d\ude00\ude00", "😀\\ude00"),
        (r"\ude00\ud83d", r"\ude00\ud83d"),
        (r"\ud83d\\ude00", r"\ud83d\ude00"),
        (r"\\ud800", r"\ud800"),
        (r"\\\ud800\n", "\\\\ud800\n"),
    ],
)
def test_half_a_surrogate_pair_spoils_no_answer(raw: str, name: str) -> None:
    """What is no character is read as it is written, in a value and in a key; whole pairs and backslashes as ever."""
    user = orjson.dumps({**USER, "balances": {"@@": 1}, "workers": [{**WORKER, "name": "@@"}]})
    found = decode(make_answer(user.replace(b"@@", raw.encode())), User)
    assert ([*found.balances], [worker.name for worker in found.workers]) == ([name], [name])
    assert decode(make_answer(b'{"%b":1}' % raw.encode()), RANKING) == {name: HashRate.from_mhps(1)}
    assert name.encode().decode() == name


def test_names_that_differ_in_halves_only_stay_apart() -> None:
    """Two names that were cut inside a character are two names."""
    assert [*decode(make_answer(rb'{"\ud800":2,"\ud801":1}'), RANKING)] == [r"\ud800", r"\ud801"]


def test_last_work_may_be_absent() -> None:
    """A worker that never sent work may have no `last_work` at all: it is None, as if it were null or 0."""
    (worker,) = read({**USER, "workers": [without(WORKER, "last_work")]}, User).workers
    assert worker.last_work is None


@EACH_KIND
def test_what_the_api_does_not_document_is_ignored(kind: Any) -> None:
    """A field that nobody knows, in whichever record, changes nothing."""
    sample = WHOLE[kind]
    records = {path[:-1] for path in places(sample) if path and path[-1] in SORTS and path[-1] not in MAPPINGS}
    assert kind is RANKING or records
    for path in records:
        extended = put(put(sample, (*path, "new"), {"a": [None]}), (*path, ""), None)
        assert read(extended, kind) == read(sample, kind)


@pytest.mark.parametrize("most", [2, 3, None])
def test_a_page_may_be_as_long_as_asked(most: int | None) -> None:
    """As many elements or names as were asked for, or fewer, are right; where nothing was asked, any number is."""
    assert len(read(WHOLE[tuple[Block, ...]], tuple[Block, ...], most)) == 2
    assert len(read(WHOLE[RANKING], RANKING, most)) == 2
