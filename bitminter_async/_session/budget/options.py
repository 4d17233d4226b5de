"""Where a fleet shares its budget."""

from urllib.parse import urlsplit

from attrs import field, frozen

from ..._arguments import check_seconds

__all__ = ["Redis"]

_SCHEMES = ("redis", "rediss", "unix")
_UNREADABLE = "the URL of Redis cannot be read: in a password, write / as %2F, # as %23, ? as %3F and @ as %40"


@frozen
class Redis:
    """A Redis server through which clients anywhere share one budget: `Client(share=Redis("rediss://…", alone=30.0))`.

    A server that knows nothing, be it new or restarted, lets `timeout` + 2 s and the interval pass before the first
    turn, since somebody may be in the air of whom it has not heard.

    Args:
        url: Where it is: redis://, rediss:// (over TLS) or unix://.
        alone: Seconds between the starts of two requests of one process while the server cannot be reached: each then
            goes on by itself, so the pool may be asked by several at once. None: calls fail with BudgetUnreachable.

    Raises:
        ValueError: The URL is of another kind, or `alone` is not above 0.
        TypeError: The URL is not a string, or `alone` not a number.
    """

    url: str = field(repr=False)  # it may hold a password
    alone: float | None = None

    def __attrs_post_init__(self) -> None:
        if not isinstance(self.url, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers may not check types
            raise TypeError(f"the URL of Redis must be a string, not {type(self.url).__name__}")
        try:
            parts = urlsplit(self.url)
            parts.port  # noqa: B018  # which raises, and would show what it cannot read: part of a password, it may be
        except ValueError:
            raise ValueError(_UNREADABLE) from None
        if parts.scheme not in _SCHEMES:
            raise ValueError("the URL of Redis must begin with redis://, rediss:// or unix://")
        if parts.fragment or (parts.scheme != "unix" and "@" in parts.path + parts.query):
            raise ValueError(_UNREADABLE)
        if self.alone is not None:
            check_seconds("alone", self.alone, above_zero=True)
