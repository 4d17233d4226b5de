"""The package's layers: imports run one way, one folder knows httpx, and what is not public is underscored."""

import ast
import importlib
import inspect
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import httpx
import pytest

import bitminter_async

_ROOT = Path(bitminter_async.__file__).parent
_LAYERS = [  # from the bottom; a module imports from its own folder and from the layers below
    {"errors", "units", "_call", "_arguments", "_receipt", "_version"},
    {"records"},
    {"events", "_wire", "_lists"},
    {"_decode", "_convert"},
    {"endpoints", "_session", "data"},
    {"watch"},
    {"client"},
    {"local"},
    {"cli"},
    {"__init__", "__main__", "testing"},
]
_LAYER = {name: number for number, names in enumerate(_LAYERS) for name in names}
_PUBLIC = {  # modules without an underscore: what they hold that is public is imported from the package's front
    *("client", "data", "errors", "events", "records", "testing", "units"),
    *("endpoints", "endpoints.pool", "endpoints.users"),
    *("watch", "watch.watch", "watch.stream", "watch.merge"),
    *("local", "local.pool", "local.__main__"),
    *("__main__", "cli"),
}
_FRONTS = ("bitminter_async", "bitminter_async.cli", "bitminter_async.local", "bitminter_async.testing")
_FRONT: dict[str, Any] = {
    name: getattr(front, name) for front in map(importlib.import_module, _FRONTS) for name in front.__all__
}
_MADE_BY_THE_CLIENT = {"Pool", "Users", "Watch", "Stream"}  # nobody else calls these classes
_TESTS = Path(__file__).parent
_MODULES = {
    ".".join(path.relative_to(_ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in sorted(_ROOT.rglob("*.py"))
}


def _imports(module: str) -> Iterator[tuple[bool, str]]:
    """Yield all that a module imports: whether relatively, and its name, from the package's root if so."""
    path = _MODULES[module]
    folder = path.parent.relative_to(_ROOT).parts
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from ((False, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield False, node.module or ""
        elif isinstance(node, ast.ImportFrom):
            base = folder[: len(folder) - node.level + 1]
            names = [node.module] if node.module else [alias.name for alias in node.names]
            yield from ((True, ".".join([*base, name])) for name in names)


@pytest.mark.parametrize("module", _MODULES)
def test_imports_run_one_way(module: str) -> None:
    """A module imports from its own folder and from the layers below, and from the package's root by no name."""
    own = module.split(".", maxsplit=1)[0]
    for is_relative, name in _imports(module):
        assert not name.startswith("bitminter_async"), f"{module} imports {name} by its absolute name"
        if is_relative:
            other = name.split(".")[0]
            assert other == own or _LAYER[other] < _LAYER[own], f"{module} imports {name}, which is not below it"


def test_imports_run_in_no_circle() -> None:
    """Within a folder, too, no module needs itself."""
    needed = {module: {name for is_relative, name in _imports(module) if is_relative} for module in _MODULES}
    while free := [module for module, names in needed.items() if not names & needed.keys() - {module}]:
        for module in free:
            del needed[module]
    assert not needed


@pytest.mark.parametrize("module", _MODULES)
def test_only_the_wire_imports_httpx(module: str) -> None:
    """No other folder of the client imports httpx, the client's annotation of `transport` apart."""
    libraries = {name.split(".")[0] for is_relative, name in _imports(module) if not is_relative}
    assert "httpcore" not in libraries
    assert "httpx" not in libraries or module.split(".", maxsplit=1)[0] in {"_wire", "client", "local"}


@pytest.mark.parametrize("module", [module for module in _MODULES if module.split(".")[0] == "local"])
def test_the_local_pool_is_the_other_side_of_the_wire(module: str) -> None:
    """The local pool imports the client at most: were it to share the decoder, its tests would prove nothing."""
    outside = {name for is_relative, name in _imports(module) if is_relative and not name.startswith("local")}
    assert outside <= {"client"}


def test_every_module_has_its_layer_and_says_what_it_is_for() -> None:
    """No module stands outside of the plan, and each begins with a sentence."""
    assert {module.split(".")[0] for module in _MODULES} == set(_LAYER)
    for path in _MODULES.values():
        assert (ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").split("\n")[0].endswith(".")


def test_a_module_is_private_or_listed() -> None:
    """Every module is underscored, in an underscored folder, or one of those that are public."""
    shown = {
        name for name in _MODULES if not any(part.startswith("_") for part in name.removesuffix("__main__").split("."))
    }
    assert shown == _PUBLIC


@pytest.mark.parametrize("module", sorted(_PUBLIC - {"local.__main__"}))
def test_what_is_public_can_be_imported_from_a_front(module: str) -> None:
    """What a public module lists in `__all__` is had from the package, its `local` or `testing`, or from `Watch`."""
    listed = getattr(importlib.import_module(f"bitminter_async.{module}"), "__all__", [])
    assert set(listed) <= _FRONT.keys() | {bitminter_async.Watch.merge.__name__}


def _annotations(kind: type) -> Iterator[Any]:
    """Yield the types by which a class's public fields, properties and methods are annotated."""
    names: dict[str, Any] = {**_FRONT, "httpx": httpx}
    yield from get_type_hints(kind, localns=names).values()
    for name, member in inspect.getmembers_static(kind):
        called = getattr(member, "fget", None) or getattr(member, "func", None) or getattr(member, "__func__", member)
        is_public = not name.startswith("_") or (name == "__init__" and kind.__name__ not in _MADE_BY_THE_CLIENT)
        if is_public and inspect.isfunction(called) and called.__module__.startswith("bitminter_async"):
            yield from get_type_hints(called, localns=names).values()


def _named(annotation: Any) -> Iterator[Any]:
    yield get_origin(annotation) or annotation
    for argument in get_args(annotation):
        yield from _named(argument)


@pytest.mark.parametrize("name", [name for name, value in _FRONT.items() if inspect.isclass(value)])
def test_annotations_name_what_can_be_imported(name: str) -> None:
    """Nothing public is annotated with a type that is not public itself; a mapping is a `Mapping`, whatever it is."""
    kinds = [kind for annotation in _annotations(_FRONT[name]) for kind in _named(annotation) if inspect.isclass(kind)]
    for kind in kinds:
        assert not kind.__module__.startswith("bitminter_async") or _FRONT.get(kind.__name__) is kind
        assert not issubclass(kind, Mapping) or kind is Mapping


def test_no_test_module_imports_from_another() -> None:
    """What two test modules need stands in `tests/support/`, or in their folder's conftest: none needs another's."""
    for path in _TESTS.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert not node.level, f"{path} imports relatively"
                names = [node.module or "", *(alias.name for alias in node.names)]
            parts = [part for name in names for part in name.split(".")]
            assert not any(part.startswith("test_") for part in parts), f"{path} imports from another test module"
