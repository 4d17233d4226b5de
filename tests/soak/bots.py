"""Bots: programs that use a client as people do, at random, and hold what they get against what is owed."""

import asyncio
import math
import traceback
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from random import Random
from typing import Any
from urllib.parse import quote

import httpx
from attrs import define, field

from bitminter_async import (
    BitminterError,
    BlockChanged,
    Blocked,
    BlockFound,
    Client,
    ClientClosed,
    GapError,
    PoolStats,
    RateLimited,
    Shift,
    StatusError,
    Watch,
)
from tests.soak.owed import ListOwed, WalkOwed, WorkersOwed
from tests.soak.server import KEY, Guest, Server, now
from tests.soak.world import NAMES, OWNER, Listing

POOL = "https://soak.example"
_EPSILON = 1e-3


@define(eq=False)
class Host:
    """A program with one client at a time, which its bots share. It is closed and made anew at times."""

    server: Server
    random: Random
    name: str
    pace: float
    """Seconds between what a bot does, about."""
    is_quiet: bool = False
    is_over: bool = False
    clients: int = 0
    calls: int = 0
    gaps: int = 0
    errors: dict[str, int] = field(factory=dict[str, int])
    client: Client = field(init=False)
    guest: Guest = field(init=False)
    options: dict[str, Any] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.open()

    def open(self) -> None:
        """Make a client with options drawn anew."""
        random = self.random
        self.clients += 1
        interval = random.choice((0.0, 0.5, 1.0, 1.0, 5.0))
        self.guest = Guest(f"{self.name}.{self.clients}", interval)
        self.server.guests[self.guest.name] = self.guest
        self.options = {
            "interval": interval,
            "max_age": random.choice((0.0, 5.0, 30.0, 300.0)),
            "timeout": random.choice((3.0, 10.0, 10.0, 30.0)),
            "attempts": random.choice((1, 3, 3, 5)),
            "patience": random.choice((0.0, 60.0, 60.0, 7200.0)),
            "max_wait": random.choice((None, None, None, 3.0, 100.0)),
            "key_in": random.choice(("header", "basic", "query")),
        }
        transport = httpx.AsyncHTTPTransport(trust_env=False) if random.random() < 0.3 else None
        self.owns_transport = transport is None
        self.is_keyed = self.guest.is_keyed = random.random() < 0.8
        self.client = Client(
            KEY if self.is_keyed else None,
            base_url=POOL,
            share="process",
            user_agent=self.guest.name,
            transport=transport,
            **self.options,
        )
        self.server.note(f"{self.guest.name} is made with {self.options}, own transport: {self.owns_transport}")

    owns_transport: bool = True
    is_keyed: bool = True

    async def close(self) -> None:
        """Close the client, and look at what is left."""
        client, guest = self.client, self.guest
        guest.is_leaving = True
        self.server.note(f"{guest.name} is closed")
        await client.aclose()
        if left := [*self.server.connections_of(guest.name)]:
            self.server.fault(f"{guest.name} left {len(left)} connections")
        receipt = client.receipt
        counted = receipt.requests
        most = guest.requests if self.owns_transport else math.inf  # a given transport may tell of what never left
        if not guest.requests <= counted <= most:
            self.server.fault(f"{guest.name} counts {counted} requests of {guest.requests}: {receipt}")
        if KEY in f"{client!r}{receipt}":
            self.server.fault("a client shows its key")

    async def reopen(self) -> None:
        """Close the client and make another."""
        await self.close()
        self.open()

    def failed(self, error: BaseException) -> None:
        """Look at an error."""
        kind = type(error).__name__
        self.errors[kind] = self.errors.get(kind, 0) + 1
        self.server.note(f"{self.guest.name} {kind}: {str(error)[:150]}")
        shown = f"{error!r} {error} {vars(error)}"
        if self.errors[kind] <= 20:
            shown += "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
        else:
            shown += "".join(traceback.format_exception(error))
        if KEY in shown:
            self.server.fault(f"an error shows the key: {kind}")
        if isinstance(error, GapError):
            self.gaps += 1
        if not isinstance(error, BitminterError | TimeoutError):
            self.server.fault(f"an error that is not ours: {''.join(traceback.format_exception(error))}")

    async def pause(self) -> None:
        """Let some time pass."""
        await asyncio.sleep(self.random.expovariate(1 / self.pace))


async def attempt(host: Host, work: Callable[[], Awaitable[None]]) -> bool:
    """Do something under a random timeout or cancellation; tell whether it was done."""
    limit = host.random.choice((None, None, None, 0.0, 0.5, 3.0, 20.0, 500.0))
    task = asyncio.ensure_future(work())
    try:
        await asyncio.wait({task}, timeout=limit)
    finally:
        if not task.done():
            host.server.note(f"{host.guest.name} cancels, {limit} were allowed")
            task.cancel()
            await asyncio.wait({task})
    if task.cancelled():
        return False
    if error := task.exception():
        host.failed(error)
        if not isinstance(error, BitminterError):
            raise error
        return False
    return True


async def caller(host: Host) -> None:
    """Ask single questions, several at once at times."""
    while not host.is_over:
        count = host.random.choice((1, 1, 2, 10))
        async with asyncio.TaskGroup() as tasks:
            for _ in range(count):
                tasks.create_task(attempt(host, lambda: _call(host)))
        await host.pause()


async def _call(host: Host) -> None:  # noqa: C901, PLR0912  # a flat match reads better than its pieces
    random, client, guest = host.random, host.client, host.guest
    host.calls += 1
    max_age = random.choice((None, None, 0.0, 1.0, 20.0, 500.0))
    max_wait = random.choice((None, None, None, 0.0, 2.0, 50.0, math.inf))
    age = host.options["max_age"] if max_age is None else max_age
    how: dict[str, Any] = {"max_age": max_age, "max_wait": max_wait}
    start = now()
    what = random.choice(
        ("stats", "hashrate", "workers", "users", "round", "top50", "blocks", "shifts", "user", "user")
    )
    serials: set[int]
    target = f"/api/pool/{what}"
    answer: Any
    match what:
        case "stats":
            serials = {(await client.pool.stats(**how)).active_workers}
        case "hashrate":
            serials = {round((await client.pool.hashrate(**how)).ghps)}
        case "workers":
            serials = {await client.pool.workers(**how)}
        case "users":
            serials = {await client.pool.users(**how)}
        case "round":
            serials = {(await client.pool.round(**how)).shift_accepted}
        case "top50":
            serials = {int(name[1:]) for name in await client.pool.top50(**how)}
        case "blocks":
            most, offset, commodity = random.choice((1, 10, 50)), random.choice((0, 0, 7)), random.choice((None, "BTC"))
            answer = await client.pool.blocks(max=most, offset=offset, commodity=commodity, **how)
            serials = {block.accepted for block in answer}
            target += f"?max={most}&offset={offset}" + (f"&commodity={commodity}" if commodity else "")
            if len(answer) > most or any(commodity not in {None, block.chain} for block in answer):
                host.server.fault(f"{answer} is no answer to {target}")
        case "shifts":
            serials = {shift.accepted for shift in await client.pool.shifts(**how)}
            target += "?max=10&offset=0"
        case _:
            name = random.choice((None, *NAMES))
            answer = await client.users.get(name, **how)
            serials = {answer.shift.accepted}
            target = f"/api/users/{quote(name, safe='')}" if name else "/api/users"
            if answer.name != (name or OWNER):
                host.server.fault(f"{name} was asked for, {answer.name} came")
    if len(serials) > 1:
        host.server.fault(f"an answer to {target} was made of several: {serials}")
    for serial in serials:
        asked = host.server.asked.get(serial)
        if asked is None or asked.target.split("?key=")[0].split("&key=")[0] != target or asked.by != guest.name:
            host.server.fault(f"#{serial} ({asked}) came as the answer to {target} of {guest.name}")
        elif asked.at < start - age - _EPSILON:
            host.server.fault(f"#{serial} was {start - asked.at:.3f} s old, max_age was {age}")


async def walker(host: Host) -> None:
    """Walk over lists, as far as it gets."""
    while not host.is_over:
        await _walk(host)
        await host.pause()


def _draw_walk(random: Random, listing: Listing, *, is_blocks: bool) -> dict[str, Any]:
    """Draw what a walk is asked for."""
    drawn: dict[str, Any] = {
        "limit": random.choice((0, 1, 30, 120)),
        "offset": random.choice((1, 20, 100)),
        "max": random.choice((3, 10, 49, 50)),
    }
    if is_blocks:
        drawn["commodity"] = random.choice(("BTC", "NMC"))
    if listing.rows:
        drawn["after"] = random.choice(listing.rows).id
        since, until = sorted(random.choice(listing.rows).at + random.choice((-1, 0, 1)) for _ in range(2))
        drawn |= {"since": datetime.fromtimestamp(since, UTC), "until": datetime.fromtimestamp(until, UTC)}
    wanted = {name: value for name, value in drawn.items() if random.random() < 0.25}
    if "until" in wanted:
        wanted.pop("offset", None)
    return wanted


async def _walk(host: Host) -> None:
    random, world = host.random, host.server.world
    is_blocks = random.random() < 0.6
    listing = world.blocks if is_blocks else world.shifts
    wanted = _draw_walk(random, listing, is_blocks=is_blocks)
    skip = random.random() < 0.5
    owed = WalkOwed(host.server, listing, wanted)
    host.server.note(f"{host.guest.name} walks over {'blocks' if is_blocks else 'shifts'}: {wanted}")
    pool = host.client.pool
    walk: Any = (pool.iter_blocks if is_blocks else pool.iter_shifts)(**wanted, skip_unreadable=skip)
    enough = random.choice((math.inf, math.inf, 5, 60))

    async def go() -> None:
        async for record in walk:
            owed.take(record)
            if random.random() < 0.02:
                await host.pause()
            if len(owed.given) >= enough:
                await walk.aclose()
                return

    is_whole = await attempt(host, go)
    owed.end(is_whole=is_whole and len(owed.given) < enough)


@define(eq=False)
class Follower:
    """A bot that follows lists and workers by streams, merged or not, and takes them up again from where it was."""

    host: Host
    name: str
    every: float
    blocks: ListOwed = field(init=False)
    shifts: ListOwed = field(init=False)
    workers: WorkersOwed = field(init=False)
    is_merged: bool = True
    what: str = "blocks"

    def __attrs_post_init__(self) -> None:
        server, random = self.host.server, self.host.random
        commodity = random.choice((None, None, "BTC"))
        self.blocks = ListOwed(server, server.world.blocks, f"{self.name}'s blocks", commodity)
        self.shifts = ListOwed(server, server.world.shifts, f"{self.name}'s shifts")
        self.workers = WorkersOwed(server, f"{self.name}'s workers")
        self.what = random.choice(("blocks", "blocks", "shifts", "workers", "merged", "merged"))

    async def run(self) -> None:
        """Follow until it is over."""
        host, random = self.host, self.host.random
        if random.random() < 0.5:
            for owed in (self.blocks, self.shifts):
                rows = owed.listing.rows
                place = random.choice((0, 0, 3, 60))
                owed.begin(rows[place].id if place < len(rows) else 0)
        while not host.is_over:
            for owed in (self.blocks, self.shifts):
                owed.restart()
            try:
                await self._follow()
            except BitminterError as error:
                self._ended(error)
                await asyncio.sleep(self.every)

    def _ended(self, error: BitminterError) -> None:
        self.host.failed(error)
        is_refusal = isinstance(error, StatusError) and not isinstance(error, RateLimited | Blocked)
        if not isinstance(error, ClientClosed) and not (is_refusal and getattr(error, "status", 0) in range(200, 500)):
            self.host.server.fault(f"{self.name}: its stream was ended by {error!r}")

    def _streams(self, watch: Watch) -> list[Any]:
        random = self.host.random
        streams: list[Any] = []
        if self.what in {"blocks", "merged"}:
            unsettled = [
                self.blocks.records[number] if number in self.blocks.records and random.random() < 0.7 else number
                for number in self.blocks.status
            ]
            for each in unsettled:
                if isinstance(each, int):
                    self.blocks.status[each] = None
                    self.blocks.records.pop(each, None)
            last, chain = self.blocks.last, self.blocks.commodity
            streams.append(watch.blocks(every=self.every, after=last, commodity=chain, unsettled=unsettled))
        if self.what in {"shifts", "merged"}:
            streams.append(watch.shifts(every=self.every * 2, after=self.shifts.last))
        if self.what == "workers" or (self.what == "merged" and self.host.is_keyed):
            idle = [name for name, alive in self.workers.alive.items() if not alive]
            self.workers.begin(idle)
            streams.append(watch.workers(every=self.every, initial=True, idle=idle))
        if self.what == "merged" and random.random() < 0.5:
            streams.append(watch.stats(every=self.every * 3))
        return streams

    async def _follow(self) -> None:
        host, random = self.host, self.host.random
        place = f"after {self.blocks.last}, awaiting {self.blocks.status}"
        host.server.note(f"{self.name} begins: {self.what} every {self.every}, {place}")
        streams = self._streams(host.client.watch)
        stream: Any = Watch.merge(*streams) if len(streams) > 1 or random.random() < 0.2 else streams[0]
        limit = random.choice((None, None, self.every * 3, self.every / 2, 15.0))
        async with stream:
            while not host.is_over:
                if not host.is_quiet and random.random() < 0.02:
                    return
                try:
                    async with asyncio.timeout(None if host.is_quiet else limit):
                        event = await anext(stream)
                except TimeoutError:
                    if random.random() < 0.05:
                        limit = None
                    continue
                self.take(event)
                if random.random() < 0.01:
                    await host.pause()

    def take(self, event: Any) -> None:
        """Look at an event."""
        match event:
            case BlockFound() | BlockChanged():
                self.blocks.take(event)
            case Shift():
                self.shifts.take(event)
            case PoolStats():
                if event.active_workers not in self.host.server.asked:
                    self.host.server.fault(f"{self.name}: {event}")
            case _:
                self.workers.take(event)

    def missing(self) -> list[str]:
        """Say what is owed now and has not been told."""
        workers = [self.workers] if self.host.is_keyed else []
        owed: dict[str, list[Any]] = {"blocks": [self.blocks], "shifts": [self.shifts], "workers": workers}
        all_ = owed.get(self.what, [self.blocks, self.shifts, *workers])
        return [f"{each.name}: {what}" for each in all_ for what in each.missing()]


async def closer(host: Host, seconds: float) -> None:
    """Close the client under its bots at times, and make another; or use it wrongly."""
    while not host.is_over:
        await asyncio.sleep(host.random.expovariate(1 / seconds))
        if host.is_quiet or host.is_over:
            return
        await host.reopen()
        for wrong in (lambda: host.client.pool.blocks(max=51), lambda: host.client.users.get("..")):
            with suppress(ValueError):
                await wrong()
                host.server.fault("a wrong argument was taken")
