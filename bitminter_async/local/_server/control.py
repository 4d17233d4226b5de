"""The control face: what `LocalPool`'s methods do, for tests in any language, as JSON over POST.

`POST /control/advance` with the body `{"seconds": 3600}` is answered `{"result": null}`. It can do what it likes to the
pool, so it is for this machine alone, and for no web page that a browser on it shows: a page can send neither a body
declared as JSON nor, where its own name is made to lead here, a Host header that names this machine.
"""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
from attrs import evolve
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from .keys import Keys
from .request_log import LoggedRequest

__all__ = ["COMMANDS", "Control", "is_loopback"]

_PREFIX = "/control/"
_LONGEST = 1_000_000


class Command(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The arguments of one command, as those of the pool's method of that name."""


class Advance(Command):
    """Let time pass."""

    time: float = msgspec.field(name="seconds")


class AddUser(Command):
    """Add a user with a key; the result is the key."""

    name: str
    key: str | None = None
    permission: bool = True
    workers: Annotated[int, msgspec.Meta(le=10_000)] = 2
    steady: bool = True


class AddWorker(Command):
    """Give a user one more worker."""

    user: str
    worker: str
    alive: bool = True


class RemoveWorker(Command):
    """Take a worker from a user."""

    user: str
    worker: str


class SetWorkerAlive(Command):
    """Make a worker alive or idle."""

    user: str
    worker: str
    alive: bool


class FindBlock(Command):
    """Find a block now; the result is its id."""

    commodity: str = "BTC"


class OneBlock(Command):
    """Orphan a block, or withdraw it."""

    block_id: int


class FailNext(Command):
    """Let the next requests fail."""

    status: Annotated[int, msgspec.Meta(ge=200, le=599)] = 500
    times: int = 1
    path: str | None = None
    headers: dict[str, str] | None = None
    body: str = ""
    cut: bool = False


class SlowNext(Command):
    """Answer the next requests late."""

    seconds: float
    times: int = 1
    path: str | None = None


class NoArguments(Command):
    """Let the clients that are blocked ask again."""


class Requests(Command):
    """Tell what the operator saw; the result is a list, in order of arrival."""

    last: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """How many of the latest; None: all that are kept."""


COMMANDS: Mapping[str, type[Command]] = {
    "advance": Advance,
    "add_user": AddUser,
    "add_worker": AddWorker,
    "remove_worker": RemoveWorker,
    "set_worker_alive": SetWorkerAlive,
    "find_block": FindBlock,
    "orphan": OneBlock,
    "withdraw_block": OneBlock,
    "fail_next": FailNext,
    "slow_next": SlowNext,
    "lift_blocks": NoArguments,
    "requests": Requests,
}
"""The arguments of each command, by its name."""


class Control:
    """An ASGI application that carries out commands, and lets `app` answer everything else.

    Args:
        app: The pool's own application; it does not see, log or count commands.
        pool: The pool, a `LocalPool`.
        keys: The keys that are masked in what is told of requests.
    """

    def __init__(self, app: ASGIApp, pool: Any, keys: Keys) -> None:  # noqa: ANN401  # its module imports this one
        self._app = app
        self._pool = pool
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http" or not scope["path"].startswith(_PREFIX):
            await self._app(scope, receive, send)
            return
        request, name = Request(scope, receive), scope["path"].removeprefix(_PREFIX)
        status, answer = _refusal(request, name) or self._answer(name, await _read(request))
        await Response(msgspec.json.encode(answer), status, media_type="application/json")(scope, receive, send)

    def _answer(self, name: str, body: bytes) -> tuple[int, dict[str, object]]:
        if len(body) > _LONGEST:
            return 413, {"error": f"a command has at most {_LONGEST} bytes"}
        try:
            arguments = msgspec.json.decode(body or b"{}", type=COMMANDS[name])
            return 200, {"result": self._carry_out(name, arguments)}
        except (LookupError, ValueError, OverflowError) as error:
            return 400, {"error": str(error)}

    def _carry_out(self, name: str, arguments: Command) -> object:
        if isinstance(arguments, Requests):
            requests: tuple[LoggedRequest, ...] = self._pool.requests
            first = 0 if arguments.last is None else max(0, len(requests) - arguments.last)
            return [self._masked(request) for request in requests[first:]]
        return getattr(self._pool, name)(**msgspec.structs.asdict(arguments))

    def _masked(self, request: LoggedRequest) -> LoggedRequest:
        """Return the request without the keys that a client has put where none belongs."""
        mask = self._keys.mask
        return evolve(
            request,
            path=mask(request.path),
            params={mask(name): mask(value) for name, value in request.params.items()},
            user_agent=None if request.user_agent is None else mask(request.user_agent),
        )


async def _read(request: Request) -> bytes:
    """Return the body, or so much of it that it is seen to be too long."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _LONGEST:
            break
    return body


def _refusal(request: Request, name: str) -> tuple[int, dict[str, object]] | None:
    """Return how a request is answered that is no command, or may come from a web page; None for any other."""
    if not _names_this_machine(request):
        return 403, {"error": "the Host header must name this machine, as 127.0.0.1 or localhost"}
    if name not in COMMANDS:
        return 404, {"error": f"there is no command {name!r}; there are {', '.join(COMMANDS)}"}
    if request.method != "POST":
        return 405, {"error": f"a command is sent by POST, not {request.method}"}
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return 415, {"error": "the Content-Type must be application/json"}
    return None


def is_loopback(host: str) -> bool:
    """Return whether a host is this machine, and can be reached from no other."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _names_this_machine(request: Request) -> bool:
    hosts = request.headers.getlist("host")
    try:
        return len(hosts) == 1 and is_loopback(urlsplit(f"//{hosts[0]}").hostname or "")
    except ValueError:  # brackets that do not close
        return False
