"""The README's samples of the command line are what it prints."""

import re
from pathlib import Path

import pytest

from bitminter_async.cli._parser import COMMANDS
from bitminter_async.local import LocalPool
from tests.support.command import command, show_screen, watch_until

_README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
_SAMPLES = {
    line: output
    for block in re.findall(r"^```console\n(.*?)^```", _README, re.MULTILINE | re.DOTALL)
    for line, output in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE)
}


def _printed(line: str, pool: LocalPool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """Return what a sample's command prints of the pool that is always the same, in 80 columns or into a pipe."""
    words, _, fields = line.partition(" | cut -f 1-")
    name, *argv = words.split()
    assert name == "bitminter"
    if argv[0] == "watch":
        happen = {
            5.0: lambda: pool.find_block("NMC"),
            65.0: lambda: pool.set_worker_alive("demo", "rig1", alive=False),
            125.0: lambda: pool.set_worker_alive("demo", "rig1", alive=True),
        }
        watch_until(pool, *argv, happen=happen, ends=200)
    elif fields or "--json" in argv:
        assert command(pool, *argv) == 0
    else:
        monkeypatch.setenv("TERM", "dumb")
        screen = show_screen(monkeypatch)
        assert command(pool, *argv) == 0
        return screen.getvalue()
    printed = capsys.readouterr().out
    if not fields:
        return printed
    return "".join("\t".join(row.split("\t")[: int(fields)]) + "\n" for row in printed.splitlines())


@pytest.mark.parametrize("line", _SAMPLES)
def test_a_sample(
    line: str, pool: LocalPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A sample shows what its command prints, to the letter, or leaves one file; a second worker of demo is idle."""
    monkeypatch.chdir(tmp_path)
    pool.set_worker_alive("demo", "rig2", alive=False)
    assert _printed(line, pool, monkeypatch, capsys).expandtabs() == _SAMPLES[line].expandtabs()
    assert len([*tmp_path.iterdir()]) == line.startswith("bitminter export")


@pytest.mark.parametrize("name", [*COMMANDS, "serve", "completion"])
def test_each_command_is_in_the_readme(name: str) -> None:
    """The README names every command."""
    assert f"bitminter {name}" in _README
