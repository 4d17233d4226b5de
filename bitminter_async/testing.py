"""A pytest plugin for bots: the fixtures `local_pool` and `client`, there as soon as the package is installed.

    async def test_tells_of_an_idle_worker(client, local_pool):
        local_pool.set_worker_alive("demo", "rig1", alive=False)
        assert await my_bot(client) == "rig1 is idle"

The async tests themselves are run by whatever you run yours with: pytest-asyncio or anyio's plugin.
"""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .client import Client
    from .local import LocalPool

__all__ = ["client", "local_pool"]


@pytest.fixture
def local_pool() -> "LocalPool":
    """A mining pool in memory, the same in each test, with a user `demo` who has a key and two workers."""
    from .local import LocalPool  # noqa: PLC0415  # the plugin is loaded in every pytest run: it costs where it is used

    pool = LocalPool()
    pool.add_user("demo")
    return pool


@pytest.fixture
def client(local_pool: "LocalPool") -> "Client":
    """A client of `local_pool` with demo's key. Nothing is paced and no answer is cached, so a test sees what is."""
    return local_pool.client(user="demo", max_age=0.0)
