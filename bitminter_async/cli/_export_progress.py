"""How far an export has come, shown on stderr in a terminal."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count

from ._export_tables import Exported, Table
from ._output import make_console

__all__ = ["progress"]


@contextmanager
def progress(table: Table, *, is_shown: bool) -> Generator[Callable[[Exported], None]]:
    """Show a bar while the context lasts, and yield what is to be called with each record.

    It is as long as the time from the first record to now, and filled up to the record that came last.

    Args:
        table: What is exported.
        is_shown: Whether to show anything; without rich, nothing is.
    """
    console = make_console(sys.stderr) if is_shown else None
    if console is None:
        yield lambda _: None
        return
    from rich.progress import (  # noqa: PLC0415  # 60 ms, where there is a terminal to show it on
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=None),
        TaskProgressColumn(),
        TimeRemainingColumn(compact=True),
        console=console,
        transient=True,
        expand=True,
    )
    task = bar.add_task(f"finding the first of the {table.name}", total=None)
    begin: datetime | None = None
    counter = count(1)

    def step(record: Exported) -> None:
        nonlocal begin
        moment = table.moment(record)
        begin = begin or moment
        bar.update(
            task,
            total=max(datetime.now(UTC) - begin, moment - begin).total_seconds(),
            completed=(moment - begin).total_seconds(),
            description=f"{next(counter):,} {table.name}, {moment.astimezone(UTC):%Y-%m-%d}",
        )

    with bar:
        yield step
