"""A question to the API, and who answers it: all that the endpoints know of the session."""

from typing import NamedTuple, Protocol, TypeVar

__all__ = ["Asks", "Call"]

T = TypeVar("T")


class Call(NamedTuple):
    """One question to the API: where, with which parameters, and whether it carries the key."""

    path: str
    """The path after `/api/`, quoted."""
    params: tuple[tuple[str, str], ...] = ()
    keyed: bool = False
    most: int | None = None
    """How many elements the answer may have."""


class Asks(Protocol):
    """What the endpoint modules need of a session."""

    async def get(self, call: Call, kind: type[T], max_age: float | None = None) -> T:
        """Return the answer to `call` as a `kind`, at most `max_age` seconds old."""
        ...
