"""A transport that answers from a script and remembers what it was sent, and answers to put into the script."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, TypeAlias, cast

import attrs
import httpx
import orjson

KEY = "K3Y0AAAABBBBCCCCDDDDEEEEFFFF9999"

STATS: Mapping[str, Any] = {"hash_rate": 1701000, "active_workers": 1234, "active_users": 321}
CHAIN_ROUND: Mapping[str, Any] = {"accepted": 100, "rejected": 25, "duration": 3600, "difficulty": 200.0}
ROUND: Mapping[str, Any] = {
    **STATS,
    "shift_accepted": 900,
    "shift_rejected": 100,
    "shift_duration": 1800,
    "shift_score": 12.5,
    "chains": {"BTC": CHAIN_ROUND, "NMC": CHAIN_ROUND},
}
BLOCK: Mapping[str, Any] = {
    "id": 7000,
    "chain": "BTC",
    "hash": "00000000000000022b43aee8ab4227490fbc180cd12950a1a9a9bb43c0fd6f53",
    "height": 288497,
    "difficulty": 2000.0,
    "income": 25.14070459,
    "accepted": 1000,
    "rejected": 10,
    "status": "unconfirmed",
    "confirmations_left": 117,
    "generator": "bob",
    "generated": 1393673563,
    "duration": 5387,
}
SHIFT: Mapping[str, Any] = {
    "id": 26905,
    "difficulty": 2000.0,
    "accepted": 1000000,
    "rejected": 2000,
    "score": 753131.9053,
    "completed": 1393673700,
    "duration": 3600,
}
WORK: Mapping[str, Any] = {
    "total_accepted": 900,
    "total_rejected": 100,
    "round_accepted": 0,
    "round_rejected": 0,
    "checkpoint_accepted": 400,
    "checkpoint_rejected": 40,
}
WORKER: Mapping[str, Any] = {
    "name": "rig1",
    "hash_rate": 1805682.2,
    "last_work": 1393675190,
    "alive": True,
    "work": {"BTC": WORK, "NMC": WORK},
}
USER: Mapping[str, Any] = {
    "name": "bob",
    "active_workers": 1,
    "hash_rate": 1805682.2,
    "now": 1393675200,
    "round_start": {"BTC": 1393673563, "NMC": 1393673113},
    "shift": {"start": 1393673700, "accepted": 90, "rejected": 10, "user_score": 2.5, "total_score": 10.0},
    "balances": {"BTC": 0.21323507, "NMC": 0.67691192},
    "workers": [WORKER, {**WORKER, "name": "rig2", "alive": False, "last_work": None}],
}


def answer(
    content: object = STATS, status: int = 200, headers: Mapping[str, str] | None = None, **fields: Any
) -> httpx.Response:
    """Make a response: bytes as they are, anything else as JSON, a mapping with `fields` changed."""
    body = content if isinstance(content, bytes) else orjson.dumps(cast("Any", content) | fields if fields else content)
    return httpx.Response(status, headers=headers, stream=Chunks([body]))


def without(record: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return the record without these fields."""
    return {name: value for name, value in record.items() if name not in names}


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
        self.in_air = 0
        self.most_in_air = 0
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
        self.in_air += 1
        self.most_in_air = max(self.most_in_air, self.in_air)
        try:
            if self.delay:
                await asyncio.sleep(self.delay)
        finally:
            self.in_air -= 1
        if isinstance(step, Exception):
            raise step
        if isinstance(step, httpx.Response):
            return step
        return step(request)

    async def aclose(self) -> None:
        """Remember that it was closed."""
        self.is_closed = True
