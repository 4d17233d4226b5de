"""A whole mining pool on this machine, for trying clients and bots against it.

It is the other side of the wire, written from the API's documentation alone. So it repeats what the client knows as
well (fifty records a page, 2³² hashes a share, how a key travels) and shares no code with it: a mistake that both sides
had in common would go unseen.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._server.request_log import LoggedRequest
    from .pool import LocalPool

__all__ = ["LocalPool", "LoggedRequest"]


if not TYPE_CHECKING:  # a type checker takes the imports above, and tells a misspelt name

    def __getattr__(name: str) -> object:
        # Imported only when it is used, so that whoever lacks the extra's packages is told what to install.
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        try:
            from ._server.request_log import LoggedRequest  # noqa: PLC0415  # see above
            from .pool import LocalPool  # noqa: PLC0415  # see above
        except ModuleNotFoundError as error:
            raise ImportError(f"{error}; the local pool needs pip install 'bitminter-async[local]'") from error
        return LocalPool if name == "LocalPool" else LoggedRequest
