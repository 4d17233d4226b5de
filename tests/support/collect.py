"""Collects what a stream gives while a test goes on."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TypeVar

from bitminter_async import Stream

T = TypeVar("T")


@asynccontextmanager
async def collecting(stream: Stream[T]) -> AsyncGenerator[list[T], None]:
    """Give a list to which a task adds the stream's items; at the end, the stream's error is raised, if it had one."""
    items: list[T] = []

    async def collect() -> None:
        async for item in stream:
            items.append(item)  # noqa: PERF401  # the list grows while others read it

    task = asyncio.create_task(collect())
    try:
        yield items
    finally:
        task.cancel()
        await asyncio.wait([task])
        await stream.aclose()
        if not task.cancelled() and (error := task.exception()):
            raise error
