"""What came back: an answer, and the error that its status means."""

import re
import time
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TypeVar

from attrs import frozen

from ..errors import (
    BadRequest,
    Blocked,
    Forbidden,
    NotFound,
    RateLimited,
    ServerError,
    StatusError,
    Unauthorized,
)
from .key import Mask

__all__ = ["BLOCKED_FOR", "Answer", "printable"]

E = TypeVar("E", bound=StatusError)

BLOCKED_FOR = 900.0
"""Seconds that a blocked client rests."""

_SHOWN = 500
_LOOKED_AT = 2**16  # bytes: masking megabytes would hold up the loop
_QUOTED = 120
_SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?(, *[0-9]+(\.[0-9]+)?)*")  # a list where the header came twice
_LONGEST_REST = 1e8  # some three years
_PERMISSION = 'access to "Balance and worker summary"'


@frozen(eq=False, repr=False)
class Answer:
    """A complete answer. It has no `repr` of its own: what the server wrote may echo a key."""

    status: int
    url: str
    keyed: bool
    """Whether the request carried a key."""
    for_user: bool
    """Whether the request was for user data."""
    headers: Mapping[str, str]
    body: bytes
    mask: Mask

    @property
    def text(self) -> str:
        """The first 500 characters of the body, with any key masked before the cut."""
        return self.mask(self.body[:_LOOKED_AT].decode("utf-8", "replace"))[:_SHOWN]

    @property
    def is_success(self) -> bool:
        """Whether the status is 200, so that the body counts."""
        return self.status == HTTPStatus.OK

    @property
    def retry_after(self) -> float | None:
        """Seconds that the pool asks to wait; None where it does not say, or says nonsense or what is past."""
        if not (said := self.headers.get("retry-after", "").strip()):
            return None
        if _SECONDS.fullmatch(said):
            return min(max(map(float, said.split(","))), _LONGEST_REST) or None
        # Against the pool's own clock where it tells it: ours may be off.
        until, now = _timestamp(said), _timestamp(self.headers.get("date", "")) or time.time()
        return until - now if until and 0 < until - now < _LONGEST_REST else None

    @property
    def rest(self) -> float | None:
        """Seconds for which this answer bids the client rest; None where it does not."""
        is_block = self.status == HTTPStatus.FORBIDDEN and not self.keyed
        return max(BLOCKED_FOR, self.retry_after or 0.0) if is_block else self.retry_after

    @property
    def error(self) -> StatusError | None:
        """The error that this answer means; None where it is a success, whose body is still to be read."""
        kind, hint = StatusError, "not an answer that the API documents"
        match self.status:
            case _ if self.is_success:
                if not self.for_user or self.body.strip():
                    return None
                kind, hint = Forbidden, f"an empty answer: the key's API access is switched off, it lacks {_PERMISSION}"
            case 400:
                kind, hint = BadRequest, "the pool refuses a parameter"
            case 401:
                kind, hint = Unauthorized, f"the key is {'wrong' if self.keyed else 'missing'}"
            case 403 if self.keyed:
                kind, hint = Forbidden, f"the key lacks {_PERMISSION}"
            case 403:
                kind, hint = Blocked, f"the pool has blocked this client, which rests for {BLOCKED_FOR:.0f} s"
            case 404:
                kind, hint = NotFound, "the pool knows no such user or path"
            case 429:
                kind, hint = RateLimited, "the pool asks for rest"
            case 503 if self.rest:
                kind, hint = RateLimited, "the pool asks for rest"
            case status if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                kind, hint = ServerError, "the pool failed"
            case _:
                if location := self.headers.get("location"):
                    hint = f"a redirect to {printable(self.mask(location)[:_QUOTED])}, which is not followed"
        return self.as_error(kind, hint)

    def as_error(self, kind: type[E], hint: str) -> E:
        """Make the error `kind` of this answer."""
        lines = self.text.strip().splitlines()
        said = f" (it says: {printable(lines[0][:_QUOTED])})" if lines and not lines[0].startswith("<") else ""
        error = kind(
            f"GET {self.url}: {self.status}, {hint}{said}",
            status=self.status,
            url=self.url,
            body=self.text,
            headers={self.mask(name): self.mask(value) for name, value in self.headers.items()},
        )
        if isinstance(error, RateLimited | Blocked):
            error.retry_after = self.rest
        return error


def printable(text: str) -> str:
    """Return `text` with control characters and the like escaped, fit for a log's line or a terminal."""
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)


def _timestamp(date: str) -> float | None:
    try:
        moment = parsedate_to_datetime(date)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
