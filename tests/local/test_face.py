"""The local pool's public face: names, signatures and types, pinned. A change here is a change for every user."""

import inspect
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Literal, get_args, get_type_hints

import attrs
import pytest
from starlette.types import ASGIApp

import bitminter_async
from bitminter_async import local
from bitminter_async.local import LocalPool, LoggedRequest

_METHODS = {
    "__init__": """
        (self, seed: int = 0, speed: float = 0.0, history: timedelta = timedelta(days=30), *,
        now: datetime | None = None, limit: int | None = 6000) -> None
    """,
    "advance": "(self, time: float | timedelta) -> None",
    "client": "(self, *, user: str | None = None, **options: Any) -> Client",
    "serve": """
        (self, port: int = 0, host: str = '127.0.0.1', *, control: bool = False) -> AbstractAsyncContextManager[str]
    """,
    "add_user": """
        (self, name: str, key: str | None = None, *, permission: bool = True, workers: int = 2, steady: bool = True)
        -> str
    """,
    "lift_blocks": "(self) -> None",
    "key_of": "(self, user: str) -> str",
    "add_worker": "(self, user: str, worker: str, *, alive: bool = True) -> None",
    "remove_worker": "(self, user: str, worker: str) -> None",
    "set_worker_alive": "(self, user: str, worker: str, alive: bool) -> None",
    "find_block": "(self, commodity: str = 'BTC') -> int",
    "orphan": "(self, block_id: int) -> None",
    "withdraw_block": "(self, block_id: int) -> None",
    "fail_next": """
        (self, status: int = 500, *, times: int = 1, path: str | None = None, headers: Mapping[str, str] | None = None,
        body: bytes | str = b'', cut: bool = False) -> None
    """,
    "slow_next": "(self, seconds: float, *, times: int = 1, path: str | None = None) -> None",
}
_PROPERTIES = {"now": datetime, "speed": float, "app": ASGIApp, "latency": float, "requests": tuple[LoggedRequest, ...]}
_FIELDS = {
    "at": float,
    "method": str,
    "path": str,
    "params": Mapping[str, str],
    "key_in": Literal["header", "basic", "query"] | None,
    "user_agent": str | None,
    "client": str,
    "in_flight": int,
    "status": int | None,
}
_FUNCTIONS = {name: getattr(LocalPool, name) for name in _METHODS} | {
    name: inspect.getattr_static(LocalPool, name).fget for name in _PROPERTIES
}


def _plain(text: str) -> str:
    """Drop line breaks and the modules in front of names."""
    return re.sub(r"(?<!['\w])(?:\w+\.)+(?=\w)", "", " ".join(text.split()))


def _types(hint: object) -> Iterator[Any]:
    """Yield a type, and all those that stand in its brackets."""
    yield hint
    for part in get_args(hint):
        yield from _types(part)


def test_the_public_names() -> None:
    """`bitminter_async.local` has these names, and says plainly that it has nothing else."""
    assert local.__all__ == ["LocalPool", "LoggedRequest"]
    assert all(getattr(local, name).__name__ == name for name in local.__all__)
    with pytest.raises(AttributeError, match="no attribute 'RemotePool'"):
        getattr(local, "RemotePool")  # noqa: B009  # a plain attribute would not pass the type checker


def test_the_public_members_of_the_pool() -> None:
    """A pool has these methods and properties, each with a docstring, and no others."""
    assert {name for name in vars(LocalPool) if not name.startswith("_")} == _FUNCTIONS.keys() - {"__init__"}
    assert all(inspect.getdoc(function) for function in _FUNCTIONS.values())


@pytest.mark.parametrize(("name", "signature"), _METHODS.items())
def test_a_signature(name: str, signature: str) -> None:
    """Parameters, their kinds, defaults and types, and what comes back, are as pinned."""
    assert _plain(str(inspect.signature(_FUNCTIONS[name]))) == _plain(signature)


@pytest.mark.parametrize(("name", "kind"), _PROPERTIES.items())
def test_a_property(name: str, kind: object) -> None:
    """A property is of this type."""
    assert get_type_hints(_FUNCTIONS[name])["return"] == kind


@pytest.mark.parametrize("function", [*_FUNCTIONS.values(), LoggedRequest], ids=lambda item: item.__name__)
def test_annotations_are_of_public_types(function: Any) -> None:
    """Whatever of this package a public annotation names can be imported from where users import."""
    for hint in get_type_hints(function).values():
        for kind in _types(hint):
            if getattr(kind, "__module__", "").startswith("bitminter_async"):
                assert kind.__name__ in {*local.__all__, *bitminter_async.__all__}


def test_the_fields_of_a_logged_request() -> None:
    """A logged request has these fields, only the last with a default, and cannot be changed."""
    hints = get_type_hints(LoggedRequest)
    assert {field.name: hints[field.name] for field in attrs.fields(LoggedRequest)} == _FIELDS
    request = LoggedRequest(
        at=1.0, method="GET", path="/", params={}, key_in="query", user_agent=None, client="::1", in_flight=0
    )
    assert request.status is None
    assert request.keyed
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        request.status = 404  # type: ignore[misc]  # on purpose
