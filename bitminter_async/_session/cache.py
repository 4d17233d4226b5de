"""The cache: answers by question, each with its age."""

from collections import OrderedDict
from collections.abc import Callable, Hashable

__all__ = ["Cache"]


class Cache:
    """Keeps the last answer to each question, at most `size` of them; the one used longest ago goes first.

    Args:
        now: The clock, in seconds; one that no one sets.
        size: How many answers are kept.
    """

    def __init__(self, now: Callable[[], float], size: int = 256) -> None:
        self._now = now
        self._size = size
        self._answers: OrderedDict[Hashable, tuple[float, object]] = OrderedDict()

    def get(self, question: Hashable, max_age: float) -> object | None:
        """Return the answer if it is at most `max_age` seconds old; else None. At a `max_age` of 0 none is."""
        kept = self._answers.get(question)
        if kept is None or not max_age or self._now() - kept[0] > max_age:
            return None
        self._answers.move_to_end(question)
        return kept[1]

    def put(self, question: Hashable, answer: object, asked: float) -> None:
        """Keep an answer, whose age counts from `asked`, the moment at which the question left."""
        self._answers[question] = (asked, answer)
        self._answers.move_to_end(question)
        if len(self._answers) > self._size:
            self._answers.popitem(last=False)
