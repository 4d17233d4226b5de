"""The client: its options, its parts, its life."""

import logging
import os
import re
import warnings
from functools import cached_property
from types import TracebackType
from typing import TYPE_CHECKING, Self, cast, get_args

from ._arguments import check_flag, check_integer, check_max_wait, check_seconds
from ._session.budget.options import Redis
from ._session.budget.share import check_share, make_budget
from ._session.session import Session
from ._version import __version__
from ._wire.address import base_url_of
from ._wire.key import ApiKey, KeyPlace
from ._wire.wire import DEFAULT_URL, Wire
from .endpoints.pool import Pool
from .endpoints.users import Users

if TYPE_CHECKING:
    import httpx

    from ._receipt import Receipt
    from .watch.watch import Watch

__all__ = ["Client"]

_HOME = "https://github.com/bitminter-async/bitminter-async"

# Who has not set logging up has not asked for log lines; without a handler, Python would print them to stderr.
logging.getLogger("bitminter_async").addHandler(logging.NullHandler())


class Client:
    """A polite asyncio client for the BitMinter API and whatever speaks it.

    All clients of this user on this machine that ask the same pool take turns (see `share`). Those that ask the same
    things had better be one client: its cache and its requests under way serve all tasks of a bot together. Use it as
    an async context manager, or call `aclose()` in the end. It belongs to the asyncio event loop that first uses it;
    trio has none.

    No call hangs: with at most `n` other requests waiting or in the air at once, of all who share, it ends within
    `attempts · (n + 1) · (patience + max(2 · interval, 60) + timeout)` seconds, and before each further attempt another
    `1.1 · patience + max(2 · interval, 60) + 8`. (60 s or twice the interval is the most that requests are apart after
    a 429 without Retry-After, 8 s or a tenth of a rest the longest pause on top; a pool that answers needs neither.)

    A request that has left is let end, within `timeout`, also where nobody waits for it any more: the pool works on it
    anyway, and is asked nothing else meanwhile.

    Args:
        api_key: The key for `/users`; else the environment's BITMINTER_KEY. It goes nowhere else, not over plain http,
            and not to the default host, which is closed.
        base_url: Where the pool is, a path prefix allowed; else BITMINTER_URL, else https://bitminter.com.
        key_in: How the key travels: `header` (`Authorization: key=…`), `basic` (`Authorization: Basic …`) or `query`
            (`?key=…`, which servers write into their logs, and a tracer that wraps httpx's transports into its own).
        interval: Seconds between the starts of two requests; 0: one at a time, unspaced.
        max_age: Seconds that an answer may be old and still serve, where a call does not say.
        timeout: Seconds for one attempt, body included.
        attempts: How often a call is tried in all, if the connection or the pool fails.
        patience: Seconds: the longest rest asked for by the pool (Retry-After) that is waited out.
        user_agent: Put in front of the package's own, so that the operator knows whom to write to.
        allow_plain_http: Let the key travel in the clear. To this very machine it may anyway.
        share: With whom the pool's budget is shared, which is turns, the moment of the last departure, and rests:
            `machine`, every process of this user on this machine; `process`, every client of this process and event
            loop; or the URL of a Redis server, or a `Redis`, every process anywhere that names it (they share answers,
            too); else BITMINTER_SHARE, else `machine`. Each keeps its own interval. If nothing is passed, a pool on
            this machine's loopback, and one that is asked over a `transport`, is shared with nobody.
        max_wait: Seconds that a call, or each further attempt of it, may wait for its turn, beyond which it raises
            QueueTimeout, at once if the line is too long; None: as long as it takes. Walks and streams wait as long as
            it takes. What other processes have in the line is found out by waiting, for 0.25 s even where that is more.
        proxy: The proxy's URL; else HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY hold. Loopback is never proxied.
        transport: An httpx transport to send through; closed with the client.

    Attributes:
        pool: The pool's public data.
        users: User data.
        watch: Streams of what changes.

    Raises:
        ValueError: An option's value cannot be used.
        TypeError: An option is of the wrong type.
    """

    pool: Pool
    users: Users
    _shown = "no pool"  # until the options have been checked
    _is_closed = False

    def __init__(
        self,
        api_key: str | ApiKey | None = None,
        *,
        base_url: str | None = None,
        key_in: KeyPlace = "header",
        interval: float = 1.0,
        max_age: float = 30.0,
        timeout: float = 10.0,
        attempts: int = 3,
        patience: float = 60.0,
        user_agent: str | None = None,
        allow_plain_http: bool = False,
        share: str | Redis | None = None,
        max_wait: float | None = None,
        proxy: str | None = None,
        transport: "httpx.AsyncBaseTransport | None" = None,
    ) -> None:
        given, api_key = [api_key], None  # a traceback that shows this frame's locals must not show it
        key = _take_key(given)
        check_seconds("interval", interval)
        check_seconds("max_age", max_age)
        check_seconds("timeout", timeout, above_zero=True)
        check_integer("attempts", attempts, 1)
        check_flag("allow_plain_http", allow_plain_http)
        check_seconds("patience", patience)
        max_wait = None if max_wait is None else check_max_wait(max_wait)
        if share is not None:
            check_share("share", share)
        if key_in not in get_args(KeyPlace):
            raise ValueError(f"key_in must be one of {', '.join(get_args(KeyPlace))}")
        if base_url is None and (found := os.environ.get("BITMINTER_URL")):
            base_url_of(found, "BITMINTER_URL")  # what is wrong with it is told by the name that its author knows
            base_url = found
        self._wire = Wire(
            base_url,
            api_key=key,
            key_in=key_in,
            timeout=timeout,
            user_agent=_user_agent(user_agent),
            allow_plain_http=allow_plain_http,
            proxy=proxy,
            transport=transport,
        )
        self._shown = self._wire.mask(f"{base_url or DEFAULT_URL} with{' key ***' if key else 'out key'}")
        scope = _found_share() if share is None else share  # checked also where it does not hold, or it would show late
        budget = make_budget(
            None if share is None and self._wire.is_private else scope,
            self._wire.origin,
            self._wire.base_url,
            interval=interval,
            patience=patience,
            timeout=timeout,
        )
        self._session = Session(
            self._wire,
            budget,
            max_age=max_age,
            attempts=attempts,
            max_wait=max_wait,
        )
        self.pool = Pool(self._session)
        self.users = Users(self._session)

    @cached_property
    def watch(self) -> "Watch":
        """Streams of what changes."""
        from .watch.watch import Watch  # noqa: PLC0415  # a tenth of the package's import: who watches nothing is spared it

        return Watch(self._session)

    @property
    def receipt(self) -> "Receipt":
        """How polite this client has been, as of now; `str()` of it is a paragraph for the pool's operator."""
        return self._session.receipt

    async def aclose(self) -> None:
        """Close the client: calls that wait or are in the air end with ClientClosed. Closing twice is fine.

        On another event loop than the client's, it closes what it can: all, if the client's runs in another thread; if
        that runs no more, the calls that it left behind stay as they are.
        """
        self._is_closed = True
        await self._session.aclose()

    def __repr__(self) -> str:
        return f"<Client of {self._shown}, {'closed' if self._is_closed else 'open'}>"

    def __del__(self) -> None:
        wire = getattr(self, "_wire", None)  # None where an option was refused
        if wire and wire.is_open:
            warnings.warn(f"unclosed {self!r}", ResourceWarning, stacklevel=2, source=self)

    async def __aenter__(self) -> Self:
        self._session.bind()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()


def _take_key(given: list[str | ApiKey | None]) -> ApiKey | None:
    name = "api_key"
    if given[0] is None:
        given[0], name = os.environ.get("BITMINTER_KEY") or None, "BITMINTER_KEY"
    if given[0] is None or isinstance(given[0], ApiKey):
        return given[0]
    return ApiKey(cast("str", given.pop()), name=name)  # out of the list, and in no local, before ApiKey may raise


def _found_share() -> str:
    found = os.environ.get("BITMINTER_SHARE") or "machine"
    check_share("BITMINTER_SHARE", found)
    return found


def _user_agent(words: object) -> str:
    own = f"bitminter-async/{__version__} (+{_HOME})"
    if words is None:
        return own
    if not isinstance(words, str):
        raise TypeError(f"user_agent must be a string, not {type(words).__name__}")
    if not re.fullmatch(r"[!-~]([ -~]*[!-~])?", words):
        raise ValueError("user_agent must be printable ASCII without spaces around it")
    return f"{words} {own}"
