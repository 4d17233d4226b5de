"""Processes that ask a pool, and what they print of it."""

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from typing import Any

from attrs import define, field


@define
class Worker:
    """A process that asks, and what it has printed."""

    process: Process
    lines: list[list[str]] = field(factory=list[list[str]])

    async def until(self, what: str) -> None:
        """Read until it prints such a line, or its end."""
        assert self.process.stdout
        while line := (await self.process.stdout.readline()).decode().split():
            self.lines.append(line)
            if line[0] == what:
                return

    async def end(self) -> None:
        """Read until it ends."""
        await self.until("")
        await self.process.wait()

    @property
    def sent(self) -> list[tuple[float, float]]:
        """When each request departed, and was over."""
        return [(float(line[1]), float(line[2])) for line in self.lines if line[0] == "sent"]

    @property
    def outcomes(self) -> list[str]:
        """What came of each task: answer, or the name of the error."""
        return [line[1] for line in self.lines if line[0] == "outcome"]


@asynccontextmanager
async def worker(url: str, **options: Any) -> AsyncGenerator[Worker]:
    """Start a process that asks."""
    command = [sys.executable, "-m", "tests.support.worker", url, json.dumps(options)]
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE)
    try:
        yield Worker(process)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def gaps(workers: list[Worker]) -> list[float]:
    """The times between the departures of all."""
    departures = sorted(departed for worker in workers for departed, _ in worker.sent)
    return [later - earlier for earlier, later in pairwise(departures)]


def overlaps(workers: list[Worker]) -> int:
    """How often one departed while another was in the air."""
    spans = sorted(span for worker in workers for span in worker.sent)
    return sum(later[0] < earlier[1] for earlier, later in pairwise(spans))
