"""The package's layers: imports run one way, one folder knows httpx, and what is not public is underscored."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import bitminter_async

_ROOT = Path(bitminter_async.__file__).parent
_LAYERS = [  # from the bottom; a module imports from its own folder and from the layers below
    {"errors", "units", "_call", "_arguments"},
    {"records"},
    {"events", "_wire", "_lists"},
    {"_decode"},
    {"endpoints", "_session"},
    {"watch"},
    {"client"},
    {"local"},
    {"__init__", "testing"},
]
_LAYER = {name: number for number, names in enumerate(_LAYERS) for name in names}
_PUBLIC = {  # modules without an underscore: what they hold that is public is imported from the package's front
    *("client", "errors", "events", "records", "testing", "units"),
    *("endpoints", "endpoints.pool", "endpoints.users"),
    *("watch", "watch.watch", "watch.stream", "watch.merge"),
    *("local", "local.pool", "local.__main__"),
}
_TESTS = Path(__file__).parent
_NOT_YET = {"lists", "local", "watch"}  # folders whose test modules still import from one another
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


def test_no_test_module_imports_from_another() -> None:
    """What two test modules need stands in `tests/support/`, or in their folder's conftest: none needs another's."""
    for path in _TESTS.rglob("*.py"):
        if path.relative_to(_TESTS).parts[0] in _NOT_YET:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                assert not node.level, f"{path} imports relatively"
                names = [node.module or "", *(alias.name for alias in node.names)]
            parts = [part for name in names for part in name.split(".")]
            assert not any(part.startswith("test_") for part in parts), f"{path} imports from another test module"
