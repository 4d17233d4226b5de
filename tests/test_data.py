"""Records and events as plain data: what a reader of the JSON finds, and that it brings the same record back."""

import json
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal, localcontext
from typing import Any, get_args

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from immutabledict import immutabledict

from bitminter_async import (
    Block,
    BlockChanged,
    BlockEvent,
    BlockFound,
    BlockStatus,
    ChainRound,
    Client,
    HashRate,
    PoolStats,
    Receipt,
    Round,
    Shift,
    User,
    UserShift,
    Work,
    Worker,
    WorkerAdded,
    WorkerEvent,
    WorkerIdle,
    WorkReported,
    converter,
    from_dict,
    to_dict,
    to_json,
)
from tests.support.records import SAMPLES, make_record

_EVENTS: list[Any] = [*get_args(BlockEvent), *get_args(WorkerEvent)]
_KINDS: list[Any] = [*SAMPLES, *_EVENTS, HashRate, Receipt]
_TEXT = st.text(max_size=8)
_NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
_AMOUNTS = st.decimals(allow_nan=False, allow_infinity=False) | st.sampled_from(
    [Decimal("1E-8"), Decimal("0E-8"), Decimal("-0.00"), Decimal("1234567890.12345678"), Decimal("1E+6144")]
)
_MOMENTS = st.datetimes(timezones=st.just(UTC)).map(lambda moment: moment.replace(fold=0))
_SPANS = st.timedeltas(timedelta(0), timedelta(days=272 * 365))
_VALUES: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(0, 2**70),
    float: _NUMBERS,
    str: _TEXT,
    bool: st.booleans(),
    Decimal: _AMOUNTS,
    datetime: _MOMENTS,
    datetime | None: st.none() | _MOMENTS,
    timedelta: _SPANS,
    timedelta | None: st.none() | _SPANS,
    BlockStatus: st.sampled_from(BlockStatus),
}


def _values(kind: Any) -> st.SearchStrategy[Any]:
    """Anything that a field of this type may hold."""
    if kind in _VALUES:
        return _VALUES[kind]
    if kind is HashRate:
        return st.builds(HashRate, st.floats(0, allow_infinity=False))
    if attrs.has(kind):
        return st.builds(kind, **{field.name: _values(field.type) for field in attrs.fields(kind)})
    args = get_args(kind)
    if kind == Block | None:
        return st.none() | _values(Block)
    if args[1:] == (...,):
        return st.lists(_values(args[0]), max_size=2).map(tuple)
    return st.dictionaries(_TEXT, _values(args[1]), max_size=2).map(immutabledict)


def _made(kind: Any) -> Any:
    """A record or an event of this kind."""
    if kind in SAMPLES:
        return make_record(kind)
    worker, block = make_record(Worker), make_record(Block)
    values: dict[str, Any] = {
        "block": block,
        "before": block,
        "after": attrs.evolve(block, status=BlockStatus.ORPHAN),
        "worker": worker,
        "user": "bob",
        "time": datetime(2014, 3, 1, tzinfo=UTC),
        "accepted": immutabledict({"BTC": 5}),
        "rejected": immutabledict({"BTC": 0}),
        "hps": 1.5,
    }
    return kind(*(values[field.name] for field in attrs.fields(kind)))


@pytest.mark.parametrize("kind", _KINDS, ids=lambda kind: kind.__name__)
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_what_comes_back_is_the_same_record(kind: Any, data: st.DataObject) -> None:
    """Every record and event comes back equal, of the same types all through, through JSON and with what it derives."""
    record = data.draw(_values(kind))
    for derived in (False, True):
        plain = to_dict(record, derived=derived)
        line = to_json(record, derived=derived)
        assert b"\n" not in line
        assert json.loads(line) == json.loads(json.dumps(plain, allow_nan=False))
        for again in (from_dict(kind, plain), from_dict(kind, json.loads(line))):
            assert again == record
            assert hash(again) == hash(record)
            assert repr(again) == repr(record) or "E+" in repr(record)  # an amount's digits are written out


def test_a_block_is_told_in_names_with_units() -> None:
    """A field whose type is lost has its unit in its name; a moment is in UTC, money text, a status a word."""
    assert to_dict(make_record(Block)) == {
        "id": 7000,
        "chain": "BTC",
        "hash": "00000000000000022b43aee8ab4227490fbc180cd12950a1a9a9bb43c0fd6f53",
        "height": 288497,
        "difficulty": 2000.0,
        "income": "25.14070459",
        "accepted": 1000,
        "rejected": 10,
        "status": "unconfirmed",
        "confirmations_left": 117,
        "generator": "bob",
        "generated": "2014-03-01T11:32:43Z",
        "duration_s": 5387.0,
    }


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (Block, {"effort": 0.5, "luck": 2.0, "reject_rate": 10 / 1010}),
        (ChainRound, {"effort": 0.5, "reject_rate": 0.2}),
        (Round, {"reject_rate": 0.1}),
        (Shift, {"hash_rate_hps": 1000000 * 2.0**32 / 3600, "reject_rate": 2000 / 1002000}),
        (UserShift, {"share": 0.25, "reject_rate": 0.1}),
        (Work, {"reject_rate": 0.1}),
        (PoolStats, {}),
        (Worker, {}),
        (HashRate, {}),
    ],
)
def test_what_a_record_derives_is_put_in_on_request(kind: Any, names: dict[str, float]) -> None:
    """Derived figures come after the fields, and only if asked for."""
    record = _made(kind)
    plain = to_dict(record, derived=True)
    assert {name: plain[name] for name in plain.keys() - to_dict(record).keys()} == names


def test_idle_workers_are_put_in_whole() -> None:
    """What a user derives are workers, told as all are; those within it and within an event derive theirs as well."""
    user = make_record(User)
    plain = to_dict(user, derived=True)
    assert plain["idle_workers"] == [to_dict(user.workers[1], derived=True)]
    assert plain["workers"][0]["work"]["BTC"]["reject_rate"] == 0.1
    assert plain["round_start"] == {"BTC": "2014-03-01T11:32:43Z", "NMC": "2014-03-01T11:25:13Z"}
    assert plain["balances"] == {"BTC": "0.21323507", "NMC": "0.67691192"}
    assert to_dict(_made(BlockFound), derived=True)["block"]["luck"] == 2.0


def test_a_receipt_is_told_in_names_with_units() -> None:
    """A service can export how polite its client is; the gaps before the second request are null."""
    receipt = Client(base_url="http://127.0.0.1:1").receipt
    plain = to_dict(receipt)
    spans = {"rested_s": 0.0, "shortest_gap_s": None, "mean_gap_s": None, "longest_wait_s": 0.0}
    assert {name: plain[name] for name in spans} == spans
    assert plain.keys() - {field.name for field in attrs.fields(Receipt)} == {*spans, "waited_for_others_s"}
    assert from_dict(Receipt, json.loads(to_json(receipt))) == receipt


def test_an_infinite_figure_is_null() -> None:
    """JSON has no infinity and no NaN, so a figure that is one is null, and the rest of the line stands."""
    block = make_record(Block, accepted=0)
    assert block.luck == math.inf
    assert json.loads(to_json(block, derived=True))["luck"] is None
    assert to_json(attrs.evolve(make_record(Shift), score=math.nan)).count(b'"score":null') == 1


@pytest.mark.parametrize("kind", _EVENTS)
def test_an_event_tells_its_kind_first(kind: Any) -> None:
    """A reader of a log picks events by their kind, and what it read is the event again, also by the union's name."""
    event = _made(kind)
    plain = to_dict(event)
    assert next(iter(plain)) == "event"
    assert plain["event"] == kind.__name__
    union = BlockEvent if kind in get_args(BlockEvent) else WorkerEvent
    assert from_dict(union, json.loads(to_json(event))) == event
    other = WorkerAdded if kind is WorkerIdle else WorkerIdle
    with pytest.raises(ValueError, match=rf"not {other.__name__}: \$: the event {other.__name__} expected, not"):
        from_dict(other, plain)


def test_pages_and_mappings_of_records() -> None:
    """A page is an array, and hash rates by name are objects that carry the unit; both come back."""
    page = (make_record(Block), make_record(Block, id=6999))
    assert json.loads(to_json(page)) == [to_dict(block) for block in page]
    assert to_json(list(page)) == to_json(page)
    assert from_dict(tuple[Block, ...], json.loads(to_json(page))) == page
    top = immutabledict({"bob": HashRate.from_mhps(2), "eve": HashRate.from_mhps(1)})
    assert to_json(top) == b'{"bob":{"hps":2000000.0},"eve":{"hps":1000000.0}}'
    assert to_dict(top) == json.loads(to_json(top))
    again = from_dict(immutabledict[str, HashRate], to_dict(top))
    assert list(again.items()) == list(top.items())
    assert type(again) is immutabledict
    kind: Any = Mapping[str, HashRate]
    assert from_dict(kind, to_dict(top)) == again
    assert to_json(()) == b"[]"


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("1E-8", "0.00000001"),
        ("0E-8", "0.00000000"),
        ("25.00", "25.00"),
        ("1E+3", "1000"),
        ("1234567890.123456789012345678901234567890", "1234567890.123456789012345678901234567890"),
        ("1E+999999", "1E+999999"),
        ("1E-999999", "1E-999999"),
    ],
)
def test_money_has_its_own_digits(amount: str, text: str) -> None:
    """An amount is written out digit by digit, whatever the decimal context; only an absurd one keeps its exponent."""
    block = attrs.evolve(make_record(Block), income=Decimal(amount))
    with localcontext() as context:
        context.prec = 3
        assert to_dict(block)["income"] == text
        again = from_dict(Block, to_dict(block)).income
    assert again == Decimal(amount)
    assert again.as_tuple() == Decimal(amount).as_tuple() or amount == "1E+3"


def test_a_moment_is_told_in_utc_to_its_last_digit() -> None:
    """A moment of another time zone is the same one in UTC; digits of a second come where there are any."""
    moment = datetime(2014, 3, 1, 13, 0, 0, 250, tzinfo=timezone(timedelta(hours=2)))
    shift = attrs.evolve(make_record(Shift), completed=moment)
    assert to_dict(shift)["completed"] == "2014-03-01T11:00:00.000250Z"
    assert from_dict(Shift, to_dict(shift)) == shift
    with pytest.raises(ValueError, match="a moment needs a time zone, and 2014-03-01 13:00:00"):
        to_json(attrs.evolve(shift, completed=moment.replace(tzinfo=None, microsecond=0)))


def test_text_that_no_other_encoder_takes_is_escaped() -> None:
    """Half of a surrogate pair, which UTF-8 has not, is written as its escape, and comes back."""
    worker = attrs.evolve(make_record(Worker), name="\ud800é")
    assert b'"\\ud800' in to_json(worker)
    assert from_dict(Worker, json.loads(to_json(worker))) == worker
    assert "é".encode() in to_json(make_record(Worker, name="é"))


class _Sub(Block):
    """Not a record of the package."""


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (5, "not int"),
        (Block, "not type"),
        (timedelta(1), "not timedelta"),
        (_Sub(*attrs.astuple(make_record(Block), recurse=False)), "not _Sub"),
        ([5], "not int"),
        ({"a": None}, "not NoneType"),
        ({b"": make_record(Block)}, "a key of JSON is a string, not bytes"),
        ("text", "not str"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_is_no_record_is_refused_by_its_type(value: Any, told: str) -> None:
    """A value of another type is named, never guessed at."""
    with pytest.raises(TypeError, match=told):
        to_json(value)
    with pytest.raises(TypeError, match="to_dict takes one record" if value.__class__ is list else told):
        to_dict(value)


@pytest.mark.parametrize(
    ("record", "told"),
    [
        (attrs.evolve(make_record(Block), income=0.5), "Block.income cannot be 0.5: "),
        (attrs.evolve(make_record(Block), status="confirmed"), "Block.status cannot be 'confirmed': "),
        (attrs.evolve(make_record(Block), generated=1393673563), "Block.generated cannot be 1393673563: "),
        (attrs.evolve(make_record(Block), duration=5), "Block.duration cannot be 5: "),
        (attrs.evolve(make_record(Block), difficulty="2"), "Block.difficulty cannot be '2': "),
        (attrs.evolve(make_record(Block), difficulty=10**400), "Block.difficulty cannot be a number"),
        (
            attrs.evolve(make_record(Block), generated=datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=1)))),
            "Block.generated",
        ),
        (attrs.evolve(make_record(Block), accepted="2"), "the figures of Block cannot be derived: "),
        (attrs.evolve(make_record(PoolStats), hash_rate=5.0), "PoolStats.hash_rate cannot be 5.0: "),
        (attrs.evolve(make_record(User), balances={"BTC": 5}), "User.balances cannot be an object: "),
        (attrs.evolve(make_record(User), workers=5), "User.workers cannot be 5: "),
        (attrs.evolve(make_record(User), shift=None), "User.shift cannot be null: "),
        (BlockFound(attrs.evolve(make_record(Block), income=None)), "Block.income cannot be null: "),
        (
            BlockChanged(attrs.evolve(make_record(Block), income=None), make_record(Block)),
            "Block.income cannot be null",
        ),
    ],
)
def test_a_record_made_by_hand_of_wrong_types_is_refused_by_its_field(record: Any, told: str) -> None:
    """Records do not check what they are made of, so what cannot be plain data is a TypeError that names the field."""
    for call in (to_json, to_dict):
        with pytest.raises(TypeError, match=f"^{re.escape(told)}"):
            call(record, derived=True)


def test_a_flag_is_a_flag() -> None:
    """`derived` is True or False."""
    block, flag = make_record(Block), "no"
    for call in (to_dict, to_json):
        with pytest.raises(TypeError, match="derived must be True or False, not str"):
            call(block, derived=flag)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # what is tried
    with pytest.raises(TypeError, match="derived must be True or False, not str"):
        converter(derived=flag)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]  # likewise


def _bad(kind: Any, **changed: object) -> dict[str, Any]:
    return {**to_dict(_made(kind)), **changed}


@pytest.mark.parametrize(
    ("kind", "data", "told"),
    [
        (Block, _bad(Block, id=True), "not Block: $.id: an integer expected, not True"),
        (Block, _bad(Block, id=7.0), "$.id: an integer expected, not 7.0"),
        (Block, _bad(Block, chain=None), "$.chain: a string expected, not null"),
        (Block, _bad(Block, difficulty="2"), "$.difficulty: a finite number expected, not '2'"),
        (Block, _bad(Block, difficulty=math.nan), "$.difficulty: a finite number expected, not nan"),
        (Block, _bad(Block, difficulty=10**400), "$.difficulty: a finite number expected, not a number of very"),
        (Block, _bad(Block, income=25.1), '$.income: an amount as text, such as "0.21323507", expected, not 25.1'),
        (Block, _bad(Block, income="1_0"), "expected, not '1_0'"),
        (Block, _bad(Block, income="٣"), "expected, not '٣'"),
        (Block, _bad(Block, income="NaN"), "expected, not 'NaN'"),
        (Block, _bad(Block, income="1E9999999999999999999"), "expected, not '1E9999999999999999999'"),
        (Block, _bad(Block, status="lost"), "$.status: one of processing, unconfirmed, stale, orphan, confirmed,"),
        (Block, _bad(Block, status=None), "confirmed, expected, not null"),
        (Block, _bad(Block, generated=1393673563), "$.generated: a moment with its time zone in ISO 8601"),
        (Block, _bad(Block, generated="2014-03-01T11:32:43"), "expected, not '2014-03-01T11:32:43'"),
        (Block, _bad(Block, generated="yesterday"), "expected, not 'yesterday'"),
        (Block, _bad(Block, generated="0001-01-01T00:00:00+05:00"), "expected, not '0001-01-01T00:00:00+05:00'"),
        (Block, _bad(Block, duration_s="long"), "$.duration_s: a number of seconds expected, not 'long'"),
        (Block, _bad(Block, duration_s=1e300), "$.duration_s: a number of seconds expected, not 1e+300"),
        (
            Block,
            {"id": 5, "chain": []},
            "$.chain: a string expected, not an array; $.hash: a value expected, not nothing",
        ),
        (Block, {}, "; and 8 more"),
        (Block, [], "$: an object expected, not an array"),
        (Worker, _bad(Worker, hash_rate_hps=-1), "$.hash_rate_hps: a number of hashes per second, 0 or more, expected"),
        (Worker, _bad(Worker, alive=1), "$.alive: true or false expected, not 1"),
        (Worker, _bad(Worker, work=None), "$.work: an object expected, not null"),
        (Worker, _bad(Worker, work={"BTC": {}}), "$.work['BTC'].total_accepted: a value expected, not nothing"),
        (Worker, _bad(Worker, name={}), "$.name: a string expected, not an object"),
        (User, _bad(User, workers="ab"), "$.workers: an array expected, not 'ab'"),
        (User, _bad(User, workers=[5]), "$.workers[0]: an object expected, not 5"),
        (User, _bad(User, balances={5: "1"}), "$.balances[5]: a string expected, not 5"),
        (User, _bad(User, name=b"x" * 1000), "xxxxx…"),
        (BlockChanged, _bad(BlockChanged, before=5), "$.before: an object expected, not 5"),
        (WorkReported, _bad(WorkReported, accepted={"BTC": 1.5}), "$.accepted['BTC']: an integer expected, not 1.5"),
        (
            BlockEvent,
            {"event": "WorkerIdle"},
            "$: an event, one of BlockFound, BlockChanged, expected, not 'WorkerIdle'",
        ),
        (BlockEvent, {"event": []}, "$: an event, one of BlockFound, BlockChanged, expected, not an array"),
        (WorkerEvent, {"event": {}}, "expected, not an object"),
        (Block, _bad(Block, chain=10**5000), "$.chain: a string expected, not a number of very many digits"),
        (
            Block,
            _bad(Block, difficulty=-(10**5000)),
            "$.difficulty: a finite number expected, not a number of very many",
        ),
        (BlockEvent, _bad(BlockFound, block={}), "not BlockFound | BlockChanged: $.block.id: a value expected"),
        (HashRate, {"hps": -1}, "$.hps: a number of hashes per second, 0 or more, expected, not -1"),
        (HashRate, {}, "not HashRate: $.hps: a value expected, not nothing"),
        (tuple[Block, ...], [_bad(Block, id="5")], "not tuple[Block, ...]: $[0].id: an integer expected, not '5'"),
    ],
)
def test_wrong_data_are_told_by_place(kind: Any, data: object, told: str) -> None:
    """What does not fit is a ValueError that says where, what was expected and what was there."""
    with pytest.raises(ValueError, match=r"^not ") as caught:
        from_dict(kind, data)
    assert told in str(caught.value)
    assert caught.type is ValueError
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    "kind", [int, dict, list[Block], tuple[Block, Block], Mapping[int, Block], _Sub, Block | Shift]
)
def test_what_no_data_are_made_of_is_refused(kind: Any) -> None:
    """Only records, events, and tuples and mappings of them are made."""
    with pytest.raises(TypeError, match="from_dict makes this package's records and events, not "):
        from_dict(kind, {})


def test_keys_that_are_not_known_are_ignored() -> None:
    """What a later version, a database or the caller has put beside the fields does not matter."""
    block = make_record(Block)
    assert from_dict(Block, {"seen": 5, "luck": "no", **to_dict(block)}) == block


def test_a_whole_number_is_a_number() -> None:
    """JavaScript writes 2000 for 2000.0."""
    block = make_record(Block)
    again = from_dict(Block, {**to_dict(block), "difficulty": 2000, "duration_s": 5387})
    assert again == block
    assert type(again.difficulty) is float


@attrs.frozen
class _Sighting:
    block: Block
    rate: HashRate
    at: datetime


def test_a_converter_is_the_callers_own() -> None:
    """What is registered with one converter holds within records too, and for no other, nor for this package."""
    mine = converter(derived=True)
    mine.register_unstructure_hook(datetime, datetime.timestamp)
    block = make_record(Block)
    assert mine.unstructure(block) == {**to_dict(block, derived=True), "generated": 1393673563.0}
    assert converter().unstructure(block) == to_dict(block)
    assert to_dict(block)["generated"] == "2014-03-01T11:32:43Z"
    assert converter().structure(to_dict(block), Block) == block


def test_a_converter_takes_classes_that_hold_records() -> None:
    """A caller's class is converted with the records in it."""
    mine = converter()
    sighting = _Sighting(make_record(Block), HashRate(5), datetime(2014, 3, 1, tzinfo=UTC))
    plain = mine.unstructure(sighting)
    assert plain == {"block": to_dict(sighting.block), "rate": {"hps": 5.0}, "at": "2014-03-01T00:00:00Z"}
    assert mine.structure(plain, _Sighting) == sighting
