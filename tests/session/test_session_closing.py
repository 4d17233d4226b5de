"""The session's end: what is under way when the client closes ends at once, and nothing is left behind."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from bitminter_async import ClientClosed
from tests.support.clients import make_client
from tests.support.clock import now
from tests.support.samples import USER
from tests.support.transport import Fake, answer


@pytest.mark.usefixtures("spans")
@pytest.mark.parametrize(
    ("fake", "options", "sent"),
    [
        (lambda: Fake(answer(), delay=50), {}, 1),
        (lambda: Fake(answer(), delay=0.75), {"interval": 100}, 1),
        (lambda: Fake(answer(b"", 500), delay=0.1), {"interval": 100}, 1),
        (lambda: Fake(answer(b"", 429, {"Retry-After": "30"})), {}, 1),
    ],
    ids=["under way", "waiting", "retrying", "resting"],
)
async def test_closing_ends_what_is_under_way(fake: Callable[[], Fake], options: dict[str, Any], sent: int) -> None:
    """Whatever a call is waiting for, closing ends it at once, with an error of its own, and leaves nothing behind."""
    transport, me = fake(), asyncio.current_task()
    client = make_client(transport, **options)
    start = now()
    calls = [client.pool.stats(), client.pool.stats(), client.pool.workers(), client.users.get()]
    tasks = [asyncio.create_task(call) for call in calls]
    await asyncio.sleep(0.5)
    assert not any(task.done() for task in tasks)
    await client.aclose()
    await asyncio.sleep(0)
    assert all(task.done() for task in tasks)
    assert now() == pytest.approx(start + 0.5)
    assert asyncio.all_tasks() == {me}
    assert transport.is_closed
    errors = [task.exception() for task in tasks]
    assert len({id(error) for error in errors}) == 4
    for error in errors:
        assert type(error) is ClientClosed
        assert str(error) == "this client was closed while the call waited"
    await client.aclose()
    with pytest.raises(ClientClosed, match="this client is closed"):
        await client.pool.stats()
    assert len(transport.sent) == sent


async def test_an_answer_that_came_in_time_is_kept() -> None:
    """A call that has its answer when the client closes gets it; what the cache holds is served no more."""
    fake = Fake(answer(USER))
    client = make_client(fake)
    call = asyncio.create_task(client.users.get())
    await asyncio.wait([call])
    await client.aclose()
    assert (await call).name == "bob"
    with pytest.raises(ClientClosed):
        await client.users.get()
    assert len(fake.sent) == 1
