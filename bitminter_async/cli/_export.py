"""`bitminter export`: blocks or shifts in a file."""

import json
import sys
from argparse import Namespace
from collections.abc import AsyncGenerator
from datetime import datetime
from pathlib import Path
from typing import Any

from attrs import frozen

from ..client import Client
from ..endpoints.pool import Pool
from ._errors import USAGE, CommandError
from ._export_job import FORMS, ExportJob
from ._export_progress import progress
from ._export_tables import BLOCKS, SHIFTS, Exported
from ._output import Output, say

__all__ = ["export"]


async def export(client: Client, options: Namespace, output: Output) -> None:
    """Write the file, and say so."""
    path = Path(options.file)
    if path.suffix not in FORMS:
        raise CommandError(f"FILE must end in {', '.join(FORMS)}, which tells its form, not {path.name!r}", USAGE)
    table, source = (BLOCKS, _Blocks(client.pool)) if options.what == "blocks" else (SHIFTS, _Shifts(client.pool))
    job = ExportJob(path, table, options.since, options.n, resume=options.resume, force=options.force)
    is_shown = not options.quiet and sys.stderr is not None and sys.stderr.isatty()
    try:
        with progress(table, is_shown=is_shown) as step:
            await job.run(source, step)
    except BaseException:  # Ctrl-C, too
        if job.left:
            say(f"bitminter: {job.left}")
        raise
    if output.as_json:
        output.write_json(json.dumps({"file": str(path), "table": table.name, "written": job.count}).encode())
    if is_shown:
        say(f"{path}: {job.count:,} {table.name} written")


@frozen
class _Blocks:
    pool: Pool

    async def page(self, most: int, offset: int) -> tuple[Exported, ...]:
        return await self.pool.blocks(max=most, offset=offset, max_age=0)

    def walk(self, since: datetime | None, after: int | None) -> AsyncGenerator[Any, None]:
        return self.pool.iter_blocks(oldest_first=True, since=since, after=after)


@frozen
class _Shifts:
    pool: Pool

    async def page(self, most: int, offset: int) -> tuple[Exported, ...]:
        return await self.pool.shifts(max=most, offset=offset, max_age=0)

    def walk(self, since: datetime | None, after: int | None) -> AsyncGenerator[Any, None]:
        return self.pool.iter_shifts(oldest_first=True, since=since, after=after)
