"""The polite asyncio client for the BitMinter mining-pool API.

Start with `Client`. Names are loaded when first used, so that the pytest plugin costs nothing where it is idle.
"""

from ._version import __version__ as __version__

TYPE_CHECKING = False  # as typing has it, which takes longer to import than the whole of the command's help

if TYPE_CHECKING:
    from ._receipt import Receipt
    from ._session.budget.options import Redis
    from ._wire.key import ApiKey
    from .client import Client
    from .data import converter, from_dict, to_dict, to_json
    from .endpoints.pool import Pool
    from .endpoints.users import Users
    from .errors import (
        BadRequest,
        BitminterError,
        Blocked,
        BudgetUnreachable,
        ClientClosed,
        DecodeError,
        Fault,
        Forbidden,
        GapError,
        KeyRefused,
        NotFound,
        QueueTimeout,
        RateLimited,
        RequestTimeout,
        ServerError,
        StatusError,
        TransportError,
        Unauthorized,
    )
    from .events import (
        BlockChanged,
        BlockEvent,
        BlockFound,
        WorkerAdded,
        WorkerBack,
        WorkerEvent,
        WorkerGone,
        WorkerIdle,
        WorkReported,
    )
    from .records import Block, BlockStatus, ChainRound, PoolStats, Round, Shift, User, UserShift, Work, Worker
    from .units import HashRate
    from .watch.stream import Stream
    from .watch.watch import Watch

__all__ = [
    "ApiKey",
    "BadRequest",
    "BitminterError",
    "Block",
    "BlockChanged",
    "BlockEvent",
    "BlockFound",
    "BlockStatus",
    "Blocked",
    "BudgetUnreachable",
    "ChainRound",
    "Client",
    "ClientClosed",
    "DecodeError",
    "Fault",
    "Forbidden",
    "GapError",
    "HashRate",
    "KeyRefused",
    "NotFound",
    "Pool",
    "PoolStats",
    "QueueTimeout",
    "RateLimited",
    "Receipt",
    "Redis",
    "RequestTimeout",
    "Round",
    "ServerError",
    "Shift",
    "StatusError",
    "Stream",
    "TransportError",
    "Unauthorized",
    "User",
    "UserShift",
    "Users",
    "Watch",
    "Work",
    "WorkReported",
    "Worker",
    "WorkerAdded",
    "WorkerBack",
    "WorkerEvent",
    "WorkerGone",
    "WorkerIdle",
    "converter",
    "from_dict",
    "to_dict",
    "to_json",
]

_MODULES = (  # those that load the least come first, and the client before what only those who watch need
    *("errors", "units", "records", "events", "_wire.key", "_receipt", "_session.budget.options"),
    *("endpoints.pool", "endpoints.users", "client", "watch.stream", "watch.watch", "data"),
)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if not TYPE_CHECKING:  # a type checker takes the imports above, and tells a misspelt name

    def __getattr__(name: str) -> object:
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module  # noqa: PLC0415  # likewise

        modules = (import_module(f".{module}", __name__) for module in _MODULES)
        value = next(getattr(module, name) for module in modules if name in module.__all__)
        return globals().setdefault(name, value)
