"""The connection to Redis: runs the script, and hears what is published."""

import asyncio
from collections.abc import Callable, Sequence
from hashlib import sha1
from pathlib import Path
from typing import Any, NamedTuple, cast
from urllib.parse import urlsplit

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError

from ...errors import BudgetUnreachable

__all__ = ["MICROSECONDS", "TIMEOUT", "Connection", "Reply", "check_url", "microseconds"]

MICROSECONDS = 1e6

TIMEOUT = 2.0
"""Seconds: to connect, and for a command."""

_SCRIPT = Path(__file__).with_name("redis.lua").read_text(encoding="utf-8")
_SHA = sha1(_SCRIPT.encode(), usedforsecurity=False).hexdigest()


class Reply(NamedTuple):
    """What the script says; times are seconds."""

    what: str
    """`kept`, `turn` or `wait`."""
    span: float
    """The answer's age, or how long to wait before asking again."""
    rest: float
    """What is left of a rest."""
    why: str
    """What began it."""
    slowed: float
    """The spacing to which requests were slowed down; 0 where they were not."""
    before: int
    """How many stand before."""
    sharers: int
    """How many share the budget."""
    fence: str
    """The turn's."""
    now: float
    """The server's clock."""
    answer: bytes
    """Moment and body of the answer that is kept."""

    @classmethod
    def of(cls, said: Sequence[bytes]) -> "Reply":
        """Read what the script returned."""
        what, span, rest, why, slowed, before, sharers, fence, now, answer = said
        return cls(
            what.decode(),
            float(span) / MICROSECONDS,
            float(rest) / MICROSECONDS,
            why.decode("utf-8", "replace"),
            float(slowed) / MICROSECONDS,
            int(before),
            int(sharers),
            fence.decode(),
            float(now) / MICROSECONDS,
            answer,
        )


class Connection:
    """Two connections: one for commands, which run one after the other, and one that listens to messages.

    Args:
        url: Where Redis is.
        channels: What to listen to.
        on_message: Called with each message, its channel first; with two empty strings where some may have been missed.
    """

    def __init__(self, url: str, channels: Sequence[str], on_message: Callable[[str, str], None]) -> None:
        self._where = _without_user_info(url)
        self._channels = channels
        self._on_message = on_message
        common: dict[str, Any] = {"socket_connect_timeout": TIMEOUT, "decode_responses": False}
        # Once more on a fresh connection: that a server has restarted, an idle one does not tell.
        once_more = Retry(NoBackoff(), 1)
        kind = cast("Any", redis.asyncio.Redis)  # much of which is not typed
        self._commands = kind.from_url(url, single_connection_client=True, protocol=2)
        self._messages = kind.from_url(url, protocol=2)
        # Not passed before, or what the URL says of them would win.
        self._commands.connection_pool.connection_kwargs.update(common, socket_timeout=TIMEOUT, retry=once_more)
        self._messages.connection_pool.connection_kwargs.update(
            common, socket_timeout=None, retry=Retry(NoBackoff(), 0)
        )
        self._listening: asyncio.Task[None] | None = None
        self._subscribed: asyncio.Future[None]

    async def run(self, keys: Sequence[str], *args: str | bytes | float) -> Reply:
        """Run the script, and return what it says.

        Raises:
            BudgetUnreachable: Redis cannot be reached, or refuses.
        """
        try:
            async with asyncio.timeout(2 * TIMEOUT):  # what runs before it included
                try:
                    said = await self._commands.evalsha(_SHA, len(keys), *keys, *args)
                except NoScriptError:  # a server that began anew
                    said = await self._commands.eval(_SCRIPT, len(keys), *keys, *args)
        except (RedisError, OSError) as exc:
            raise self._unreachable(exc) from None
        return Reply.of(cast("list[bytes]", said))

    async def open(self) -> None:
        """Return once commands can be sent, and messages are heard.

        Raises:
            BudgetUnreachable: Redis cannot be reached, or refuses.
        """
        if self._listening is None or self._listening.done():
            self._subscribed = asyncio.get_running_loop().create_future()
            # Retrieved at once: it may be that nobody waits for it any more.
            self._subscribed.add_done_callback(asyncio.Future[None].exception)
            self._listening = asyncio.create_task(self._listen(self._subscribed))
        try:
            async with asyncio.timeout(2 * TIMEOUT):
                await asyncio.shield(self._subscribed)
                await self._commands.initialize()
        except (RedisError, OSError) as exc:  # too slow included
            raise self._unreachable(exc) from None

    async def _listen(self, subscribed: asyncio.Future[None]) -> None:
        try:
            async with self._messages.pubsub() as pubsub:
                await pubsub.subscribe(*self._channels)
                missing = len(self._channels)
                async for message in pubsub.listen():
                    if message["type"] == "message":
                        self._on_message(message["channel"].decode(), message["data"].decode(errors="replace"))
                        continue
                    missing -= 1
                    if not missing:
                        subscribed.set_result(None)
        except (RedisError, OSError) as exc:
            if not subscribed.done():
                subscribed.set_exception(self._unreachable(exc))
        finally:
            self._on_message("", "")

    def _unreachable(self, exc: Exception) -> BudgetUnreachable:
        return BudgetUnreachable(f"the budget at {self._where} cannot be reached: {type(exc).__name__}: {exc}")

    async def stop_listening(self) -> None:
        """Hear nothing any more."""
        if self._listening:
            self._listening.cancel()
            await asyncio.wait([self._listening])

    async def aclose(self) -> None:
        """Close both, once nothing is heard any more. Closing twice is fine."""
        await self._commands.aclose()
        await self._messages.aclose()


def check_url(url: str) -> None:
    """Raise ValueError unless redis-py takes the options in the URL."""
    try:
        cast("Any", redis.asyncio.ConnectionPool).from_url(url).make_connection()
    except (TypeError, ValueError, RedisError):
        raise ValueError("the URL of Redis has an option that redis-py does not know, or cannot read") from None


def _without_user_info(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()


def microseconds(seconds: float) -> int:
    """Return the span as the script takes it."""
    return round(seconds * MICROSECONDS)
