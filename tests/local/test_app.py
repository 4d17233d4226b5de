"""The local pool's HTTP interface: paths, parameters, keys and status codes, as strict as the API's documentation."""

import base64
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
import pytest_asyncio

from bitminter_async.local import LocalPool
from tests.support.pools import KEY, make_pool

PUBLIC = [f"pool/{name}" for name in ("stats", "hashrate", "workers", "users", "round", "blocks", "shifts", "top50")]
AWKWARD = ["a/b", "50%2F", "Ada Lovelace", "矿工", "?&=#+", "...", "users", "a\\b;c"]


@pytest.fixture(scope="module")
def pool() -> LocalPool:
    """A pool that dave mines in."""
    return make_pool(days=3)


@pytest_asyncio.fixture
async def http(pool: LocalPool) -> AsyncIterator[httpx.AsyncClient]:
    """A plain HTTP client of the pool."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(pool.app), base_url="http://pool/api/") as http:
        yield http


def basic(credentials: str) -> dict[str, str]:
    """Return the header of HTTP's basic authentication."""
    return {"Authorization": f"Basic {base64.b64encode(credentials.encode()).decode()}"}


@pytest.mark.parametrize("path", [*PUBLIC, "users", "users/dave"])
async def test_all_ten_endpoints_answer_json_to_get_and_head(http: httpx.AsyncClient, path: str) -> None:
    """Each endpoint answers GET with JSON and HEAD without a body, with and without a trailing slash."""
    http.headers["Authorization"] = f"key={KEY}"
    answers = [await http.get(path), await http.get(f"{path}/"), await http.head(path)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert {answer.headers["content-type"] for answer in answers} == {"application/json"}
    assert answers[0].json() == answers[1].json()
    assert answers[2].content == b""
    assert answers[2].headers["content-length"] == answers[0].headers["content-length"]


@pytest.mark.parametrize("path", [*PUBLIC, "users"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_other_methods_are_refused(http: httpx.AsyncClient, path: str, method: str) -> None:
    """Anything but GET and HEAD is 405, without JSON."""
    answer = await http.request(method, path)
    assert answer.status_code == 405
    assert not answer.headers["content-type"].startswith("application/json")


@pytest.mark.parametrize(
    "path", ["", "pool", "pool/", "pool/nothing", "pool/stats/x", "pool//stats", "pool/stats//", "Pool/stats",
             "pool/blocks/x", "/pool/stats", "/", "users/dave/x", "users//", "../", "pool%2Fstats"]
)  # fmt: skip
async def test_unknown_paths_are_not_found(http: httpx.AsyncClient, path: str) -> None:
    """Any other path is 404, without JSON."""
    answer = await http.get(httpx.URL(f"http://pool/api/{path}"), headers={"Authorization": f"key={KEY}"})
    assert answer.status_code == 404
    assert not answer.headers["content-type"].startswith("application/json")


@pytest.mark.parametrize("kind", ["blocks", "shifts"])
async def test_pages_are_slices_of_one_list(http: httpx.AsyncClient, kind: str) -> None:
    """`max` and `offset` cut the list, newest first: ten from the top by default, nothing past the end."""

    async def page(**params: int) -> list[Any]:
        answer = await http.get(f"pool/{kind}", params=params)
        assert answer.status_code == 200
        records: list[Any] = answer.json()
        return records

    records = [*await page(max=50), *await page(max=50, offset=50)]
    assert [record["id"] for record in records] == sorted({record["id"] for record in records}, reverse=True)
    assert await page() == records[:10]
    assert await page(max=1) == records[:1]
    assert await page(max=7, offset=5) == records[5:12]
    (last,) = await page(max=1, offset=len(records) - 1)
    assert last == records[-1]
    if len(records) < 100:
        assert await page(max=50, offset=len(records) - 3) == records[-3:]
        assert await page(offset=len(records)) == []
    assert await page(offset=10**17) == []


@pytest.mark.parametrize("kind", ["blocks", "shifts"])
@pytest.mark.parametrize(
    "query",
    ["max=0", "max=51", "max=-1", "max=", "max=x", "max=5.0", "max=1e1", "max=1_0", "max=%205", "max=5%20", "max=+5",
     "max=%2B5", "max=0x5", "max=%D9%A5", "max=5&max=5", "max=5%0A", "max=" + "1" * 5000, "offset=-1", "offset=",
     "offset=x", "offset=1.0", "offset=1_0", "offset=%D9%A5", "offset=1&offset=2", "max=5&offset=-0"]
)  # fmt: skip
async def test_bad_parameters_are_refused(http: httpx.AsyncClient, kind: str, query: str) -> None:
    """Anything but one whole number in its range, in plain digits, is 400, without JSON."""
    answer = await http.get(f"pool/{kind}?{query}")
    assert answer.status_code == 400
    assert not answer.headers["content-type"].startswith("application/json")


async def test_commodities_select_blocks(http: httpx.AsyncClient) -> None:
    """`commodity` selects one chain's blocks; one that no chain has gives none; given twice or empty it is 400."""
    blocks = (await http.get("pool/blocks?max=50")).json()
    for commodity in ("BTC", "NMC"):
        mined = (await http.get(f"pool/blocks?max=50&commodity={commodity}")).json()
        assert {block["chain"] for block in mined} == {commodity}
        expected = [block for block in blocks if block["chain"] == commodity]
        assert mined[: len(expected)] == expected
    for commodity in ("LTC", "btc", "B"):
        assert (await http.get(f"pool/blocks?commodity={commodity}")).json() == []
    for query in ("commodity=", "commodity=BTC&commodity=NMC"):
        assert (await http.get(f"pool/blocks?{query}")).status_code == 400


async def test_unknown_parameters_are_ignored(http: httpx.AsyncClient) -> None:
    """A parameter that an endpoint does not have changes nothing."""
    for path in (*PUBLIC, "pool/shifts?commodity=BTC", "pool/stats?max=0", "pool/blocks?Max=0&x=1&x=2&y="):
        assert (await http.get(path)).json() == (await http.get(path.partition("?")[0])).json()


@pytest.mark.parametrize(
    ("headers", "query"),
    [({"Authorization": f"key={KEY}"}, ""), (basic(f"key:{KEY}"), ""), ({}, f"?key={KEY}")],
    ids=["header", "basic", "query"],
)
async def test_a_key_may_come_in_three_ways(http: httpx.AsyncClient, headers: dict[str, str], query: str) -> None:
    """The key opens its owner's data and every other user's, in each of the three ways, after a slash, too."""
    for path, name in (("users", "dave"), ("users/", "dave"), ("users/dave", "dave"), ("users/100%25pool", "100%pool")):
        answer = await http.get(path + query, headers=headers)
        assert answer.status_code == 200
        assert answer.json()["name"] == name


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({}, ""),
        ({}, "?key="),
        ({}, f"?key={KEY[:-1]}"),
        ({}, f"?key={KEY.lower()}"),
        ({}, f"?key={KEY}&key={KEY}"),
        ({}, "?key=%E2%82%AC"),
        ({"Authorization": ""}, ""),
        ({"Authorization": ""}, f"?key={KEY}"),
        ({"Authorization": KEY}, ""),
        ({"Authorization": f"key= {KEY}"}, ""),
        ({"Authorization": f"key={KEY}x"}, ""),
        ({"Authorization": "key=ABC\xff"}, ""),
        ({"Authorization": f"Bearer {KEY}"}, ""),
        ({"Authorization": "Basic"}, ""),
        ({"Authorization": f"Basic {KEY}"}, ""),
        ({"Authorization": "Basic a"}, ""),
        ({"Authorization": "Basic /////w=="}, ""),
        (basic(KEY), ""),
        (basic(f"dave:{KEY}"), ""),
        (basic(f"key:{KEY}:"), ""),
    ],
)
async def test_a_wrong_key_is_unauthorized(http: httpx.AsyncClient, headers: dict[str, str], query: str) -> None:
    """A key that is missing, wrong or malformed is 401, for known and unknown users alike, without JSON."""
    raw = {name.encode(): value.encode("latin-1") for name, value in headers.items()}
    for path in ("users", "users/dave", "users/nobody"):
        answer = await http.get(f"{path}{query}", headers=raw)
        assert answer.status_code == 401
        assert KEY not in answer.text
        assert not answer.headers["content-type"].startswith("application/json")


async def test_a_key_without_permission_is_forbidden(pool: LocalPool, http: httpx.AsyncClient) -> None:
    """A key that may not read "Balance and worker summary" is 403 for its owner and for everyone else."""
    key = pool.add_user("eve", permission=False)
    for path in ("users", "users/eve", "users/dave", "users/nobody"):
        answer = await http.get(path, headers={"Authorization": f"key={key}"})
        assert answer.status_code == 403
        assert not answer.headers["content-type"].startswith("application/json")
    assert (await http.get("pool/stats", headers={"Authorization": f"key={key}"})).status_code == 200


async def test_an_unknown_user_is_not_found(http: httpx.AsyncClient) -> None:
    """With a good key, a user that the pool does not have is 404."""
    for name in ("nobody", "Dave", "dave%20", "%FF", "a/b", "dave%2F"):
        answer = await http.get(f"users/{name}", headers={"Authorization": f"key={KEY}"})
        assert answer.status_code == 404


@pytest.mark.parametrize("name", AWKWARD)
async def test_any_name_can_be_asked_for(pool: LocalPool, http: httpx.AsyncClient, name: str) -> None:
    """A user name is one quoted path segment, whatever stands in it."""
    pool.add_user(name)
    quoted = "".join(f"%{byte:02X}" for byte in name.encode())
    answer = await http.get(f"users/{quoted}", headers={"Authorization": f"key={KEY}"})
    assert answer.status_code == 200
    assert answer.json()["name"] == name


async def test_a_server_without_raw_paths_will_do() -> None:
    """Where the server gives decoded paths only, all but names with a slash still work."""
    pool = LocalPool(history=timedelta(days=1))
    key = pool.add_user("Ada Lovelace")
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError

    scope = {
        "type": "http",
        "method": "GET",
        "path": "/api/users/Ada Lovelace",
        "query_string": b"",
        "headers": [(b"authorization", f"key={key}".encode())],
    }
    await pool.app(scope, receive, send)
    assert sent[0]["status"] == 200
    assert pool.requests[0].client == "unknown"
