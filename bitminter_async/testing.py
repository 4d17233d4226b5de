"""A pytest plugin for bots: the fixtures `bitminter_pool` and `bitminter_client`, there once the package is installed.

    async def test_tells_of_an_idle_worker(bitminter_client, bitminter_pool):
        bitminter_pool.set_worker_alive("demo", "rig1", alive=False)
        assert await my_bot(bitminter_client) == "rig1 is idle"

Their names are long because every suite that has this package installed gets them: a fixture named `client` would stand
in the way of the one that pytest-django and pytest-flask have.

The async tests themselves are run by whatever you run yours with: pytest-asyncio or anyio's plugin.
"""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .client import Client
    from .local import LocalPool

__all__ = ["bitminter_client", "bitminter_pool"]


@pytest.fixture
def bitminter_pool() -> "LocalPool":
    """A mining pool in memory, the same in each test, with a user `demo` who has a key and two workers."""
    from .local import LocalPool  # noqa: PLC0415  # the plugin is loaded in every pytest run: it costs where it is used

    pool = LocalPool()
    pool.add_user("demo")
    return pool


@pytest.fixture
def bitminter_client(bitminter_pool: "LocalPool") -> "Client":
    """A client of `bitminter_pool` with demo's key. Nothing is paced or cached, so a test sees the pool as it is."""
    return bitminter_pool.client(user="demo", max_age=0.0)
