"""The fixtures that pytest finds in `bitminter_async.testing`."""

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ..client import Client
    from ..local import LocalPool

__all__ = ["bitminter_client", "bitminter_pool"]


@pytest.fixture
def bitminter_pool() -> "LocalPool":
    """A mining pool in memory, the same in each test, with a user `demo` who has a key and two workers.

    Its time stands still until `advance()`; with `bitminter_pool.speed = 1.0` it goes with the clock of the loop.
    """
    from ..local import LocalPool  # noqa: PLC0415  # the plugin is loaded in every pytest run: it costs where it is used

    pool = LocalPool()
    pool.add_user("demo")
    return pool


@pytest.fixture
def bitminter_client(bitminter_pool: "LocalPool") -> "Client":
    """A client of `bitminter_pool` with demo's key. Nothing is paced or cached, so a test sees the pool as it is."""
    return bitminter_pool.client(user="demo", max_age=0.0)
