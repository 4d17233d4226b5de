"""The pytest plugin as the author of a bot uses it, in strict mode; the README has a test in auto mode."""

import pytest

pytest_plugins = ["pytester"]

_TESTS = """
    import pytest

    @pytest.mark.asyncio
    async def test_tells_of_an_idle_worker(client, local_pool):
        local_pool.set_worker_alive("demo", "rig1", alive=False)
        user = await client.users.get()
        assert [worker.name for worker in user.idle_workers] == ["rig1"]
        assert local_pool.requests[-1].path == "/api/users"

    @pytest.mark.parametrize("turn", [1, 2])
    def test_moves_the_world(local_pool, turn):
        assert local_pool.requests == ()
        before = local_pool.now
        local_pool.advance(60)
        assert (local_pool.now - before).total_seconds() == 60
        assert before.hour == 12
"""


def test_the_fixtures_serve_a_bots_tests(pytester: pytest.Pytester) -> None:
    """A bot's tests pass in strict mode with nothing imported, and what one does to its pool the next does not see."""
    pytester.makepyfile(_TESTS)
    options = ("-W", "error", "-o", "asyncio_mode=strict", "-o", "asyncio_default_fixture_loop_scope=function")
    pytester.runpytest_subprocess(*options).assert_outcomes(passed=3)
