"""The command line in this process, on virtual time, and in a real terminal."""

import fcntl
import io
import os
import pty
import struct
import subprocess
import sys
import termios
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import pyte
import pytest
from attrs import define

from bitminter_async.cli._run import run
from bitminter_async.local import LocalPool
from bitminter_async.testing import AutojumpLoop


def command(pool: LocalPool, *argv: str, **options: Any) -> int:
    """Run `bitminter` against a pool, with so much of `Client`'s options set beforehand, and return its exit code."""
    return run(argv, partial(pool.client, **options), AutojumpLoop)


# What makes the terminal the one from which Ctrl-C comes. (A fork of a process with threads would be a warning.)
_IN_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.argv[1], sys.argv[1:])"
)
# The command, but for its pace: that is for real pools, and here the time would be real.
_UNSPACED = """
import sys
from functools import partial
from bitminter_async import Client
from bitminter_async.cli._run import run
sys.exit(run(None, partial(Client, interval=0.0)))
"""


def watch_until(pool: LocalPool, *argv: str, happen: Mapping[float, Callable[[], object]], ends: float = 100) -> int:
    """Run a command while this happens, each so many seconds after it began, until Ctrl-C."""

    class Loop(AutojumpLoop):
        def run_until_complete(self, future: Any) -> Any:
            if not hasattr(self, "_began"):
                self._began = True
                for seconds, act in happen.items():
                    self.call_later(seconds, act)
                self.call_later(ends, interrupt)
            return super().run_until_complete(future)

    def interrupt() -> None:
        raise KeyboardInterrupt

    return run(argv, pool.client, Loop)


class Screen(io.StringIO):
    """Standard output as a command takes it for a terminal's."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        """Whether it is a terminal: it says so."""
        return True


def show_screen(monkeypatch: pytest.MonkeyPatch, columns: int = 80) -> Screen:
    """Make standard output a terminal of so many columns, within a test: fixtures come too early for it."""
    screen = Screen()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("COLUMNS", str(columns))
    return screen


@define
class Terminal:
    """A real terminal with a command in it, and what is on its screen."""

    process: subprocess.Popen[bytes]
    _descriptor: int
    screen: Any
    raw: bytes = b""

    @property
    def lines(self) -> list[str]:
        """What stands on the screen, without the empty lines at its end."""
        shown: list[str] = self.screen.display
        return "\n".join(line.rstrip() for line in shown).rstrip().split("\n")

    def until(self, text: str) -> None:
        """Read until a text is on the screen, or the command ends."""
        while not any(text in line for line in self.lines) and self._read():
            pass

    def type(self, text: str) -> None:
        """Type a text."""
        os.write(self._descriptor, text.encode())

    def end(self) -> int:
        """Read until the command ends, and return its exit code."""
        while self._read():
            pass
        return self.process.wait()

    def _read(self) -> bool:
        read = b""
        with suppress(OSError):  # which is how the end of the last process in it shows
            read = os.read(self._descriptor, 65536)
        self.raw += read
        pyte.ByteStream(self.screen).feed(read)
        return bool(read)


@contextmanager
def terminal(*argv: str, width: int = 80, height: int = 24, **environment: str) -> Generator[Terminal]:
    """Run `bitminter` in a terminal of this size, unspaced, with these variables besides those that there are."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
    process = subprocess.Popen(  # noqa: S603  # our own
        [sys.executable, "-c", _IN_TERMINAL, sys.executable, "-c", _UNSPACED, *argv],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        env={**os.environ, "TERM": "xterm-256color", **environment},
    )
    os.close(theirs)
    try:
        yield Terminal(process, ours, pyte.Screen(width, height))
    finally:
        process.kill()
        process.wait()
        os.close(ours)
