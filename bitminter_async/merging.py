"""Merging: many streams as one."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from typing import Any, Final, TypeVar

__all__ = ["merge"]

T = TypeVar("T")

_END: Final = object()


def merge(*streams: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """Join streams into one that gives what each gives, as it comes.

    No stream runs ahead: one is asked for its next item when the caller is done with its last. Where many have
    something at once, each gets its turn before any gets a second. An error of one ends all, after what the others had
    ready by then. However the merged stream ends, it closes the others first.

    Args:
        streams: Async generators, as all of `client.watch`'s are; merged ones as well. None ends at once.

    Raises:
        ValueError: The same stream is given twice.
        TypeError: One is not an async generator.
    """
    _check(streams)
    return _merged(streams)


def _check(streams: tuple[object, ...]) -> None:
    for stream in streams:
        if not isinstance(stream, AsyncGenerator):
            raise TypeError(f"merge joins async generators, not {type(stream).__name__}")
    if len(set(map(id, streams))) < len(streams):
        raise ValueError("merge is given the same stream twice")


async def _merged(streams: tuple[AsyncGenerator[T, None], ...]) -> AsyncGenerator[T, None]:
    # No TaskGroup: it would cancel whoever runs the loop body, where the generator stands still between two items.
    steps: dict[asyncio.Task[Any], AsyncGenerator[T, None]] = {}
    try:
        for stream in streams:
            steps[asyncio.create_task(_step(stream))] = stream
        while steps:
            await asyncio.wait(steps, return_when=asyncio.FIRST_COMPLETED)
            errors: list[BaseException] = []
            for step in [step for step in steps if step.done()]:
                stream = steps.pop(step)
                if error := step.exception():
                    errors.append(error)
                elif (item := step.result()) is not _END:
                    yield item
                    steps[asyncio.create_task(_step(stream))] = stream
            if errors:
                raise errors[0]
    finally:
        await _close(streams, steps)


async def _step(stream: AsyncGenerator[T, None]) -> Any:  # noqa: ANN401  # an item, or the end
    return await anext(stream, _END)


async def _close(streams: tuple[AsyncGenerator[T, None], ...], steps: dict[asyncio.Task[Any], Any]) -> None:
    for step in steps:
        step.cancel()
    if steps:
        await asyncio.wait(steps)
    closing: list[Coroutine[Any, Any, None]] = [stream.aclose() for stream in streams]
    await asyncio.gather(*closing, *steps, return_exceptions=True)
