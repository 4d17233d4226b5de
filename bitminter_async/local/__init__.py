"""A whole mining pool on this machine, for trying clients and bots against it."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .pool import LocalPool

__all__ = ["LocalPool"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - as modules have it
    # Late, so that whoever lacks the extra is told what to install, by the command in one line.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        from .pool import LocalPool  # noqa: PLC0415 - see above
    except ModuleNotFoundError as error:
        raise ImportError(f"{error}; the local pool needs pip install 'bitminter-async[local]'") from error
    return LocalPool
