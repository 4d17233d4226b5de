"""What came back: an answer, and the error that its status means."""

import re
import time
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TypeVar

from attrs import field, frozen

from ..errors import (
    BadRequest,
    Blocked,
    DecodeError,
    Fault,
    Forbidden,
    NotFound,
    RateLimited,
    ServerError,
    StatusError,
    TransportError,
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
_UNAVAILABLE = HTTPStatus.SERVICE_UNAVAILABLE
_SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?(, *[0-9]+(\.[0-9]+)?)*")  # a list where the header came twice
_LONGEST_REST = 7 * 86_400.0  # what is longer is nonsense: a moment, perhaps, in place of a span
_PERMISSION = 'access to "Balance and worker summary"'

_DOUBLED = "no such path: base_url should not end in /api, with which each path begins"


@frozen(eq=False, repr=False)
class Answer:
    """An answer, of which at least the head came. It has no `repr` of its own: what the server wrote may echo a key."""

    status: int
    url: str
    keyed: bool
    """Whether the request carried a key."""
    for_user: bool
    """Whether the request was for user data."""
    headers: Mapping[str, str] = field(repr=False)  # some debuggers expand objects by what attrs knows of them
    body: bytes = field(repr=False)
    """What came of it, inflated."""
    mask: Mask
    fault: Fault | None = None
    """What is wrong with the body as such."""
    failure: Exception | None = None
    """Why the body did not come whole."""

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
            seconds = max(map(float, said.split(",")))
            return seconds if 0 < seconds <= _LONGEST_REST else None
        # Against the pool's own clock where it tells it: ours may be off.
        until, now = _timestamp(said), _timestamp(self.headers.get("date", "")) or time.time()
        return until - now if until and 0 < until - now <= _LONGEST_REST else None

    @property
    def rest(self) -> float | None:
        """Seconds for which this answer bids the client rest; None where it does not."""
        is_block = self.status == HTTPStatus.FORBIDDEN and not self.keyed
        return max(BLOCKED_FOR, self.retry_after or 0.0) if is_block else self.retry_after

    @property
    def error(self) -> Exception | None:
        """The error that this answer means; None where it is a success, whose body is still to be read.

        Of an answer that is not a success the status counts: where its body did not come whole, what came will do.
        """
        if self.failure and (self.is_success or not isinstance(self.failure, TransportError)):
            return self.failure
        if self.fault and self.is_success:
            return DecodeError(self.url, [self.fault], body=self.text)
        return self._status_error

    @property
    def _status_error(self) -> StatusError | None:
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
                kind, hint = Forbidden, f"the key lacks {_PERMISSION}, or the pool has blocked this client"
            case 403:
                kind, hint = Blocked, f"the pool has blocked this client, which rests for {BLOCKED_FOR:.0f} s"
            case 404:
                kind, hint = NotFound, _DOUBLED if "/api/api/" in self.url else "the pool knows no such user or path"
            case status if status == HTTPStatus.TOO_MANY_REQUESTS or (status == _UNAVAILABLE and self.rest):
                kind, hint = RateLimited, self.plea
            case status if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                kind, hint = ServerError, "the pool failed"
            case _:
                if location := self.headers.get("location"):
                    hint = f"a redirect to {printable(self.mask(location)[:_QUOTED])}, which is not followed"
        if self._is_challenge:
            hint = "a page for browsers, by something between here and the pool: a challenge, which no client can pass"
        return self.as_error(kind, hint)

    @property
    def plea(self) -> str:
        """What the pool asks for, in words."""
        return f"the pool asks for rest, {self.rest:.0f} s" if self.rest else "the pool asks for rest"

    @property
    def _is_challenge(self) -> bool:
        is_html = self.body.lstrip()[:1] == b"<"
        return "cf-mitigated" in self.headers or (is_html and self.status in {HTTPStatus.FORBIDDEN, _UNAVAILABLE})

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
