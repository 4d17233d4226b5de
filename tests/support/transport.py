"""A transport that answers from a script and remembers what it was sent, and answers to put into the script."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, TypeAlias, cast

import attrs
import httpx
import orjson

from tests.support.samples import STATS


def answer(
    content: object = STATS, status: int = 200, headers: Mapping[str, str] | None = None, **fields: Any
) -> httpx.Response:
    """Make a response: bytes as they are, anything else as JSON, a mapping with `fields` changed."""
    body = content if isinstance(content, bytes) else orjson.dumps(cast("Any", content) | fields if fields else content)
    return httpx.Response(status, headers=headers, stream=Chunks([body]))


class Chunks(httpx.AsyncByteStream):
    """A body that comes in these chunks; an exception among them is raised."""

    def __init__(self, chunks: list[bytes | Exception]) -> None:
        self.chunks = chunks
        self.is_closed = False

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self.chunks:
            if isinstance(chunk, Exception):
                raise chunk
            yield chunk

    async def aclose(self) -> None:
        """Remember that it was closed."""
        self.is_closed = True


Step: TypeAlias = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


@attrs.define
class Sent:
    """A request that the transport got: at which time of the loop, and what it was."""

    at: float
    request: httpx.Request

    @property
    def path(self) -> str:
        """The request's path and query."""
        return self.request.url.raw_path.decode()


class Fake(httpx.AsyncBaseTransport):
    """Takes one step of its script for each request, after `delay` seconds; with `repeat` the last step goes on.

    A request past an empty script is an AssertionError: no test is sent what it does not expect.
    """

    def __init__(self, *script: Step, delay: float = 0.0, repeat: bool = False) -> None:
        self.script = list(script)
        self.delay = delay
        self.repeat = repeat
        self.sent: list[Sent] = []
        self.in_flight = 0
        self.most_in_flight = 0
        self.is_closed = False

    @property
    def paths(self) -> list[str]:
        """The path and query of each request, in order."""
        return [sent.path for sent in self.sent]

    @property
    def times(self) -> list[float]:
        """The loop's time of each request, in order."""
        return [sent.at for sent in self.sent]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer with the script's next step."""
        self.sent.append(Sent(asyncio.get_running_loop().time(), request))
        assert self.script, f"no test expects GET {request.url}"
        step = self.script[0] if self.repeat and len(self.script) == 1 else self.script.pop(0)
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            if self.delay:
                await asyncio.sleep(self.delay)
        finally:
            self.in_flight -= 1
        if isinstance(step, Exception):
            raise step
        if isinstance(step, httpx.Response):
            return step
        return step(request)

    async def aclose(self) -> None:
        """Remember that it was closed."""
        self.is_closed = True
