"""The public face: names, signatures and types, pinned. A change here is a change for every user."""

import inspect
import pydoc
import re
import subprocess
import sys
from datetime import datetime, timedelta
from importlib import metadata
from textwrap import dedent
from typing import Any, get_type_hints

import attrs
import pytest

import bitminter_async
from bitminter_async import (
    BlockChanged,
    BlockFound,
    Client,
    HashRate,
    Pool,
    Stream,
    Users,
    Watch,
    WorkerAdded,
    WorkerBack,
    WorkerGone,
    WorkerIdle,
    WorkReported,
    converter,
    from_dict,
    to_dict,
    to_json,
)
from bitminter_async.watch.merge import merge

_NAMES = """
    ApiKey BadRequest BitminterError Block BlockChanged BlockEvent BlockFound BlockStatus Blocked BudgetUnreachable
    ChainRound Client ClientClosed DecodeError Fault Forbidden GapError HashRate KeyRefused NotFound Pool PoolStats
    QueueTimeout RateLimited Receipt Redis RequestTimeout Round ServerError Shift StatusError Stream TransportError
    Unauthorized User UserShift Users Watch Work WorkReported Worker WorkerAdded WorkerBack WorkerEvent WorkerGone
    WorkerIdle converter from_dict to_dict to_json
"""
_SIGNATURES: dict[Any, str] = {
    Client: """
        (api_key: str | ApiKey | None = None, *, base_url: str | None = None,
        key_in: Literal['header', 'basic', 'query'] = 'header', interval: float = 1.0, max_age: float = 30.0,
        timeout: float = 10.0, attempts: int = 3, patience: float = 60.0, user_agent: str | None = None,
        allow_plain_http: bool = False, share: str | Redis | None = None,
        max_wait: float | None = None, proxy: str | None = None,
        transport: 'httpx.AsyncBaseTransport | None' = None) -> None
    """,
    Client.aclose: "(self) -> None",
    Pool.stats: "(self, *, max_age: float | None = None, max_wait: float | None = None) -> PoolStats",
    Pool.hashrate: "(self, *, max_age: float | None = None, max_wait: float | None = None) -> HashRate",
    Pool.workers: "(self, *, max_age: float | None = None, max_wait: float | None = None) -> int",
    Pool.users: "(self, *, max_age: float | None = None, max_wait: float | None = None) -> int",
    Pool.round: "(self, *, max_age: float | None = None, max_wait: float | None = None) -> Round",
    Pool.top50: "(self, *, max_age: float | None = None, max_wait: float | None = None) -> Mapping[str, HashRate]",
    Pool.blocks: """
        (self, *, max: int = 10, offset: int = 0, commodity: str | None = None, max_age: float | None = None,
        max_wait: float | None = None) -> tuple[Block, ...]
    """,
    Pool.shifts: """
        (self, *, max: int = 10, offset: int = 0, max_age: float | None = None, max_wait: float | None = None)
        -> tuple[Shift, ...]
    """,
    Pool.iter_blocks: """
        (self, *, commodity: str | None = None, since: datetime | None = None, until: datetime | None = None,
        after: int | None = None, limit: int | None = None, offset: int = 0, max: int = 50,
        skip_unreadable: bool = False, oldest_first: bool = False, max_age: float | None = None)
        -> AsyncGenerator[Block, None]
    """,
    Pool.iter_shifts: """
        (self, *, since: datetime | None = None, until: datetime | None = None, after: int | None = None,
        limit: int | None = None, offset: int = 0, max: int = 50, skip_unreadable: bool = False,
        oldest_first: bool = False, max_age: float | None = None) -> AsyncGenerator[Shift, None]
    """,
    Watch.blocks: """
        (self, *, every: float = 60.0, after: int | None = None, commodity: str | None = None,
        unsettled: Iterable[Block | int] = ()) -> Stream[BlockFound | BlockChanged]
    """,
    Watch.shifts: "(self, *, every: float = 300.0, after: int | None = None) -> Stream[Shift]",
    Watch.workers: """
        (self, name: str | None = None, *, every: float = 60.0, initial: bool = False, work: bool = False,
        idle: Iterable[str] = ()) -> Stream[WorkerIdle | WorkerBack | WorkerAdded | WorkerGone | WorkReported]
    """,
    Watch.stats: "(self, *, every: float = 60.0) -> Stream[PoolStats]",
    merge: "(*streams: AsyncIterator[Any]) -> Stream[Any]",
    Stream[Any].aclose: "(self) -> None",
    Users.get: """
        (self, name: str | None = None, *, max_age: float | None = None, max_wait: float | None = None) -> User
    """,
    to_dict: "(record: AttrsInstance | Mapping[str, AttrsInstance], *, derived: bool = False) -> dict[str, Any]",
    to_json: """
        (value: AttrsInstance | Mapping[str, AttrsInstance] | tuple[AttrsInstance, ...] | list[AttrsInstance], *,
        derived: bool = False) -> bytes
    """,
    from_dict: "(kind: Any, data: object) -> Any",
    converter: "(*, derived: bool = False) -> Converter",
}
_FIELDS = {
    "PoolStats": "hash_rate: HashRate, active_workers: int, active_users: int",
    "Round": """
        hash_rate: HashRate, active_workers: int, active_users: int, shift_accepted: int, shift_rejected: int,
        shift_duration: timedelta, shift_score: float, chains: Mapping[str, ChainRound]
    """,
    "ChainRound": "accepted: int, rejected: int, duration: timedelta, difficulty: float",
    "Block": """
        id: int, chain: str, hash: str, height: int, difficulty: float, income: Decimal, accepted: int, rejected: int,
        status: BlockStatus, confirmations_left: int, generator: str, generated: datetime, duration: timedelta
    """,
    "Shift": """
        id: int, difficulty: float, accepted: int, rejected: int, score: float, completed: datetime,
        duration: timedelta
    """,
    "User": """
        name: str, active_workers: int, hash_rate: HashRate, now: datetime, round_start: Mapping[str, datetime],
        shift: UserShift, balances: Mapping[str, Decimal], workers: tuple[Worker, ...]
    """,
    "UserShift": "start: datetime, accepted: int, rejected: int, user_score: float, total_score: float",
    "Worker": "name: str, hash_rate: HashRate, last_work: datetime | None, alive: bool, work: Mapping[str, Work]",
    "Work": """
        total_accepted: int, total_rejected: int, round_accepted: int, round_rejected: int, checkpoint_accepted: int,
        checkpoint_rejected: int
    """,
    "Receipt": """
        since: datetime, calls: int, requests: int, cached: int, joined: int, retried: int, rests: int,
        blocks: int, rested: timedelta, shortest_gap: timedelta | None, mean_gap: timedelta | None,
        longest_wait: timedelta, shared_with: int, waited_for_others: timedelta, bytes_received: int
    """,
    "HashRate": "hps: float",
    "BlockFound": "block: Block",
    "BlockChanged": "before: Block | None, after: Block",
    **dict.fromkeys(
        ("WorkerIdle", "WorkerBack", "WorkerAdded", "WorkerGone"), "worker: Worker, user: str, time: datetime"
    ),
    "WorkReported": """
        worker: Worker, user: str, time: datetime, accepted: Mapping[str, int], rejected: Mapping[str, int]
    """,
}
_MORE_FIELDS = {"BlockStatus": "PROCESSING UNCONFIRMED STALE ORPHAN CONFIRMED", "Client": "pool users watch"}
_DERIVED = {
    "Block": {"effort": float, "luck": float, "reject_rate": float},
    "ChainRound": {"effort": float, "reject_rate": float},
    "Round": {"reject_rate": float},
    "Shift": {"hash_rate": bitminter_async.HashRate, "reject_rate": float},
    "UserShift": {"share": float, "reject_rate": float},
    "User": {"idle_workers": tuple[bitminter_async.Worker, ...]},
    "Work": {"reject_rate": float},
    "BlockStatus": {"settled": bool},
    "HashRate": dict.fromkeys(("khps", "mhps", "ghps", "thps", "phps", "ehps"), float),
}


def _plain(text: str) -> str:
    """Drop line breaks and the modules in front of names."""
    return re.sub(r"(?<!['\w])(?:\w+\.)+(?=\w)", "", " ".join(text.split()))


def _shown(kind: object) -> str:
    return _plain(kind.__name__ if isinstance(kind, type) and not hasattr(kind, "__origin__") else str(kind))


def test_the_public_names() -> None:
    """The package exports these names, sorted, and each can be had."""
    assert bitminter_async.__all__ == sorted(_NAMES.split())
    assert set(_NAMES.split()) <= set(dir(bitminter_async))
    for name in set(bitminter_async.__all__) - {"BlockEvent", "WorkerEvent"}:
        assert getattr(bitminter_async, name).__name__ == name
    assert bitminter_async.BlockEvent == BlockFound | BlockChanged
    assert bitminter_async.WorkerEvent == WorkerIdle | WorkerBack | WorkerAdded | WorkerGone | WorkReported


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    """A misspelt name is told like that of any other module."""
    with pytest.raises(AttributeError, match=r"module 'bitminter_async' has no attribute 'Clyent'"):
        getattr(bitminter_async, "Clyent")  # noqa: B009  # a plain attribute would not pass the type checker


@pytest.mark.parametrize(("called", "signature"), _SIGNATURES.items(), ids=lambda item: getattr(item, "__name__", ""))
def test_a_signature(called: Any, signature: str) -> None:
    """Parameters, their kinds, defaults and types, and what comes back, are as pinned."""
    assert _plain(str(inspect.signature(called))) == _plain(signature)


@pytest.mark.parametrize(("record", "fields"), _FIELDS.items())
def test_the_fields_of_a_record(record: str, fields: str) -> None:
    """A record has these fields in this order, of these types, and no defaults."""
    kind = getattr(bitminter_async, record)
    hints = get_type_hints(kind)
    assert ", ".join(f"{field.name}: {_shown(hints[field.name])}" for field in attrs.fields(kind)) == " ".join(
        fields.split()
    )
    assert all(field.default is attrs.NOTHING for field in attrs.fields(kind))


@pytest.mark.parametrize(("record", "properties"), _DERIVED.items())
def test_the_derived_properties_of_a_record(record: str, properties: dict[str, object]) -> None:
    """A record derives these, each a documented property of this type, and nothing else."""
    kind: type = getattr(bitminter_async, record)
    found = {name for base in kind.__mro__ for name, value in vars(base).items() if isinstance(value, property)}
    found -= {"name", "value"}  # an enum's own
    assert found == set(properties)
    for name, expected in properties.items():
        getter = inspect.getattr_static(kind, name).fget
        assert get_type_hints(getter)["return"] == expected
        assert getter.__doc__


def test_importing_the_package_loads_none_of_its_libraries() -> None:
    """The pytest plugin, loaded in every run, brings in neither httpx nor cattrs before a fixture is used."""
    code = "import sys, bitminter_async.testing; print(sorted({'httpx', 'cattrs', 'attrs'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)  # noqa: S603  # our own
    assert run.stdout.strip() == "[]"


def test_the_version_is_that_of_the_package() -> None:
    """The package tells its version, the one that is installed."""
    assert bitminter_async.__version__ == metadata.version("bitminter-async")


def test_nothing_is_logged_where_logging_is_not_set_up() -> None:
    """A warning of the package goes to the application's handlers, and to stderr only if the application says so."""
    code = """
        import logging
        from bitminter_async import Client
        logging.getLogger("bitminter_async").warning("first")
        logging.basicConfig(format="%(message)s")
        logging.getLogger("bitminter_async").warning("second")
    """
    run = subprocess.run([sys.executable, "-c", dedent(code)], capture_output=True, text=True, check=True)  # noqa: S603  # our own
    assert run.stderr == "second\n"


@pytest.mark.parametrize("name", sorted({*_FIELDS, *_MORE_FIELDS} - {"Receipt"}))
def test_help_tells_of_each_field(name: str) -> None:
    """What `help()` prints of a class has a line for each field, which tells what it is, and its unit on the wire."""
    kind = getattr(bitminter_async, name)
    shown = pydoc.plain(pydoc.render_doc(kind)).replace("|", "")
    told = dict(re.findall(r"^ +(\w+): ([A-Z0-9].*(?:\n {9,}.*)*\.)$", shown, re.MULTILINE))
    fields = {} if name == "Client" else get_type_hints(kind)
    assert {*fields, *_MORE_FIELDS.get(name, "").split()} <= told.keys()
    if kind.__module__.endswith("records"):
        for field in (field for field, hint in fields.items() if hint in {timedelta, datetime, HashRate}):
            assert "On the wire: " in told[field]
