"""A budget shared by real processes: some die, some are stopped, Redis restarts; no promise is broken."""

import os
import signal
from pathlib import Path

import pytest

from tests.support.fleet import POOL, Fleet, budget_of
from tests.support.redis import RedisServer, needs_redis

pytestmark = [pytest.mark.socket, needs_redis]


@pytest.fixture
def log(tmp_path: Path) -> str:
    """Where the processes write what they do."""
    return str(tmp_path / "log")


@pytest.fixture(autouse=True)
def _known(server: RedisServer) -> None:
    server.know(budget_of(server.url, origin=POOL))


def test_spacing_order_and_one_in_the_air(server: RedisServer, log: str) -> None:
    """Processes together keep what one would keep alone, and none is left out."""
    with Fleet(server.url, log, processes=4, tasks=3, rounds=2, interval=0.03, held=0.005) as fleet:
        fleet.join()
        assert len(fleet.events("served")) == len(fleet.events("left")) == 24
        assert min(fleet.gaps()) > 0.0299
        assert fleet.most_in_the_air() == 1


def test_the_same_question_of_all_is_one_request(server: RedisServer, log: str) -> None:
    """However many tasks of however many processes ask the same, the pool is asked once."""
    with Fleet(server.url, log, processes=8, tasks=50, max_age=60.0, same=True, held=0.05) as fleet:
        fleet.join()
        assert len(fleet.events("served")) == 400
        assert len(fleet.events("left")) == 1


def test_a_holder_that_is_killed(server: RedisServer, log: str) -> None:
    """The others go on when its lease is over, and not before."""
    fleet = Fleet(server.url, log, rounds=2, interval=0.02, timeout=0.2, margin=0.2)
    fleet.anchor.touch()
    with fleet:
        (first, *_) = fleet.wait_for("left")
        os.kill(first.pid, signal.SIGKILL)
        fleet.anchor.unlink()
        fleet.join()
        (wanted,) = (event for event in fleet.events("wanted") if event.question == first.question)
        left = fleet.events("left")
        assert len(left) == 1 + len(fleet.events("served")) == 5
        assert left[1].at - wanted.at > 0.4 + 0.0199


def test_a_holder_that_is_stopped_does_not_send_when_it_goes_on(server: RedisServer, log: str) -> None:
    """It is passed over after its lease, and waits for a turn anew: never are two in the air."""
    fleet = Fleet(server.url, log, rounds=3, interval=0.02, timeout=0.3, margin=0.2, held=0.01)
    fleet.brake.touch()
    with fleet:
        (first, *_) = fleet.wait_for("turn")
        os.kill(first.pid, signal.SIGSTOP)
        fleet.brake.unlink()
        fleet.wait_for("served", 6)
        os.kill(first.pid, signal.SIGCONT)
        fleet.join()
        assert len(fleet.events("served")) == len(fleet.events("left")) == 9
        assert [event.question for event in fleet.events("turn")].count(first.question) > 1
        assert min(fleet.gaps()) > 0.0199
        assert fleet.most_in_the_air() == 1


def test_redis_is_killed_and_restarts_empty(server: RedisServer, log: str) -> None:
    """While it is away calls fail; then a lease and the interval pass; all along, no two requests are too close."""
    with Fleet(server.url, log, tasks=2, rounds=5, interval=0.04, timeout=0.2, margin=0.2, held=0.01) as fleet:
        fleet.wait_for("left", 5)
        server.kill()
        fleet.wait_for("BudgetUnreachable")
        before = len(fleet.events("left"))
        server.start()
        fleet.join()
        assert min(fleet.gaps()) > 0.0399
        assert fleet.most_in_the_air() == 1
        assert before >= 5
