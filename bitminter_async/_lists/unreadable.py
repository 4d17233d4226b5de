"""What stands in a list in place of a record that cannot be read, so that its neighbours keep their places."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar, cast

from attrs import frozen

from ..errors import DecodeError
from .place import Listed

__all__ = ["Unreadable", "page_of"]

R = TypeVar("R", bound=Listed)

_STEP = 1 / 64  # so that a whole page of records without an id fits between two that have one


@frozen(eq=False)
class Unreadable:
    """A record that cannot be read.

    Attributes:
        id: Its id; where that cannot be read either, a fraction between its neighbours'.
        moment: About when it happened: its neighbour's moment.
        name: What a log calls it.
        error: Why it cannot be read.
    """

    id: Any
    moment: datetime
    name: str
    error: DecodeError


def page_of(error: DecodeError, moment: Callable[[R], datetime]) -> tuple[R | Unreadable, ...]:
    """Return the page that a DecodeError tells of, with what cannot be read in its place.

    Raises:
        DecodeError: That error, where it does not tell, or no record of the page could be read.
    """
    if not error.readable or not error.unreadable:
        raise error
    readable = cast("tuple[R, ...]", error.readable)
    page: list[R | Unreadable] = []
    read = 0
    for index in range(len(readable) + len(error.unreadable)):
        if index not in error.unreadable:
            page.append(readable[read])
            read += 1
            continue
        number = error.unreadable[index]
        name = f"record [{index}]" if number is None else f"the record with id {number}"
        if page:
            above = page[-1]
            when = above.moment if isinstance(above, Unreadable) else moment(above)
            between = above.id - _STEP
        else:
            when, between = moment(readable[0]), readable[0].id + 1 - _STEP
        page.append(Unreadable(number if isinstance(number, int) else between, when, name, error))
    return tuple(page)
