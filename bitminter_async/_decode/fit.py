"""What a record cannot show by itself: that it is the one asked for, and that those of a list stand in their order."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from operator import gt
from typing import Any, TypeGuard
from unicodedata import normalize

from .._call import Expected
from ..errors import Fault
from ..records import User

__all__ = ["misfits"]

_MOST_WRITTEN = 12  # characters for one, where case and Unicode normal form differ


def misfits(
    record: Any,
    expected: Expected,
    show: Callable[[object], str] = str,
    places: Sequence[int] | None = None,
    unread: Iterable[object] = (),
) -> Iterator[Fault]:
    """Find the places in which what was read is no answer to its question, or contradicts itself.

    Args:
        record: What was read.
        expected: What it has to be.
        show: Makes the text of what stands there.
        places: At which index each of a list's elements, or of a user's workers, stood; None: at its own.
        unread: The names of workers that could not be read, and so are missing.
    """
    if _is_page(record):
        return _of_page(record, expected.commodity, show, places)
    if isinstance(record, User):
        return _of_user(record, expected.user, show, places, unread)
    return iter(())


def _is_page(record: object) -> TypeGuard[tuple[Any, ...]]:
    return isinstance(record, tuple)


def _of_page(
    page: tuple[Any, ...], commodity: str | None, show: Callable[[object], str], places: Sequence[int] | None
) -> Iterator[Fault]:
    ids = [each.id for each in page]
    if not all(map(gt, ids, ids[1:])):
        above, below = next((above, below) for above, below in pairwise(ids) if above <= below)
        yield Fault("$", "ids that fall along the list", f"{show(above)} before {show(below)}")
    if commodity is not None:
        for place, block in zip(places or range(len(page)), page, strict=True):
            if not _are_same(block.chain, commodity):
                yield Fault(f"$[{place}].chain", "the commodity that was asked for", show(block.chain))


def _of_user(
    user: User,
    name: str | None,
    show: Callable[[object], str],
    places: Sequence[int] | None,
    unread: Iterable[object],
) -> Iterator[Fault]:
    if name is not None and not _are_same(user.name, name):
        yield Fault("$.name", "the name that was asked for", show(user.name))
    names = [worker.name for worker in user.workers]
    count = Counter([*names, *unread])
    for place, worker in zip(places or range(len(names)), names, strict=True):
        if count[worker] > 1:
            yield Fault(f"$.workers[{place}].name", "a name that no other worker has", show(worker))


def _are_same(read: str, asked: str) -> bool:
    """Compare names as the pool may: it answers to `BOB` with `bob`, and a proxy may change the Unicode normal form."""
    if read == asked:
        return True
    # Beyond that length they differ, and to normalize megabytes may take hours.
    return len(read) <= _MOST_WRITTEN * len(asked) and _folded(read) == _folded(asked)


def _folded(name: str) -> str:
    return normalize("NFD", normalize("NFD", name).casefold())
