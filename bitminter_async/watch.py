"""`client.watch`: streams of what changes, for bots that run for years."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from datetime import datetime
from functools import partial
from operator import attrgetter
from typing import TypeVar

from .arguments import MAX_PAGE, check_commodity, check_flag, check_integer
from .changes import KnownBlocks, newest_id, worker_changes
from .events import BlockEvent, WorkerEvent, WorkerIdle
from .looks import Looks
from .merging import merge as _merge
from .paging import Listed, Walk, check_order
from .pool import Pool
from .records import Block, PoolStats, Shift
from .session import Session
from .users import Users

__all__ = ["Watch"]

R = TypeVar("R", bound=Listed)


class Watch:
    """Streams of what changes.

    A stream looks every `every` seconds, from look to look without drift, and tells what has changed since it looked
    last. It looks only when its caller is ready for more: a slow caller loses nothing, and nothing piles up. A look
    takes an answer up to half of `every` old, so streams and calls that ask the same share their requests.

    A stream lives on through outages: no answer, 5xx, rests, blocks, answers that cannot be read. The log tells of each
    by one WARNING, and by an INFO with its length when it is over. It ends by an error only where looking again would
    not mend it: `Unauthorized`, `Forbidden`, `NotFound`, `BadRequest`, `KeyRefused`, and `ClientClosed`.

    Each is an async generator: leave its loop when you like, or hold it with `contextlib.aclosing`. Each raises
    `ValueError` or `TypeError` for a wrong argument at once.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def blocks(
        self,
        *,
        every: float = 60.0,
        after: int | None = None,
        commodity: str | None = None,
        unsettled: Iterable[Block | int] = (),
    ) -> AsyncGenerator[BlockEvent, None]:
        """Watch the blocks: `BlockFound` for each new one, oldest first, however long an outage was.

        `BlockChanged` follows when a block has another status, until it is settled: confirmed, stale or orphan. Blocks
        are followed from when they are found, and those of the newest page that are not settled when the stream begins.
        One that the pool withdraws is followed no more once it has left the newest page; a WARNING says so.

        A bot that keeps the id of its last block and what it still awaits misses nothing when it starts again.

        Args:
            every: Seconds from look to look, each of which asks for the newest page: `/api/pool/blocks`.
            after: The id of the last block known: newer ones are found, first those that came meanwhile. None: the
                stream begins with what comes next.
            commodity: Only this one's blocks, for example `BTC`; None: all.
            unsettled: Blocks that were not settled when last seen, as records or by id. Whatever their age, they are
                looked for and followed.
        """
        check_commodity(commodity)
        return _blocks(Looks(self._session, "blocks", every), commodity, KnownBlocks(after, unsettled))

    def shifts(self, *, every: float = 300.0, after: int | None = None) -> AsyncGenerator[Shift, None]:
        """Watch the shifts: each as it is completed, in order, none left out.

        Args:
            every: Seconds from look to look: `/api/pool/shifts`.
            after: The id of the last shift known: the stream begins with what came since. None: with what comes next.
        """
        if after is not None:
            check_integer("after", after, 0)
        return _shifts(Looks(self._session, "shifts", every), after)

    def workers(
        self, name: str | None = None, *, every: float = 60.0, initial: bool = False, work: bool = False
    ) -> AsyncGenerator[WorkerEvent, None]:
        """Watch a user's workers: `WorkerIdle`, `WorkerBack`, `WorkerAdded` and `WorkerGone`.

        The first answer is the starting point; nothing is told of it unless `initial`.

        Args:
            name: The user's name; None: the key's owner.
            every: Seconds from look to look: `/api/users`, `/api/users/USERNAME`.
            initial: Whether the workers that are idle at first are told of as `WorkerIdle`.
            work: Whether `WorkReported` tells of the work done since the last look.
        """
        check_flag("initial", initial)
        check_flag("work", work)
        return _workers(Looks(self._session, "workers", every), name, initial=initial, work=work)

    def stats(self, *, every: float = 60.0) -> AsyncGenerator[PoolStats, None]:
        """Watch the pool at a glance: the first answer, and each that differs from the one before.

        Args:
            every: Seconds from look to look: `/api/pool/stats`.
        """
        return _stats(Looks(self._session, "stats", every))

    merge = staticmethod(_merge)


async def _blocks(looks: Looks, commodity: str | None, known: KnownBlocks) -> AsyncGenerator[BlockEvent, None]:
    fetch = partial(Pool(looks).blocks, commodity=commodity)
    while True:
        for event in known.learn(await looks.next(partial(_newest, fetch, attrgetter("generated"), known.floor))):
            yield event


async def _shifts(looks: Looks, last: int | None) -> AsyncGenerator[Shift, None]:
    fetch = Pool(looks).shifts
    while True:
        shifts = await looks.next(partial(_newest, fetch, attrgetter("completed"), last))
        if last is None:
            last = newest_id(shifts)
        for shift in reversed(shifts):
            if shift.id > last:
                last = shift.id
                yield shift


async def _workers(looks: Looks, name: str | None, *, initial: bool, work: bool) -> AsyncGenerator[WorkerEvent, None]:
    look = partial(Users(looks).get, name)
    before = await looks.next(look)
    for worker in before.idle_workers if initial else ():
        yield WorkerIdle(worker, before.name, before.now)
    while True:
        after = await looks.next(look)
        for event in worker_changes(before, after, work=work):
            yield event
        before = after


async def _stats(looks: Looks) -> AsyncGenerator[PoolStats, None]:
    look = Pool(looks).stats
    last: PoolStats | None = None
    while True:
        stats = await looks.next(look)
        if stats != last:
            last = stats
            yield stats


async def _newest(
    fetch: Callable[..., Awaitable[tuple[R, ...]]], moment: Callable[[R], datetime], floor: int | None
) -> tuple[R, ...]:
    """Return the newest page and, where it does not hold all that is above the id `floor`, the rest of that as well."""
    page = await fetch(max=MAX_PAGE)
    check_order(page)
    if floor is None or len(page) < MAX_PAGE or page[-1].id <= floor + 1:
        return page
    in_hand = [page]

    async def fetch_page(most: int, offset: int) -> tuple[R, ...]:
        return in_hand.pop() if in_hand else await fetch(max=most, offset=offset, max_age=0.0)

    after = floor if floor >= 0 else None
    walk = Walk(fetch_page, moment, since=None, until=None, after=after, limit=None, offset=0, max=MAX_PAGE)
    return tuple([record async for record in walk.records()])
