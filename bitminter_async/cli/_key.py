"""Where a command's key comes from."""

import os
import stat
import sys
from getpass import getpass
from pathlib import Path

from .._wire.key import ApiKey
from ._errors import KEY, CommandError
from ._output import say

__all__ = ["read_key"]

_LONGEST = 10_000


def read_key(file: str) -> ApiKey:
    """Return the key in the first line of a file, or of standard input where its name is `-`.

    Raises:
        CommandError: There is none, or it cannot be one.
    """
    name = "standard input" if file == "-" else file
    try:
        found = [_first_line(file).strip()]
    except OSError as error:
        raise CommandError(f"--key-file: {name} cannot be read: {error.strerror}", KEY) from None
    except UnicodeDecodeError:  # whose message quotes what it met
        raise CommandError(f"--key-file: {name} cannot be read: it is no text", KEY) from None
    if not found[0]:
        raise CommandError(f"--key-file: {name} holds no key in its first line", KEY)
    try:
        return ApiKey(found.pop(), name=f"the key in {name}")
    except ValueError as error:
        raise CommandError(f"--key-file: {error}", KEY) from None


def _first_line(file: str) -> str:
    if file == "-":
        if sys.stdin is None:
            raise OSError(0, "it is closed")
        return getpass("API key: ") if sys.stdin.isatty() else sys.stdin.readline(_LONGEST)
    with Path(file).open(encoding="utf-8") as lines:
        mode = os.fstat(lines.fileno()).st_mode
        if stat.S_ISREG(mode) and mode & (stat.S_IRWXG | stat.S_IRWXO):
            say(f"bitminter: others may read the key in {file}: chmod 600 {file}")
        return lines.readline(_LONGEST)
