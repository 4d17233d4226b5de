"""`client.watch`: streams of what changes, for bots that run for years."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from functools import partial
from typing import Any, TypeVar, overload

from .._arguments import check_commodity, check_flag, check_user_name
from .._call import Caller
from .._lists.page import Listed
from .._lists.tail import Tail
from .._session.session import Session
from ..endpoints.pool import Pool
from ..endpoints.users import Users
from ..errors import DecodeError
from ..events import BlockEvent, WorkerEvent
from ..records import Block, PoolStats, Shift, User
from ._blocks import look_at_block, look_at_shift, unsettled_by_id
from ._poller import Poller
from ._tracker import Tracker
from ._workers import WorkerTracker, check_names
from .merge import merge
from .stream import Stream

__all__ = ["Watch"]

R = TypeVar("R", bound=Listed)
T = TypeVar("T")
T1 = TypeVar("T1")
T2 = TypeVar("T2")
T3 = TypeVar("T3")
T4 = TypeVar("T4")


class Watch:
    """Streams of what changes.

    A stream polls every `every` seconds, from poll to poll without drift, and tells what has changed since the last
    one. It polls only when its caller is ready for more: a slow caller loses nothing, and nothing piles up. A poll
    takes an answer up to half of `every` old, so streams and calls that ask the same share their requests. One of
    blocks that is given `after` or `unsettled`, or of workers that is given `initial` or `idle`, goes on from what its
    caller knows: it takes no answer older than itself.

    A stream lives on through outages: no answer, 5xx and other odd statuses, rests, blocks, answers that cannot be read
    or are out of order. The log tells of each by one WARNING, and by an INFO with its length when it is over. Where the
    pool refuses the question (`Unauthorized`, `Forbidden`, `NotFound`, `BadRequest` or another 4xx), that ends the
    stream if it has had no answer yet, or if it comes three polls running; the first is a WARNING. `KeyRefused` and
    `ClientClosed` end it at once.

    Each is an async iterator: leave its loop in any way, or put a timeout around a wait for its next item, and go on
    later. A poll that this cuts short is made again when the next is due, so let the timeout be longer than an answer
    takes. `aclose()` ends it for good, and so does leaving `async with client.watch.blocks() as events:`. A wrong
    argument is a `ValueError` or a `TypeError` at once.
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
    ) -> Stream[BlockEvent]:
        """Watch the blocks: `BlockFound` for each new one, oldest first, however long an outage was.

        `BlockChanged` follows when a block has another status, until it is settled: confirmed, stale or orphan. Blocks
        are followed from when they are found, and from the beginning those that the first page shows as not settled.
        One that is no longer in the list is followed no more; a WARNING says so.

        A bot that keeps the id of its last block, and what it still awaits, misses nothing when it starts again. Lest
        it miss its very first, it begins with `after=(await client.pool.blocks(max=1))[0].id`.

        A block that cannot be read keeps no other back: a WARNING names it, and it is found, out of order, when it can.
        Neither does a server lose one that gives less than the 50 blocks a page that are asked for, or one odd answer.
        If the list goes back behind the last block known, as that of a pool restarted from a backup, a WARNING tells.

        A poll asks for the newest page, and for one more where a followed block stands further down, or one that could
        not be read; where more is new than the newest page shows, it climbs up from the oldest, page by page.

        Args:
            every: Seconds from poll to poll: `/api/pool/blocks`.
            after: The id of the last block known: newer ones are found, first those that came meanwhile. None: the
                stream begins with what comes next.
            commodity: Only this one's blocks, for example `BTC`; None: all.
            unsettled: Blocks that were not settled when last seen, as records or by id. Whatever their age, they are
                looked for and followed, and known: none of them is found anew.
        """
        check_commodity(commodity)
        known = unsettled_by_id(unsettled)
        tracker: Tracker[Block, BlockEvent] = Tracker("blocks", after, known, look_at_block)
        # An older answer shows as unsettled what has settled since, and so is not among those known.
        anew = after is not None or bool(known)
        return self._list(
            tracker, "blocks", every, lambda caller: partial(Pool(caller).blocks, commodity=commodity), anew=anew
        )

    def shifts(self, *, every: float = 300.0, after: int | None = None) -> Stream[Shift]:
        """Watch the shifts: each as it is completed, in order, none left out.

        One that cannot be read keeps no other back: a WARNING names it, and it comes, out of order, when it can.

        Args:
            every: Seconds from poll to poll: `/api/pool/shifts`.
            after: The id of the last shift known: the stream begins with what came since. None: with what comes next.
        """
        tracker = Tracker("shifts", after, {}, look_at_shift)
        return self._list(tracker, "shifts", every, lambda caller: Pool(caller).shifts)

    def _list(
        self,
        tracker: Tracker[R, T],
        what: str,
        every: float,
        pages: Callable[[Caller], Callable[..., Awaitable[tuple[R, ...]]]],
        *,
        anew: bool = False,
    ) -> Stream[T]:
        """Watch a list, of which `pages` brings pages by a caller."""
        poller = Poller(self._session, what, every, anew=anew)
        tail = Tail(pages(poller))
        # A poller of their own for pages further down: one that cannot be had is no outage for the newest page.
        poller_below = Poller(self._session, f"{what} further down", every, beside=True)
        below = Tail(pages(poller_below))
        is_turn_of_below = False  # where the newest page is due all the time, the others have every second turn

        async def poll() -> list[T]:
            nonlocal is_turn_of_below
            may_look_below = is_turn_of_below or not poller.is_due
            if may_look_below and (number := tracker.next_overdue()) is not None:
                is_turn_of_below = False
                found = await poller_below.attempt(partial(below.around, number, tracker.place(number)))
                return tracker.update_below(number, found)
            page = await poller.poll(partial(tail.read, tracker.last), at_once=tail.is_behind)
            is_turn_of_below = True
            return tracker.update(*page) if page else []

        return Stream(poll)

    def workers(
        self,
        name: str | None = None,
        *,
        every: float = 60.0,
        initial: bool = False,
        work: bool = False,
        idle: Iterable[str] = (),
    ) -> Stream[WorkerEvent]:
        """Watch a user's workers: `WorkerIdle`, `WorkerBack`, `WorkerAdded` and `WorkerGone`.

        The first answer is the starting point; nothing is told of it unless `initial` or `idle` ask for it. An answer
        that is older than the one before it, from a server that lags or an old copy, tells nothing, unless the next
        says as well that the pool's clock was set back. A worker that cannot be read is named by a WARNING, and is
        neither idle nor gone.

        A bot that keeps the names of those who are idle misses nothing when it starts again with `initial=True` and
        them as `idle`, and tells nothing twice.

        Args:
            name: The user's name; None: the key's owner.
            every: Seconds from poll to poll: `/api/users`, `/api/users/USERNAME`.
            initial: Whether the workers that are idle at first are told of as `WorkerIdle`.
            work: Whether `WorkReported` tells of the work done since the last poll.
            idle: The names of workers that were idle when last seen: those alive at first are told of as `WorkerBack`,
                the others not again as `WorkerIdle`.
        """
        check_user_name(name)
        check_flag("initial", initial)
        check_flag("work", work)
        names = check_names(idle)
        poller = Poller(self._session, "workers", every, anew=initial or bool(names))
        tracker = WorkerTracker(names, initial=initial, work=work)

        async def ask() -> tuple[User, DecodeError | None]:
            try:
                return await Users(poller).get(name), None
            except DecodeError as error:
                if not error.readable:
                    raise
                return error.readable[0], error

        async def poll() -> list[WorkerEvent]:
            found = await poller.poll(ask)
            return tracker.update(*found) if found else []

        return Stream(poll)

    def stats(self, *, every: float = 60.0) -> Stream[PoolStats]:
        """Watch the pool at a glance: the first answer, and each that differs from the one before.

        Args:
            every: Seconds from poll to poll: `/api/pool/stats`.
        """
        poller = Poller(self._session, "stats", every)
        ask = Pool(poller).stats
        last: PoolStats | None = None

        async def poll() -> list[PoolStats]:
            nonlocal last
            stats = await poller.poll(ask)
            if stats is None or stats == last:
                return []
            last = stats
            return [stats]

        return Stream(poll)

    @overload
    @staticmethod
    def merge(first: AsyncIterator[T1], second: AsyncIterator[T2], /) -> Stream[T1 | T2]: ...
    @overload
    @staticmethod
    def merge(
        first: AsyncIterator[T1], second: AsyncIterator[T2], third: AsyncIterator[T3], /
    ) -> Stream[T1 | T2 | T3]: ...
    @overload
    @staticmethod
    def merge(
        first: AsyncIterator[T1], second: AsyncIterator[T2], third: AsyncIterator[T3], fourth: AsyncIterator[T4], /
    ) -> Stream[T1 | T2 | T3 | T4]: ...
    @overload
    @staticmethod
    def merge(*streams: AsyncIterator[T]) -> Stream[T]: ...
    @staticmethod
    def merge(*streams: AsyncIterator[Any]) -> Stream[Any]:
        """Join streams into one that gives what each gives, as it comes.

        No stream runs ahead by more than the item that it has ready. Where many have something at once, each gets its
        turn before any gets a second. An error of one ends all, after what the others had ready by then. When the
        merged stream ends or is closed, so are the others; `async with` closes it for certain. Where a loop is left
        by `break` without it, they are closed as soon as nobody holds the merged stream any more.

        Args:
            streams: Streams as all of these are, merged ones as well, or other async iterators. None: it ends at once.
                A wait that is cancelled or timed out cancels theirs, which a `Stream` survives and an async generator
                does not.

        Raises:
            ValueError: The same stream is given twice.
            TypeError: One is not an async iterator.
        """
        return merge(*streams)
