"""The package is a house: imports run downward only, and one file knows httpx."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import bitminter_async

_PACKAGE = Path(bitminter_async.__file__).parent
_FLOORS = [
    {"address", "arguments", "cache", "errors", "flights", "key", "pace", "receipt", "stream", "units"},
    {"answer", "merging", "records", "scalars", "seeking"},
    {"body", "decode", "events"},
    {"changes", "wire"},
    {"session"},
    {"looks", "paging", "tail"},
    {"pool", "users"},
    {"watch"},
    {"client"},
    {"__init__"},
]
_FLOOR = {room: number for number, rooms in enumerate(_FLOORS) for room in rooms}
_ROOMS = sorted(path.stem for path in _PACKAGE.glob("*.py") if path.stem != "testing")


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    """Yield the level and the name of all that a file imports: (1, "errors"), (0, "httpx")."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            names = [node.module] if node.module else [alias.name for alias in node.names]
            yield from ((node.level, name) for name in names)
        elif isinstance(node, ast.Import):
            yield from ((0, alias.name) for alias in node.names)


@pytest.mark.parametrize("room", _ROOMS)
def test_imports_run_downward_only(room: str) -> None:
    """A room imports from the floors below its own, never sideways, and never from the package's root."""
    for level, name in _imports(_PACKAGE / f"{room}.py"):
        assert not name.startswith("bitminter_async"), f"{room} imports {name} by its absolute name"
        if level:
            assert level == 1
            assert _FLOOR[name] < _FLOOR[room], f"{room} on floor {_FLOOR[room]} imports {name} on floor {_FLOOR[name]}"


@pytest.mark.parametrize("room", _ROOMS)
def test_only_the_wire_knows_httpx(room: str) -> None:
    """Nobody but the wire imports httpx, the client's annotation of `transport` apart."""
    libraries = {name.split(".")[0] for level, name in _imports(_PACKAGE / f"{room}.py") if not level}
    assert "httpcore" not in libraries
    assert "httpx" not in libraries or room in {"wire", "client"}


@pytest.mark.parametrize("path", sorted((_PACKAGE / "local").glob("*.py")), ids=lambda path: path.stem)
def test_the_local_pool_is_the_other_side_of_the_wire(path: Path) -> None:
    """The local pool knows the client at most: were it to share the decoder, its tests would prove nothing."""
    outside = {name for level, name in _imports(path) if level > 1 or name.startswith("bitminter_async")}
    assert outside <= {"client"}


def test_every_room_has_its_floor() -> None:
    """No file of the package stands outside the plan."""
    assert set(_ROOMS) == set(_FLOOR)
