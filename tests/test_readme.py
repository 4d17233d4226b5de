"""Every snippet of the README does what the README says, and CONTRIBUTING shows the way through what is there."""

import ast
import asyncio
import inspect
import re
import shlex
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

import bitminter_async
from bitminter_async.local import LocalPool

pytest_plugins = ["pytester"]

_ROOT = Path(__file__).parent.parent
_README = (_ROOT / "README.md").read_text(encoding="utf-8")
_PYTHON = re.findall(r"^```python\n(.*?)^```", _README, re.MULTILINE | re.DOTALL)
_SHELL = re.findall(r"^```sh\n(.*?)^```", _README, re.MULTILINE | re.DOTALL)
_PROGRAMS = [code for code in _PYTHON if "def test_" not in code and "def pytest_" not in code]
_FOLDERS = ("endpoints", "_session", "_wire", "_decode", "_convert", "_lists", "watch", "cli")
_TESTS = [code for code in _PYTHON if "def test_" in code]
_CONFTEST = next(code for code in _PYTHON if "def pytest_" in code)


@pytest.mark.socket
@pytest.mark.parametrize("code", _PROGRAMS, ids=lambda code: str(_PROGRAMS.index(code)))
async def test_a_snippet_runs(code: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A snippet runs against a pool that the environment names, sends something, and prints something."""
    for library in re.findall(r"^(?:from|import) (fastapi|pandas|polars)", code, re.MULTILINE):
        pytest.importorskip(
            library
        )  # of the extra `check`: a snippet shows how records go there, where it is installed
    pool = LocalPool(speed=1.0, now=datetime.now(UTC))
    monkeypatch.setenv("BITMINTER_KEY", pool.add_user("demo"))
    pool.set_worker_alive("demo", "rig1", alive=False)
    # A snippet's pace is for real pools: here it need not take its time.
    monkeypatch.setitem(inspect.unwrap(bitminter_async.Client.__init__).__kwdefaults__ or {}, "interval", 0.0)
    printed = ""
    async with pool.serve() as url, asyncio.timeout(20):
        monkeypatch.setenv("BITMINTER_URL", url)
        program = compile(code, "README.md", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
        life = asyncio.create_task(eval(program, {}))  # noqa: S307  # the README is ours
        while not life.done() and not ("client.watch" in code and printed):  # a stream would go on for ever
            await asyncio.sleep(0.01)
            printed += capsys.readouterr().out
        if life.done():
            await life
        life.cancel()
        await asyncio.wait([life])
    assert pool.requests
    assert printed or "except" in code


def test_the_tests_for_bots_pass(pytester: pytest.Pytester) -> None:
    """The README's tests for bots pass as they stand, with its conftest."""
    assert _TESTS
    pytester.makeconftest(_CONFTEST)
    pytester.makepyfile("\n\n".join(_TESTS))
    options = ("-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function", "-W", "error")
    less = ("-p", "no:hypothesispytest")  # which takes as long as all the rest
    pytester.runpytest_subprocess(*options, *less).assert_outcomes(passed=len(_TESTS))


def test_the_first_two_commands_are_one_line_each() -> None:
    """A newcomer copies one line to see it run and one to run the tests."""
    run, tests = (block.strip() for block in _SHELL[:2])
    assert "\n" not in run
    assert "\n" not in tests
    assert run.endswith(".venv/bin/python examples/quickstart.py")
    assert ".venv/bin/python -m pytest -n auto " in tests


def test_the_command_that_serves_a_pool_serves_one() -> None:
    """The README's command for a pool on a socket prints its address and the user's key, and ends on Ctrl-C."""
    command = shlex.split(_SHELL[2])
    command[0] = sys.executable
    command[command.index("8420")] = "0"
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603  # the README is ours
        assert server.stdout
        lines = [server.stdout.readline() for _ in range(2)]
        server.send_signal(signal.SIGINT)
        assert server.wait(10) == 0
    assert "http://127.0.0.1:" in lines[0]
    assert "BOBSKEY" in lines[1]


@pytest.mark.socket
async def test_the_command_that_controls_a_pool_is_carried_out() -> None:
    """What the README has curl send is taken by a pool that is served with its control face."""
    words = shlex.split(_SHELL[3])
    name, _, value = words[words.index("-H") + 1].partition(": ")
    body, url = words[words.index("-d") + 1], words[-1]
    pool = LocalPool()
    before = pool.now
    async with pool.serve(control=True) as base_url, httpx.AsyncClient() as http:
        asked = url.replace("http://127.0.0.1:8420", base_url)
        assert (await http.post(asked, content=body, headers={name: value})).json() == {"result": None}
    assert pool.now - before == timedelta(hours=1)


def test_what_the_readme_names_exists() -> None:
    """Each public name in a snippet is exported, and each method that the text names is there."""
    for names in re.findall(r"from bitminter_async import (.*)", _README):
        assert set(names.split(", ")) <= set(bitminter_async.__all__)
    for method in re.findall(r"`(find_block|orphan|withdraw_block|add_worker|remove_worker)`", _README):
        assert callable(getattr(LocalPool, method))


def test_the_way_of_a_call_names_every_file_on_it() -> None:
    """CONTRIBUTING names each module of the folders that a call goes through, and no file that is not there."""
    text = (_ROOT / ".github" / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([\w/]+\.py)`", text))
    files = [path.relative_to(_ROOT).as_posix() for path in _ROOT.glob("[!.]*/**/*.py")]
    assert [name for name in named if not any(f"/{file}".endswith(f"/{name}") for file in files)] == []
    modules = {path.name for name in _FOLDERS for path in (_ROOT / "bitminter_async" / name).glob("*.py")}
    assert modules - {"__init__.py"} - {name.split("/")[-1] for name in named} == set()
