"""The options of each command. It is loaded for `--help` and completion as well, so it imports next to nothing."""

import argparse
import re
import sys
from collections.abc import Callable, Sequence

from .._arguments import check_commodity, check_user_name

TYPE_CHECKING = False  # as in the package's front

if TYPE_CHECKING:
    from datetime import datetime
    from typing import NoReturn

    from _typeshed import SupportsWrite

__all__ = ["COMMANDS", "make_parser", "parse"]

_KEY_OPTIONS = re.compile(r"(--(api[-_]?)?key|--token|-k)(=.*)?", re.DOTALL)
_LIKE_A_KEY = re.compile(r"[A-Z0-9]{32}")
_KEY_REFUSED = (
    "a key is not taken from an argument, where every process of this machine can read it: "
    "set BITMINTER_KEY, or name a file by --key-file"
)
_SINCE = "from when on: 7d, 12h, 2014-03-01, or 2014-03-01T12:00"
_EXIT_CODES = """\
exit codes: 0; 1 it failed; 2 wrong usage; 4 the key is missing, wrong or lacks the permission;
75 try later (the pool asks for rest, has blocked this client, or did not answer in time);
130 Ctrl-C; 141 whoever read the output has gone
"""
_EPILOG = f"""\
The key comes from BITMINTER_KEY or --key-file, the pool's address from BITMINTER_URL or --url.
All moments are in UTC. In a pipe, the output is tab-separated, with a line of names at its head.

{_EXIT_CODES}"""

_Add = Callable[..., argparse.Action]
_WATCHED = ("stats", "blocks", "shifts", "workers")
_LONGEST = 1e9  # seconds
_MOST_DIGITS = 9

COMMANDS = {  # each with the module that runs it
    "stats": "_pool",
    "round": "_pool",
    "top": "_pool",
    "blocks": "_history",
    "shifts": "_history",
    "luck": "_luck",
    "user": "_users",
    "workers": "_users",
    "watch": "_watch",
    "check": "_check",
    "export": "_export",
    "plot": "_plot",
}
"""The commands that ask a pool. Each is a coroutine function of its own name there: of client, options and output."""


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=80)  # to ask the terminal takes as long as the rest of the help


class _Parser(argparse.ArgumentParser):
    def print_help(self, file: "SupportsWrite[str] | None" = None) -> None:
        (file or sys.stdout).write(self.format_help())  # argparse's own says nothing where it cannot be written

    def error(self, message: str) -> "NoReturn":
        # One line, and nothing that may be a key that went to the wrong place.
        self.exit(2, f"{self.prog}: {_LIKE_A_KEY.sub('***', message)}; {self.prog} --help tells more\n")


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """Return the options in these arguments. It ends by SystemExit where they are wrong, or ask for help."""
    parser = make_parser()
    for argument in argv:
        if argument == "--":
            break
        if _KEY_OPTIONS.fullmatch(argument):
            parser.error(_KEY_REFUSED)
    options = parser.parse_args(argv)
    since, until = getattr(options, "since", None), getattr(options, "until", None)
    if since and until and since > until:
        parser.error("--since is later than --until")
    return options


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = _Parser(
        prog="bitminter",
        description="Ask a mining pool that speaks the BitMinter API.",
        epilog=_EPILOG,
        formatter_class=_Formatter,
        allow_abbrev=False,
        parents=[_common(None)],
    )
    parser.add_argument("--version", action="store_true", help="print the version")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")

    def add(name: str, text: str, *parents: _Parser, has_help: bool = True) -> _Add:
        title = f"{text[:1].upper()}{text[1:]}."
        made = commands.add_parser(
            name,
            help=text,
            description=title,
            allow_abbrev=False,
            parents=parents,
            add_help=has_help,
            formatter_class=_Formatter,
        )
        return made.add_argument

    common = _common(argparse.SUPPRESS)
    stats = add("stats", "the pool's hash rate, workers and users", common)
    stats("-w", "--watch", type=_seconds, metavar="SECONDS", help="ask again every so many seconds, until Ctrl-C")
    add("round", "the current shift, and each chain's current round", common)
    top = add("top", "the fastest users", common)
    top("-n", type=_count, default=50, metavar="N", help="how many (default: all, which are 50 at most)")
    blocks = add("blocks", "the blocks that the pool found, newest first", common)
    _add_span(blocks, "20, or all since --since")
    blocks("--commodity", type=_commodity, metavar="NAME", help="only this one's, such as BTC")
    _add_span(add("shifts", "the shifts completed, newest first", common), "20, or all since --since")
    luck = add("luck", "how lucky the pool was, per chain and per day", common)
    _add_span(luck, "all of 30 days, or all since --since")
    user = add("user", "a user's balances, hash rate and part of the shift", common)
    user("name", nargs="?", type=_user, metavar="NAME", help="whose (default: the key's owner)")
    workers = add("workers", "a user's workers", common)
    workers("name", nargs="?", type=_user, metavar="NAME", help="whose (default: the key's owner)")
    workers("--idle", action="store_true", help="only those that do not mine")
    watch = add("watch", "what changes, a line each as it comes, until Ctrl-C", common)
    watched = "stats, blocks, shifts, workers (default: blocks and shifts, and with a key workers)"
    watch("what", nargs="*", type=_watched, metavar="WHAT", help=watched)
    watch("--user", type=_user, metavar="NAME", help="whose workers (default: the key's owner's)")
    watch("--every", type=_seconds, metavar="SECONDS", help="how often to ask (default: 60; for shifts 300)")
    add("check", "whether the address answers, the key is right, and may read balances", common)
    export = add("export", "write blocks or shifts to a file", common)
    export("what", choices=["blocks", "shifts"], help="what to write")
    export("file", metavar="FILE", help="its ending tells the format: .csv, .jsonl or .sqlite")
    export("-n", type=_count, metavar="N", help="how many of the latest (default: all)")
    export("--since", type=_moment, metavar="WHEN", help=_SINCE)
    again = "go on where an export to this file was cut short; bring a .sqlite file up to date"
    export("--resume", action="store_true", help=again)
    export("--force", action="store_true", help="replace the file if it is there")
    export("-q", "--quiet", action="store_true", help="show no progress")
    plot = add("plot", "draw the hash rate or the luck in the terminal", common)
    plot("what", choices=["hashrate", "luck"], help="what to draw")
    plot("--since", type=_moment, metavar="WHEN", help=f"{_SINCE} (default: 7d; of luck 30d)")
    add("serve", "serve a local pool for trials, with the options of python -m bitminter_async.local", has_help=False)
    completion = add("completion", "print what makes a shell complete this command")
    completion("shell", choices=["bash", "zsh", "fish"])
    return parser


def _common(default: object) -> _Parser:
    """Return the options of all commands. What is not given behind a command must not undo what was given before it."""
    parser = _Parser(add_help=False, allow_abbrev=False, argument_default=default)
    add = parser.add_argument_group("options of all commands").add_argument
    add("--url", help="the pool's address (default: $BITMINTER_URL)")
    add("--key-file", metavar="FILE", help="where the API key is; - is standard input (default: $BITMINTER_KEY)")
    add("--json", action="store_true", default=default, help="print one JSON object a line")
    add("--timeout", type=_seconds, metavar="SECONDS", help="how long an answer may take (default: 10)")
    add(
        "--receipt", action="store_true", default=default, help="tell at the end, on stderr, what was asked of the pool"
    )
    add("-v", "--verbose", action="count", default=default, help="tell on stderr what happens; -vv: each request")
    return parser


def _add_span(add: _Add, default: str) -> None:
    add("-n", type=_count, metavar="N", help=f"how many at most (default: {default})")
    add("--since", type=_moment, metavar="WHEN", help=_SINCE)
    add("--until", type=_moment_until, metavar="WHEN", help="until when; of a date, its whole day")


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < _LONGEST:
        raise argparse.ArgumentTypeError(f"must be a number of seconds above 0, not {text!r}")
    return seconds


def _count(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS and int(text)):
        raise argparse.ArgumentTypeError(f"must be a number of 1 or more, not {text!r}")
    return int(text)


def _watched(text: str) -> str:
    if text not in _WATCHED:
        raise argparse.ArgumentTypeError(f"must be {', '.join(_WATCHED[:-1])} or {_WATCHED[-1]}, not {text!r}")
    return text


def _user(text: str) -> str:
    return _checked(check_user_name, text)


def _commodity(text: str) -> str:
    return _checked(check_commodity, text)


def _checked(check: Callable[[object], None], text: str) -> str:
    try:
        check(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _moment(text: str) -> "datetime":
    from ._times import parse_moment  # noqa: PLC0415  # datetime is loaded where it is needed

    return _parsed(parse_moment, text)


def _moment_until(text: str) -> "datetime":
    from ._times import parse_until  # noqa: PLC0415  # likewise

    return _parsed(parse_until, text)


def _parsed(parse: "Callable[[str], datetime]", text: str) -> "datetime":
    try:
        return parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
