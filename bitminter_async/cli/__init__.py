"""`bitminter`: the pool from the command line. Nothing but the parser is loaded before a command runs."""

from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command `bitminter`, and return its exit code.

    Args:
        argv: The arguments behind the command's name; None: those of the process.
    """
    from ._run import run  # noqa: PLC0415  # whoever imports the package's front for `main` pays for no parser

    return run(argv)
