"""Injected faults: answers that come late, differ from the pool's own, or break off."""

import re
from collections.abc import Mapping

from attrs import define
from httpx import RemoteProtocolError
from starlette.responses import Response
from starlette.types import Message, Send

__all__ = ["InjectedFault", "check_can_be_sent", "cut_short", "take_fault"]

_WITHOUT_BODY = {204, 304}
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@define(kw_only=True, eq=False)
class InjectedFault:
    """What goes wrong with the next requests."""

    times: int
    """How many requests it still happens to."""
    path: str | None
    """It happens only to requests whose path begins so; None: to any."""
    seconds: float = 0.0
    """How much later the answer comes."""
    answer: Response | None = None
    """What is answered; None: what the pool itself answers."""
    cut: bool = False
    """Whether the connection breaks in the middle of the answer's body."""

    def applies_to(self, path: str) -> bool:
        """Return whether it can happen to a request to this path."""
        return self.path is None or path.startswith(self.path)


def check_can_be_sent(status: int, headers: Mapping[str, str], body: bytes | str) -> None:
    """Raise ValueError for what HTTP has no form for: a server would log a traceback in place of sending it."""
    if body and status in _WITHOUT_BODY:
        raise ValueError(f"body must be empty with status {status}")
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"headers has a name that none can have: {name!r}")
        if not value.isprintable() or value != value.strip():
            raise ValueError(f"headers has a value that none can have: {value!r}")


def take_fault(faults: list[InjectedFault], path: str) -> InjectedFault | None:
    """Return the first fault that applies to a request to this path, and count it down; None if there is none."""
    fault = next((fault for fault in faults if fault.applies_to(path)), None)
    if fault is not None:
        fault.times -= 1
        if not fault.times:
            faults.remove(fault)
    return fault


def cut_short(send: Send) -> Send:
    """Return a `send` that breaks off half-way through the body.

    It raises what a client in this process would see of a broken connection; on a socket, the server breaks it then.
    """

    async def send_half(message: Message) -> None:
        if message["type"] != "http.response.body":
            return await send(message)
        body = message.get("body", b"")
        await send({"type": "http.response.body", "body": body[: len(body) // 2], "more_body": True})
        raise RemoteProtocolError("peer closed connection without sending complete message body")

    return send_half
