"""`bitminter check`: whether all is as it should be, in four lines."""

from argparse import Namespace
from operator import attrgetter

from attrs import define

from .._wire.answer import printable
from ..client import Client
from ..errors import BitminterError, Blocked, Forbidden, KeyRefused, RateLimited, Unauthorized
from ._errors import explain
from ._output import Output
from ._table import Cell, Column, Line

__all__ = ["check"]

_YES, _NO, _UNKNOWN = "yes", "no", "unknown"
_STYLES = {_YES: "green", _NO: "red"}
_COLUMNS = (
    Column("question", "question", attrgetter("question")),
    Column("answer", "answer", attrgetter("answer")),
    Column("detail", "detail", attrgetter("detail")),
)


@define
class _Finding:
    question: str
    answer: str = _UNKNOWN
    detail: str = ""


async def check(client: Client, options: Namespace, output: Output) -> int:
    """Ask the pool twice at most, and say what the answers mean; return the exit code of the first that is wrong."""
    address = _Finding("the address answers")
    key = _Finding("the key is right")
    balances = _Finding("it may read balances")
    rest = _Finding("the pool may be asked", _YES, "it asks for no rest")
    code = 0
    try:
        stats = await client.pool.stats(max_age=0)
    except BitminterError as error:
        code, address.detail = explain(error, options)
        address.answer = _YES if isinstance(error, RateLimited | Blocked) else _NO
        _note_rest(error, rest, address.detail)
    else:
        address.answer, address.detail = _YES, f"{stats.hash_rate} from {stats.active_workers} workers"
        code = await _check_key(client, options, key, balances, rest)
    findings = [address, key, balances, rest]
    if output.is_terminal and not output.as_json:
        output.write_lines(map(_line, findings))  # which wrap: what is wrong must not be left out
    else:
        await output.table(_COLUMNS, findings)
    return code


def _line(finding: _Finding) -> Line:
    return [
        Cell(f"{finding.question}: "),
        Cell(finding.answer, _STYLES.get(finding.answer, "yellow")),
        Cell(f", {printable(finding.detail)}"),
    ]


async def _check_key(client: Client, options: Namespace, key: _Finding, balances: _Finding, rest: _Finding) -> int:
    if not options.has_key:
        key.detail = balances.detail = "there is none: set BITMINTER_KEY, or name a file by --key-file"
        return 0
    try:
        user = await client.users.get(max_age=0)
    except BitminterError as error:
        code, line = explain(error, options)
        match error:
            case Unauthorized() | KeyRefused():
                key.answer, key.detail = _NO, line
            case Forbidden():
                key.answer, balances.answer, balances.detail = _YES, _NO, line
            case _:
                key.detail = line
        _note_rest(error, rest, line)
        return code
    key.answer, key.detail = _YES, f"it is {user.name}'s"
    balances.answer, balances.detail = _YES, ", ".join(f"{amount:f} {name}" for name, amount in user.balances.items())
    return 0


def _note_rest(error: BitminterError, rest: _Finding, line: str) -> None:
    if isinstance(error, RateLimited | Blocked):
        rest.answer, rest.detail = _NO, line
