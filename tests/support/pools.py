"""Local pools that dave mines in, and plain questions to them that this package's client has no part in."""

import asyncio
from datetime import timedelta
from typing import Any
from urllib.parse import quote

import httpx
from hypothesis import settings
from hypothesis import strategies as st

from bitminter_async.local import LocalPool

KEY = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
USERS = ["Ada Lovelace", "miné/craft", "100%pool", "a+b?c=d#e", "dave"]
SEEDS = st.integers(0, 10**6)
few_examples = settings(max_examples=5, deadline=None)


def make_pool(seed: int = 0, days: float = 2, *, workers: int = 3, **options: Any) -> LocalPool:
    """Make a pool with so many days of history, in which dave has so many workers and the key `KEY`."""
    pool = LocalPool(seed, history=timedelta(days=days), **options)
    pool.add_user("dave", KEY, workers=workers)
    return pool


def ask(pool: LocalPool, *paths: str) -> list[Any]:
    """Return the decoded answers to these paths below /api, all of which must be 200, with dave's key."""

    async def requests() -> list[Any]:
        transport, key = httpx.ASGITransport(pool.app), {"authorization": f"key={pool.key_of('dave')}"}
        async with httpx.AsyncClient(transport=transport, base_url="http://pool/api/", headers=key) as http:
            answers = [await http.get(path) for path in paths]
        assert {answer.status_code for answer in answers} == {200}
        return [answer.json() for answer in answers]

    return asyncio.run(requests())


def ask_user(pool: LocalPool, name: str = "dave") -> Any:
    """Return the decoded answer about one user."""
    return ask(pool, f"users/{quote(name, safe='')}")[0]
