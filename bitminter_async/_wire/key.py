"""The API key: how it is carried, and how it is kept out of everything that a person or a log may see."""

import base64
import html
import logging
import re
from collections.abc import Mapping
from typing import Literal, NoReturn
from urllib.parse import quote

__all__ = ["ApiKey", "KeyPlace", "Mask", "refusal"]

KeyPlace = Literal["header", "basic", "query"]

_MASKED = "***"
# These print response headers at DEBUG, in which a server may echo a key.
_LOGGERS = [
    logging.getLogger(name)
    for name in (
        "httpcore.connection",
        "httpcore.http11",
        "httpcore.http2",
        "httpcore.proxy",
        "httpcore.socks",
        "hpack.hpack",
        "hpack.table",
    )
]
_PRINTABLE_ASCII = re.compile(r"[!-~]+")


class ApiKey:
    """An API key that does not show itself: its `repr` and `str` are `ApiKey('***')`, and it cannot be pickled.

    Args:
        key: The key as the pool's website shows it. The pool's own are 32 characters, A to Z and 0 to 9.

    Raises:
        ValueError: The key is empty, or holds a space, a control character or one beyond ASCII.
        TypeError: The key is not a string.
    """

    __slots__ = ("__weakref__", "_secret")

    def __init__(self, key: str) -> None:
        self._secret, key = key, _MASKED  # a traceback that shows this frame's locals must not show it
        try:
            usable = _PRINTABLE_ASCII.fullmatch(self._secret)
        except TypeError:
            raise TypeError(f"api_key must be a string, not {type(self._secret).__name__}") from None
        if not usable:
            raise ValueError("api_key must be printable ASCII characters, at least one and no space")

    def __repr__(self) -> str:
        return f"ApiKey({_MASKED!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an ApiKey is not pickled or copied: what holds the result would hold the key")

    def placed(self, place: KeyPlace) -> tuple[Mapping[str, str], bytes]:
        """Return the headers and the query string that carry the key to the pool."""
        if place == "query":
            return {}, b"key=" + quote(self._secret, safe="").encode()
        return {"Authorization": f"key={self._secret}" if place == "header" else f"Basic {self._basic()}"}, b""

    def _basic(self) -> str:
        return base64.b64encode(f"key:{self._secret}".encode()).decode()

    def pattern(self) -> re.Pattern[str]:
        """Return what finds the key in whatever form a server may echo it: quoted, escaped, or in Base64."""
        secret = "".join(map(_any_form, self._secret))
        return re.compile(f"{secret}|{re.escape(self._basic().rstrip('='))}", re.IGNORECASE)


def _any_form(char: str) -> str:
    """Match a character as it is, and as URLs, JSON, HTML and Python may write it."""
    code = ord(char)
    forms = sorted({char, f"\\{char}", html.escape(char)}, key=len, reverse=True)
    numbers = rf"%{code:02x}|\\u00{code:02x}|\\x{code:02x}|&#0*{code};|&#x0*{code:x};"
    return f"(?:{numbers}|{'|'.join(map(re.escape, forms))})"


class Mask:
    """Masks a key in text. As a logging filter it does so in records, before a handler sees them."""

    def __init__(self, key: ApiKey | None) -> None:
        self._pattern = key and key.pattern()

    def __call__(self, text: str) -> str:
        """Return `text` with the key, in whatever form, replaced by `***`."""
        return self._pattern.sub(_MASKED, text) if self._pattern else text

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask the record's message; let it pass."""
        record.msg, record.args = self(record.getMessage()), ()
        return True

    def filter_logs(self) -> None:
        """Mask what httpx's libraries log from now on, if there is a key to mask."""
        if self._pattern:
            for logger in _LOGGERS:
                logger.addFilter(self)

    def unfilter_logs(self) -> None:
        """Leave the logs as they were. Doing so twice is fine."""
        for logger in _LOGGERS:
            logger.removeFilter(self)


def refusal(url: str, *, is_chosen: bool, is_private: bool) -> str | None:
    """Say why a key must not be sent, or None if it may.

    Args:
        url: Where to.
        is_chosen: Whether the caller, or the environment, has named that host.
        is_private: Whether nobody on the way can read it, or the caller does not mind.
    """
    if not is_chosen:
        return (
            f"the key was not sent: {url} is closed, and whoever holds its name today must not be handed keys; pass "
            "base_url, or set BITMINTER_URL, to say which pool the key is for"
        )
    if not is_private:
        return (
            f"the key was not sent: over {url} it would travel in the clear; use https, or pass allow_plain_http=True"
        )
    return None
