"""The pytest plugin as the author of a bot uses it, in strict mode, in auto mode, and by anyio."""

from textwrap import dedent

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


def _run(pytester: pytest.Pytester, mode: str = "strict") -> pytest.RunResult:
    options = ("-W", "error", "-o", f"asyncio_mode={mode}", "-o", "asyncio_default_fixture_loop_scope=function")
    return pytester.runpytest_subprocess(*options, "-p", "no:hypothesispytest")  # takes as long as all the rest


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


_LIVES_LONG = """
    async def test_a_day_is_short(bitminter_client, bitminter_pool):
        begun = asyncio.get_running_loop().time()
        bitminter_pool.fail_next(403)
        assert await anext(bitminter_client.watch.stats(every=60))  # after the block
        assert [request.status for request in bitminter_pool.requests] == [403, 200]
        assert asyncio.get_running_loop().time() - begun >= 900
        await asyncio.sleep(86_400)
"""


@pytest.mark.parametrize(("mode", "mark"), [("auto", ""), ("strict", "@pytest.mark.asyncio")])
def test_a_bot_lives_a_day_under_pytest_asyncio(pytester: pytest.Pytester, mode: str, mark: str) -> None:
    """With three lines in its conftest, a bot's test sleeps through a block and a day, in either mode."""
    pytester.makeconftest("""
        from bitminter_async.testing import AutojumpLoop

        def pytest_asyncio_loop_factories(config, item):
            return {"autojump": AutojumpLoop}
    """)
    pytester.makepyfile("import asyncio\nimport pytest\n\n" + mark + dedent(_LIVES_LONG))
    _run(pytester, mode).assert_outcomes(passed=1)


def test_a_bot_lives_a_day_under_anyio(pytester: pytest.Pytester) -> None:
    """With the loop as an option of anyio's backend, the same test passes under anyio's plugin."""
    pytester.makeconftest("""
        import pytest
        from bitminter_async.testing import AutojumpLoop

        @pytest.fixture
        def anyio_backend():
            return "asyncio", {"loop_factory": AutojumpLoop}
    """)
    pytester.makepyfile("import asyncio\nimport pytest\n\npytestmark = pytest.mark.anyio\n" + dedent(_LIVES_LONG))
    _run(pytester).assert_outcomes(passed=1)
