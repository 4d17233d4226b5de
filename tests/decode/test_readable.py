"""What can be used of an answer that is refused: whole records, and what is known of the others."""

import traceback
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from immutabledict import immutabledict

from bitminter_async._call import Expected
from bitminter_async._decode.decode import decode
from bitminter_async._wire.key import ApiKey, Mask
from bitminter_async.errors import DecodeError
from bitminter_async.records import Block, PoolStats, Shift, User
from bitminter_async.units import HashRate
from tests.support.records import make_answer
from tests.support.samples import BLOCK, KEY, SHIFT, STATS, USER, WORKER, without

ANYTHING = Expected()
BLOCKS = tuple[Block, ...]
PAGE = [{**BLOCK, "id": number} for number in (9, 8, 7)]
BAD: list[Callable[[dict[str, Any]], object]] = [
    lambda each: each | {"accepted": -1},
    lambda each: each | {"accepted": "many", "duration": None},
    lambda each: without(each, "accepted"),
    lambda each: each | {"id": str(each["id"]), "accepted": None},
    lambda each: each | {"id": None},
    lambda each: each | {"id": 2**64 - 1},
    lambda _: None,
    lambda _: [1],
]


def refuse(value: object, kind: Any, expected: Expected = ANYTHING, mask: Mask | None = None) -> DecodeError:
    """The error for an answer of these bytes, or of this JSON value."""
    with pytest.raises(DecodeError) as caught:
        decode(make_answer(value if isinstance(value, bytes) else orjson.dumps(value), mask), kind, expected)
    return caught.value


def user_of(*workers: object) -> dict[str, Any]:
    """A user with these workers."""
    return {**USER, "workers": workers}


def worker(name: object, **fields: object) -> dict[str, Any]:
    """A worker of this name."""
    return {**WORKER, "name": name, **fields}


@pytest.mark.parametrize("kind", [Block, Shift])
@given(bad=st.dictionaries(st.integers(0, 7), st.sampled_from(BAD), min_size=1))
@settings(max_examples=60, deadline=None)
def test_a_page_is_what_can_be_read_and_the_rest(kind: Any, bad: dict[int, Any]) -> None:
    """The readable records are those of the page without the others, in its order; of those the ids are told."""
    sample = BLOCK if kind is Block else SHIFT
    page: list[Any] = [{**sample, "id": 100 - place} for place in range(8)]
    good = [each for place, each in enumerate(page) if place not in bad]
    sent = [bad[place](each) if place in bad else each for place, each in enumerate(page)]
    error = refuse(sent, tuple[kind, ...], Expected(most=8))
    assert error.readable == decode(make_answer(orjson.dumps(good)), tuple[kind, ...])
    assert error.unreadable == {place: 100 - place if BAD.index(bad[place]) < 4 else None for place in bad}
    assert [*error.unreadable] == sorted(bad)
    assert type(error.readable) is tuple


@pytest.mark.parametrize(("twice", "number"), [("income", 8), ("id", None)])
def test_an_id_that_stands_twice_is_none(twice: str, number: int | None) -> None:
    """A record in which a key stands twice is unreadable, and if that is the id, it is not known which one it is."""
    body = orjson.dumps([PAGE[0], {**PAGE[1], "@@": 5}, PAGE[2]]).replace(b"@@", twice.encode())
    error = refuse(body, BLOCKS)
    assert ([block.id for block in error.readable], error.unreadable) == ([9, 7], {1: number})
    assert getattr(error, "__notes__", []) == ([f"$[1] is the record with id {number}"] if number else [])


def test_another_commoditys_block_is_left_out() -> None:
    """Blocks of the commodity that was asked for are readable beside those of another, and beside broken ones."""
    sent = [PAGE[0], PAGE[1] | {"chain": "NMC"}, PAGE[2] | {"income": None}, {**BLOCK, "id": 6}]
    error = refuse(sent, BLOCKS, Expected(commodity="BTC"))
    assert ([block.id for block in error.readable], error.unreadable) == ([9, 6], {1: 8, 2: 7})
    assert [fault.path for fault in error.faults] == ["$[2].income", "$[1].chain"]


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        ([PAGE[0], PAGE[0]], BLOCKS, ANYTHING),
        ([PAGE[1], None, PAGE[0]], BLOCKS, ANYTHING),
        ([*PAGE, None], BLOCKS, Expected(most=3)),
        ({}, BLOCKS, ANYTHING),
        (b"[", BLOCKS, ANYTHING),
        ({**STATS, "active_users": -1}, PoolStats, ANYTHING),
        ({"bob": 1, "al": -1}, immutabledict[str, HashRate], ANYTHING),
        (user_of(worker("rig1"), None) | {"balances": None}, User, ANYTHING),
        (user_of(worker("rig1"), None), User, Expected(user="rob")),
        (user_of(worker("rig1")), User, Expected(user="rob")),
        ({**USER, "workers": {}}, User, ANYTHING),
        ([USER], User, ANYTHING),
    ],
    ids=str,
)
def test_a_fault_of_the_whole_leaves_nothing(value: object, kind: Any, expected: Expected) -> None:
    """Where the faults are not within single elements, nothing of the answer is to be relied on."""
    error = refuse(value, kind, expected)
    assert (error.readable, error.unreadable) == ((), {})


def test_nothing_is_readable_where_all_is_bad() -> None:
    """A page of unreadable records is told by their ids; an unreadable worker leaves the user."""
    error = refuse([each | {"hash": 1} for each in PAGE], BLOCKS)
    assert (error.readable, error.unreadable) == ((), {0: 9, 1: 8, 2: 7})
    error = refuse(user_of(worker("rig1", alive=None)), User)
    assert ([user.workers for user in error.readable], error.unreadable) == ([()], {0: "rig1"})


def test_a_user_is_readable_without_its_unreadable_workers() -> None:
    """The user comes with the workers that can be read; of the others the names are told where they can be."""
    sent = user_of(
        worker("rig1"),
        worker("rig2", alive="yes"),
        worker(3),
        worker("rig4", work={"BTC": {}}),
        None,
        worker("rig\ud7ff"),
    )
    error = refuse(sent, User, Expected(user="bob"))
    assert error.readable == (decode(make_answer(orjson.dumps(user_of(sent["workers"][0], sent["workers"][5]))), User),)
    assert error.unreadable == {1: "rig2", 2: None, 3: "rig4", 4: None}


def test_of_two_workers_of_one_name_neither_is_readable() -> None:
    """Which of the two a name means cannot be told, not even where one of them cannot be read."""
    sent = user_of(worker("rig1"), worker("rig2"), worker("rig1"), worker("rig3"), worker("rig2", alive=0))
    error = refuse(sent, User)
    assert [each.name for each in error.readable[0].workers] == ["rig3"]
    assert error.unreadable == {0: "rig1", 1: "rig2", 2: "rig1", 4: "rig2"}
    assert {fault.path for fault in error.faults} == {"$.workers[4].alive"} | {
        f"$.workers[{place}].name" for place in (0, 1, 2)
    }


def test_an_echoed_key_stands_in_no_text() -> None:
    """A key in a record that can be read is seen by who looks into the record; one that names the others is None."""
    mask = Mask(ApiKey(KEY))
    errors = [
        refuse([PAGE[0] | {"generator": KEY}, None], BLOCKS, mask=mask),
        refuse(user_of(worker(KEY, alive=0), worker(f"my {KEY}")), User, mask=mask),
        refuse([{**BLOCK, "id": 12345678, "hash": 0}], BLOCKS, mask=Mask(ApiKey("12345678"))),
    ]
    assert [[*error.unreadable.values()] for error in errors] == [[None], [None], [None]]
    assert [len(error.readable) for error in errors] == [1, 1, 0]
    for error in errors:
        error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next  # without the frame above
        report = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
        text = f"{error!s} {error!r} {error.summary} {error.faults} {error.unreadable} {report}"
        assert "answer = " in report
        assert KEY not in text
        assert "12345678" not in text
