"""Runs a command that asks a pool: its client, what it tells meanwhile, and its errors."""

import asyncio
import logging
import os
import signal
import sys
import traceback
from argparse import Namespace
from collections.abc import Callable, Coroutine
from contextlib import suppress
from importlib import import_module
from textwrap import fill
from typing import Any

from .._wire.address import base_url_of
from ..client import Client
from ._errors import USAGE, CommandError, explain
from ._key import read_key
from ._output import Output, say
from ._parser import COMMANDS

__all__ = ["ask"]

_PATIENT = {"watch", "export"}  # they show themselves that they go on
_LONG = 3.0  # seconds
_WIDTH = 80
_LOGGER = logging.getLogger("bitminter_async")


def ask(
    options: Namespace,
    make_client: Callable[..., Client] | None,
    loop_factory: Callable[[], asyncio.AbstractEventLoop] | None,
) -> int:
    """Run the command, and return its exit code: see `run`."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure:
        reconfigure(errors="backslashreplace")  # an encoding that lacks a character of a name is no reason to fail
    handler = _Handler(_level(options))
    level = _LOGGER.level
    _LOGGER.addHandler(handler)
    _LOGGER.setLevel(handler.level)
    try:
        with asyncio.Runner(loop_factory=loop_factory) as runner:
            return runner.run(_ask(options, make_client or Client))
    finally:
        _LOGGER.removeHandler(handler)
        _LOGGER.setLevel(level)


async def _ask(options: Namespace, make_client: Callable[..., Client]) -> int:
    task = asyncio.current_task()
    with suppress(NotImplementedError, RuntimeError):  # a loop, or a thread, that knows no signals
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: task and task.cancel())
    options.has_key = bool(options.key_file or os.environ.get("BITMINTER_KEY"))
    try:
        async with _client(options, make_client) as client:
            try:
                return await _with_notice(
                    options, _command(options)(client, options, Output(sys.stdout, as_json=options.json))
                )
            finally:
                if options.receipt:
                    say(fill(str(client.receipt), _WIDTH))
    except OSError:
        raise  # of the output: no error of the client is one
    except Exception as error:  # noqa: BLE001  # whatever it is, it is told in one line
        code, line = explain(error, options)
        if options.verbose:
            say("".join(traceback.format_exception(error)))
        say(f"bitminter: {line}")
        return code


def _client(options: Namespace, make_client: Callable[..., Client]) -> Client:
    given: dict[str, Any] = {}
    try:
        if options.url is not None:
            base_url_of(options.url, "--url")
            given["base_url"] = options.url
        if options.key_file is not None:
            given["api_key"] = read_key(options.key_file)
        if options.timeout is not None:
            given["timeout"] = options.timeout
        return make_client(**given)
    except (ValueError, ModuleNotFoundError) as error:
        raise CommandError(str(error), USAGE) from None


def _command(options: Namespace) -> Callable[..., Coroutine[Any, Any, int | None]]:
    module = import_module(f".{COMMANDS[options.command]}", __package__)
    command: Callable[..., Coroutine[Any, Any, int | None]] = getattr(module, options.command)
    return command


async def _with_notice(options: Namespace, running: Coroutine[Any, Any, int | None]) -> int:
    """Await the command, and say on a terminal that it waits if that takes long."""
    loop = asyncio.get_running_loop()
    notice = None
    if options.command not in _PATIENT and sys.stderr is not None and sys.stderr.isatty():
        text = "bitminter: waiting for a turn to ask, or for an answer; Ctrl-C ends it"
        notice = loop.call_later(_LONG, say, text)
    try:
        return await running or 0
    finally:
        if notice:
            notice.cancel()


def _level(options: Namespace) -> int:
    """Return how much of the client's log is told: to a person at a terminal why it takes so long, at least."""
    if options.verbose:
        return logging.INFO if options.verbose == 1 else logging.DEBUG
    if sys.stderr is not None and sys.stderr.isatty():
        return logging.INFO
    return logging.WARNING if options.command in _PATIENT else logging.CRITICAL


class _Handler(logging.Handler):
    """Tells on stderr what the client's log tells."""

    def emit(self, record: logging.LogRecord) -> None:
        """Tell one record."""
        say(f"bitminter: {record.getMessage()}")
