"""Exit codes, and errors in the command's own words."""

import os
from argparse import Namespace
from collections.abc import Callable
from typing import Any

from ..errors import (
    BitminterError,
    Blocked,
    BudgetUnreachable,
    DecodeError,
    Forbidden,
    KeyRefused,
    NotFound,
    QueueTimeout,
    RateLimited,
    RequestTimeout,
    ServerError,
    TransportError,
    Unauthorized,
)

__all__ = ["FAILED", "KEY", "LATER", "USAGE", "CommandError", "explain"]

FAILED, USAGE, KEY, LATER = 1, 2, 4, 75  # 75 is EX_TEMPFAIL of sysexits.h
_KEY_ERRORS = Unauthorized, Forbidden, KeyRefused
_PASSING = RateLimited, Blocked, RequestTimeout, QueueTimeout, BudgetUnreachable
_HINT = "; the pool there is closed: set BITMINTER_URL, or pass base_url"  # of the client, in its words


class CommandError(Exception):
    """A command cannot go on: a message for people, and the exit code."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code


def explain(error: Exception, options: Namespace) -> tuple[int, str]:
    """Return the exit code for an error, and a line that says what happened and what to do.

    Args:
        error: What the client, or a command, has raised.
        options: What the command was called with, and whether it `has_key`.
    """
    if isinstance(error, CommandError):
        return error.code, str(error)
    code = KEY if isinstance(error, _KEY_ERRORS) else LATER if isinstance(error, _PASSING) else FAILED
    words = next((words for kind, words in _WORDS if isinstance(error, kind)), _said)
    return code, words(error, options)


def _said(error: Exception, options: Namespace) -> str:  # noqa: ARG001  # as the others
    if not isinstance(error, BitminterError):
        return f"an error of this command's own: {type(error).__name__}: {error}; -v tells where"
    return str(error).partition("\n")[0]


def _refused(error: KeyRefused, options: Namespace) -> str:  # noqa: ARG001  # as the others
    if options.url or os.environ.get("BITMINTER_URL"):
        return "the key was not sent: over http it would travel in the clear; let --url begin with https"
    return "the key was not sent: name the pool that it is for by --url or BITMINTER_URL"


def _unauthorized(error: Unauthorized, options: Namespace) -> str:  # noqa: ARG001  # as the others
    if options.has_key:
        return "the pool does not know this key: see BITMINTER_KEY or --key-file"
    return "the pool wants a key: set BITMINTER_KEY, or name a file by --key-file"


def _forbidden(error: Forbidden, options: Namespace) -> str:
    return f"{_said(error, options).partition(': ')[2]}; give it on the pool's website"


def _not_found(error: NotFound, options: Namespace) -> str:
    if name := getattr(options, "name", None) or getattr(options, "user", None):
        return f"the pool has no user {name!r}"
    return f"there is nothing at {error.url}: does --url name a pool that speaks the BitMinter API?"


def _resting(error: RateLimited | Blocked, options: Namespace) -> str:  # noqa: ARG001  # as the others
    what = "has blocked this client" if isinstance(error, Blocked) else "asks for rest"
    return f"the pool {what}: try again {f'in {error.retry_after:.0f} s' if error.retry_after else 'later'}"


def _timeout(error: RequestTimeout, options: Namespace) -> str:
    return f"{_said(error, options)}: try again later, or allow for more by --timeout"


def _unreachable(error: TransportError, options: Namespace) -> str:
    said = _said(error, options)
    return f"no answer: {said.removesuffix(_HINT)}; see {'--url' if options.url else '--url and BITMINTER_URL'}"


def _failed(error: ServerError, options: Namespace) -> str:
    return f"{_said(error, options)}: try again later"


def _unreadable(error: DecodeError, options: Namespace) -> str:  # noqa: ARG001  # as the others
    return f"{error.summary.partition(': ')[2]}; -v tells more"


_WORDS: tuple[tuple[type[BitminterError], Callable[[Any, Namespace], str]], ...] = (  # the first that fits
    (KeyRefused, _refused),
    (Unauthorized, _unauthorized),
    (Forbidden, _forbidden),
    (NotFound, _not_found),
    (RateLimited, _resting),
    (Blocked, _resting),
    (RequestTimeout, _timeout),
    (BudgetUnreachable, _said),
    (TransportError, _unreachable),
    (ServerError, _failed),
    (DecodeError, _unreadable),
)
