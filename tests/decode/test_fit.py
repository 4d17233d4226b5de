"""An answer belongs to its question, and does not contradict itself, however leniently it has to be read."""

import time
from typing import Any

import orjson
import pytest

from bitminter_async._call import Expected
from bitminter_async._decode.decode import decode
from bitminter_async._wire.key import ApiKey, Mask
from bitminter_async.errors import DecodeError
from bitminter_async.records import Block, Shift, User
from tests.support.records import make_answer
from tests.support.samples import BLOCK, KEY, SHIFT, USER, WORKER

BLOCKS = tuple[Block, ...]
ANYTHING = Expected()
LENIENT = pytest.mark.parametrize("number", [int, str, float], ids=["as numbers", "in quotes", "as 7.0"])


def faults(value: object, kind: Any, expected: Expected = ANYTHING, mask: Mask | None = None) -> list[tuple[str, ...]]:
    """The faults of an answer with this JSON value, as plain tuples; none where it is right."""
    try:
        decode(make_answer(orjson.dumps(value), mask), kind, expected)
    except DecodeError as error:
        return [*map(tuple, error.faults)]
    return []


@LENIENT
@pytest.mark.parametrize("kind", [Block, Shift])
def test_ids_fall_along_a_list(kind: Any, number: Any) -> None:
    """Each id is below the one before it, whichever way numbers are written; the first that is not is told of."""
    sample = BLOCK if kind is Block else SHIFT

    def told(*ids: int) -> list[tuple[str, ...]]:
        return faults([{**sample, "id": number(each)} for each in ids], tuple[kind, ...])

    assert told() == told(7) == told(9, 8, 2) == []
    assert told(9, 8, 8) == [("$", "ids that fall along the list", "8 before 8")]
    assert told(9, 7, 8, 9) == [("$", "ids that fall along the list", "7 before 8")]


@LENIENT
def test_a_users_name_is_the_one_that_was_asked_for(number: Any) -> None:
    """Whichever way the rest is written, another name is a fault, beside the others that there are."""
    user = {**USER, "active_workers": number(1)}
    assert faults(user, User, Expected(user="bob")) == faults(user, User) == []
    assert faults(user, User, Expected(user="rob")) == [("$.name", "the name that was asked for", '"bob"')]


def test_a_name_of_megabytes_is_quickly_another() -> None:
    """However long a name the server writes, and of whatever characters, it is compared in moments."""
    start = time.process_time()
    ((place, *_),) = faults({**USER, "name": "\u0301\u0323" * 10**5}, User, Expected(user="bob"))
    assert place == "$.name"
    assert time.process_time() - start < 5


@LENIENT
def test_workers_have_names_of_their_own(number: Any) -> None:
    """Which of two workers of one name is which cannot be told, so each of them is a fault; others are none."""
    names = ["rig1", "rig2", "rig1", "RIG1", "", "rig2"]
    user = {**USER, "active_workers": number(1), "workers": [{**WORKER, "name": name} for name in names]}
    assert faults(user, User) == [
        (f"$.workers[{place}].name", "a name that no other worker has", f'"{names[place]}"') for place in (0, 1, 2, 5)
    ]


def test_an_echoed_key_is_masked_here_too() -> None:
    """A name, a chain or an id in which the server echoes the key is masked in the fault."""
    mask = Mask(ApiKey(KEY))
    assert faults({**USER, "name": KEY}, User, Expected(user="bob"), mask)[0][2] == '"***"'
    assert faults({**USER, "workers": [{**WORKER, "name": KEY}] * 2}, User, mask=mask)[0][2] == '"***"'
    assert faults([{**BLOCK, "chain": KEY}], BLOCKS, Expected(commodity="BTC"), mask)[0][2] == '"***"'
    assert faults([{**BLOCK, "id": 1234}] * 2, BLOCKS, mask=Mask(ApiKey("1234")))[0][2] == "*** before ***"
