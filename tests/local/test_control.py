"""The control face of a served pool: what it takes, what it refuses, and from whom."""

import asyncio
import json
from typing import Any

import httpx
import pytest

from bitminter_async.local import LocalPool
from bitminter_async.local.__main__ import main
from bitminter_async.local._server.control import COMMANDS, Control
from tests.support.pools import KEY, ask, ask_user

JSON = {"content-type": "application/json"}


async def send(pool: LocalPool, method: str, path: str, **options: Any) -> httpx.Response:
    """Send one request to the pool with its control face."""
    transport = httpx.ASGITransport(Control(pool.app, pool, pool._keys))
    async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8420") as http:
        return await http.request(method, path, **options)


def command(pool: LocalPool, name: str, /, **arguments: Any) -> Any:
    """Send a command, which must succeed, and return its result."""
    response = asyncio.run(send(pool, "POST", f"/control/{name}", json=arguments))
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "application/json"
    answer = response.json()
    assert answer.keys() == {"result"}
    return answer["result"]


def status_of(pool: LocalPool, path: str = "/api/pool/users") -> int:
    """Return the status of the pool's answer to a question."""
    return asyncio.run(send(pool, "GET", path)).status_code


def test_commands_move_the_world(pool: LocalPool) -> None:
    """Each command does what the pool's method of that name does, and is no request that the operator sees."""
    before = pool.now
    assert command(pool, "advance", seconds=90.5) is None
    assert (pool.now - before).total_seconds() == 90.5
    first, second = command(pool, "find_block"), command(pool, "find_block", commodity="NMC")
    command(pool, "orphan", block_id=first)
    (blocks,) = ask(pool, "pool/blocks?max=2")
    assert [(block["id"], block["chain"]) for block in blocks] == [(second, "NMC"), (first, "BTC")]
    assert blocks[1]["status"] == "orphan"
    command(pool, "withdraw_block", block_id=second)
    assert ask(pool, "pool/blocks?max=1")[0][0]["id"] == first
    command(pool, "set_worker_alive", user="dave", worker="rig1", alive=False)
    command(pool, "add_worker", user="dave", worker="spare", alive=False)
    command(pool, "remove_worker", user="dave", worker="rig2")
    assert [(worker["name"], worker["alive"]) for worker in ask_user(pool)["workers"]] == [
        ("rig1", False), ("spare", False),
    ]  # fmt: skip
    assert command(pool, "add_user", name="eve", key="EVESKEY1") == "EVESKEY1" == pool.key_of("eve")
    assert len(command(pool, "add_user", name="mallory", permission=False, workers=0)) == 32
    assert {request.path for request in pool.requests} == {"/api/pool/blocks", "/api/users/dave"}


def test_commands_break_answers(pool: LocalPool) -> None:
    """Answers fail with the status, headers and body told, as often and where told; others do not; late ones come."""
    command(pool, "fail_next", status=503, times=2, path="/api/pool", headers={"Retry-After": "5"}, body="later")
    failed = asyncio.run(send(pool, "GET", "/api/pool/users"))
    assert (failed.status_code, failed.headers["retry-after"], failed.text) == (503, "5", "later")
    assert [status_of(pool, "/api/users"), status_of(pool), status_of(pool)] == [401, 503, 200]
    command(pool, "fail_next")
    assert [status_of(pool), status_of(pool)] == [500, 200]

    async def wait() -> float:
        begun = asyncio.get_running_loop().time()
        assert (await send(pool, "GET", "/api/pool/users")).status_code == 200
        return asyncio.get_running_loop().time() - begun

    command(pool, "slow_next", seconds=0.01)
    assert asyncio.run(wait()) >= 0.01


def test_a_block_is_lifted() -> None:
    """Who asks too often is blocked, and may ask again once the blocks are lifted, as often as before."""
    pool = LocalPool(limit=2)
    assert [status_of(pool) for _ in range(3)] == [200, 200, 403]
    command(pool, "lift_blocks")
    assert [status_of(pool) for _ in range(3)] == [200, 200, 403]


def test_it_tells_what_the_operator_saw_without_a_key(pool: LocalPool) -> None:
    """The latest requests come in order of arrival, with *** wherever a key of the pool's stood."""
    asyncio.run(
        send(pool, "GET", f"/api/users/{KEY}", params={KEY: f"x{KEY}", "key": KEY}, headers={"user-agent": KEY})
    )
    asyncio.run(send(pool, "GET", "/api/pool/stats", headers={"user-agent": "bot/1"}))
    first, last = command(pool, "requests")
    assert {**first, "at": 0} == {
        "at": 0, "method": "GET", "path": "/api/users/***", "params": {"***": "x***"}, "key_in": "query",
        "user_agent": "***", "client": "127.0.0.1", "in_flight": 0, "status": 404,
    }  # fmt: skip
    assert last["user_agent"] == "bot/1"
    assert command(pool, "requests", last=1) == [last]
    assert command(pool, "requests", last=0) == []
    transport = httpx.ASGITransport(pool.app, client=("10.0.0.1", 5))

    async def without_agent() -> None:
        async with httpx.AsyncClient(transport=transport, base_url="http://pool") as http:
            del http.headers["user-agent"]
            await http.get("/api/pool/users")

    asyncio.run(without_agent())
    assert command(pool, "requests", last=1)[0]["user_agent"] is None


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        ("advance", "", "missing required field `seconds`"),
        ("advance", "{", "truncated"),
        ("advance", "[]", "Expected `object`, got `array`"),
        ("advance", '{"seconds": "60"}', "Expected `float`, got `str` - at `$.seconds`"),
        ("advance", '{"seconds": -1}', "time must be a number of at least 0, not -1"),
        ("advance", '{"seconds": 1e300}', "time must not lead beyond the year 9000"),
        ("advance", '{"seconds": 1, "minutes": 1}', "unknown field `minutes`"),
        ("set_worker_alive", '{"user": "dave", "worker": "rig9", "alive": true}', "no worker 'rig9'"),
        ("set_worker_alive", '{"user": "dave", "worker": "rig1", "alive": 1}', "at `$.alive`"),
        ("orphan", '{"block_id": 7}', "has found no block 7"),
        ("find_block", '{"commodity": "LTC"}', "it mines BTC, NMC"),
        ("add_user", '{"name": "x", "workers": 1000000}', "at `$.workers`"),
        ("fail_next", '{"status": 99}', "at `$.status`"),
        ("fail_next", '{"headers": {"x": "矿工"}}', "can't encode"),
        ("fail_next", '{"headers": {"x\\r\\ny": "z"}}', "headers has a name that none can have: 'x\\r\\ny'"),
        ("fail_next", '{"headers": {"": "z"}}', "headers has a name that none can have: ''"),
        ("fail_next", '{"headers": {"x": "z\\r\\ny: z"}}', "headers has a value that none can have: 'z\\r\\ny: z'"),
        ("fail_next", '{"headers": {"x": " z"}}', "headers has a value that none can have: ' z'"),
        ("fail_next", '{"status": 204, "body": "x"}', "body must be empty with status 204"),
        ("requests", '{"last": -1}', "at `$.last`"),
    ],
)
def test_a_bad_command_is_named(pool: LocalPool, name: str, body: str, said: str) -> None:
    """A command that cannot be carried out is answered 400 with what is wrong with it, and changes nothing."""
    before = ask(pool, "pool/round", "pool/blocks", "users")
    answer = asyncio.run(send(pool, "POST", f"/control/{name}", content=body, headers=JSON))
    assert answer.status_code == 400
    assert said in answer.json()["error"]
    assert ask(pool, "pool/round", "pool/blocks", "users") == before


@pytest.mark.parametrize(
    ("asked", "headers", "status", "said"),
    [
        ("POST /control/advance", {**JSON, "host": "evil.example"}, 403, "Host"),
        ("POST /control/advance", {**JSON, "host": "127.0.0.1.evil.example:8420"}, 403, "Host"),
        ("POST /control/advance", {**JSON, "host": ""}, 403, "Host"),
        ("POST /control/advance", {**JSON, "host": "[::1"}, 403, "Host"),
        ("POST /control/advance", {}, 415, "application/json"),
        ("POST /control/advance", {"content-type": "text/plain"}, 415, "application/json"),
        ("POST /control/advance", {"content-type": "application/x-www-form-urlencoded"}, 415, "application/json"),
        ("GET /control/advance", JSON, 405, "not GET"),
        ("OPTIONS /control/advance", {"origin": "http://evil.example"}, 405, "not OPTIONS"),
        ("POST /control/now", JSON, 404, "no command 'now'; there are advance, "),
        ("POST /control/__class__", JSON, 404, "no command"),
    ],
)
def test_what_a_web_page_could_send_is_refused(
    pool: LocalPool, asked: str, headers: dict[str, str], status: int, said: str
) -> None:
    """Another machine's name, a body not declared as JSON and another method than POST change nothing."""
    before = pool.now
    answer = asyncio.run(send(pool, *asked.split(), headers=headers, content=b'{"seconds": 60}'))
    assert answer.status_code == status
    assert said in answer.json()["error"]
    assert "access-control-allow-origin" not in answer.headers
    assert pool.now == before


def test_a_host_of_this_machine_is_taken_in_any_form(pool: LocalPool) -> None:
    """Loopback by name or address, with a port or without, and a charset behind the content type."""
    for host in ("localhost", "LOCALHOST:1", "127.9.9.9", "[::1]:8420"):
        headers = {"host": host, "content-type": "Application/JSON; charset=utf-8"}
        assert asyncio.run(send(pool, "POST", "/control/lift_blocks", headers=headers)).json() == {"result": None}


def test_a_command_has_a_bound(pool: LocalPool) -> None:
    """A body that goes on and on is not read to its end."""
    answer = asyncio.run(send(pool, "POST", "/control/advance", headers=JSON, content=b" " * 1_000_001))
    assert answer.status_code == 413


def test_it_is_off_by_default_and_on_loopback_only(pool: LocalPool) -> None:
    """Without being asked for there is no such path; on another host than loopback it is refused."""

    async def post() -> int:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(pool.app), base_url="http://localhost") as http:
            return (await http.post("/control/lift_blocks", json={})).status_code

    assert asyncio.run(post()) in {404, 405}
    for host in ("0.0.0.0", "", "192.0.2.1", "pool.example"):  # noqa: S104  # refused
        with pytest.raises(ValueError, match="control is for this machine alone"):
            pool.serve(host=host, control=True)


@pytest.mark.socket
async def test_it_answers_raw_http_over_a_socket(pool: LocalPool) -> None:
    """A test in any language sends plain HTTP to the served pool, and reads the result."""
    async with pool.serve(control=True) as url:
        reader, writer = await asyncio.open_connection(httpx.URL(url).host, httpx.URL(url).port)
        body = b'{"commodity": "NMC"}'
        writer.write(
            b"POST /control/find_block HTTP/1.1\r\nHost: %b\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\nConnection: close\r\n\r\n%b" % (httpx.URL(url).netloc, len(body), body)
        )
        head, _, answer = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        await writer.wait_closed()
        assert head.startswith(b"HTTP/1.1 200 ")
        async with pool.client() as client:
            (block,) = await client.pool.blocks(max=1)
    assert json.loads(answer) == {"result": block.id}
    assert block.chain == "NMC"


def test_the_command_line_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` lists each command with its arguments; `--control` beside a foreign `--host` is a usage error."""
    with pytest.raises(SystemExit):
        main(["--help"])
    told = dict(
        line.split(maxsplit=1) for line in capsys.readouterr().out.splitlines() if line.startswith("  /control/")
    )
    assert set(told) == {f"/control/{name}" for name in COMMANDS}
    for name, kind in COMMANDS.items():
        for field in kind.__struct_encode_fields__:
            assert f'"{field}"' in told[f"/control/{name}"] or name == "fail_next"
    with pytest.raises(SystemExit) as ended:
        main(["--control", "--host", "0.0.0.0"])  # noqa: S104  # refused
    assert ended.value.code == 2
    assert "control is for this machine alone" in capsys.readouterr().err
