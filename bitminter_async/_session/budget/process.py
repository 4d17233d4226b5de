"""The budget of a process: one state for all clients of a pool on one event loop."""

import asyncio
from weakref import WeakSet

from attrs import evolve

from .line import Line
from .state import State

__all__ = ["join"]

_STATES: dict[tuple[str, asyncio.AbstractEventLoop], State] = {}


def join(origin: str) -> State:
    """Return what all clients of this origin on the running loop share.

    It outlives them until its last departure and its rest are over. Where its loop was closed, as by one `asyncio.run`
    after another, the next loop that asks the same origin takes it over: two that run at the same time share nothing.
    """
    loop = asyncio.get_running_loop()
    if found := _STATES.get((origin, loop)):
        return found
    state = State(loop=loop)
    for (kept_origin, kept_loop), kept in list(_STATES.items()):
        is_inherited = kept_origin == origin and kept_loop.is_closed()
        if is_inherited:
            state = _later(state, kept, loop)
        if is_inherited or kept.is_over:
            del _STATES[kept_origin, kept_loop]
    return _STATES.setdefault((origin, loop), state)


def _later(state: State, kept: State, loop: asyncio.AbstractEventLoop) -> State:
    """Return a state for this loop that knows the later departure, and the later rest, of both."""
    newest = kept if kept.departed >= state.departed else state
    rest = kept if kept.rest_ends >= state.rest_ends else state
    slowed = kept if kept.slowed_at >= state.slowed_at else state
    return evolve(
        newest,
        line=Line(),
        sharers=WeakSet[object](),
        lock=None,
        sought=float("-inf"),
        loop=loop,
        departed=min(newest.departed, loop.time()),  # loops keep the same time; where one does not, none lies ahead
        slowed_to=slowed.slowed_to,
        slowed_at=min(slowed.slowed_at, loop.time()),  # likewise: one ahead would widen the spacing, not ease it
        rest_ends=rest.rest_ends,
        rest_seconds=rest.rest_seconds,
        rest_reason=rest.rest_reason,
        longest_interval=max(kept.longest_interval, state.longest_interval),
    )
