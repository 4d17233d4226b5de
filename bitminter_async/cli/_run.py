"""Runs the command as a process: its arguments, its output, its signals, and its exit code."""

import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress

from .._version import __version__
from ._parser import make_parser, parse

TYPE_CHECKING = False  # as in the package's front

if TYPE_CHECKING:
    from argparse import Namespace
    from asyncio import AbstractEventLoop
    from typing import TextIO

    from ..client import Client

__all__ = ["run"]

_FAILED, _USAGE = 1, 2
_INTERRUPTED, _TERMINATED, _PIPE_CLOSED = 130, 143, 141  # as a shell tells of SIGINT, SIGTERM and SIGPIPE


def run(
    argv: Sequence[str] | None = None,
    make_client: "Callable[..., Client] | None" = None,
    loop_factory: "Callable[[], AbstractEventLoop] | None" = None,
) -> int:
    """Run the command, and return its exit code.

    Args:
        argv: The arguments; None: those of the process.
        make_client: Makes the client of those options of `Client` that the arguments name; None: `Client` does.
        loop_factory: Makes the event loop; None: asyncio does.
    """
    if sys.stdout is None:
        _say("bitminter: standard output is closed")  # before anything is sent
        code = _FAILED
    else:
        code = _run_into(sys.stdout, sys.argv[1:] if argv is None else argv, make_client, loop_factory)
    if sys.stderr is not None:
        try:
            sys.stderr.flush()
        except OSError:
            _drop(sys.stderr)
    return code


def _run_into(
    output: "TextIO",
    arguments: Sequence[str],
    make_client: "Callable[..., Client] | None",
    loop_factory: "Callable[[], AbstractEventLoop] | None",
) -> int:
    try:
        try:
            code = _run(arguments, make_client, loop_factory)
        except KeyboardInterrupt:
            code = _INTERRUPTED
        output.flush()
    except BrokenPipeError:
        code = _PIPE_CLOSED
        _drop(output)
    except OSError as error:
        code = _FAILED
        _say(f"bitminter: the output cannot be written: {error.strerror or error}")
        _drop(output)
    return code


def _run(
    arguments: Sequence[str],
    make_client: "Callable[..., Client] | None",
    loop_factory: "Callable[[], AbstractEventLoop] | None",
) -> int:
    try:
        if arguments[:1] == ["serve"]:
            from ..local.__main__ import main  # noqa: PLC0415  # each command loads what it needs alone

            return main(arguments[1:], "bitminter serve")
        options = parse(arguments)
    except SystemExit as end:  # help was asked for, or the arguments are wrong, and argparse has said so
        return int(end.code or 0)
    if options.version:
        sys.stdout.write(f"bitminter {__version__}\n")
    elif options.command is None:
        make_parser().print_help(sys.stderr)
        return _USAGE
    elif options.command == "completion":
        return _complete(options.shell)
    else:
        return _ask(options, make_client, loop_factory)
    return 0


def _ask(
    options: "Namespace",
    make_client: "Callable[..., Client] | None",
    loop_factory: "Callable[[], AbstractEventLoop] | None",
) -> int:
    from asyncio import CancelledError  # noqa: PLC0415  # likewise

    from ._ask import ask  # noqa: PLC0415  # likewise

    try:
        return ask(options, make_client, loop_factory)
    except CancelledError:
        return _TERMINATED


def _complete(shell: str) -> int:
    try:
        import shtab  # noqa: PLC0415  # likewise
    except ModuleNotFoundError:
        _say("bitminter: completion needs shtab: pip install 'bitminter-async[cli]'")
        return _FAILED
    sys.stdout.write(shtab.complete(make_parser(), shell))
    return 0


def _say(line: str) -> None:
    """Tell it on stderr, if that can be written."""
    if sys.stderr is not None:
        with suppress(OSError):
            sys.stderr.write(f"{line}\n")


def _drop(stream: "TextIO") -> None:
    """Let nothing more be written there, or Python would fail to do so as it ends, and say so or exit with 120."""
    with suppress(OSError):  # as where somebody has put another object in its place, which is that one's affair
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
