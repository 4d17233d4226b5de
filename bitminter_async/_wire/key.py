"""The API key: how it is carried, and how it is kept out of everything that a person or a log may see."""

import base64
import hashlib
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
_USABLE = re.compile(r"[!-~]{8,}")
# Between two letters: what UTF-16 and UTF-32 put there, as it is and as Python, JSON and URLs write it.
_GAP = r"(?:\0|\\x00|\\u0000|%00){0,3}"
_BASE64_VARIANTS = {"+": "-", "/": "_"}  # of the alphabet that is safe in URLs


class ApiKey:
    """An API key that does not show itself: its `repr` and `str` are `ApiKey('***')`, and it cannot be pickled.

    Args:
        key: The key as the pool's website shows it. The pool's own are 32 characters, A to Z and 0 to 9. One of fewer
            than 8 is refused: masked wherever its letters come together, it would leave no log readable.
        name: What an error calls it.

    Raises:
        ValueError: The key is too short, or holds a space, a control character or one beyond ASCII.
        TypeError: The key is not a string.
    """

    __slots__ = ("__weakref__", "_secret")

    def __init__(self, key: str, *, name: str = "api_key") -> None:
        self._secret, key = key, _MASKED  # a traceback that shows this frame's locals must not show it
        try:
            usable = _USABLE.fullmatch(self._secret)
        except TypeError:
            raise TypeError(f"{name} must be a string, not {type(self._secret).__name__}") from None
        if not usable:
            raise ValueError(f"{name} must be 8 or more printable ASCII characters, without a space")

    def __repr__(self) -> str:
        return f"ApiKey({_MASKED!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an ApiKey is not pickled or copied: what holds the result would hold the key")

    def placed(self, place: KeyPlace) -> tuple[Mapping[str, str], bytes]:
        """Return the headers and the query string that carry the key to the pool."""
        if place == "query":
            return {}, b"key=" + quote(self._secret, safe="").encode()
        credentials = f"key={self._secret}" if place == "header" else f"Basic {_base64(f'key:{self._secret}')}"
        return {"Authorization": credentials}, b""

    def derive(self, salt: bytes) -> bytes:
        """Return 64 secret bytes that tell nothing of the key; it takes some 50 ms, as a guess at a short key would."""
        return hashlib.scrypt(self._secret.encode(), salt=salt, n=2**14, r=8, p=1, dklen=64)

    def pattern(self) -> re.Pattern[str]:
        """Return what finds the key in whatever form a server may echo it: quoted, escaped, in UTF-16 or in Base64."""
        encoded = [_base64(f"key:{self._secret}").rstrip("="), *(_base64_within(self._secret, at) for at in range(3))]
        forms = [_GAP.join(map(_any_form, self._secret)), *(_GAP.join(map(_base64_form, text)) for text in encoded)]
        return re.compile("|".join(forms), re.IGNORECASE)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _base64_within(secret: str, at: int) -> str:
    """Return what is the same in the Base64 of any text that holds the secret `at` bytes after a multiple of three.

    At its ends it leaves out a character that mixes with the text around; it tells less than a letter of the secret.
    """
    encoded = _base64("\0" * at + secret)
    return encoded[-(-at * 8 // 6) : (at + len(secret)) * 8 // 6]


def _any_form(char: str, variant: str = "") -> str:
    """Match a character as it is, and as URLs, JSON, HTML and Python may write it, also if one quotes another."""
    code = ord(char)
    name = html.escape(char).removeprefix("&") if char in "&<>\"'" else f"#{code};"
    bare = rf"\\*(?:(?:u00|x){code:02x}|[{re.escape(char + variant)}])"
    # The bare character comes last: a `%` may be the first of `%25`.
    return rf"(?:%(?:25){{0,3}}{code:02x}|&(?:amp;){{0,3}}(?:{name}|#0*{code};|#x0*{code:x};)|{bare})"


def _base64_form(char: str) -> str:
    """Match a character of a Base64 text in either alphabet; none but `+` and `/` is ever quoted."""
    return char if char.isalnum() else _any_form(char, _BASE64_VARIANTS[char])


class Mask:
    """Masks a key in text. As a logging filter it does so in records, before a handler sees them."""

    def __init__(self, key: ApiKey | None) -> None:
        self._pattern = key and key.pattern()

    def __call__(self, text: str) -> str:
        """Return `text` with the key, in whatever form, replaced by `***`."""
        return self._pattern.sub(_MASKED, text) if self._pattern else text

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask the record's message, if there is anything to mask in it or in its arguments; let it pass."""
        message, arguments = record.getMessage(), repr(record.args)
        masked = self(message)
        if masked != message or self(arguments) != arguments:
            record.msg, record.args = masked, ()
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
