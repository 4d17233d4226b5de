"""The one maker of clients for the tests."""

from typing import Any

import httpx

from bitminter_async import Client
from tests.support.samples import KEY, POOL


def make_client(transport: httpx.AsyncBaseTransport | None, api_key: str | None = KEY, **options: Any) -> Client:
    """A client over this transport: of POOL, keyed and unspaced, unless these options of `Client` say otherwise."""
    defaults: dict[str, Any] = {"base_url": POOL, "interval": 0}
    return Client(api_key, **(defaults | options), transport=transport)
