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
    after another, the next loop takes it over: two loops that run at the same time share nothing.
    """
    loop = asyncio.get_running_loop()
    if found := _STATES.get((origin, loop)):
        return found
    state = State(loop=loop)
    for (kept_origin, kept_loop), kept in list(_STATES.items()):
        if kept_loop.is_closed() and kept_origin == origin and kept.departed >= state.departed:
            # Loops keep the same time; where one does not, no departure lies ahead.
            departed = min(kept.departed, loop.time())
            state = evolve(kept, line=Line(), sharers=WeakSet[object](), loop=loop, departed=departed)
        if kept_loop.is_closed() or kept.is_over:
            del _STATES[kept_origin, kept_loop]
    return _STATES.setdefault((origin, loop), state)
