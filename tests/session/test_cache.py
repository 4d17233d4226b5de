"""The cache: how old an answer may be, which one goes first, and whose time counts."""

import asyncio
import time

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
    cache = Cache(clock)
    cache.put("question", "answer", asked=Moment.now(clock))
    clock.now += age
    assert cache.get("question", max_age) == ("answer" if served else None)


def test_the_age_counts_from_the_question(clock: Clock) -> None:
    """An answer that took its time is that much older."""
    cache = Cache(clock)
    cache.put("question", "answer", asked=Moment(clock.now - 20, clock.now - 20))
    assert cache.get("question", 20) == "answer"
    assert cache.get("question", 19) is None


def test_too_old_for_one_is_young_enough_for_another(clock: Clock) -> None:
    """The age is the asker's to choose: a refusal leaves the answer where it is."""
    cache = Cache(clock)
    cache.put("question", "answer", asked=Moment.now(clock))
    clock.now += 10
    assert [cache.get("question", max_age) for max_age in (5, 0, 15)] == [None, None, "answer"]


def test_each_question_has_its_own_answer(clock: Clock) -> None:
    """One question's answer never serves another, be it ever so alike."""
    cache = Cache(clock)
    for question in (("users/bob",), ("users/Bob",), ("users/bob", "max=1")):
        cache.put(question, question, asked=Moment.now(clock))
    assert cache.get(("users/bob",), 1) == ("users/bob",)
    assert cache.get(("users/Bob",), 1) == ("users/Bob",)
    assert cache.get(("users",), 1) is None


def test_an_answer_that_is_false_is_still_an_answer(clock: Clock) -> None:
    """No workers, or no blocks, is an answer like any other."""
    cache = Cache(clock)
    for answer in (0, ()):
        cache.put("question", answer, asked=Moment.now(clock))
        assert cache.get("question", 1) == answer


def test_a_new_answer_takes_the_old_ones_place(clock: Clock) -> None:
    """The newest answer is the one that is kept, and its age is its own."""
    cache = Cache(clock)
    cache.put("question", "old", asked=Moment.now(clock))
    clock.now += 100
    cache.put("question", "new", asked=Moment.now(clock))
    clock.now += 10
    assert cache.get("question", 10) == "new"
    assert cache.get("question", 9) is None


@pytest.mark.parametrize("use", ["get", "put"])
def test_an_answer_in_use_stays(clock: Clock, use: str) -> None:
    """An answer that was served, or renewed, is not the next to go."""
    cache = Cache(clock, size=2)
    for question in ("first", "second"):
        cache.put(question, "answer", asked=Moment.now(clock))
    if use == "get":
        cache.get("first", 1)
    else:
        cache.put("first", "answer", asked=Moment.now(clock))
    cache.put("third", "answer", asked=Moment.now(clock))
    assert [question for question in ("first", "second", "third") if cache.get(question, 1)] == ["first", "third"]


@given(st.lists(st.tuples(st.sampled_from(["get", "old", "put"]), st.integers(0, 6)), max_size=40))
def test_the_one_used_longest_ago_goes_first(steps: list[tuple[str, int]]) -> None:
    """At most `size` answers are kept; each answer served or renewed moves to the end of the queue to leave."""
    clock = Clock()
    cache = Cache(clock, size=3)
    kept: list[int] = []  # the one used longest ago first
    for step, question in steps:
        if step == "put":
            cache.put(question, f"answer {question}", asked=Moment.now(clock))
            kept = [*(other for other in kept if other != question), question][-3:]
            continue
        served = cache.get(question, 1.0 if step == "get" else 0)
        assert served == (f"answer {question}" if step == "get" and question in kept else None)
        if served:
            kept.append(kept.pop(kept.index(question)))
    assert [question for question in range(7) if cache.get(question, 1)] == sorted(kept)


def test_256_answers_are_kept(clock: Clock) -> None:
    """The bound is there without being asked for."""
    cache = Cache(clock)
    for question in range(300):
        cache.put(question, "answer", asked=Moment.now(clock))
    assert [question for question in range(300) if cache.get(question, 1)] == list(range(44, 300))


@pytest.mark.parametrize(("jump", "served"), [(8 * 3600, False), (5, False), (0, True), (-8 * 3600, True)])
async def test_the_wall_clock_tells_of_a_sleep(monkeypatch: pytest.MonkeyPatch, jump: float, served: bool) -> None:  # noqa: FBT001  # a column of the table
    """An answer is as old as the clock says that says more: the loop's stands still while the machine sleeps.

    So one that the wall clock calls too old is, and a clock that is set back makes none younger.
    """
    wall = time.time()
    monkeypatch.setattr(time, "time", lambda: wall)
    clock = asyncio.get_running_loop().time
    cache = Cache(clock)
    cache.put("question", "answer", asked=Moment.now(clock))
    await asyncio.sleep(5)
    monkeypatch.setattr(time, "time", lambda: wall + 5 + jump)
    assert cache.get("question", 9) == ("answer" if served else None)
    await asyncio.sleep(5)
    assert cache.get("question", 9) is None
