"""The operator's log: which requests came, from whom, and how they were answered."""

from collections.abc import Mapping

from attrs import evolve, frozen
from starlette.requests import Request
from starlette.types import Scope

from .clock import Clock
from .keys import KeyIn, read_key

__all__ = ["LoggedRequest", "RequestLog"]

_KEPT = 100_000


@frozen(kw_only=True)
class LoggedRequest:
    """One request as the pool's operator saw it."""

    at: float
    """When it arrived, in seconds of the running loop's clock."""
    method: str
    """The HTTP method."""
    path: str
    """The URL's path, decoded."""
    params: Mapping[str, str]
    """The URL's query, without the key."""
    key_in: KeyIn | None
    """How it carried a key, right or wrong; None if it carried none."""
    user_agent: str | None
    """The User-Agent header; None if there was none."""
    client: str
    """The address that it came from."""
    in_flight: int
    """How many other requests were being answered when it arrived."""
    status: int | None = None
    """The answer's status; None as long as none was begun."""

    @property
    def keyed(self) -> bool:
        """Whether it carried a key, right or wrong."""
        return self.key_in is not None


class RequestLog:
    """The latest 100,000 requests."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._entries: dict[int, LoggedRequest] = {}
        self._count = 0

    @property
    def requests(self) -> tuple[LoggedRequest, ...]:
        """The requests, in order of arrival."""
        return tuple(self._entries.values())

    def add(self, scope: Scope, address: str, in_flight: int) -> int:
        """Log a request from this address, and return its number; `in_flight` others are being answered."""
        request = Request(scope)
        key_in, _ = read_key(request)
        self._count += 1
        self._entries[self._count] = LoggedRequest(
            at=self._clock.now(),
            method=request.method,
            path=scope["path"],
            params={name: value for name, value in request.query_params.items() if name != "key"},
            key_in=key_in,
            user_agent=request.headers.get("user-agent"),
            client=address,
            in_flight=in_flight,
        )
        self._entries.pop(self._count - _KEPT, None)
        return self._count

    def set_status(self, number: int, status: int) -> None:
        """Add the answer's status to a request, unless that has been dropped by now."""
        if number in self._entries:
            self._entries[number] = evolve(self._entries[number], status=status)
