"""A call to the API, and who answers it: all that the endpoints know of the session."""

from typing import Generic, NamedTuple, Protocol, TypeVar

__all__ = ["PUBLIC", "Call", "Caller", "Expected", "Kind"]

T = TypeVar("T")


class Kind(Generic[T]):
    """A kind of answer that no type of its own stands for: what is made of it is a `T`."""

    __slots__ = ()


class Expected(NamedTuple):
    """What an answer has to be, beyond its kind, to be the answer to its question; None: whatever it is."""

    most: int | None = None
    """How many elements a list or mapping has at most."""
    user: str | None = None
    """The user's name, as it was asked for."""
    commodity: str | None = None
    """The chain of each block."""


class Call(NamedTuple, Generic[T]):
    """One question to the API: where, what the answer is, with which parameters, and whether it carries the key."""

    path: str
    """The path after `/api/`, quoted."""
    kind: type[T] | Kind[T]
    """What is made of the answer."""
    params: tuple[tuple[str, str], ...] = ()
    keyed: bool = False
    expected: Expected = Expected()
    """What the answer has to be besides."""


PUBLIC = Call("pool/workers", int)
"""A call that carries no key, whose answer is short: it tells whether the pool answers this client at all."""


class Caller(Protocol):
    """What the endpoints need of a session."""

    async def get(self, call: Call[T], max_age: float | None = None, max_wait: float | None = None) -> T:
        """Return the answer to `call`, at most `max_age` seconds old, unless its turn is more than `max_wait` away."""
        ...
