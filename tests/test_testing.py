"""The pytest plugin as the author of a bot uses it, in strict mode; the README has a test in auto mode."""

import pytest

pytest_plugins = ["pytester"]

_TESTS = """
    import pytest

    @pytest.mark.asyncio
    async def test_tells_of_an_idle_worker(bitminter_client, bitminter_pool):
        bitminter_pool.set_worker_alive("demo", "rig1", alive=False)
        user = await bitminter_client.users.get()
        assert [worker.name for worker in user.idle_workers] == ["rig1"]
        assert bitminter_pool.requests[-1].path == "/api/users"

    @pytest.mark.parametrize("turn", [1, 2])
    def test_moves_the_world(bitminter_pool, turn):
        assert bitminter_pool.requests == ()
        before = bitminter_pool.now
        bitminter_pool.advance(60)
        assert (bitminter_pool.now - before).total_seconds() == 60
        assert before.hour == 12
"""


def _run(pytester: pytest.Pytester) -> pytest.RunResult:
    options = ("-W", "error", "-o", "asyncio_mode=strict", "-o", "asyncio_default_fixture_loop_scope=function")
    return pytester.runpytest_subprocess(*options)


def test_the_fixtures_serve_a_bots_tests(pytester: pytest.Pytester) -> None:
    """A bot's tests pass in strict mode with nothing imported, and what one does to its pool the next does not see."""
    pytester.makepyfile(_TESTS)
    _run(pytester).assert_outcomes(passed=3)


def test_the_fixtures_take_no_name_of_another_plugins(pytester: pytest.Pytester) -> None:
    """Beside an installed plugin with a fixture `client`, as web frameworks have, each test gets what it asks for."""
    pytester.makepyfile(
        web_plugin="""
            import pytest

            @pytest.fixture
            def client():
                return "the web framework's"
        """,
        test_site="""
            def test_site(client):
                assert client == "the web framework's"
        """,
        test_bot="""
            import pytest

            @pytest.mark.asyncio
            async def test_bot(client, bitminter_client, bitminter_pool):
                await bitminter_client.users.get()
                assert [request.path for request in bitminter_pool.requests] == ["/api/users"]
                assert client == "the web framework's"
        """,
    )
    # What an installer leaves: pytest finds plugins by it. Those first on the path are loaded first, and the last wins.
    installed = pytester.mkdir("web_plugin-1.0.dist-info")
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: web_plugin\nVersion: 1.0\n", encoding="utf-8")
    (installed / "entry_points.txt").write_text("[pytest11]\nweb = web_plugin\n", encoding="utf-8")
    _run(pytester).assert_outcomes(passed=2)
