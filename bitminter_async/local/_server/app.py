"""The pool's HTTP interface: paths, parameters, keys, and status codes."""

import re
from collections.abc import Callable
from functools import partial
from urllib.parse import quote, unquote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .._world.world import World
from . import answers
from .keys import Keys, read_key

__all__ = ["make_app"]

_MAX, _MAX_DEFAULT = 50, 10
_WHOLE_NUMBER = re.compile(r"[0-9]{1,18}")


def make_app(current_world: Callable[[], World], keys: Keys) -> Starlette:
    """Return the application that answers from the world as it is then, and about users to the holders of `keys`."""
    return Starlette(routes=[Route("/{path:path}", partial(_respond, current_world, keys), methods=["GET"])])


async def _respond(current_world: Callable[[], World], keys: Keys, request: Request) -> Response:
    return JSONResponse(_answer(current_world(), keys, request))


def _answer(world: World, keys: Keys, request: Request) -> object:
    match _segments(request):
        case ["api", "pool", "blocks"]:
            return answers.blocks(world, *_page(request), _parameter(request, "commodity"))
        case ["api", "pool", "shifts"]:
            return answers.shifts(world, *_page(request))
        case ["api", "pool", name] if name in answers.WITHOUT_PARAMETERS:
            return answers.WITHOUT_PARAMETERS[name](world)
        case ["api", "users"]:
            return _user(world, keys, request, None)
        case ["api", "users", name]:
            return _user(world, keys, request, name)
        case _:
            raise HTTPException(404)


def _user(world: World, keys: Keys, request: Request, name: str | None) -> object:
    """Return the user of that name, or the key's owner, if the request carries a key that may see them."""
    _, key = read_key(request)
    access = keys.access(key)
    if access is None:
        raise HTTPException(401, "This needs an API key" if key is None else "There is no such API key")
    if not access.permission:
        raise HTTPException(403, "This API key has no access to the balance and worker summary")
    name = access.user if name is None else name
    if name not in world.users:
        raise HTTPException(404, "No such user")
    return answers.user(world, name)


def _segments(request: Request) -> list[str]:
    """Return the path's parts, each decoded by itself, so that a quoted slash in a user's name separates nothing."""
    raw: bytes = request.scope.get("raw_path") or quote(request.scope["path"]).encode()
    return [unquote(part) for part in raw.decode().removeprefix("/").removesuffix("/").split("/")]


def _page(request: Request) -> tuple[int, int]:
    """Return how many records to show, and how many to skip."""
    count, offset = _number(request, "max", _MAX_DEFAULT), _number(request, "offset", 0)
    if not 1 <= count <= _MAX:
        raise HTTPException(400, f"max must be 1 to {_MAX}")
    return count, offset


def _number(request: Request, name: str, default: int) -> int:
    value = _parameter(request, name)
    if value is None:
        return default
    if not _WHOLE_NUMBER.fullmatch(value):
        raise HTTPException(400, f"{name} must be a whole number")
    return int(value)


def _parameter(request: Request, name: str) -> str | None:
    values = request.query_params.getlist(name)
    if len(values) > 1 or "" in values:
        raise HTTPException(400, f"{name} must be given once, with a value")
    return values[0] if values else None
