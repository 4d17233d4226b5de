"""What several tests of the local pool begin with."""

import pytest

from bitminter_async.local import LocalPool
from tests.support.pools import make_pool


@pytest.fixture
def pool() -> LocalPool:
    """A pool with a day of history that dave mines in with two workers."""
    return make_pool(days=1, workers=2)
