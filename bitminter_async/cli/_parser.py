"""The options of each command. It is loaded for `--help` and completion as well, so it imports next to nothing."""

import argparse
import re
from collections.abc import Sequence
from typing import Any, NoReturn

__all__ = ["COMMANDS", "make_parser", "parse"]

_KEY_OPTIONS = re.compile(r"(--(api[-_]?)?key|--token|-k)(=.*)?", re.DOTALL)
_LIKE_A_KEY = re.compile(r"[A-Z0-9]{32}")
_KEY_REFUSED = (
    "a key is not taken from an argument, where every process of this machine can read it: "
    "set BITMINTER_KEY, or name a file by --key-file"
)
_EXIT_CODES = """\
exit codes: 0; 1 it failed; 2 wrong usage; 4 the key is missing, wrong or lacks the permission;
75 try later (the pool asks for rest, has blocked this client, or did not answer in time);
130 Ctrl-C; 141 whoever read the output has gone
"""
_EPILOG = f"""\
The key comes from BITMINTER_KEY or --key-file, the pool's address from BITMINTER_URL or --url.
All moments are in UTC. In a pipe, the output is tab-separated, with a line of names at its head.

{_EXIT_CODES}"""

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


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
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
    return parser.parse_args(argv)


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    parser = _Parser(
        prog="bitminter",
        description="Ask a mining pool that speaks the BitMinter API.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        parents=[_common(None)],
    )
    parser.add_argument("--version", action="store_true", help="print the version")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")

    def add(name: str, text: str, **options: Any) -> Any:
        made = commands.add_parser(
            name, help=text, description=f"{text[:1].upper()}{text[1:]}.", allow_abbrev=False, **options
        )
        return made.add_argument

    common = [_common(argparse.SUPPRESS)]
    stats = add("stats", "the pool's hash rate, workers and users", parents=common)
    stats("-w", "--watch", type=_seconds, metavar="SECONDS", help="ask again every so many seconds, until Ctrl-C")
    add("round", "the current shift, and each chain's current round", parents=common)
    top = add("top", "the fastest users", parents=common)
    top("-n", type=_count, default=50, metavar="N", help="how many (default: all, which are 50 at most)")
    blocks = add("blocks", "the blocks that the pool found, newest first", parents=common)
    _add_span(blocks, 20)
    blocks("--commodity", metavar="NAME", help="only this one's, such as BTC")
    _add_span(add("shifts", "the shifts completed, newest first", parents=common), 20)
    luck = add("luck", "how lucky the pool was, per chain and per day", parents=common)
    _add_span(luck, None)
    user = add("user", "a user's balances, hash rate and part of the shift", parents=common)
    user("name", nargs="?", metavar="NAME", help="whose (default: the key's owner)")
    workers = add("workers", "a user's workers", parents=common)
    workers("name", nargs="?", metavar="NAME", help="whose (default: the key's owner)")
    workers("--idle", action="store_true", help="only those that do not mine")
    watch = add("watch", "what changes, a line each as it comes, until Ctrl-C", parents=common)
    watch(
        "what",
        nargs="*",
        metavar="WHAT",
        help="stats, blocks, shifts, workers (default: blocks and shifts, and with a key workers)",
    ).choices = [*WATCHED]
    watch("--user", metavar="NAME", help="whose workers (default: the key's owner's)")
    watch("--every", type=_seconds, metavar="SECONDS", help="how often to ask (default: 60; for shifts 300)")
    add("check", "whether the address answers, the key is right, and may read balances", parents=common)
    export = add("export", "write blocks or shifts to a file", parents=common)
    export("what", choices=["blocks", "shifts"], help="what to write")
    export("file", metavar="FILE", help="its ending tells the format: .csv, .jsonl or .sqlite")
    _add_span(export, None)
    export("--resume", action="store_true", help="go on where an export to this file was cut short")
    export("--force", action="store_true", help="replace the file if it is there")
    export("-q", "--quiet", action="store_true", help="show no progress")
    plot = add("plot", "draw the hash rate or the luck in the terminal", parents=common)
    plot("what", choices=["hashrate", "luck"], help="what to draw")
    plot("--since", type=_moment, metavar="WHEN", help="from when on: 7d, 12h, a date or a moment (default: 7d)")
    add("serve", "serve a local pool for trials, with the options of python -m bitminter_async.local", add_help=False)
    completion = add("completion", "print what makes a shell complete this command")
    completion("shell", choices=["bash", "zsh", "fish"])
    return parser


WATCHED = ("stats", "blocks", "shifts", "workers")


def _common(default: object) -> argparse.ArgumentParser:
    """Return the options of all commands. What is not given behind a command must not undo what was given before it."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, argument_default=default)
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


def _add_span(add: Any, default: int | None) -> None:
    many = "all" if default is None else f"{default}, or all since --since"
    add("-n", type=_count, metavar="N", help=f"how many at most (default: {many})")
    add("--since", type=_moment, metavar="WHEN", help="from when on: 7d, 12h, 2014-03-01, or 2014-03-01T12:00")
    add("--until", type=_moment_until, metavar="WHEN", help="until when; of a date, its whole day")


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"a number of seconds above 0, not {text}")
    return number


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"1 or more, not {text}")
    return number


def _moment(text: str) -> Any:
    from ._times import parse_moment  # noqa: PLC0415  # datetime is loaded where it is needed

    return _told(parse_moment, text)


def _moment_until(text: str) -> Any:
    from ._times import parse_until  # noqa: PLC0415  # likewise

    return _told(parse_until, text)


def _told(parse: Any, text: str) -> Any:
    try:
        return parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
