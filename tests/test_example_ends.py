"""How examples end: in one line and with exit code 1 on what does not pass, as if nothing were on what does.

They run in this process, as their `__main__`; the exit code that is a string is what Python prints before it exits
with 1.
"""

import asyncio
import errno
import io
import json
import runpy
import socket
import sqlite3
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import pytest
import stamina
from attrs import define, field
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from bitminter_async import Client
from bitminter_async.local import LocalPool
from bitminter_async.local._server.serve import serving

pytestmark = pytest.mark.socket

_EXAMPLES = Path(__file__).parent.parent / "examples"
_ENDING = ["history", "quickstart", "workers"]
_SERVICES = ["block_bot", "exporter", "idle_alert", "recorder"]
_KEYED = ["exporter", "idle_alert", "quickstart", "recorder", "workers"]

_SHORT = timedelta(hours=2)  # a long history takes its time to make

Run = Callable[..., tuple[Any, str]]


class _Kept(io.BytesIO):
    """A console whose text is there after it was closed."""

    def close(self) -> None:
        """Stay open."""


class _Gone(io.RawIOBase):
    """A pipe that nobody reads any longer."""

    def writable(self) -> bool:
        return True

    def write(self, _: object) -> NoReturn:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An example's pace is for real pools, and its pauses for real webhooks: here it need not take its time."""
    begin = Client.__init__

    def begin_unspaced(client: Client, *arguments: Any, **options: Any) -> None:
        begin(client, *arguments, **{**options, "interval": 0.0})

    monkeypatch.setattr(Client, "__init__", begin_unspaced)
    with stamina.set_testing(True, attempts=3):
        yield
    stamina.instrumentation.set_on_retry_hooks(None)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Run an example to its end; return the exit code, and what it has printed."""

    def run_it(example: str, *options: object, encoding: str = "utf-8", **environment: str) -> tuple[Any, str]:
        kept = _Kept()
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", [example, *map(str, options)])
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(kept, encoding=encoding))
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        return _code(example), kept.getvalue().decode(encoding)

    return run_it


def _code(example: str) -> object:
    try:
        runpy.run_path(str(_EXAMPLES / f"{example}.py"), run_name="__main__")
    except SystemExit as end:
        return end.code
    return None


def _is_line(code: object) -> bool:
    return isinstance(code, str) and "\n" not in code and bool(code)


# What every example meets


@pytest.mark.parametrize("example", [*_ENDING, *_SERVICES])
def test_an_address_that_is_none(example: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that cannot be one is named in one line, also where there is no stdout at all."""
    code, printed = run(example, BITMINTER_URL="pool.example")
    assert _is_line(code)
    assert "URL" in code
    assert printed == ""
    monkeypatch.setattr(sys, "stdout", None)
    assert _code(example) == code


@pytest.mark.parametrize("example", [*_ENDING, *_SERVICES])
def test_a_reader_that_has_gone(example: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An example whose output nobody reads ends in one line, and leaves Python nothing to complain of at its exit."""
    monkeypatch.setenv("PORT", "0")
    monkeypatch.setattr(sys, "argv", [example])
    gone = io.TextIOWrapper(io.BufferedWriter(_Gone()), encoding="utf-8")
    monkeypatch.setattr(sys, "stdout", gone)
    assert _code(example) == "[Errno 32] Broken pipe"
    assert gone.closed


@pytest.mark.parametrize("example", [*_ENDING, *_SERVICES])
def test_ctrl_c(example: str, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C is how a service ends well; an example that has not done what it is there for says so by its exit code."""

    def interrupted(main: Coroutine[None, None, None]) -> NoReturn:
        main.close()
        raise KeyboardInterrupt

    monkeypatch.setattr(asyncio, "run", interrupted)
    assert run(example) == (130 if example in _ENDING else None, "")


@pytest.mark.parametrize("example", _KEYED)
async def test_a_key_that_does_not_do(example: str, run: Run) -> None:
    """Where the key is missing or wrong, the line says so and what to set; else which permission it lacks."""
    pool = LocalPool(history=_SHORT)
    keys = {"is missing": "", "is wrong": "X" * 32, "lacks access": pool.add_user("demo", permission=False)}
    async with pool.serve() as url:
        for problem, key in keys.items():
            code, _ = await asyncio.to_thread(run, example, BITMINTER_URL=url, BITMINTER_KEY=key)
            assert _is_line(code)
            assert f"the key {problem}" in code
            assert code.endswith("; set BITMINTER_KEY to a key that may read it") == (problem != "lacks access")
    assert [request.status for request in pool.requests if request.path == "/api/users"] == [401, 401, 403]


@pytest.mark.parametrize("example", _ENDING)
async def test_an_answer_that_is_none(example: str, run: Run) -> None:
    """An example that asks once ends in one line where it is blocked, or gets what the API does not document."""
    pool = LocalPool(history=_SHORT)
    async with pool.serve() as url:
        pool.fail_next(200, body=b"{}")
        unread, _ = await asyncio.to_thread(run, example, BITMINTER_URL=url, BITMINTER_KEY=pool.add_user("demo"))
        pool.fail_next(404)
        unknown, _ = await asyncio.to_thread(run, example, BITMINTER_URL=url)
    assert _is_line(unread)
    assert "expected" in unread
    assert _is_line(unknown)
    assert "404" in unknown


@pytest.mark.parametrize("example", ["quickstart", "workers"])
async def test_a_console_that_lacks_letters(example: str, run: Run) -> None:
    """What the console cannot print, it gets as its code; nothing ends by it."""
    pool = LocalPool(history=_SHORT)
    key = pool.add_user("demo")
    pool.add_worker("demo", "矿工", alive=False)
    async with pool.serve() as url:
        code, printed = await asyncio.to_thread(run, example, encoding="ascii", BITMINTER_URL=url, BITMINTER_KEY=key)
    assert code is None
    assert r"\u77ff\u5de5" in printed


# The services, each until it is so far, and then the pool knows it no longer


async def _live(
    run: Run, pool: LocalPool, example: str, *options: object, until: Callable[[], object], **environment: str
) -> tuple[str, str]:
    """Run a service until something is so; return its last line, and what it has printed, without the first line."""
    async with pool.serve() as url, asyncio.timeout(20):
        task = asyncio.to_thread(run, example, "--every", 0.01, *options, BITMINTER_URL=url, **environment)
        life = asyncio.create_task(task)
        while not (life.done() or until()):  # noqa: ASYNC110  # another thread makes it so
            await asyncio.sleep(0.005)
        if not life.done():
            pool.fail_next(404, times=99)
        code, printed = await life
    assert _is_line(code)
    return code, printed.partition("\n")[2]


def _holds(state: Path, *names: object) -> bool:
    return state.exists() and json.loads(state.read_text() or "null") == [*names]


def _polled(pool: LocalPool, path: str, times: int) -> bool:
    return sum(request.path == path and request.status == 200 for request in pool.requests) >= times


class _Webhook:
    """A webhook that answers what it is told to, then 200; and a pool whose rig1 is idle."""

    def __init__(self, *answers: Response) -> None:
        self.posted: list[str] = []
        self.pool = LocalPool(history=_SHORT)
        self.key = self.pool.add_user("demo", workers=2)
        self.pool.set_worker_alive("demo", "rig1", alive=False)
        self._answers = [*answers]

    async def _answer(self, request: Request) -> Response:
        self.posted.append((await request.json())["text"])
        return self._answers.pop(0) if self._answers else Response()

    async def alert(self, run: Run, state: Path) -> str:
        """Run the alert until it has told of rig1; return its last line."""
        app = Starlette(routes=[Route("/hook", self._answer, methods=["POST"])])
        async with serving(app, "127.0.0.1", 0) as url:
            options = ("--webhook", f"{url}/hook", "--state", state)
            told = partial(_holds, state, "rig1")
            return (await _live(run, self.pool, "idle_alert", *options, until=told, BITMINTER_KEY=self.key))[0]


@pytest.mark.parametrize("url", ["pool.example/hook", "ftp://pool.example", "http:///hook", "http://a:99999"])
def test_a_webhook_that_is_none(url: str, run: Run) -> None:
    """A webhook's URL that cannot be posted to is named at the start, not when the first alert comes."""
    refused = run("idle_alert", "--webhook", url)
    assert refused == (f"--webhook is a URL with a host, its scheme http or https, not {url!r}", "")
    assert run("idle_alert", "--webhook", "http://[::1") == ("Invalid port: ':1'", "")


@pytest.mark.parametrize("status", [302, 308, 404])
async def test_a_webhook_that_refuses(status: int, run: Run, tmp_path: Path) -> None:
    """A redirect and a refusal end the alert in one line; what was not told then is told by the next run, once."""
    moved = {"Location": "https://pool.example/new"} if status < 400 else {}
    webhook = _Webhook(Response(status_code=status, headers=moved))
    code = await webhook.alert(run, tmp_path / "state")
    assert code == " ".join([f"The webhook does not take it: {status}", *moved.values()])
    assert len(webhook.posted) == 1
    assert _holds(tmp_path / "state")
    assert "404" in await webhook.alert(run, tmp_path / "state")
    assert len(webhook.posted) == 2


@pytest.mark.parametrize("status", [408, 429, 500])
async def test_a_webhook_that_fails(status: int, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What passes is posted again, and stderr says why."""
    webhook = _Webhook(Response(status_code=status))
    await webhook.alert(run, tmp_path / "state")
    assert len(webhook.posted) == 2
    assert capsys.readouterr().err == f"Trying again: ConnectionError('the webhook answers {status}')\n"


async def test_a_webhook_whose_answer_cannot_be_read(run: Run, tmp_path: Path) -> None:
    """What the webhook took is not posted again because of what it answers."""
    webhook = _Webhook(Response(b"no gzip", headers={"Content-Encoding": "gzip"}))
    await webhook.alert(run, tmp_path / "state")
    assert len(webhook.posted) == 1


# State files


@define
class _Bot:
    """A bot that keeps a state file, and a pool with one thing for it to tell, and then another."""

    name: str
    state: Path
    pool: LocalPool = field(factory=partial(LocalPool, history=_SHORT))
    key: str = ""
    told: tuple[object, ...] = ()

    def __attrs_post_init__(self) -> None:
        self.key = self.pool.add_user("demo", workers=3)
        if self.name == "block_bot":
            last = self.pool.find_block()
            self.state.write_text(f"[{last}]")
        self.happen()

    def happen(self) -> None:
        """Let one thing more happen, and expect the state that follows once it is told."""
        if self.name == "block_bot":
            block = self.pool.find_block()
            self.told = (block, *self.told[1:], block)
        else:
            rig = f"rig{len(self.told) + 1}"
            self.pool.set_worker_alive("demo", rig, alive=False)
            self.told = (*self.told, rig)

    def is_done(self) -> bool:
        """Whether the state says that all is told."""
        return _holds(self.state, *self.told)

    async def live(self, run: Run, *, until: Callable[[], object] | None = None) -> tuple[str, list[str]]:
        """Run it until it has told all; return its last line, and what it has told."""
        options = ("--state", self.state)
        code, printed = await _live(
            run, self.pool, self.name, *options, until=until or self.is_done, encoding="ascii", BITMINTER_KEY=self.key
        )
        return code, printed.splitlines()


@pytest.fixture(params=["block_bot", "idle_alert"])
def bot(request: pytest.FixtureRequest, tmp_path: Path) -> _Bot:
    """One of the two bots."""
    return _Bot(request.param, tmp_path / "state")


def _fail_at_second_write(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> list[str]:
    """Let the second write of a state file fail; return what is written."""
    write, written = Path.write_text, list[str]()

    def write_text(path: Path, text: str) -> int:
        written.append(text)
        if len(written) == 2:
            write(path, text[:1])
            raise error
        return write(path, text)

    monkeypatch.setattr(Path, "write_text", write_text)
    return written


async def test_a_state_that_cannot_be_written(bot: _Bot, run: Run, tmp_path: Path) -> None:
    """Where no state file can be, the bot ends in a line that names it, before it has told anything."""
    bot.state = tmp_path / "none" / "state"
    code, told = await bot.live(run)
    assert code == f"[Errno 2] No such file or directory: '{bot.state}.new'"
    assert told == []


async def test_a_full_disk(
    bot: _Bot, run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A state that cannot be written for a while costs nothing: each is told once, and the next write has it all."""
    written = _fail_at_second_write(monkeypatch, OSError(errno.ENOSPC, "No space left on device"))
    first = bot.told

    def until() -> bool:
        if len(written) == 2 and bot.told == first:
            bot.happen()
        return len(written) > 2 and bot.is_done()

    _, told = await bot.live(run, until=until)
    assert len(told) == 2
    assert capsys.readouterr().err == "A restart would tell this again: [Errno 28] No space left on device\n"


async def test_a_kill_between_telling_and_writing(bot: _Bot, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was told when the bot was killed, but is not in the state file, is told again; and then no more."""
    with monkeypatch.context() as patch:
        _fail_at_second_write(patch, SystemExit("killed"))
        code, told = await bot.live(run)
    assert code == "killed"
    assert len(told) == 1
    assert (await bot.live(run))[1] == told
    polls = len(bot.pool.requests) + 4
    assert (await bot.live(run, until=lambda: len(bot.pool.requests) >= polls))[1] == []


async def test_a_broken_state(bot: _Bot, run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    """A state file that holds nothing is put aside, in a line on stderr, and the bot goes on."""
    bot.state.write_text("")
    if bot.name == "block_bot":
        bot.told = bot.told[:1]
    _, told = await bot.live(run)
    assert len(told) == (bot.name == "idle_alert")
    assert bot.state.with_suffix(".broken").exists()
    assert capsys.readouterr().err.startswith(f"{bot.state} is broken and put aside: ")


@pytest.mark.parametrize("example", ["block_bot", "idle_alert"])
def test_every_broken_state(example: str, tmp_path: Path) -> None:
    """Whatever is in a state file, what is read from it is a state, or nothing."""
    read = runpy.run_path(str(_EXAMPLES / f"{example}.py"))["read"]
    state, kind = tmp_path / "state", int if example == "block_bot" else str
    for content in (b"", b"{", b"\xff", b"3", b"null", b'{"a": 1}', b"[[1]]", b"[null]", b"[-1]", b"[1e999]", b'"rig"'):
        state.write_bytes(content)
        assert all(isinstance(each, kind) for each in read(state)), content


async def test_a_name_that_the_console_cannot_print(bot: _Bot, run: Run) -> None:
    """A name that the console has no letters for ends no bot: it is told by their codes, once."""
    if bot.name == "block_bot":
        bot.pool.fail_next(200, path="/api/pool/blocks", body=_block_of("矿工", bot.told[0]))
    else:
        bot.pool.add_worker("demo", "矿工", alive=False)
        bot.told = (*bot.told, "矿工")
    _, told = await bot.live(run)
    assert sum(r"\u77ff\u5de5" in line for line in told) == 1


def _block_of(generator: str, number: object) -> bytes:
    block = {"id": number, "chain": "BTC", "hash": "00" * 32, "height": 300_000, "difficulty": 1.0, "income": "25.0"}
    work = {"accepted": 1, "rejected": 0, "generated": 1_393_675_200, "duration": 600}
    fate = {"status": "unconfirmed", "confirmations_left": 100, "generator": generator}
    return json.dumps([block | work | fate]).encode()


async def test_an_outage_at_the_start(run: Run, tmp_path: Path) -> None:
    """The block bot waits for a pool that does not answer at its very first start."""
    bot = _Bot("block_bot", tmp_path / "state")
    bot.state.unlink()
    bot.told = bot.told[:1]
    bot.pool.fail_next(200, body=b"{}")
    assert (await bot.live(run))[1] == []
    assert bot.is_done()


# Databases and ports


class _Unlocking(io.StringIO):
    """A stderr that lets go of a database when something is tried again."""

    def __init__(self, file: Path, how: str) -> None:
        super().__init__()
        self._lock = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
        self._lock.execute(f"BEGIN {how}")

    def write(self, text: str) -> int:
        if "Trying again" in text:
            self._lock.close()
        return super().write(text)


async def test_a_locked_database(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While another program holds the file, the recorder waits, and then writes what it has, once."""
    file = tmp_path / "db"
    for times, how in enumerate(["EXCLUSIVE", "IMMEDIATE"], start=1):
        stderr = _Unlocking(file, how)
        monkeypatch.setattr(sys, "stderr", stderr)

        def count(table: str) -> int:
            with closing(sqlite3.connect(file)) as db:
                found: int = db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608  # our own
                return found

        def is_there(wanted: int = times, stderr: _Unlocking = stderr) -> bool:
            return "Trying" in stderr.getvalue() and count("pool") >= wanted and count("worker") >= 2 * wanted

        pool = LocalPool(history=_SHORT)
        key = pool.add_user("demo", workers=2)
        pool.set_worker_alive("demo", "rig1", alive=False)
        await _live(run, pool, "recorder", "--db", file, until=is_there, BITMINTER_KEY=key)
        assert set(stderr.getvalue().splitlines()) == {"Trying again: OperationalError('database is locked')"}
        assert count("worker") == 2 * count("pool") >= 2 * times


def test_a_file_that_is_no_database(run: Run, tmp_path: Path) -> None:
    """A file that cannot be recorded in is named in one line, and left as it is."""
    (tmp_path / "notes").write_text("no database\n" * 100)
    assert run("recorder", "--db", "notes") == ("notes: file is not a database", "")
    assert (tmp_path / "notes").read_text() == "no database\n" * 100
    assert run("recorder", "--db", "none/db") == ("none/db: unable to open database file", "")


async def test_a_plot_on_a_console_that_lacks_letters(run: Run, tmp_path: Path) -> None:
    """The plot is printed, as far as it can be, where the console has none of its letters."""
    pool = LocalPool(history=_SHORT)
    options, environment = ("--db", tmp_path / "db"), {"encoding": "ascii", "BITMINTER_KEY": pool.add_user("demo")}
    seen = partial(_polled, pool, "/api/users", 2)
    _, plot = await _live(run, pool, "recorder", *options, until=seen, **environment)
    assert "The pool's hash rate in PH/s, 1 values" in plot
    assert "??????" in plot


@pytest.mark.parametrize("port", ["x", "-1", "65536", "1.5"])
def test_a_port_that_is_none(port: str, run: Run) -> None:
    """A PORT that cannot be one is named, before anything is asked."""
    assert run("exporter", PORT=port) == (f"PORT is a number from 0 to 65535, not {port!r}", "")


def test_a_port_in_use(run: Run) -> None:
    """A port that another program has ends the exporter in one line."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        code, printed = run("exporter", PORT=str(other.getsockname()[1]))
    assert _is_line(code)
    assert "Address already in use" in code
    assert printed == ""
