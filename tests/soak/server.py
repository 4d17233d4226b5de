"""The pool as a server below httpcore: bytes on connections that break, on virtual time, with an eye on manners."""

import asyncio
import gzip
import json
import math
from collections import deque
from collections.abc import Iterable
from email.utils import formatdate
from random import Random
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

import httpcore
from attrs import define

from tests.soak.world import EPOCH, OWNER, World
from tests.support.samples import CHAIN_ROUND, ROUND, STATS

KEY = "SOAKKEY0AAAABBBBCCCCDDDDEEEE9999"
POISON = 999_999_999  # the serial number of what nobody asked for
_BLOCK = 900.0
_EPSILON = 1e-3


def now() -> float:
    """The loop's time."""
    return asyncio.get_running_loop().time()


class Asked(NamedTuple):
    """A request as the server saw it."""

    at: float
    target: str
    by: str


@define(eq=False)
class Guest:
    """A client as the server knows it, by its User-Agent."""

    name: str
    interval: float
    requests: int = 0
    refused: int = 0
    """Connections that it could not get."""
    is_leaving: bool = False
    is_keyed: bool = False
    answers_since_spoilt: int = 0


@define(eq=False)
class Weather:
    """What goes wrong, and how often."""

    random: Random
    ill: float = 0.0
    """How likely a single answer goes wrong."""
    outage: str | None = None
    """What happens to every request."""
    latency: float = 0.1

    def change(self, *, calm: bool = False) -> str:
        """Turn."""
        self.ill = 0.0 if calm else self.random.choice((0.0, 0.01, 0.03, 0.1, 0.3))
        self.latency = 0.1 if calm else self.random.choice((0.0, 0.05, 0.1, 1.0, 4.0))
        outages = ("refuse", "502", "hang", "429", "429+", "403", "401", "reset", "503+", "html", "cut body")
        self.outage = None if calm or self.random.random() < 0.7 else self.random.choice(outages)
        return f"weather {self.ill} {self.outage} latency {self.latency}"

    def next(self) -> str | None:
        """What goes wrong with this answer."""
        if self.outage:
            return self.outage if self.random.random() < 0.9 else None
        if self.random.random() >= self.ill:
            return None
        single = (
            *("502", "500", "503", "503+", "429", "429+", "429 date", "408", "404", "400", "401", "403", "301", "rest"),
            *(
                "hang",
                "hang body",
                "slow",
                "reset",
                "silent",
                "cut body",
                "html",
                "empty",
                "garbage",
                "echo",
                "leftover",
            ),
            *("leftover later", "leftover later", "leftover", "spoil", "spoil", "close", "gzip bomb", "bad gzip"),
        )
        return self.random.choice(single)


class _Visit(NamedTuple):
    """A request that is answered."""

    guest: Guest
    target: str
    is_keyed: bool
    serial: int
    ill: str | None
    """What goes wrong with it."""


class Connection(httpcore.AsyncNetworkStream):
    """One connection, as httpcore holds it."""

    def __init__(self, server: "Server") -> None:
        self._server = server
        self._inbox = bytearray()
        self._outbox = bytearray()
        self._is_over = self._is_reset = False
        self._came = asyncio.Event()
        self._serving: set[asyncio.Task[None]] = set()
        self.is_closed = False
        self.requests = 0
        self.guest: Guest | None = None
        self.rest_due = 0.0

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109  # httpcore's signature
        """Wait for bytes; none at the end."""
        assert timeout is None
        if self.is_closed:
            raise httpcore.ReadError("closed")
        while not self._inbox and not self._is_over:
            self._came.clear()
            await self._came.wait()
        if self._is_reset:
            raise httpcore.ReadError("connection reset by peer")
        taken = bytes(self._inbox[:max_bytes])
        del self._inbox[:max_bytes]
        return taken

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109  # httpcore's signature
        """Take bytes of requests."""
        assert timeout is None
        if self._is_over or self.is_closed:
            raise httpcore.WriteError("broken pipe")
        self._outbox += buffer
        if b"\r\n\r\n" in self._outbox:
            head, _, rest = bytes(self._outbox).partition(b"\r\n\r\n")
            self._outbox = bytearray(rest)
            self.requests += 1
            serving = asyncio.create_task(self._server.serve(self, head.decode()))
            self._serving.add(serving)
            serving.add_done_callback(self._serving.discard)

    async def aclose(self) -> None:
        """Close it from the client's side."""
        if not self.is_closed:
            self.is_closed = True
            self._server.leave(self)
            for serving in self._serving:
                serving.cancel()

    async def start_tls(self, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        """Encrypt nothing."""
        return self

    def get_extra_info(self, info: str) -> Any:
        """Tell whether something waits to be read, and nothing else."""
        return bool(self._inbox or self._is_over or self.is_closed) if info == "is_readable" else None

    def feed(self, data: bytes) -> None:
        """Let this come in."""
        self._inbox += data
        self._came.set()

    def end(self, *, reset: bool = False) -> None:
        """Close it from the server's side."""
        self._is_over, self._is_reset = True, reset
        self._came.set()


class Server(httpcore.AsyncNetworkBackend):
    """Answers what it is asked, badly at times, and finds fault with rude clients."""

    def __init__(self, world: World, random: Random, cap: int) -> None:
        self.world = world
        self.random = random
        self.weather = Weather(random)
        self.cap = cap
        self.guests: dict[str, Guest] = {}
        self.asked: dict[int, Asked] = {}
        self.open: set[Connection] = set()
        self.history: deque[str] = deque(maxlen=20_000)
        self.faults: list[str] = []
        self.spoilt_gap = 40
        self.hosts: list[Any] = []
        self._began = now()
        self._serial = 0
        self._last = -math.inf
        self._may_come_again: str | None = None
        self._in_the_air: Connection | None = None
        self._rest_until = self._slow_until = -math.inf

    def note(self, what: str) -> None:
        """Remember what happened."""
        self.history.append(f"{now() - self._began:14.4f} {what}")

    def fault(self, what: str) -> None:
        """Remember what should not have happened."""
        self.note(f"FAULT {what}")
        self.faults.append(what)

    @property
    def requests(self) -> int:
        """How many there were."""
        return self._serial

    async def connect_tcp(self, *_: Any, **__: Any) -> httpcore.AsyncNetworkStream:
        """Let a client connect, or not."""
        await asyncio.sleep(self.weather.latency / 4)
        if self.weather.outage == "refuse" or self.random.random() < self.weather.ill / 10:
            self.note("a connection is refused")
            raise httpcore.ConnectError("connection refused")
        if self.random.random() < self.weather.ill / 20:
            await asyncio.sleep(math.inf)
        connection = Connection(self)
        self.open.add(connection)
        return connection

    def leave(self, connection: Connection) -> None:
        """Take leave of a connection that the client closes."""
        self.open.discard(connection)
        self._finish(connection)

    def _finish(self, connection: Connection) -> None:
        if self._in_the_air is connection:
            self._in_the_air = None
        if connection.rest_due and connection.guest and not connection.guest.is_leaving:
            self._rest_until = max(self._rest_until, now() + connection.rest_due)
        connection.rest_due = 0.0

    async def serve(self, connection: Connection, head: str) -> None:
        """Answer a request, if it may."""
        first, *lines = head.split("\r\n")
        target = first.split(" ")[1]
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        guest = connection.guest = self.guests[headers["user-agent"].split(" ")[0]]
        self._judge(connection, guest, target)
        self._serial += 1
        self.asked[self._serial] = Asked(now(), target, guest.name)
        guest.requests += 1
        keyed = KEY in target or KEY in headers.get("authorization", "") or "Basic" in headers.get("authorization", "")
        if keyed and not target.startswith("/api/users"):
            self.fault(f"the key was sent to {target}")
        ill = self.weather.next()
        self.note(f"{guest.name} GET {target.replace(KEY, '***')} #{self._serial}{f' ({ill})' if ill else ''}")
        await asyncio.sleep(self.random.uniform(0, 2 * self.weather.latency))
        try:
            await self._answer(connection, _Visit(guest, target, keyed, self._serial, ill))
        finally:
            self._finish(connection)
        if ill == "leftover later":
            asked = connection.requests
            await asyncio.sleep(self.random.uniform(0, 3))
            if connection.requests == asked:
                connection.feed(self._leftover())
        elif self.random.random() < 0.2:
            asked = connection.requests
            await asyncio.sleep(self.random.uniform(0, 90))
            if connection.requests == asked:
                connection.end()

    def _judge(self, connection: Connection, guest: Guest, target: str) -> None:
        if self._in_the_air is not None:
            self.fault(f"two requests in the air: {guest.name} {target}")
        gap = now() - self._last
        if self._may_come_again != target:
            if gap < guest.interval - _EPSILON:
                self.fault(f"{guest.name} came {gap:.4f} s after the request before, its interval is {guest.interval}")
            if now() < self._slow_until - _EPSILON:
                self.fault(f"{guest.name} came within a second of a 429")
        if now() < self._rest_until - _EPSILON:
            self.fault(f"{guest.name} came {self._rest_until - now():.3f} s before a rest was over")
        self._last = now()
        self._may_come_again = None
        self._in_the_air = connection

    async def _answer(self, connection: Connection, visit: _Visit) -> None:
        ill = visit.ill
        if ill in {"hang", "silent", "reset"}:
            if ill == "hang":
                await asyncio.sleep(math.inf)
            # On a connection that was used before, the client may ask once more in the same turn.
            self._may_come_again = visit.target if connection.requests > 1 else None
            connection.end(reset=ill == "reset")
            return
        if ill == "slow":
            await asyncio.sleep(self.random.uniform(0, 30))
        status, headers, body = self._make(visit)
        headers = {"Date": formatdate(EPOCH + now(), usegmt=True), **headers}
        after = headers.get("Retry-After", "")
        rest = self._rest_after if "GMT" in after else float(after) if after.isdecimal() else 0.0
        if status == 403 and not visit.is_keyed:
            rest = max(rest, _BLOCK)
        if status == 429 and not rest and not visit.guest.is_leaving:
            self._slow_until = now() + 1.0
        framed = self._framed(headers, body, ill)
        top = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        connection.feed(f"HTTP/1.1 {status} So\r\n{top}\r\n".encode())
        connection.rest_due = rest
        await self._write(connection, framed, ill)
        if headers.get("Connection") == "close":
            connection.end()

    def _framed(self, headers: dict[str, str], body: bytes, ill: str | None) -> bytes:
        """Return a body as it goes over the wire, and add the headers that tell how."""
        if self.random.random() < 0.2:
            headers["Content-Encoding"], body = "gzip", gzip.compress(body, 1)
        if ill == "bad gzip":
            headers["Content-Encoding"] = "gzip"
        if ill == "close" or self.random.random() < 0.05:
            headers["Connection"] = "close"
        if self.random.random() < 0.7:
            headers["Content-Length"] = str(len(body))
            return body
        headers["Transfer-Encoding"] = "chunked"
        pieces = [piece for piece in (body[:100], body[100:]) if piece]
        return b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"

    async def _write(self, connection: Connection, framed: bytes, ill: str | None) -> None:
        """Write a body, or a part of it, or more."""
        is_long = len(framed) > 2  # else what is cut of it is all of it
        if ill in {"hang body", "cut body"} and is_long:
            connection.feed(framed[: len(framed) // 2])
            await asyncio.sleep(math.inf if ill == "hang body" else 0.1)
            connection.end(reset=self.random.random() < 0.5)
            return
        if is_long and self.random.random() < 0.2:
            connection.feed(framed[: len(framed) // 3])
            await asyncio.sleep(self.random.uniform(0, self.weather.latency))
            framed = framed[len(framed) // 3 :]
        connection.feed(framed)
        if ill == "leftover":
            connection.feed(self._leftover())

    _rest_after = 0.0

    def _make(  # noqa: PLR0911  # one for each thing that goes wrong
        self, visit: _Visit
    ) -> tuple[int, dict[str, str], bytes]:
        seconds = self.random.choice((1, 5, 30, 59, 90, 600, 3600))
        match visit.ill:
            case "429+" | "503+" as ill:
                return int(ill[:3]), {"Retry-After": str(seconds)}, b"slow down"
            case "429 date":
                self._rest_after = float(seconds)
                until = formatdate(math.floor(EPOCH + now()) + seconds, usegmt=True)
                return 429, {"Retry-After": until}, b""
            case "429" | "502" | "500" | "503" | "408" | "404" | "400" | "403" as ill:
                said = self.random.choice((b"", b"<html>no</html>", b"no"))
                return int(ill), {"Retry-After": "soon"} if visit.serial % 3 == 0 else {}, said
            case "401":
                return (401 if visit.is_keyed else 500), {}, b""
            case "301":
                return 301, {"Location": f"https://elsewhere.example/?key={self._shown(visit.guest)}"}, b""
            case "html":
                return 200, {}, b"<html>We are back soon</html>"
            case "empty":
                return 200, {}, b""
            case "garbage" | "bad gzip":
                return 200, {}, self.random.choice((b"[{]", b"{}", b"null", b"[1]", b'"x"', b"\xff\xfe", b"[" * 5000))
            case "echo":
                key = self._shown(visit.guest)
                return 500, {f"X-{key}": key}, f"GET {visit.target} key={key} {key * 20}".encode()
            case "gzip bomb":
                return 200, {"Content-Encoding": "gzip"}, gzip.compress(b" " * (9 * 2**20), 1)
            case _:
                status, answer = self._truth(visit)
                rest = {"Retry-After": str(seconds)} if visit.ill == "rest" else {}
                return status, rest, json.dumps(answer).encode()

    def _shown(self, guest: Guest) -> str:
        """A key that an answer echoes: the client's own."""
        return KEY if guest.is_keyed else "KEY"

    def _truth(self, visit: _Visit) -> tuple[int, Any]:  # noqa: PLR0911  # one for each path
        serial, url = visit.serial, urlsplit(visit.target)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        match url.path.removeprefix("/api/").split("/"):
            case ["pool", "stats"]:
                return 200, {**STATS, "active_workers": serial}
            case ["pool", "hashrate" | "workers" | "users"]:
                return 200, serial
            case ["pool", "round"]:
                return 200, {**ROUND, "shift_accepted": serial, "chains": {"BTC": CHAIN_ROUND}}
            case ["pool", "top50"]:
                return 200, {f"s{serial}": 5}
            case ["pool", "blocks" | "shifts" as what]:
                most = min(int(query["max"]), self.cap)
                page = self.world.page(what, most, int(query["offset"]), query.get("commodity"), serial)
                return 200, self._spoilt(visit.guest, page, visit.ill)
            case ["users", *name] if visit.is_keyed:
                return 200, self.world.user(unquote(name[0]) if name else OWNER, serial, now())
            case _:
                return (404 if visit.is_keyed else 401), ""

    def _spoilt(self, guest: Guest, page: list[Any], ill: str | None) -> list[Any]:
        """Cut a page short or leave it empty, but not again soon: two answers that agree are believed."""
        guest.answers_since_spoilt += 1
        if ill != "spoil" or guest.answers_since_spoilt < self.spoilt_gap:
            return page
        guest.answers_since_spoilt = 0
        count = self.random.choice((0, max(3, len(page) * 2 // 5)))
        self.note(f"the page is cut to {count}")
        return page[:count]

    def _leftover(self) -> bytes:
        body = self.random.choice(
            [
                str(POISON).encode(),
                json.dumps({**STATS, "active_workers": POISON}).encode(),
                json.dumps(self.world.user("eve", POISON, now())).encode(),
                b"[]",
            ]
        )
        return b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)

    def connections_of(self, name: str) -> Iterable[Connection]:
        """Those that a client has open."""
        return [each for each in self.open if each.guest and each.guest.name == name]
