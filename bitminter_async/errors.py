"""Every exception that this package raises, in one tree.

BitminterError
├── TransportError            no complete answer came
│   ├── RequestTimeout
│   └── BudgetUnreachable     the server through which a fleet shares its budget; nothing was sent
├── StatusError               the pool answered, but not with 200
│   ├── BadRequest            400
│   ├── Unauthorized          401: the key is missing or wrong
│   ├── Forbidden             403 with a key, or an empty 200 from /users: the key lacks the permission
│   ├── NotFound              404
│   ├── RateLimited           429, or 503 with Retry-After
│   ├── Blocked               403 to a call that carried no key: the pool has blocked this client
│   └── ServerError           5xx
├── DecodeError               the answer is not what the API documents or was asked, too large, or broken gzip
├── GapError                  a walk could not be made whole
├── QueueTimeout              a call would have waited longer for its turn than it may; nothing was sent
├── KeyRefused                the key would travel in the clear, or to a host nobody chose; nothing was sent
└── ClientClosed

A wrong argument is a ValueError or a TypeError, raised before anything is sent; a client that is used on a second
event loop is a RuntimeError.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from immutabledict import immutabledict

__all__ = [
    "BadRequest",
    "BitminterError",
    "Blocked",
    "BudgetUnreachable",
    "ClientClosed",
    "DecodeError",
    "Fault",
    "Forbidden",
    "GapError",
    "KeyRefused",
    "NotFound",
    "QueueTimeout",
    "RateLimited",
    "RequestTimeout",
    "ServerError",
    "StatusError",
    "TransportError",
    "Unauthorized",
]

_MAX_SHOWN = 12
_MAX_LINE = 300
_MAX_URL = 150


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[:most] + "…"


def _rebuild(kind: type["BitminterError"], args: tuple[Any, ...], state: dict[str, Any]) -> "BitminterError":
    exc = kind.__new__(kind, *args)
    exc.__dict__.update(state)
    if notes := state.get("__notes__"):
        exc.__notes__ = [*notes]
    return exc


class BitminterError(Exception):
    """The root of the tree: catching it catches all that a call can raise, wrong arguments apart."""

    @property
    def summary(self) -> str:
        """What a log may say of it, in one line of some 300 characters: what and where, but nothing of a body."""
        return f"{type(self).__name__}: {_short(self._told, _MAX_LINE)}"

    @property
    def _told(self) -> str:
        said, *_ = str(self).split("\n", maxsplit=1)
        return said

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """Copy and pickle by state, since subclasses take more than their message."""
        return _rebuild, (type(self), self.args, self.__dict__)


class TransportError(BitminterError):
    """No complete answer came: no connection, or one that broke. The message says which, and of which URL."""


class RequestTimeout(TransportError):
    """The answer was not complete within `timeout` seconds, body included."""


class BudgetUnreachable(TransportError):
    """The server through which a fleet shares its budget cannot be reached, or refuses; nothing was sent."""


class StatusError(BitminterError):
    """The pool answered with a status that is not a success.

    Attributes:
        status: The HTTP status code.
        url: The URL that was asked, without any key.
        body: The first 500 characters of the answer's text. A key in it is masked.
        headers: The answer's headers, names in lower case. A key in them is masked.
    """

    def __init__(self, message: str, *, status: int, url: str, body: str, headers: Mapping[str, str]) -> None:
        super().__init__(message)
        self.status = status
        self.url = url
        self.body = body
        self.headers: Mapping[str, str] = immutabledict(headers)

    @property
    def _told(self) -> str:
        return f"GET {_short(self.url, _MAX_URL)}: {self.status}"


class BadRequest(StatusError):
    """400: the pool refuses a parameter."""


class Unauthorized(StatusError):
    """401: the key is missing or wrong."""


class Forbidden(StatusError):
    """403 with a key, or an empty 200 from /users: the key lacks the permission that the message names."""


class NotFound(StatusError):
    """404: no such user, or no such path at this host."""


class _Resting(StatusError):
    """The pool asked for rest.

    Attributes:
        retry_after: Seconds until the client may ask again; None where the pool did not say.
    """

    retry_after: float | None = None


class RateLimited(_Resting):
    """429, or 503 with Retry-After: the pool asks for rest, `.retry_after` seconds where it says for how long."""


class Blocked(_Resting):
    """403 to a call that carried no key: the pool has blocked this client, which rests for `.retry_after` seconds."""


class ServerError(StatusError):
    """5xx: the pool failed."""


class Fault(NamedTuple):
    """One place in which an answer is not what the API documents."""

    path: str
    """Where, from the answer's root: `$[3].income`."""

    expected: str
    """What the API documents for this place."""

    got: str
    """What stood there, cut for show. A key in it is masked."""


class DecodeError(BitminterError):
    """The answer is not what the API documents, not the one to this question, too large, cut short, or broken gzip.

    Attributes:
        url: The URL that was asked, without any key.
        faults: The places that are wrong, each with its path, what was expected and what came.
        body: The first 500 characters of the answer's text. A key in it is masked.
        readable: The records that can be used all the same, where each fault lies within one element: of a page of
            blocks or shifts, those without a fault, in their order; of a user with faults in some workers, the `User`
            with the other workers. Else (), as where ids do not fall or a user's name is another's.
        unreadable: What `readable` lacks: by its index in the page, or among the workers, its id or name; None where
            that cannot be told either, or holds a key.
    """

    def __init__(
        self,
        url: str,
        faults: Iterable[Fault],
        *,
        body: str,
        readable: Iterable[Any] = (),
        unreadable: Mapping[int, int | str | None] | None = None,
    ) -> None:
        self.url = url
        self.faults = tuple(faults)
        self.body = body
        self.readable: tuple[Any, ...] = tuple(readable)
        self.unreadable: Mapping[int, int | str | None] = immutabledict(unreadable or {})
        lines = [f"{fault.path}: expected {fault.expected}, got {fault.got}" for fault in self.faults[:_MAX_SHOWN]]
        if (more := len(self.faults) - _MAX_SHOWN) > 0:
            lines.append(f"… and {more} more")
        super().__init__("\n  ".join([f"GET {url} answered with what the API does not document:", *lines]))

    @property
    def _told(self) -> str:
        # The first fault, but not what stood there.
        where = [f"{fault.path} is not {fault.expected}" for fault in self.faults[:1]]
        notes = [f"({note})" for note in getattr(self, "__notes__", [])[:1]]
        url = _short(self.url, _MAX_URL)
        return " ".join([f"GET {url} answered with what the API does not document:", *where, *notes])


class GapError(BitminterError):
    """A walk could not be made whole: the list moved too far between two pages.

    Nothing was left out up to the last record that came; take the walk up from there.

    Attributes:
        last_seen: The id of the last record before the gap; None where none came.
        first_new: The id of the first record found after it, not known to follow it; None where none was found.
    """

    def __init__(self, message: str, *, last_seen: int | None, first_new: int | None) -> None:
        super().__init__(message)
        self.last_seen = last_seen
        self.first_new = first_new


class QueueTimeout(BitminterError):
    """A call would have waited longer for its turn than its `max_wait`: it was not sent, or after a failure not again.

    Attributes:
        place: Its place in this process's line; 1 is the next. Who waits in other processes is not counted.
    """

    def __init__(self, message: str, *, place: int) -> None:
        super().__init__(message)
        self.place = place


class KeyRefused(BitminterError):
    """The key would have travelled in the clear, or to a host that nobody chose; nothing was sent."""


class ClientClosed(BitminterError):
    """The client was closed before the call, or while it waited."""
