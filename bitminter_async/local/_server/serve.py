"""The local pool on a real socket."""

import asyncio
import socket
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from ipaddress import ip_address
from typing import Any, cast

from httpx import RemoteProtocolError
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn import Config
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.server import ServerState

__all__ = ["serving"]

_KEEP_ALIVE = 75  # longer than most clients wait between two requests, so that they find their connection open


class _Connection(H11Protocol):
    """A connection without an access log: it would hold the keys in the URLs."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  # uvicorn's own, passed on
        super().__init__(*args, **kwargs)
        self.access_log = False

    def hang_up(self) -> None:
        """Close without the rest of the answer; `disconnected` keeps uvicorn from logging that it is missing."""
        self.cycle.disconnected = True
        self.transport.close()


@asynccontextmanager
async def serving(app: ASGIApp, host: str, port: int) -> AsyncGenerator[str]:
    """Serve the application in the running loop, and give a base URL at which this machine can ask it.

    This is uvicorn's protocol without its server, which would take over the process's signals.
    """
    state = ServerState()
    connections = cast("set[_Connection]", state.connections)  # all of them are made below

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except RemoteProtocolError:  # an injected fault: the answer is cut short
            for connection in connections:
                if connection.scope is scope:
                    connection.hang_up()
        except asyncio.CancelledError:
            # Only the end of serving cancels an answer, whose connection is closed by then.
            return

    config = Config(answer, http="h11", ws="none", lifespan="off", log_config=None, timeout_keep_alive=_KEEP_ALIVE)
    config.load()
    config.loaded_app = answer  # without uvicorn's wrappers: one of them logs whole requests at level 5
    server = await asyncio.get_running_loop().create_server(
        lambda: _Connection(config=config, server_state=state, app_state={}), host, port, family=socket.AF_INET
    )
    try:
        address, bound_port = server.sockets[0].getsockname()
        # Where it listens on every address, the loopback's is one of them; 0.0.0.0 itself is none that can be asked.
        yield f"http://{'127.0.0.1' if ip_address(address).is_unspecified else host}:{bound_port}"
    finally:
        server.close()
        for connection in list(connections):
            connection.transport.abort()
        await asyncio.sleep(0)  # so that the connections are told of their end
        answering = list(state.tasks)
        for task in answering:
            task.cancel()
        await asyncio.gather(*answering, return_exceptions=True)
        await server.wait_closed()
