"""Where the key comes from, and that it goes nowhere else."""

import io
import sys
from pathlib import Path

import pytest

from bitminter_async.cli import _key
from bitminter_async.local import LocalPool
from tests.support.command import Screen, command

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def key(pool: LocalPool, monkeypatch: pytest.MonkeyPatch) -> str:
    """Demo's key, which no variable names."""
    monkeypatch.delenv("BITMINTER_KEY")
    return pool.key_of("demo")


def _key_file(path: Path, text: str, mode: int = 0o600) -> str:
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def test_a_key_file(pool: LocalPool, key: str, tmp_path: Path, capsys: Capture) -> None:
    """The key is the file's first line, spaces around it apart."""
    file = _key_file(tmp_path / "key", f"  {key}\n\na note\n")
    assert command(pool, "user", "--key-file", file) == 0
    captured = capsys.readouterr()
    assert "demo" in captured.out
    assert captured.err == ""


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_key_file_that_others_may_read(mode: int, pool: LocalPool, key: str, tmp_path: Path, capsys: Capture) -> None:
    """A warning says how to mend it, and the command goes on."""
    file = _key_file(tmp_path / "key", key, mode)
    assert command(pool, "user", "--key-file", file) == 0
    assert capsys.readouterr().err == f"bitminter: others may read the key in {file}: chmod 600 {file}\n"


def test_the_key_from_standard_input(
    pool: LocalPool, key: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--key-file -` reads it from a pipe, and takes precedence over BITMINTER_KEY."""
    monkeypatch.setenv("BITMINTER_KEY", "some-other-key")
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{key}\n"))
    assert command(pool, "user", "--key-file", "-") == 0
    assert "demo" in capsys.readouterr().out


def test_the_key_typed_in(pool: LocalPool, key: str, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal it is asked for, and not shown as it is typed."""
    asked: list[str] = []

    def getpass(prompt: str) -> str:
        asked.append(prompt)
        return key

    monkeypatch.setattr(sys, "stdin", Screen())
    monkeypatch.setattr(_key, "getpass", getpass)
    assert command(pool, "user", "--key-file", "-") == 0
    assert "demo" in capsys.readouterr().out
    assert asked == ["API key: "]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("\nsome-secret-key", "holds no key in its first line"),
        ("", "holds no key in its first line"),
        ("s e c r e t", "must be 8 or more printable ASCII characters"),
    ],
)
def test_a_file_without_a_key(content: str, said: str, pool: LocalPool, tmp_path: Path, capsys: Capture) -> None:
    """What holds no key is told by its name, and by nothing in it; nothing is sent."""
    file = _key_file(tmp_path / "key", content)
    assert command(pool, "user", "--key-file", file) == 4
    told = capsys.readouterr().err
    assert said in told
    assert file in told
    assert "ecret" not in told
    assert not pool.requests


def test_a_file_that_cannot_be_read(pool: LocalPool, tmp_path: Path, capsys: Capture) -> None:
    """A file that is not there, or no text, is told in one line."""
    assert command(pool, "user", "--key-file", str(tmp_path / "none")) == 4
    assert "cannot be read: No such file or directory" in capsys.readouterr().err
    (tmp_path / "image").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "image").chmod(0o600)
    assert command(pool, "user", "--key-file", str(tmp_path / "image")) == 4
    assert "cannot be read: it is no text" in capsys.readouterr().err


def test_a_closed_standard_input(pool: LocalPool, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    """`-` where standard input is closed is told so."""
    monkeypatch.setattr(sys, "stdin", None)
    assert command(pool, "user", "--key-file", "-") == 4
    assert "standard input cannot be read: it is closed" in capsys.readouterr().err


def test_the_key_is_in_no_output(pool: LocalPool, key: str, tmp_path: Path, capsys: Capture) -> None:
    """Whatever a command prints, with -vv and where it fails, the key is not in it."""
    file = _key_file(tmp_path / "key", key)
    pool.fail_next(401, body=f"no such key: {key}".encode())
    for line in ("user -vv", "user --json -vv", "workers", "check"):
        command(pool, *line.split(), "--key-file", file)
        captured = capsys.readouterr()
        assert key not in captured.out + captured.err
