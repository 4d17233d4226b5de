"""Exit codes, and errors in the command's own words."""

from argparse import Namespace

from ..errors import (
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
    StatusError,
    TransportError,
    Unauthorized,
)

__all__ = ["CommandError", "FAILED", "KEY", "LATER", "USAGE", "explain"]

FAILED, USAGE, KEY, LATER = 1, 2, 4, 75  # 75 is EX_TEMPFAIL of sysexits.h
_KEY_ERRORS = Unauthorized, Forbidden, KeyRefused
_PASSING = RateLimited, Blocked, RequestTimeout, QueueTimeout, BudgetUnreachable
_DEFAULT = "the default address, where the pool is closed"


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
    return code, _line(error, options)


def _line(error: Exception, options: Namespace) -> str:
    match error:
        case KeyRefused():
            return (
                "the key was not sent: over http it would travel in the clear; name the pool by https in --url"
                if options.url
                else "the key was not sent: name the pool that it is for by --url or BITMINTER_URL"
            )
        case Unauthorized() if not options.has_key:
            return "the pool wants a key: set BITMINTER_KEY, or name a file by --key-file"
        case Unauthorized():
            return "the pool does not know this key: see BITMINTER_KEY or --key-file"
        case Forbidden():
            return 'the key lacks the permission "Balance and worker summary": give it on the pool\'s website'
        case NotFound() if getattr(options, "name", None) or getattr(options, "user", None):
            return f"the pool has no user {getattr(options, 'name', None) or options.user!r}"
        case NotFound():
            return f"no such path at {error.url}: does --url name a pool that speaks the BitMinter API?"
        case RateLimited() | Blocked():
            what = "has blocked this client" if isinstance(error, Blocked) else "asks for rest"
            after = f": try again in {error.retry_after:.0f} s" if error.retry_after else ": try again later"
            return f"the pool {what}{after}"
        case RequestTimeout():
            return f"{_said(error)}; --timeout allows for more, or try again later"
        case ServerError():
            return f"the pool failed ({error.status} from {error.url}): try again later"
        case DecodeError():
            return f"{error.summary.partition(': ')[2]}; -v tells more"
        case BudgetUnreachable():
            return f"{_said(error)}: see BITMINTER_SHARE, or try again later"
        case TransportError():
            hint = "" if options.url else ", set BITMINTER_URL or pass --url"
            return (
                f"{_said(error).replace('; the pool there is closed: set BITMINTER_URL, or pass base_url', '')}{hint}"
            )
        case StatusError():
            return f"the pool answered {error.status} to {error.url}"
        case _:
            return _said(error)


def _said(error: Exception) -> str:
    return str(error).partition("\n")[0]
