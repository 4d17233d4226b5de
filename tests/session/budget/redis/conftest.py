"""A Redis server, and members of a fleet that share a budget through it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.redis import Members, RedisServer


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One server for the tests of a module, which are told apart by their pools."""
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server for one test alone, which has no memory of anything."""
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest_asyncio.fixture
async def members(shared_server: RedisServer, request: pytest.FixtureRequest) -> AsyncIterator[Members]:
    """What makes members of a fleet that has long been running, each as another process would be one."""
    members = Members(shared_server, f"https://{request.node.name.replace('[', '-').strip(']')}.example")
    yield members
    await members.aclose()
