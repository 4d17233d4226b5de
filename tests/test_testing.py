"""The pytest plugin, as the author of a bot uses it."""

import pytest

pytest_plugins = ["pytester"]

_BOT_TEST = """
    {mark}
    async def test_tells_of_an_idle_worker(client, local_pool):
        local_pool.set_worker_alive("demo", "rig1", alive=False)
        user = await client.users.get()
        assert [worker.name for worker in user.idle_workers] == ["rig1"]
        assert local_pool.requests[-1].path == "/api/users"
"""


@pytest.mark.parametrize(
    ("mode", "mark"),
    [("auto", ""), ("strict", "import pytest\n    @pytest.mark.asyncio")],
    ids=["auto", "strict"],
)
def test_the_fixtures_serve_a_bots_test(pytester: pytest.Pytester, mode: str, mark: str) -> None:
    """A bot's test of three lines passes in either mode of pytest-asyncio, with nothing imported or configured."""
    pytester.makepyfile(_BOT_TEST.format(mark=mark))
    result = pytester.runpytest_subprocess(
        "-W", "error", "-o", "asyncio_default_fixture_loop_scope=function", "-o", f"asyncio_mode={mode}"
    )
    result.assert_outcomes(passed=1)


def test_each_test_has_a_pool_of_its_own(pytester: pytest.Pytester) -> None:
    """What one test does to its pool, the next does not see."""
    pytester.makepyfile("""
        import pytest

        @pytest.mark.parametrize("turn", [1, 2])
        def test_moves_the_world(local_pool, turn):
            assert local_pool.requests == ()
            before = local_pool.now
            local_pool.advance(60)
            assert (local_pool.now - before).total_seconds() == 60
            assert before.hour == 12
    """)
    pytester.runpytest_subprocess().assert_outcomes(passed=2)
