"""The API key: how it is carried, and how it is kept out of everything that a person or a log may see."""

import base64
import html
import json
import logging
import re
from typing import Literal, NoReturn
from urllib.parse import quote

__all__ = ["ApiKey", "KeyPlace", "Mask"]

KeyPlace = Literal["header", "basic", "query"]

_MASKED = "***"
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
            raise TypeError(f"api_key is a string, not {type(self._secret).__name__}") from None
        if not usable:
            raise ValueError("api_key is empty, or holds a space, a control character or one beyond ASCII")

    def __repr__(self) -> str:
        return f"ApiKey({_MASKED!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("an ApiKey is not pickled or copied: what holds the result would hold the key")

    def placed(self, place: KeyPlace) -> tuple[dict[str, str], bytes]:
        """Return the headers and the query string that carry the key to the pool."""
        if place == "query":
            return {}, b"key=" + quote(self._secret, safe="").encode()
        return {"Authorization": f"key={self._secret}" if place == "header" else f"Basic {self._basic()}"}, b""

    def _basic(self) -> str:
        return base64.b64encode(f"key:{self._secret}".encode()).decode()

    def forms(self) -> list[str]:
        """Return every form in which a server may echo the key, the longest first."""
        secret = self._secret
        forms = {
            secret,
            self._basic().rstrip("="),
            quote(secret, safe=""),
            html.escape(secret),
            json.dumps(secret)[1:-1],
        }
        return sorted(forms, key=len, reverse=True)


class Mask:
    """Masks a key in text. As a logging filter it does so in records, before a handler sees them."""

    def __init__(self, key: ApiKey | None) -> None:
        self._pattern = key and re.compile("|".join(map(re.escape, key.forms())), re.IGNORECASE)

    def __call__(self, text: str) -> str:
        """Return `text` with the key, in whatever form, replaced by `***`."""
        return self._pattern.sub(_MASKED, text) if self._pattern else text

    def filter(self, record: logging.LogRecord) -> bool:
        """Mask the record's message; let it pass."""
        record.msg, record.args = self(record.getMessage()), ()
        return True
