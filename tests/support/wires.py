"""The one maker of wires for the tests, and two calls to send over them."""

import base64
from typing import Any

import httpx

from bitminter_async._call import Call
from bitminter_async._wire.answer import Answer
from bitminter_async._wire.key import ApiKey
from bitminter_async._wire.wire import Wire
from tests.support.samples import KEY, POOL

STATS_CALL = Call("pool/stats", object)
OWNER_CALL = Call("users", object, keyed=True)
BASIC = base64.b64encode(f"key:{KEY}".encode()).decode()


def make_wire(transport: httpx.AsyncBaseTransport | None, base_url: str | None = POOL, **options: Any) -> Wire:
    """A wire with a key."""
    defaults: dict[str, Any] = {
        "api_key": ApiKey(KEY),
        "key_in": "header",
        "timeout": 10.0,
        "user_agent": "tester/1",
        "allow_plain_http": False,
        "proxy": None,
    }
    return Wire(base_url, **(defaults | options), transport=transport)


async def nothing(_departure: int) -> None:
    """Do nothing on departure."""


async def exchange(wire: Wire, call: Call[Any]) -> Answer:
    """Send a call and return the answer; raise the error that it means, as the session does."""
    answer = await wire.send(call, nothing)
    if error := answer.error:
        raise error
    return answer
