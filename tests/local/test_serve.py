"""The local pool on a real socket, in this process and as a command."""

import asyncio
import builtins
import logging
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from bitminter_async import Client
from bitminter_async.local import LocalPool
from bitminter_async.local.__main__ import main
from tests.support.pools import KEY

pytestmark = pytest.mark.socket
COMMAND = [sys.executable, "-u", "-m", "bitminter_async.local"]


@pytest.fixture
def handlers() -> Iterator[None]:
    """The process's signal handlers, put back after the command has set its own."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


async def ask_raw(url: str, request: str) -> bytes:
    """Return all that comes over a connection on which this request is sent."""
    reader, writer = await asyncio.open_connection(httpx.URL(url).host, httpx.URL(url).port)
    writer.write(request.encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    return answer


async def test_it_answers_over_a_socket(pool: LocalPool) -> None:
    """A plain HTTP client reads the pool at the URL given, over one connection kept alive, quoted names included."""
    pool.add_user("a/b")
    async with pool.serve() as url, httpx.AsyncClient(base_url=url) as http:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
        stats, hidden, user, missing = (
            await http.get("/api/pool/stats"),
            await http.get("/api/users"),
            await http.get("/api/users/a%2Fb/", params={"key": KEY}),
            await http.get("/api/users/a/b", params={"key": KEY}),
        )
        assert [answer.status_code for answer in (stats, hidden, user, missing)] == [200, 401, 200, 404]
        assert user.json()["name"] == "a/b"
        assert len({answer.extensions["network_stream"].get_extra_info("client_addr") for answer in (stats, user)}) == 1
    assert [request.client for request in pool.requests] == ["127.0.0.1"] * 4


@pytest.mark.parametrize("host", ["0.0.0.0", ""])  # noqa: S104  # for a moment, and what is told is invented
async def test_who_listens_everywhere_is_told_where_to_ask(pool: LocalPool, host: str) -> None:
    """A pool on every address of this machine gives one that can be asked, which a client takes for loopback."""
    async with pool.serve(host=host) as url:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+", url)
        async with Client(KEY, base_url=url) as client:
            assert (await client.users.get()).name == "dave"


async def test_it_leaves_nothing_behind(pool: LocalPool) -> None:
    """After serving, tasks, signal handlers and logging are as they were, and nobody listens."""

    def state() -> list[Any]:
        loggers = [logging.getLogger(name) for name in ("", "uvicorn", "uvicorn.error", "uvicorn.access")]
        return [
            asyncio.all_tasks(),
            [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
            [(logger.level, logger.handlers[:], logger.propagate, logger.filters[:]) for logger in loggers],
        ]

    before = state()
    async with pool.serve() as url, httpx.AsyncClient() as http:
        await http.get(f"{url}/api/pool/stats")
        assert state() == before
    assert state() == before
    async with httpx.AsyncClient() as http:
        with pytest.raises(httpx.ConnectError):
            await http.get(f"{url}/api/pool/stats")
    async with pool.serve(httpx.URL(url).port or 0) as again:
        assert again == url


async def test_it_ends_at_once_while_answers_are_due(pool: LocalPool, caplog: pytest.LogCaptureFixture) -> None:
    """Serving ends without waiting for late answers, whose connections are closed, and without a complaint."""
    pool.slow_next(600, times=3)
    async with pool.serve() as url:
        asked = [asyncio.ensure_future(ask_raw(url, "GET /api/pool/stats HTTP/1.1\r\nHost: x\r\n\r\n")) for _ in "abc"]
        while len(pool.requests) < 3:  # noqa: ASYNC110  # the pool has no event for it
            await asyncio.sleep(0.005)
    assert await asyncio.wait_for(asyncio.gather(*asked), 1) == [b"", b"", b""]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_an_answer_is_cut_in_its_middle(pool: LocalPool, caplog: pytest.LogCaptureFixture) -> None:
    """A cut answer has its head and half of its body, and then the connection ends; others go on."""
    async with pool.serve() as url, httpx.AsyncClient(base_url=url) as http:
        whole = await http.get("/api/pool/stats")
        pool.fail_next(cut=True)
        raw = await ask_raw(url, "GET /api/pool/stats HTTP/1.1\r\nHost: x\r\n\r\n")
        head, _, body = raw.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200")
        assert f"content-length: {len(whole.content)}".encode() in head
        assert body == whole.content[: len(whole.content) // 2]
        pool.fail_next(cut=True)
        with pytest.raises(httpx.RemoteProtocolError):
            await http.get("/api/pool/stats")
        assert (await http.get("/api/pool/stats")).json() == whole.json()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_no_log_holds_the_key(pool: LocalPool, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever is logged at any level while keys come in all three ways, none of it holds a key."""
    with caplog.at_level(1):
        async with pool.serve() as url:
            for target, header in (
                (f"/api/users?key={KEY}", ""),
                ("/api/users", f"Authorization: key={KEY}\r\n"),
                ("/api/users/nobody", f"Authorization: key={KEY}\r\n"),
            ):
                answer = await ask_raw(url, f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{header}\r\n")
                assert answer.startswith(b"HTTP/1.1 ")
    assert len(pool.requests) == 3
    assert KEY not in "".join(str(vars(record)) + record.getMessage() for record in caplog.records)


async def test_a_port_in_use_is_an_error(pool: LocalPool) -> None:
    """Serving on a port that is taken raises OSError, and leaves the first server alone."""
    async with pool.serve() as url, httpx.AsyncClient() as http:
        with pytest.raises(OSError, match="address already in use"):
            async with pool.serve(httpx.URL(url).port or 0):
                raise AssertionError
        assert (await http.get(f"{url}/api/pool/users")).status_code == 200


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_until_it_is_told_to_stop(number: signal.Signals) -> None:
    """It prints its address and the users' keys, answers as told, and ends on a signal with 0 and no complaint."""
    options = [
        "--port",
        "0",
        "--seed",
        "3",
        "--latency",
        "0.01",
        "--limit",
        "9",
        "--user",
        f"dave:{KEY}",
        "--user",
        "é",
    ]
    environment = {**os.environ, "PYTHONIOENCODING": "utf-8"}
    with subprocess.Popen(  # noqa: S603  # this interpreter, this package
        [*COMMAND, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8",
        env=environment,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(5)]
        match = re.search(r"listens on (http://127\.0\.0\.1:\d+)$", lines[0])
        assert match
        assert KEY in lines[1]
        assert re.search(r"'é', key [A-Z0-9]{32}$", lines[2])
        assert f"export BITMINTER_URL={match[1]} BITMINTER_KEY={KEY}\n" in lines[3]
        with httpx.Client(base_url=match[1]) as http:
            user = http.get("/api/users", params={"key": KEY}).json()
            assert user["name"] == "dave"
            assert user["shift"]["accepted"] > 0
            assert [http.get("/api/pool/users").status_code for _ in range(9)] == [200] * 8 + [403]
        process.send_signal(number)
        out, err = process.communicate(timeout=5)
    assert (process.returncode, out, err) == (0, "", "127.0.0.1 is blocked: more than 9 requests within a minute\n")


@pytest.mark.usefixtures("handlers")
def test_the_command_gives_a_demo_user_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without `--user` there is a user demo with a made-up key; `--limit 0` blocks nobody; `--control` is told of."""
    printed: list[str] = []

    def print_and_interrupt(text: str, **_: object) -> None:
        printed.append(text)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(builtins, "print", print_and_interrupt)
    assert main(["--port", "0", "--limit", "0", "--control"]) == 0
    assert re.search(r"to control it: POST http://127.0.0.1:\d+/control/COMMAND, see --help$", printed[0], re.MULTILINE)
    assert re.search(r"'demo', key [A-Z0-9]{32}$", printed[0], re.MULTILINE)


@pytest.mark.usefixtures("handlers")
def test_the_command_says_what_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    """A port in use is told in one line with code 1, a bad argument with the usage and code 2, both on stderr."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["--port", str(taken.getsockname()[1])]) == 1
    assert re.fullmatch(r"python -m bitminter_async.local: .*address already in use\n", capsys.readouterr().err)
    for arguments in (["--speed", "-1"], ["--port", "x"], ["--user", "dave:"], ["--limit", "-1"]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2
        assert "error: " in capsys.readouterr().err


def test_the_command_says_what_to_install(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra's packages it says in one line how to install them, with code 1."""
    for name in [name for name in sys.modules if name.startswith(("bitminter_async.local.", "starlette"))]:
        if name != "bitminter_async.local.__main__":
            monkeypatch.delitem(sys.modules, name)
    original = builtins.__import__

    def without_starlette(name: str, *rest: Any) -> Any:
        if name.startswith("starlette"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return original(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_starlette)
    assert main([]) == 1
    assert re.search(r"^python -m .*pip install 'bitminter-async\[local\]'\n$", capsys.readouterr().err)
