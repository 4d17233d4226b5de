"""`LocalPool` refuses what it cannot be or do, in words that help."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from bitminter_async.local import LocalPool
from tests.support.pools import ask

START = datetime(2014, 3, 1, 12, tzinfo=UTC)
IMPOSSIBLE: list[tuple[Callable[[LocalPool], object], type[Exception], str]] = [
    (lambda pool: pool.advance(-1), ValueError, "time"),
    (lambda pool: pool.advance(timedelta(seconds=-1)), ValueError, "time"),
    (lambda pool: pool.advance(float("inf")), ValueError, "time"),
    (lambda pool: pool.advance(1e15), ValueError, "time"),
    (lambda pool: pool.advance(timedelta(days=3e6)), ValueError, "beyond the year 9000"),
    (lambda pool: setattr(pool, "speed", -1), ValueError, "speed"),
    (lambda pool: setattr(pool, "latency", -1), ValueError, "latency"),
    (lambda pool: pool.slow_next(-1), ValueError, "seconds"),
    (lambda pool: pool.slow_next(1, times=0), ValueError, "times"),
    (lambda pool: pool.fail_next(times=0), ValueError, "times"),
    (lambda pool: pool.add_user(""), ValueError, "no path can name a user ''"),
    (lambda pool: pool.add_user(".."), ValueError, "no path"),
    (lambda pool: pool.add_user("dave"), ValueError, "'dave' has a key already"),
    (lambda pool: pool.add_user("eve", pool.key_of("dave")), ValueError, "'dave' has this key already"),
    (lambda pool: pool.add_user("eve", ""), ValueError, "printable"),
    (lambda pool: pool.add_user("eve", "two words"), ValueError, "printable"),
    (lambda pool: pool.add_user("eve", "tab\t"), ValueError, "printable"),
    (lambda pool: pool.add_user("eve", "ké"), ValueError, "printable"),
    (lambda pool: pool.add_user("eve", workers=-1), ValueError, "workers"),
    (lambda pool: pool.key_of("100%pool"), LookupError, "'100%pool' has no key; add_user"),
    (lambda pool: pool.client(user="eve"), LookupError, "'eve' has no key; add_user"),
    (lambda pool: pool.add_worker("eve", "rig1"), LookupError, "no user 'eve'; add_user"),
    (lambda pool: pool.add_worker("dave", "rig1"), ValueError, "'dave' has a worker 'rig1' already"),
    (lambda pool: pool.remove_worker("dave", "x"), LookupError, "no worker 'x'; its workers: 'rig1', 'rig2'"),
    (lambda pool: pool.set_worker_alive("eve", "x", alive=True), LookupError, "no user 'eve'"),
    (lambda pool: pool.find_block("LTC"), ValueError, "mines no 'LTC'; it mines BTC, NMC"),
    (lambda pool: pool.orphan(7), LookupError, "no block 7; find_block"),
    (lambda pool: pool.withdraw_block(7), LookupError, "no block 7; find_block"),
]


@pytest.mark.parametrize(
    ("make", "error", "match"),
    [
        (lambda: LocalPool(speed=-1), ValueError, "speed"),
        (lambda: LocalPool(speed=float("nan")), ValueError, "speed"),
        (lambda: LocalPool(speed="fast"), TypeError, "not"),  # type: ignore[arg-type]  # on purpose
        (lambda: LocalPool(history=timedelta(0)), ValueError, "history"),
        (lambda: LocalPool(history=30), TypeError, "not"),  # type: ignore[arg-type]  # on purpose
        (lambda: LocalPool(history=timedelta(days=2000)), ValueError, "begin before 2011-01-03"),
        (lambda: LocalPool(now=datetime(2014, 3, 1)), ValueError, "aware"),  # noqa: DTZ001  # the wrong kind
        (lambda: LocalPool(limit=0), ValueError, "limit"),
    ],
)
def test_bad_arguments_are_refused(make: Callable[[], LocalPool], error: type[Exception], match: str) -> None:
    """A pool that cannot be is refused, with the argument's name."""
    with pytest.raises(error, match=match):
        make()


@pytest.mark.parametrize(("call", "error", "match"), IMPOSSIBLE)
def test_what_cannot_be_done_is_refused(
    pool: LocalPool, call: Callable[[LocalPool], object], error: type[Exception], match: str
) -> None:
    """A call that cannot be carried out says what is wrong and what to do, and changes nothing."""
    before = ask(pool, "pool/round", "pool/blocks", "users")
    with pytest.raises(error, match=match):
        call(pool)
    assert ask(pool, "pool/round", "pool/blocks", "users") == before
