"""The cache: how old an answer may be, how long and how many are kept, and whose time counts."""

import asyncio
import time
from collections.abc import Iterable
from math import inf

import pytest
from attrs import define
from hypothesis import given
from hypothesis import strategies as st

from bitminter_async._session.cache import Cache, Moment


@define
class Clock:
    """A clock that is moved by hand."""

    now: float = 1000.0

    def __call__(self) -> float:
        """Tell the time."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock at 1000 seconds, with which the wall clock goes."""
    clock = Clock()
    monkeypatch.setattr(time, "time", clock)
    return clock


@pytest.mark.parametrize(
    ("age", "max_age", "served"),
    [
        (0, 30, True),
        (30, 30, True),
        (30.000001, 30, False),
        (29.999999, 30, True),
        (0, 0, False),
        (0, 0.0, False),
        (0, 1e-9, True),
        (1e9, float("inf"), True),
    ],
)
def test_an_answer_serves_up_to_its_age(clock: Clock, age: float, max_age: float, served: bool) -> None:  # noqa: FBT001  # a column of the table
    """An answer exactly as old as it may be serves, a hair older it does not; at 0 none does, however fresh."""
    cache = Cache(clock, 30)
    cache.put("question", "answer", asked=Moment.now(clock), size=100)
    clock.now += age
    assert cache.get("question", max_age) == ("answer" if served else None)


def test_the_age_counts_from_the_question(clock: Clock) -> None:
    """An answer that took its time is that much older."""
    cache = Cache(clock, 30)
    cache.put("question", "answer", asked=Moment(clock.now - 20, clock.now - 20), size=100)
    assert cache.get("question", 20) == "answer"
    assert cache.get("question", 19) is None


def test_too_old_for_one_is_young_enough_for_another(clock: Clock) -> None:
    """The age is the asker's to choose: a refusal leaves the answer where it is."""
    cache = Cache(clock, 30)
    cache.put("question", "answer", asked=Moment.now(clock), size=100)
    clock.now += 10
    assert [cache.get("question", max_age) for max_age in (5, 0, 15)] == [None, None, "answer"]


def test_each_question_has_its_own_answer(clock: Clock) -> None:
    """One question's answer never serves another, be it ever so alike."""
    cache = Cache(clock, 30)
    for question in (("users/bob",), ("users/Bob",), ("users/bob", "max=1")):
        cache.put(question, question, asked=Moment.now(clock), size=100)
    assert cache.get(("users/bob",), 1) == ("users/bob",)
    assert cache.get(("users/Bob",), 1) == ("users/Bob",)
    assert cache.get(("users",), 1) is None


def test_an_answer_that_is_false_is_still_an_answer(clock: Clock) -> None:
    """No workers, or no blocks, is an answer like any other."""
    cache = Cache(clock, 30)
    for answer in (0, ()):
        cache.put("question", answer, asked=Moment.now(clock), size=100)
        assert cache.get("question", 1) == answer


def test_a_new_answer_takes_the_old_ones_place(clock: Clock) -> None:
    """The newest answer is the one that is kept, and its age is its own."""
    cache = Cache(clock, 30)
    cache.put("question", "old", asked=Moment.now(clock), size=100)
    clock.now += 100
    cache.put("question", "new", asked=Moment.now(clock), size=100)
    clock.now += 10
    assert cache.get("question", 10) == "new"
    assert cache.get("question", 9) is None


def kept(cache: Cache, questions: Iterable[int]) -> list[int]:
    """Which of these questions have an answer, however old."""
    return [question for question in questions if cache.get(question, inf)]


def test_all_are_kept_for_as_long_as_any_may_be_asked_for(clock: Clock) -> None:
    """However many there are, each stays until it is older than the client's `max_age`, and goes with a later put."""
    cache = Cache(clock, 30)
    for question in range(20):
        for part in range(1000):
            cache.put((question, part), "answer", asked=Moment.now(clock), size=100)
        clock.now += 1.5
    assert all(cache.get((question, part), 30) for question in range(20) for part in range(1000))
    clock.now += 2
    cache.put("another", "answer", asked=Moment.now(clock), size=100)
    assert [question for question in range(20) if cache.get((question, 0), inf)] == list(range(2, 20))


def test_who_asks_for_older_ones_has_them_kept(clock: Clock) -> None:
    """Once a call has asked in vain for an answer of some age, answers are kept for so long."""
    cache = Cache(clock, 30)
    for wanted, expected in ((30, [2]), (100, [2]), (100, [1, 2])):
        cache.put(1, "answer", asked=Moment.now(clock), size=100)
        clock.now += 60  # past the client's own
        cache.put(2, "answer", asked=Moment.now(clock), size=100)
        assert [question for question in (1, 2) if cache.get(question, wanted)] == expected


@pytest.mark.parametrize("size", [100, 1000])
def test_bytes_are_what_bounds_it(clock: Clock, size: int) -> None:
    """Where more come than there is room for, the oldest go, however young; each takes its body and half a KiB."""
    cache = Cache(clock, 30, size=10 * (size + 512))
    for question in range(25):
        cache.put(question, "answer", asked=Moment.now(clock), size=size)
    assert kept(cache, range(25)) == list(range(15, 25))
    cache.put(99, "answer", asked=Moment.now(clock), size=5 * size + 4 * 512)
    assert kept(cache, range(25)) == list(range(20, 25))
    assert kept(cache, [99]) == [99]


def test_one_that_is_larger_than_all_room_is_not_kept(clock: Clock) -> None:
    """An answer that alone exceeds the bound is let go, and those after it find all the room again."""
    cache = Cache(clock, 30, size=5000)
    cache.put(1, "answer", asked=Moment.now(clock), size=5000)
    assert kept(cache, [1]) == []
    for question in (2, 3):
        cache.put(question, "answer", asked=Moment.now(clock), size=1900)
    assert kept(cache, [2, 3]) == [2, 3]


def test_a_renewed_answer_is_the_youngest_and_counts_once(clock: Clock) -> None:
    """An answer that takes another's place takes no room beside it, and is the last to go."""
    cache = Cache(clock, 30, size=3 * 612)
    for question in (1, 2, 3, *[1] * 10, 4):
        cache.put(question, "answer", asked=Moment.now(clock), size=100)
    assert kept(cache, range(5)) == [1, 3, 4]


@given(st.lists(st.tuples(st.sampled_from(["put", "get", "pass"]), st.integers(1, 9), st.integers(0, 50)), max_size=60))
def test_it_keeps_what_its_bounds_allow(steps: list[tuple[str, int, int]]) -> None:
    """Whatever is asked and however time passes: what a call may have is there, and no more than there is room for."""
    clock = Clock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "time", clock)
        cache = Cache(clock, 5, size=4 * 1000)
        longest = 30
        expected: dict[int, tuple[float, int]] = {}  # when it was asked, and its size; the oldest first
        for step, question, number in steps:
            match step:
                case "pass":
                    clock.now += number
                case "get":
                    asked, _ = expected.get(question, (-inf, 0))
                    found = clock.now - asked <= number and number > 0
                    assert (cache.get(question, number) is not None) == found
                    longest = longest if found else max(longest, number)
                case _:
                    expected.pop(question, None)
                    expected[question] = clock.now, number * 30 + 512
                    cache.put(question, "answer", asked=Moment.now(clock), size=number * 30)
                    while sum(size for _, size in expected.values()) > 4000:
                        del expected[next(iter(expected))]
                    expected = {each: it for each, it in expected.items() if clock.now - it[0] <= longest}
        assert kept(cache, range(10)) == sorted(expected)


@pytest.mark.parametrize(("jump", "served"), [(8 * 3600, False), (5, False), (0, True), (-8 * 3600, True)])
async def test_the_wall_clock_tells_of_a_sleep(monkeypatch: pytest.MonkeyPatch, jump: float, served: bool) -> None:  # noqa: FBT001  # a column of the table
    """An answer is as old as the clock says that says more: the loop's stands still while the machine sleeps.

    So one that the wall clock calls too old is, and a clock that is set back makes none younger.
    """
    wall = time.time()
    monkeypatch.setattr(time, "time", lambda: wall)
    clock = asyncio.get_running_loop().time
    cache = Cache(clock, 30)
    cache.put("question", "answer", asked=Moment.now(clock), size=100)
    await asyncio.sleep(5)
    monkeypatch.setattr(time, "time", lambda: wall + 5 + jump)
    assert cache.get("question", 9) == ("answer" if served else None)
    await asyncio.sleep(5)
    assert cache.get("question", 9) is None
