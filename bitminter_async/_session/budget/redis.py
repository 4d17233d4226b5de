"""The budget of a fleet: turns, rests, spacing and answers, shared by all who name one Redis server.

All of it is one hash, one line of tickets and the answers kept, changed by one script (`redis.lua`) and timed by the
server's clock. A turn is a lease, two seconds longer than `timeout`; what has not been sent by then is not sent in it.
Turns go round in the order in which questions were put, but for the time that messages take; a process that has yet to
connect takes its place in that order, among those who have not had their turn meanwhile.

| what goes wrong | what comes of it |
| --- | --- |
| a process dies that waits | it is passed over at once, since no message reaches it |
| one dies that was called, or is stopped | it is passed over 2 s after its turn was due |
| one dies in its turn | the others wait for the end of its lease, and for the interval from then |
| one is stopped in its turn for longer than that | it finds out before it sends, and waits for another turn |
| a waiter is cancelled while Redis gives it the turn | it gives it back |
| a message is lost | who waits looks again when the present turn must have ended |
| Redis cannot be reached, is full, or read-only | calls fail within 4 s, with `BudgetUnreachable`, or go on alone |
| Redis is lost while a request is in the air | its answer is good; the lease, if still known, runs out |
| Redis restarts, empty or not; fails over; its clock is set back | one lease and the interval pass, then turns go on |
| its memory is lost with a rest in it | who heard of it keeps it, and tells it again with the next question |
| rubbish is written into the state, or into the line | as after a restart; it is passed over |
| a user's kept answer is changed, or sealed with another key | it counts as absent |
| the pool fails, or cannot be reached | each process tries again for itself, in turns of its own |

Not borne: a process stopped between its last look at the clock and the write to its socket, for a whole lease; a clock
that jumps ahead by more than a lease; one that is set back, by as much as which kept answers look younger; two servers
of which each is taken for the one, as when a network is cut in two; a fleet whose `timeout`s differ, whose longest is
not among those who ask after Redis has lost its memory. Whoever may write to Redis can give turns away, withhold them,
and forge public answers, but neither read nor forge a user's, nor make a process ask more often than its own interval
and the rests that it heard allow.
"""

import asyncio
import itertools
import logging
import secrets
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from hashlib import blake2b
from typing import Any, TypeVar

from ...errors import BitminterError, BudgetUnreachable
from ..cache import Moment
from .base import Turn, TurnLost, Wish
from .connection import MICROSECONDS, TIMEOUT, Connection, Reply, check_url, microseconds
from .lease import STAMP, Lease, Question, Waiter, now, reason_of
from .options import Redis
from .outage import Outage
from .pace import Pace
from .seal import Seal, salt_of

__all__ = ["RedisBudget"]

T = TypeVar("T")
R = TypeVar("R")

_LOGGER = logging.getLogger("bitminter_async")
_MARGIN = 2.0  # seconds that a lease is longer than a request, for messages on the way
_GRACE = 2.0  # seconds that one who is called may take to ask for the turn
_LARGEST = 2**20  # bytes of an answer that is kept
_KEPT_FOR = 60, 3600  # seconds: at least, at most
_OLDEST = 86_400.0  # seconds: no answer is kept for as long
_RETRIED_EVERY = 1.0  # seconds, while a process waits to go on alone
_STEPS_TO_ASK = 2  # of the loop, from when one has left the line of its process until the next has asked
_NEGLIGIBLE = 0.5  # seconds by which what is left of one rest may differ between two clocks


class RedisBudget(Pace):
    """A client's turns and answers, shared through Redis; in front of it stands the line of this process.

    Args:
        options: Where Redis is, and what to do without it.
        origin: Whose budget it is.
        base_url: Whose answers are shared.
        interval: Seconds between the starts of two turns.
        patience: The longest rest, in seconds, that is waited out.
        timeout: The longest that a request takes, in seconds.
    """

    def __init__(
        self, options: Redis, *, origin: str, base_url: str, interval: float, patience: float, timeout: float
    ) -> None:
        super().__init__(interval, patience, origin)
        check_url(options.url)
        self._url = options.url
        self._where = origin
        self._salt = salt_of(base_url)
        self._lease = timeout + _MARGIN
        self._name = f"bitminter:{{{blake2b(origin.encode(), digest_size=12).hexdigest()}}}"
        self._connection: Connection | None = None
        self._id = ""
        self._seals: dict[Any, Seal] = {None: Seal(self._salt)}
        self._numbers = itertools.count(1)
        self._waiter: Waiter | None = None
        self._unsettled: str | None = None  # the number of whom Redis may have given a turn when it was not heard
        self._ahead = 0  # who stood before this process's waiter
        self._sharers = 0
        self._tasks: set[asyncio.Task[Any]] = set()
        self._outage = Outage(options.alone)

    async def fetch(self, wish: Wish[T], send: Callable[[Turn], Awaitable[T]]) -> T:
        """Return what another has fetched, or wait for a turn and return what `send` brings, which is awaited in it.

        Raises:
            BudgetUnreachable: Redis cannot be reached, and there is no going on alone.
        """
        self._connect()
        question = await self._question(wish)
        line = self._state.line
        if wish.max_age and not line.is_free and (found := await self._look(question)):
            return wish.unpack(*found)
        await line.enter(wish, self._in_vain)
        try:
            while True:
                got = await self._wait_for_turn(question)
                if not isinstance(got, Lease):
                    return wish.unpack(*got)
                with suppress(TurnLost):
                    return await self._use(got, question, wish, send)
                await self._wait_until_due()
        finally:
            self._ended = now()
            line.leave()

    async def _question(self, wish: Wish[Any]) -> Question:
        key, arrived = wish.sealed_with, now()
        if key and key not in self._seals:
            self._seals[key] = await Seal.of(key, self._salt)
        seal = self._seals[key]
        return Question(seal.name(wish.call), seal, min(wish.max_age, _OLDEST), arrived)

    def _connect(self) -> Connection:
        if self._connection is None:
            self._id = secrets.token_hex(8)  # not earlier: a process that forks would share it with its children
            self._connection = Connection(self._url, [self._name, self._own_channel], self._hear)
        return self._connection

    @property
    def _own_channel(self) -> str:
        return f"{self._name}:{self._id}"

    async def _look(self, question: Question) -> tuple[bytes, float] | None:
        try:
            return question.open(await asyncio.shield(self._run("look", "", question)))
        except BudgetUnreachable as error:
            self._outage.begin(error)
            if self._outage.refusal():
                raise
            return None

    async def _wait_for_turn(self, question: Question) -> Lease | tuple[bytes, float]:
        """Stand in the line until it is our turn, or until there is an answer: its body and age."""
        number = self._unsettled or str(next(self._numbers))
        ticket = self._ticket(number)
        waiter = self._waiter = Waiter(number, question.name)
        verb = "ask"
        asking: asyncio.Task[Reply] | None = None  # while we may stand in the line
        try:
            while True:
                waiter.look_at = float("inf")
                try:
                    # Before it is reckoned how long the question has waited, from which its place in the line follows.
                    await self._connect().open()
                    begun = Moment.now(now)
                    asking = self._run(verb, ticket, question)
                    # Shielded: a command that is cut short may still be carried out, after what takes it back.
                    said = await asyncio.shield(asking)
                except BudgetUnreachable as error:
                    asking, self._unsettled = None, number
                    if turn := self._go_alone(error, waiter):
                        return turn
                else:
                    self._outage.end()
                    self._unsettled = None
                    if said.what != "wait":
                        asking = None
                    self._learn(said)
                    if said.what == "turn":
                        if self._sharers > 1:
                            self.waited_for_others += self._held_up_since(question.arrived)
                        return Lease(self, begun, self._lease, ticket, said.fence, said.now - now())
                    if said.what == "kept":
                        if found := question.open(said):
                            return found
                        verb = "anew"
                        continue
                    self._raise_refusal()
                    waiter.look(said.span)
                await waiter.wait()
        finally:
            self._waiter = None
            if asking:
                self._spawn(self._leave(ticket, asking))

    def _learn(self, said: Reply) -> None:
        self._ahead, self._sharers = said.before, said.sharers
        state = self._state
        if said.slowed:
            state.slowed_to, state.slowed_at = said.slowed, state.now()
        if said.rest > state.rest_left + _NEGLIGIBLE:
            error = reason_of(said.why, self._where, said.rest)
            state.rest(said.rest, error)
            _LOGGER.info("resting for %.0f s: %s", said.rest, error.summary)

    async def _use(self, turn: Lease, question: Question, wish: Wish[T], send: Callable[[Turn], Awaitable[T]]) -> T:
        body: bytes | None = None
        try:
            # Redis may have lost what this process knows; or a request that began now might outlast the lease.
            if self.due_in or turn.begun.age(now) >= _MARGIN:
                raise TurnLost
            fetched = await send(turn)
            body = wish.pack(fetched)
            return fetched
        finally:
            if turn.fence:
                self._spawn(self._give_back(turn, question, body))

    async def _give_back(self, turn: Lease, question: Question, body: bytes | None) -> None:
        # The next of this process asks first: else one of another process that came later could be called before it.
        for _ in range(0 if self._state.line.is_free else _STEPS_TO_ASK):
            await asyncio.sleep(0)
        ago, kept = -1, b""
        if turn.departed is not None:
            ago = microseconds(now() - turn.departed)
            if body is not None and len(body) <= _LARGEST:
                stamp = f"{microseconds(turn.departed + turn.ahead):0{STAMP}}"
                kept = stamp.encode() + question.seal.close(body, question.name + stamp)
        keep_for = int(min(max(question.max_age, _KEPT_FOR[0]), _KEPT_FOR[1]))
        slowed = microseconds(turn.slowed)
        await self._done(turn.ticket, question.name, turn.fence, ago, slowed, question.name, kept, keep_for)

    async def _leave(self, ticket: str, asking: "asyncio.Task[Reply] | None" = None) -> None:
        fence = ""
        if asking:
            with suppress(BudgetUnreachable):
                fence = (await asking).fence  # that of our turn, if it has come just now
        await self._done(ticket, "", fence, -1, 0, "", b"", 1)

    async def _done(self, ticket: str, question: str, *args: str | bytes | float) -> None:
        try:
            await self._script("done", ticket, question, *args)
        except BudgetUnreachable as error:
            self._outage.begin(error)

    def _run(self, verb: str, ticket: str, question: Question) -> asyncio.Task[Reply]:
        waited, max_age = microseconds(now() - question.arrived), microseconds(question.max_age)
        return self._spawn(self._script(verb, ticket, question.name, waited, max_age))

    async def _script(self, verb: str, ticket: str, question: str, *args: str | bytes | float) -> Reply:
        keys = [self._name, f"{self._name}:line", f"{self._name}:answer:{question}"]
        lease, grace, rest = microseconds(self._lease), microseconds(_GRACE), microseconds(self._state.rest_left)
        reason = self._state.rest_reason
        why = f"{type(reason).__name__} {reason.status}" if reason else ""
        return await self._connect().run(keys, verb, ticket, lease, grace, rest, why, *args)

    def _hear(self, channel: str, message: str) -> None:
        waiter = self._waiter
        number, _, span = message.partition(" ")
        if channel == self._own_channel and (waiter is None or number != waiter.number):
            self._spawn(self._leave(self._ticket(number)))  # it waits no more: let the next be called
        elif waiter and channel == self._own_channel:
            within = 0.0
            with suppress(ValueError):  # somebody else's message
                within = float(span) / MICROSECONDS
            waiter.look(within)
        elif waiter and message in {"", "rest", waiter.question}:
            waiter.look(0.0)

    def _ticket(self, number: str) -> str:
        return f"{self._id}:{number}:{microseconds(self._interval)}"

    def _go_alone(self, error: BudgetUnreachable, waiter: Waiter) -> Lease | None:
        self._raise_refusal()
        self._outage.begin(error)
        if (due := self._outage.alone_from(self._state.departed)) is None:
            self._state.line.refuse()  # or each in the line would find out for itself, one after another
            raise error
        if (due_in := due - now()) <= 0:
            return Lease(self, Moment.now(now))
        waiter.look(min(due_in, _RETRIED_EVERY))
        return None

    def _in_vain(self) -> BitminterError | None:
        """Return why it is of no use to wait in the line of this process, if so."""
        return self._outage.refusal() or self.refusal()

    def _spawn(self, work: Coroutine[Any, Any, R]) -> asyncio.Task[R]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        with suppress(asyncio.CancelledError):
            task.exception()  # it has been told, or nobody waits for it any more

    async def aclose(self) -> None:
        """Give back what this client holds, and close the connections. Closing twice is fine."""
        if self._connection:
            await self._connection.stop_listening()
            if self._tasks:
                _, late = await asyncio.wait(self._tasks, timeout=2 * TIMEOUT)
                for task in late:
                    task.cancel()
            await self._connection.aclose()
        await super().aclose()

    @property
    def shared_with(self) -> int:
        """How many other clients share the budget, as far as this one has heard."""
        return max(super().shared_with, self._sharers - 1)

    def outlook(self, wish: Wish[Any] | None = None) -> tuple[int, float]:
        """Return a wish's place in both lines, as far as heard, and how many seconds it waits at least."""
        place, seconds = super().outlook(wish)
        return place + self._ahead, seconds + self._ahead * self.spacing
