"""API keys: how a request carries one, and whose it is."""

import base64
import binascii
import hmac
import string
from typing import Literal, NamedTuple

from starlette.requests import Request

from .._world.chance import seeded_rng

__all__ = ["KeyIn", "Keys", "read_key"]

KeyIn = Literal["header", "basic", "query"]
"""`Authorization: key=…`, `Authorization: Basic …`, `?key=…`."""

_ALPHABET = string.ascii_uppercase + string.digits
_LENGTH = 32


class Access(NamedTuple):
    """Whose key it is, and whether it may read the balance and worker summary."""

    user: str
    permission: bool


class Keys:
    """The keys that the pool has given out."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._access: dict[str, Access] = {}

    def give(self, user: str, key: str | None, *, permission: bool) -> str:
        """Give a user a key, this one or one that follows from seed and name, and return it.

        Raises:
            ValueError: It cannot be a key, it is another user's, or the user has one.
        """
        if key is None:
            key = "".join(seeded_rng(self._seed, "key", user).choices(_ALPHABET, k=_LENGTH))
        if not (key.isascii() and key.isprintable() and key and " " not in key):
            raise ValueError("a key consists of printable ASCII characters without spaces, 32 of A-Z and 0-9 as a rule")
        if any(access.user == user for access in self._access.values()):
            raise ValueError(f"user {user!r} has a key already; key_of({user!r}) returns it")
        if key in self._access:
            raise ValueError(f"user {self._access[key].user!r} has this key already; each user needs one of its own")
        self._access[key] = Access(user, permission)
        return key

    def of(self, user: str) -> str:
        """Return the user's key, or raise LookupError if there is none."""
        for key, access in self._access.items():
            if access.user == user:
                return key
        raise LookupError(f"user {user!r} has no key; add_user({user!r}) gives it one")

    def mask(self, text: str) -> str:
        """Return the text with *** for each key in it."""
        for key in sorted(self._access, key=len, reverse=True):
            text = text.replace(key, "***")
        return text

    def access(self, given: str | None) -> Access | None:
        """Return what the key gives access to, or None for a wrong one. It takes the same time for each wrong one."""
        candidate = (given or "").encode()
        found = [access for key, access in self._access.items() if hmac.compare_digest(key.encode(), candidate)]
        return found[0] if found else None


def read_key(request: Request) -> tuple[KeyIn | None, str | None]:
    """Return how the request carries a key, if it does, and the key, unless it is malformed."""
    header = request.headers.get("authorization")
    if header is None:
        keys = request.query_params.getlist("key")
        return ("query" if keys else None), (keys[0] if len(keys) == 1 else None)
    scheme, _, credentials = header.partition(" ")
    if scheme.lower() == "basic":
        try:
            user, _, key = base64.b64decode(credentials, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "basic", None
        return "basic", (key if user == "key" else None)
    return "header", (header.removeprefix("key=") if header.startswith("key=") else None)
