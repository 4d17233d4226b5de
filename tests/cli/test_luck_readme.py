"""The README's samples of `luck`, `plot` and `export` are what the command prints."""

import re
from pathlib import Path

import pytest

from bitminter_async.local import LocalPool
from tests.support.command import command, show_screen

_README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
_SAMPLES = [
    sample
    for block in re.findall(r"^```console\n(.*?)^```", _README, re.MULTILINE | re.DOTALL)
    for sample in re.findall(r"^\$ bitminter (luck|plot|export)(.*)\n((?:[^$].*\n)*)", block, re.MULTILINE)
]


@pytest.mark.parametrize(("name", "arguments", "shown"), _SAMPLES, ids=lambda text: text[:20])
def test_a_sample_is_what_a_terminal_shows(
    name: str, arguments: str, shown: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In 80 columns, against the pool that `LocalPool()` is; colours and bold type apart."""
    monkeypatch.chdir(tmp_path)
    screen = show_screen(monkeypatch)
    assert command(LocalPool(), name, *arguments.split()) == 0
    assert re.sub(r"\x1b\[[\d;]*m", "", screen.getvalue()) == shown
    assert bool(shown) != (name == "export")
    assert len([*tmp_path.iterdir()]) == (name == "export")


def test_each_command_has_a_sample() -> None:
    """All three, and `export` in each form."""
    assert {name for name, _, _ in _SAMPLES} == {"luck", "plot", "export"}
    assert all(f"{suffix} " in f"{_SAMPLES} ".replace("'", " ") for suffix in (".csv", ".jsonl", ".sqlite"))
