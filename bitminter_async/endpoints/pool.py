"""`client.pool`: the pool's public data."""

from collections.abc import AsyncGenerator, Mapping
from datetime import datetime
from functools import partial
from math import inf
from operator import attrgetter
from typing import TypeVar

from immutabledict import immutabledict

from .._arguments import MAX_PAGE, check_commodity, check_flag, check_integer
from .._call import Call, Caller, Expected
from .._decode.kinds import GHPS
from .._lists.climb import Climb
from .._lists.walk import Walk
from ..records import Block, PoolStats, Round, Shift
from ..units import HashRate

__all__ = ["Pool"]

T = TypeVar("T")

_STATS = Call("pool/stats", PoolStats)
_HASHRATE = Call("pool/hashrate", GHPS)
_WORKERS = Call("pool/workers", int)
_USERS = Call("pool/users", int)
_ROUND = Call("pool/round", Round)
_TOP50 = Call("pool/top50", immutabledict[str, HashRate], expected=Expected(most=50))


class Pool:
    """The pool's public data; no key needed.

    Each reading method takes `max_age`: seconds that the answer may be old; 0 asks the pool anew, None means the
    client's own. And `max_wait`: seconds that the call may wait for its turn, beyond which it raises `QueueTimeout`;
    None means the client's own, `math.inf` as long as it takes, as walks do. Each raises `BitminterError`, and
    `ValueError` or `TypeError` for a wrong argument.
    """

    def __init__(self, session: Caller) -> None:
        self._session = session

    async def stats(self, *, max_age: float | None = None, max_wait: float | None = None) -> PoolStats:
        """Return the pool's hash rate, workers and users: `/api/pool/stats`."""
        return await self._session.get(_STATS, max_age, max_wait)

    async def hashrate(self, *, max_age: float | None = None, max_wait: float | None = None) -> HashRate:
        """Return the pool's hash rate: `/api/pool/hashrate`."""
        return await self._session.get(_HASHRATE, max_age, max_wait)

    async def workers(self, *, max_age: float | None = None, max_wait: float | None = None) -> int:
        """Return how many workers are mining: `/api/pool/workers`."""
        return await self._session.get(_WORKERS, max_age, max_wait)

    async def users(self, *, max_age: float | None = None, max_wait: float | None = None) -> int:
        """Return how many users are mining: `/api/pool/users`."""
        return await self._session.get(_USERS, max_age, max_wait)

    async def round(self, *, max_age: float | None = None, max_wait: float | None = None) -> Round:
        """Return the current shift and each chain's current round: `/api/pool/round`."""
        return await self._session.get(_ROUND, max_age, max_wait)

    async def top50(self, *, max_age: float | None = None, max_wait: float | None = None) -> Mapping[str, HashRate]:
        """Return the fastest users' hash rates by name, fastest first: `/api/pool/top50`."""
        return await self._session.get(_TOP50, max_age, max_wait)

    async def blocks(
        self,
        *,
        max: int = 10,
        offset: int = 0,
        commodity: str | None = None,
        max_age: float | None = None,
        max_wait: float | None = None,
    ) -> tuple[Block, ...]:
        """Return one page of the blocks found, latest first: `/api/pool/blocks`.

        Args:
            max: The most blocks to return, 1 to 50.
            offset: How many of the latest blocks to skip.
            commodity: Only this one's blocks, for example `BTC`; None: all.
            max_age: Seconds that the answer may be old.
            max_wait: Seconds that the call may wait for its turn.
        """
        page = _page("pool/blocks", tuple[Block, ...], max, offset, commodity)
        return await self._session.get(page, max_age, max_wait)

    async def shifts(
        self, *, max: int = 10, offset: int = 0, max_age: float | None = None, max_wait: float | None = None
    ) -> tuple[Shift, ...]:
        """Return one page of the completed shifts, latest first: `/api/pool/shifts`.

        Args:
            max: The most shifts to return, 1 to 50.
            offset: How many of the latest shifts to skip.
            max_age: Seconds that the answer may be old.
            max_wait: Seconds that the call may wait for its turn.
        """
        return await self._session.get(_page("pool/shifts", tuple[Shift, ...], max, offset), max_age, max_wait)

    def iter_blocks(
        self,
        *,
        commodity: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        after: int | None = None,
        limit: int | None = None,
        offset: int = 0,
        max: int = MAX_PAGE,
        skip_unreadable: bool = False,
        oldest_first: bool = False,
        max_age: float | None = None,
    ) -> AsyncGenerator[Block, None]:
        """Walk over the blocks found, newest first, each once, although the list moves meanwhile: `/api/pool/blocks`.

        With `oldest_first` it is a sync: from what one has (`after`), from `since` or from the oldest, up to the block
        that was the newest when it began. One that is broken off goes on with `after`, the id of the last block that
        came. What is found or withdrawn meanwhile costs no other block.

        Pages are fetched when they are needed, each anew, and each takes its turn like any other request. How many
        that are on a list that stands still, where a page brings `m` new blocks (`max`, but 48 at most after the first
        page, since pages overlap by two):

        ==========================================  ==================================================
        all of `n` blocks                           at most n // m + 2
        `limit=k`                                   k / m, rounded up; none for 0
        `after`, with `k` blocks newer              at most k // m + 1
        `since`, with `k` blocks newer              at most (k + 1) // m + 1
        `until` on the first page, or later         none more
        `until` further down                        one page more, and at most 2 · log₂ n single blocks
        `oldest_first, after`, with `k` newer       1 for less than 50, else about k / 48 + 2
        `oldest_first`, all of `n` blocks           about n / 48 + 8
        `oldest_first, since`, `k` not older        as `until`, then as `after`
        ==========================================  ==================================================

        The list's end is believed only where two answers show it, since some pools cap their pages, and one may be cut
        short or empty once; an id far out of line is asked for again. Blocks that come or go meanwhile, and pages of
        less than `max`, cost a page more now and then. Whatever `max_age` says, what shows that a list ends is asked
        for anew, and so is a page that was not where it should be: a walk that is repeated in time costs one request,
        or none where `limit`, `after` or `since` ends it. Ids fall along the list, as the API documents. Moments may
        be a little out of order: `since` ends a walk at two older blocks running, and later where newer ones came
        after older, and `until` begins below two later ones running, or with GapError. To take up a walk that failed,
        begin another with `until` (or `offset`), and pass over what you have.

        Args:
            commodity: Only this one's blocks, for example `BTC`; None: all.
            since: Aware; the earliest `generated` wanted, included.
            until: Aware; the latest `generated` wanted, included.
            after: A block's id: the walk stops at it, or at the first lower one.
            limit: How many blocks are wanted; None: all.
            offset: How many of the pool's latest blocks to skip.
            max: How many new blocks a page brings, 1 to 50.
            skip_unreadable: Whether a block that cannot be read is passed over, with a WARNING that names it.
            oldest_first: Whether the oldest come first. `limit` then counts from the oldest; with `after`, `since`
                only leaves out. `offset`, `max` and `max_age` cannot be given.
            max_age: Seconds that a page may be old; None: each is asked anew. Each block that is in the list from so
                long before the walk begins until it ends comes once; one found since then may not.

        Raises:
            GapError: The list moved too far between two pages for the walk to be whole, or `until` has no place in it.
            DecodeError: A block cannot be read, and is not to be skipped; those before it have been given. Or a whole
                page cannot be read.
            ValueError: An argument is out of range, or `since` is later than `until`.
            TypeError: An argument is of the wrong type.
        """
        check_commodity(commodity)  # named here, not when the walk begins
        fetch = partial(self._fetch_blocks, commodity)
        moment = attrgetter("generated")
        if _is_climb(oldest_first, offset, max, max_age):
            return Climb(partial(fetch, 0.0), moment, since, until, after, limit, skip_unreadable).records()
        return Walk(fetch, moment, since, until, after, limit, offset, max, skip_unreadable, max_age).records()

    def iter_shifts(
        self,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        after: int | None = None,
        limit: int | None = None,
        offset: int = 0,
        max: int = MAX_PAGE,
        skip_unreadable: bool = False,
        oldest_first: bool = False,
        max_age: float | None = None,
    ) -> AsyncGenerator[Shift, None]:
        """Walk over the completed shifts, newest first, each once, as `iter_blocks` does: `/api/pool/shifts`.

        Args:
            since: Aware; the earliest `completed` wanted, included.
            until: Aware; the latest `completed` wanted, included.
            after: A shift's id: the walk stops at it, or at the first lower one.
            limit: How many shifts are wanted; None: all.
            offset: How many of the pool's latest shifts to skip.
            max: How many new shifts a page brings, 1 to 50.
            skip_unreadable: Whether a shift that cannot be read is passed over, with a WARNING that names it.
            oldest_first: Whether the oldest come first. `limit` then counts from the oldest; with `after`, `since`
                only leaves out. `offset`, `max` and `max_age` cannot be given.
            max_age: Seconds that a page may be old; None: each is asked anew. Each shift that is in the list from so
                long before the walk begins until it ends comes once; one found since then may not.

        Raises:
            GapError: The list moved too far between two pages for the walk to be whole, or `until` has no place in it.
            DecodeError: A shift cannot be read, and is not to be skipped; those before it have been given.
            ValueError: An argument is out of range, or `since` is later than `until`.
            TypeError: An argument is of the wrong type.
        """
        fetch, moment = self._fetch_shifts, attrgetter("completed")
        if _is_climb(oldest_first, offset, max, max_age):
            return Climb(partial(fetch, 0.0), moment, since, until, after, limit, skip_unreadable).records()
        return Walk(fetch, moment, since, until, after, limit, offset, max, skip_unreadable, max_age).records()

    async def _fetch_blocks(self, commodity: str | None, max_age: float, max: int, offset: int) -> tuple[Block, ...]:
        return await self.blocks(max=max, offset=offset, commodity=commodity, max_age=max_age, max_wait=inf)

    async def _fetch_shifts(self, max_age: float, max: int, offset: int) -> tuple[Shift, ...]:
        return await self.shifts(max=max, offset=offset, max_age=max_age, max_wait=inf)


def _is_climb(oldest_first: object, offset: int, max: int, max_age: float | None) -> bool:
    """Tell whether a walk goes upwards, which takes full pages, each asked anew, and begins at no offset."""
    check_flag("oldest_first", oldest_first)
    if not oldest_first:
        return False
    given = {"offset": offset != 0, "max": max != MAX_PAGE, "max_age": max_age is not None}
    if odd := next((name for name, is_given in given.items() if is_given), None):
        raise ValueError(f"{odd} cannot be given with oldest_first=True")
    return True


def _page(path: str, kind: type[T], max: int, offset: int, commodity: str | None = None) -> Call[T]:
    check_integer("max", max, 1, MAX_PAGE)
    check_integer("offset", offset, 0)
    params = [("max", str(max)), ("offset", str(offset))]
    check_commodity(commodity)
    if commodity is not None:
        params.append(("commodity", commodity))
    return Call(path, kind, tuple(params), expected=Expected(max, None, commodity))
