"""An answer as it comes in: read no further than it may be long, inflated no further either."""

import re
import zlib
from collections.abc import AsyncIterable, Mapping

from ..errors import Fault
from .answer import printable
from .key import Mask

__all__ = ["Received"]

_MAX_BODY = 8 * 2**20
_TOO_LARGE = Fault("$", "at most 8 MiB", "more")
_NOT_ONE_GZIP = Fault("$", "gzip", "gzip that is cut short or followed by something else")
_UNPROVEN = Fault(
    "$",
    "an answer that is known to be whole, by its Content-Length or chunks",
    "one that the end of the connection may have cut short",
)
_OPEN_ENDED = re.compile(rb"\s*([-0-9][-+.0-9eE]*)?")  # nothing, or a number: brackets and quotes would prove an end
_GZIP = 31  # zlib's window bits for a gzip header and nothing else
_SHOWN = 40


class Received:
    """What has come of an answer so far. It is filled as the answer comes, so what came is there if the rest does not.

    Attributes:
        status: The HTTP status; 0 until the head has come.
        headers: The headers.
        version: The HTTP version, where the transport tells.
        body: The body, inflated.
        size: How many bytes of it came over the wire.
        fault: What is wrong with it as a body, if anything.
    """

    def __init__(self) -> None:
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.version: object = None
        self.body = bytearray()
        self.size = 0
        self.fault: Fault | None = None

    async def read(self, stream: AsyncIterable[bytes], mask: Mask) -> None:
        """Read the body, up to its end or to what is wrong with it."""
        encoding = self.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in {"identity", "gzip", "x-gzip", ""}:
            self.fault = Fault("$", "gzip or no encoding", printable(mask(encoding)[:_SHOWN]))
            return
        inflater = zlib.decompressobj(_GZIP) if encoding.endswith("gzip") else None
        async for chunk in stream:
            self.size += len(chunk)
            try:
                # Inflating no further than the limit: reading a bomb whole would take what it likes.
                self.body += inflater.decompress(chunk, _MAX_BODY + 1 - len(self.body)) if inflater else chunk
            except zlib.error as exc:
                self.fault = Fault("$", "gzip", f"broken gzip ({exc})")
                return
            if len(self.body) > _MAX_BODY:
                self.fault = _TOO_LARGE
                return
            if inflater and inflater.unused_data:  # which keeps all that comes after the end
                self.fault = _NOT_ONE_GZIP
                return
        if inflater and self.size and not inflater.eof:
            self.fault = _NOT_ONE_GZIP
        if self._ends_with_the_connection and not inflater and _OPEN_ENDED.fullmatch(self.body):
            self.fault = _UNPROVEN

    @property
    def _ends_with_the_connection(self) -> bool:
        """Whether the body has no other end, so that a connection that broke looks like one that was closed.

        A transport that passes no bytes of HTTP/1 on, as a mock or one to an application in this process, names no
        version, and its stream ends when the body does.
        """
        return (
            self.version in {b"HTTP/1.1", b"HTTP/1.0"}
            and "content-length" not in self.headers
            and "chunked" not in self.headers.get("transfer-encoding", "").lower()
        )
