"""The records: frozen, hashable, picklable, and the figures derived from them."""

import copy
import math
import pickle
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import attrs
import pytest
from attrs.exceptions import FrozenInstanceError
from immutabledict import immutabledict

from bitminter_async import records
from bitminter_async.records import (
    Block,
    BlockStatus,
    ChainRound,
    PoolStats,
    Round,
    Shift,
    User,
    UserShift,
    Work,
)
from bitminter_async.units import HashRate
from tests.support.records import SAMPLES, make_record
from tests.support.samples import WORKER


def values(record: Any) -> list[Any]:
    """What its fields hold, in their order."""
    return [getattr(record, field.name) for field in attrs.fields(record.__class__)]


def rebuilt(record: Any) -> Any:
    """The same record, made by its own constructor."""
    return record.__class__(*values(record))


def parts(value: Any) -> Iterator[Any]:
    """Yield a value and all that it holds."""
    yield value
    kind: Any = value.__class__
    held: Any = ()
    if attrs.has(kind):
        held = values(value)
    elif kind is immutabledict:
        held = [*value, *value.values()]
    elif kind is tuple:
        held = value
    for part in held:
        yield from parts(part)


def test_every_record_is_tried_here() -> None:
    """No record is left out of the tests below."""
    assert {kind.__name__ for kind in SAMPLES} | {"BlockStatus"} == set(records.__all__)


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_record_is_frozen(kind: type[Any]) -> None:
    """Records are shared, so no field can be set or deleted, and nothing can be hung on one."""
    record = make_record(kind)
    for name in (attrs.fields(kind)[0].name, "other"):
        with pytest.raises(FrozenInstanceError):
            setattr(record, name, None)
    with pytest.raises(FrozenInstanceError):
        delattr(record, attrs.fields(kind)[0].name)
    assert not hasattr(record, "__dict__")


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_decoded_record_is_like_any_other(kind: type[Any]) -> None:
    """A record off the wire is of its exact class, and equal to and hashed as one made by hand; the repr names it."""
    record = make_record(kind)
    assert type(record) is kind
    assert record == rebuilt(record)
    assert hash(record) == hash(rebuilt(record))
    assert repr(record) == repr(rebuilt(record))
    assert repr(record).startswith(f"{kind.__name__}({attrs.fields(kind)[0].name}=")


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_record_differs_by_any_field(kind: type[Any]) -> None:
    """Two records are equal only if all of their fields are."""
    record = make_record(kind)
    for field in attrs.fields(kind):
        assert attrs.evolve(record, **{field.name: "other"}) != record


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_record_is_read_only_all_the_way_down(kind: type[Any]) -> None:
    """All that a record holds is immutable, and so hashable: sequences are tuples, mappings cannot be set."""
    record = make_record(kind)
    for part in parts(record):
        hash(part)
        assert not isinstance(part, list | dict | set)


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_record_is_copied_and_pickled(kind: type[Any]) -> None:
    """A copy, from this process or another, is an equal record of the same class."""
    record = make_record(kind)
    for again in (copy.copy(record), copy.deepcopy(record), pickle.loads(pickle.dumps(record))):  # noqa: S301  # our own
        assert again == record
        assert [type(part) for part in parts(again)] == [type(part) for part in parts(record)]


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_record_has_no_defaults(kind: type[Any]) -> None:
    """A record that was made has all of its fields: a missing one is never filled in."""
    assert all(field.default is attrs.NOTHING and field.init for field in attrs.fields(kind))
    with pytest.raises(TypeError, match="missing"):
        kind()


@pytest.mark.parametrize(
    ("status", "settled"),
    [("processing", False), ("unconfirmed", False), ("stale", True), ("orphan", True), ("confirmed", True)],
)
def test_a_status_is_settled_or_not(status: str, settled: bool) -> None:  # noqa: FBT001  # a column of the table
    """Confirmed, stale and orphan are final; a status is its text on the wire."""
    assert BlockStatus(status).settled is settled
    assert f"{BlockStatus(status)}" == status == make_record(Block, status=status).status


def test_there_are_five_statuses() -> None:
    """No status but the documented ones."""
    assert len(BlockStatus) == 5


@pytest.mark.parametrize("kind", [ChainRound, Block, Shift, UserShift])
@pytest.mark.parametrize(
    ("accepted", "rejected", "rate"), [(75, 25, 0.25), (0, 0, 0.0), (5, 0, 0.0), (0, 5, 1.0), (2**63 - 1, 1, 2**-63)]
)
def test_the_reject_rate(kind: type[Any], accepted: int, rejected: int, rate: float) -> None:
    """The rate is rejected / (accepted + rejected), and 0 where there was no work."""
    assert make_record(kind, accepted=accepted, rejected=rejected).reject_rate == rate


def test_the_reject_rate_of_a_shift_in_progress() -> None:
    """A round's reject rate is that of its shift."""
    assert make_record(Round, shift_accepted=30, shift_rejected=10).reject_rate == 0.25
    assert make_record(Round, shift_accepted=0, shift_rejected=0).reject_rate == 0.0


def test_the_reject_rate_of_a_worker() -> None:
    """A worker's reject rate is over all of its time: the fields that the pool no longer fills play no part."""
    others = dict.fromkeys(("round_accepted", "round_rejected", "checkpoint_accepted", "checkpoint_rejected"), 7)
    assert make_record(Work, total_accepted=900, total_rejected=100, **others).reject_rate == 0.1
    assert make_record(Work, total_accepted=0, total_rejected=0, **others).reject_rate == 0.0


@pytest.mark.parametrize("kind", [ChainRound, Block])
@pytest.mark.parametrize(
    ("accepted", "difficulty", "effort"), [(100, 200.0, 0.5), (0, 200.0, 0.0), (3, 2, 1.5), (5, 0, math.inf)]
)
def test_the_effort(kind: type[Any], accepted: int, difficulty: float, effort: float) -> None:
    """Effort is accepted / difficulty; infinite at difficulty 0."""
    assert make_record(kind, accepted=accepted, difficulty=difficulty).effort == effort


@pytest.mark.parametrize(
    ("accepted", "difficulty", "luck"), [(100, 200.0, 2.0), (400, 200.0, 0.5), (0, 200.0, math.inf), (7, 0.0, 0.0)]
)
def test_the_luck(accepted: int, difficulty: float, luck: float) -> None:
    """Luck is difficulty / accepted; infinite where none was accepted."""
    assert make_record(Block, accepted=accepted, difficulty=difficulty).luck == luck


def test_the_mean_hash_rate_of_a_shift() -> None:
    """The rate is accepted · 2³² / duration; 0 for a shift that took no time."""
    assert make_record(Shift, accepted=3600, duration=3600).hash_rate == HashRate(2.0**32)
    assert make_record(Shift, accepted=10, duration=0.5).hash_rate == HashRate(20 * 2.0**32)
    assert make_record(Shift, accepted=10, duration=0).hash_rate == HashRate(0)


@pytest.mark.parametrize(("user", "total", "share"), [(2.5, 10.0, 0.25), (0, 10, 0.0), (0, 0, 0.0), (10, 10, 1.0)])
def test_the_share_of_a_shift(user: float, total: float, share: float) -> None:
    """The share is user_score / total_score; 0 while there is no score."""
    assert make_record(UserShift, user_score=user, total_score=total).share == share


def test_a_balance_is_there_for_every_commodity() -> None:
    """A commodity may be written in small letters; one that the pool does not list is 0, as a Decimal."""
    user: User = make_record(User)
    assert [user.balance(commodity) for commodity in ("BTC", "NMC", "XYZ", "btc")] == [
        Decimal("0.21323507"), Decimal("0.67691192"), Decimal(0), Decimal("0.21323507"),
    ]  # fmt: skip
    assert isinstance(user.balance("XYZ"), Decimal)
    assert attrs.evolve(user, balances=immutabledict(btc=Decimal(5), BTC=Decimal(6))).balance("btc") == 5


@pytest.mark.parametrize(
    ("commodity", "error"), [(None, ValueError), ("", ValueError), ("B T", ValueError), (5, TypeError)]
)
def test_a_balance_of_what_is_no_commodity_is_an_error(commodity: Any, error: type[Exception]) -> None:
    """What cannot be a commodity's name has no balance of 0."""
    user: User = make_record(User)
    with pytest.raises(error, match="commodity must be"):
        user.balance(commodity)


def test_idle_workers() -> None:
    """The workers that are not alive, in the pool's order; alive alone decides, not the hash rate."""
    workers = [{**WORKER, "name": name, "alive": name in "ac", "hash_rate": 0} for name in "abcd"]
    user: User = make_record(User, workers=workers)
    assert [worker.name for worker in user.idle_workers] == ["b", "d"]
    assert isinstance(user.idle_workers, tuple)
    assert make_record(User, workers=[]).idle_workers == ()


def test_the_types_say_what_the_fields_are() -> None:
    """Money is a Decimal, a moment is aware and UTC, a span a timedelta, a rate a HashRate, a count an int."""
    block: Block = make_record(Block)
    assert (block.income, block.duration) == (Decimal("25.14070459"), timedelta(hours=1, minutes=29, seconds=47))
    assert block.generated == datetime(2014, 3, 1, 11, 32, 43, tzinfo=UTC)
    assert block.generated.tzinfo is UTC
    assert (type(block.accepted), type(block.difficulty)) == (int, float)
    stats: PoolStats = make_record(PoolStats)
    assert stats.hash_rate == HashRate.from_phps(1.701)
