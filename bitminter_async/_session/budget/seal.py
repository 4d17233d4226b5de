"""How answers are kept where others may read and write: a user's are sealed with a key derived from the API key."""

import asyncio
import hashlib
import os
from hashlib import blake2b
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from ..._call import Call
from ..._wire.key import ApiKey

__all__ = ["Seal"]

_NONCE = 12  # bytes, as AES-GCM has it
_HALF = 32
_DIGEST = 16


class Seal:
    """Names questions, and seals and opens their answers.

    A question's name and its answer tell nothing to who has not the key; an answer opens only as the answer to that
    question, asked at that moment. Public answers are kept as they are.

    Args:
        salt: What the secrets are derived with besides the key.
        secret: 64 bytes; empty for what is public.
    """

    def __init__(self, salt: bytes, secret: bytes = b"") -> None:
        self._salt = salt
        self._name_key = secret[:_HALF]
        self._cipher = AESGCM(secret[_HALF:]) if secret else None

    @classmethod
    async def of(cls, key: ApiKey, salt: bytes) -> "Seal":
        """Return the seal of a key. This takes 50 ms, in a thread: a short key shall not be found by trying."""
        return cls(salt, await asyncio.to_thread(key.derive, salt))

    def name(self, call: Call[Any]) -> str:
        """Return what the question is called in public."""
        asked = repr((self._salt, call.path, call.params)).encode()
        return blake2b(asked, digest_size=_DIGEST, key=self._name_key).hexdigest()

    def close(self, body: bytes, label: str) -> bytes:
        """Return the body, sealed; `label` must be known to open it."""
        if self._cipher is None:
            return body
        nonce = os.urandom(_NONCE)
        return nonce + self._cipher.encrypt(nonce, body, label.encode())

    def open(self, sealed: bytes, label: str) -> bytes | None:
        """Return the body; None where it was not sealed with this key and label, or has been changed since."""
        if self._cipher is None:
            return sealed
        try:
            return self._cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], label.encode())
        except (InvalidTag, ValueError):  # or too short to hold a nonce
            return None


def salt_of(base_url: str) -> bytes:
    """Return what belongs to a pool alone."""
    return hashlib.sha256(base_url.encode()).digest()
