"""What the session knows of a budget, whoever shares it."""

from collections.abc import Awaitable, Callable
from typing import Any, Generic, Protocol, TypeVar

from attrs import frozen

from ..._call import Call
from ..._wire.key import ApiKey
from ...errors import Blocked, RateLimited

__all__ = ["Budget", "Turn", "TurnLost", "Wish"]

T = TypeVar("T")


class TurnLost(Exception):  # noqa: N818  # what happened, not that it was an error
    """The turn ran out before the request left, and another may be in the air: nothing may be sent in it."""


@frozen(eq=False)
class Wish(Generic[T]):
    """What is to be fetched, as far as a budget must know whose sharers exchange answers, too."""

    call: Call[Any]
    max_age: float
    """Seconds that the answer may be old."""
    sealed_with: ApiKey | None
    """The key whose answer it is, so that nobody else may read it; None: the answer is public."""
    pack: Callable[[T], bytes | None]
    """Return what others need of what was fetched; None where it is of no use to them."""
    unpack: Callable[[bytes, float], T]
    """Make what was fetched of that, and of the seconds that have passed since it was asked."""


class Turn(Protocol):
    """A turn to ask: until it is given back, nobody else who shares the budget has one."""

    async def depart(self) -> None:
        """Let the interval run from now: the request is about to leave.

        Raises:
            TurnLost: The turn ran out; nothing may be sent.
        """
        ...

    async def rest(self, seconds: float, reason: RateLimited | Blocked) -> None:
        """Give nobody a turn for so many seconds. A rest that ends before the present one changes nothing."""
        ...

    async def slow_down(self) -> None:
        """Double the spacing, because the pool said that it is too much; each quiet minute halves it again."""
        ...


class Budget(Protocol):
    """Turns, for all who share it: one at a time, first come first served, spaced; and rests, which hold for all.

    Attributes:
        waited_for_others: Seconds that this client has waited, all told, because others had their turns.
    """

    waited_for_others: float

    def bind(self) -> None:
        """Begin to share, on the running loop."""
        ...

    async def fetch(self, wish: Wish[T], send: Callable[[Turn], Awaitable[T]]) -> T:
        """Wait for a turn, and return what `send` brings, which is awaited in it.

        Raises:
            RateLimited: The pool asked for a rest that is too long to be waited out.
            Blocked: The pool has blocked the client.
        """
        ...

    @property
    def spacing(self) -> float:
        """Seconds between two turns now: the interval, or more after it has been slowed down."""
        ...

    @property
    def slowed_spacing(self) -> float:
        """Seconds between two turns, were they slowed down now."""
        ...

    @property
    def due_in(self) -> float:
        """Seconds until the next turn can begin: what is left of the interval and of a rest."""
        ...

    def outlook(self, wish: Wish[Any] | None = None) -> tuple[int, float]:
        """Return a wish's place in the line, or that of one that came now, and how many seconds it waits at least."""
        ...

    @property
    def rests(self) -> int:
        """How often the pool asked for rest."""
        ...

    @property
    def blocks(self) -> int:
        """How often the pool blocked those who share the budget."""
        ...

    @property
    def shared_with(self) -> int:
        """With how many others, be they clients or processes, the budget is shared now."""
        ...

    @property
    def rested(self) -> float:
        """Seconds for which there has been a rest so far."""
        ...

    def refusal(self) -> RateLimited | Blocked | None:
        """Return a new error like the one that began the present rest, if that is too long to wait out."""
        ...

    async def aclose(self) -> None:
        """Give up what this client holds of it. Closing twice is fine."""
        ...
