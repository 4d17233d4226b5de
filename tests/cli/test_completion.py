"""Shell completion, and the installed script."""

import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

from bitminter_async.cli import main

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_learns_the_commands(shell: str, capsys: Capture) -> None:
    """Each shell gets a script that names the commands and their options."""
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert all(word in script for word in ("blocks", "commodity", "workers", "idle"))


def test_without_shtab(capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where shtab is not installed, one line says what to install."""
    monkeypatch.setitem(sys.modules, "shtab", None)
    assert main(["completion", "bash"]) == 1
    assert capsys.readouterr() == ("", "bitminter: completion needs shtab: pip install 'bitminter-async[cli]'\n")


def test_the_script_that_is_installed() -> None:
    """`bitminter` is `main`, which needs no argument."""
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    module, _, name = project["scripts"]["bitminter"].partition(":")
    assert getattr(import_module(module), name) is main
