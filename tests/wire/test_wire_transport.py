"""The wire's transport: our own is made on first use and replaced after a failure, a given one never is."""

import asyncio
from typing import Any

import httpx
import pytest

from bitminter_async import Client, TransportError
from tests.support.samples import POOL
from tests.support.transport import Fake, answer
from tests.support.wires import STATS_CALL, make_wire, nothing


@pytest.fixture
def own(monkeypatch: pytest.MonkeyPatch) -> list[Fake]:
    """The transports that wires make for themselves, each of which fails at first and then answers."""
    made: list[Fake] = []

    def make_transport(**_: Any) -> Fake:
        made.append(Fake(httpx.ReadError("cut"), answer(), answer(b"", 500), answer()))
        return made[-1]

    monkeypatch.setattr(httpx, "AsyncHTTPTransport", make_transport)
    return made


async def test_our_own_transport_is_replaced_after_a_failure(own: list[Fake]) -> None:
    """It is made on first use, kept while answers come, replaced before the request after a failed one, and closed."""
    wire = make_wire(None)
    assert own == []
    assert wire.open() is wire.open() is own[0]
    with pytest.raises(TransportError):
        await wire.send(STATS_CALL, nothing)
    assert (len(own), own[0].is_closed) == (1, False)
    with pytest.raises(TransportError):
        await wire.send(STATS_CALL, nothing)
    assert (len(own), own[0].is_closed) == (2, True)
    wire = make_wire(None)
    wire.open()
    del own[2].script[0]
    assert [(await wire.send(STATS_CALL, nothing)).status for _ in range(3)] == [200, 500, 200]
    assert (len(own), own[2].is_closed) == (3, False)
    await wire.aclose()
    assert own[2].is_closed


async def test_our_own_transport_is_replaced_after_a_cancelled_request(own: list[Fake]) -> None:
    """A request that was cancelled under way may have cost the transport a connection, so it serves no more."""
    wire = make_wire(None)
    wire.open()
    own[0].delay = 10
    request = asyncio.create_task(wire.send(STATS_CALL, nothing))
    await asyncio.sleep(1)
    request.cancel()
    await asyncio.wait([request])
    with pytest.raises(TransportError):
        await wire.send(STATS_CALL, nothing)
    assert [transport.is_closed for transport in own] == [True, False]
    assert [len(transport.sent) for transport in own] == [1, 1]


async def test_a_given_transport_is_never_replaced(own: list[Fake]) -> None:
    """It goes on after any failure, and is closed with the wire, once or twice."""
    fake = Fake(httpx.ReadError("cut"), OSError("gone"), RuntimeError("broken"), answer())
    wire = make_wire(fake)
    for kind in (TransportError, TransportError, RuntimeError):
        with pytest.raises(kind):
            await wire.send(STATS_CALL, nothing)
    assert (await wire.send(STATS_CALL, nothing)).status == 200
    was_closed = fake.is_closed
    await wire.aclose()
    await wire.aclose()
    assert (was_closed, fake.is_closed, own) == (False, True, [])


async def test_a_missing_file_of_certificates_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the environment says of TLS and cannot be is a TransportError that names it."""

    def missing() -> None:
        raise FileNotFoundError(2, "No such file", "/nowhere/ca.pem")

    monkeypatch.setattr("bitminter_async._wire.wire._tls", missing)
    async with Client(base_url=POOL, attempts=1) as client:
        with pytest.raises(TransportError, match=r"no way to https://pool\.example.*ca\.pem"):
            await client.pool.stats()


@pytest.mark.parametrize("wrong", [httpx.HTTPTransport(), "a transport", 5])
def test_a_transport_is_an_asynchronous_one(wrong: Any) -> None:
    """Anything else is a TypeError at once."""
    with pytest.raises(TypeError, match=r"^transport must be an httpx\.AsyncBaseTransport, not "):
        make_wire(wrong)
