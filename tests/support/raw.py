"""A server on a bare socket, which writes whatever bytes a test wants, at whatever moment."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from attrs import define, field


def reply(body: bytes, status: str = "200 OK", **headers: str) -> bytes:
    """An answer with its length, and these headers (`Retry_After="5"`)."""
    framing = {"Content-Length": str(len(body))} | {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"HTTP/1.1 {status}", *[f"{name}: {value}" for name, value in framing.items()], "", ""]
    return "\r\n".join(lines).encode() + body


@define
class RawServer:
    """Gives each request the next of its replies, each a sequence of writes; a pause between two is a float of seconds.

    An empty reply closes the connection without a word. On connecting, `greeting` is written before anything is asked.
    """

    replies: list[Sequence[bytes | float]]
    greeting: bytes = b""
    url: str = ""
    connections: int = 0
    heads: list[str] = field(factory=list[str])
    at: list[float] = field(factory=list[float])
    most_open: int = 0
    _writers: set[asyncio.StreamWriter] = field(factory=set[asyncio.StreamWriter])

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections += 1
        self._writers.add(writer)
        self.most_open = max(self.most_open, len(self._writers))
        writer.write(self.greeting)
        try:
            while True:
                self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode())
                self.at.append(asyncio.get_running_loop().time())
                written = self.replies.pop(0)
                if not written:
                    break
                for step in written:
                    if isinstance(step, bytes):
                        writer.write(step)
                        await writer.drain()
                    else:
                        await asyncio.sleep(step)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    @property
    def paths(self) -> list[str]:
        """The path of each request, in order."""
        return [head.split(" ")[1] for head in self.heads]

    def hang_up(self) -> None:
        """Close every connection from this side."""
        for writer in [*self._writers]:
            writer.close()


@asynccontextmanager
async def raw_server(
    *replies: Sequence[bytes | float], greeting: bytes = b"", tls: ssl.SSLContext | None = None
) -> AsyncGenerator[RawServer]:
    """Serve on loopback, with a certificate for localhost if there is one."""
    server = RawServer([*replies], greeting)
    listener = await asyncio.start_server(server.talk, "127.0.0.1", 0, ssl=tls)
    port = listener.sockets[0].getsockname()[1]
    server.url = f"https://localhost:{port}" if tls else f"http://127.0.0.1:{port}"
    try:
        yield server
    finally:
        listener.close()
        for writer in [*server._writers]:
            writer.transport.abort()
        await asyncio.sleep(0)
