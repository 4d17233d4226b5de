"""Who finds a block: drawn in proportion to the hash rates, as a plain list of sums would have it."""

from bisect import bisect
from itertools import accumulate
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from bitminter_async.local._world.finders import Finders
from bitminter_async.local._world.hashrate import HashRateCurve
from bitminter_async.local._world.miners import User, Worker

RATES = st.lists(st.integers(0, 2**60), min_size=1, max_size=40)


def make_user(number: int, rate: int) -> User:
    """A user with one worker that works at this rate, or rests at 0."""
    user = User(str(number), 0.0, {})
    worker = Worker("rig", Random(1), HashRateCurve(1, 0), max(rate, 1), 0)  # noqa: S311  # repeatable
    worker.working = rate > 0
    user.workers.append(worker)
    return user


@given(RATES, st.lists(st.tuples(st.integers(0, 39), st.integers(0, 2**60))), st.floats(0, 1, exclude_max=True))
def test_a_draw_finds_the_place_in_the_sum(rates: list[int], changes: list[tuple[int, int]], chance: float) -> None:
    """After any changes the draw is what bisecting the running sums gives; where nobody works, it is the last user."""
    users = [make_user(number, rate) for number, rate in enumerate(rates)]
    finders = Finders(users)
    for place, rate in changes:
        number = place % len(rates)
        finders.change_rate(users[number].workers[0], rate - rates[number])
        rates[number] = rate
    sums = list(accumulate(rates))
    assert finders.draw(chance) is users[min(bisect(sums, chance * sums[-1]), len(users) - 1)]
