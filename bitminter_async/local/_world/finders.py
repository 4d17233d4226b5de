"""Who finds the next block: the likelier a worker, the faster it is."""

from collections.abc import Iterable

from .miners import User, Worker

__all__ = ["Finders"]


class Finders:
    """The workers of these users, drawn by their hash rates; a change and a draw each take logarithmic time.

    The rates stand in a Fenwick tree: entry i, from 1, is the sum of the `i & -i` rates that end at the i-th. So a pool
    with a hundred times the users, which finds more blocks, does not list them all for each.
    """

    def __init__(self, users: Iterable[User]) -> None:
        miners = [(user, worker) for user in users for worker in user.workers]
        self._users = [user for user, _ in miners]
        self._numbers = {worker: number for number, (_, worker) in enumerate(miners, start=1)}
        self._sums = [0, *(worker.rate if worker.working else 0 for _, worker in miners)]
        self._total = sum(self._sums)
        for number in range(1, len(self._sums)):
            above = number + (number & -number)
            if above < len(self._sums):
                self._sums[above] += self._sums[number]

    def change_rate(self, worker: Worker, change: int) -> None:
        """Add so many hashes per second to what a worker does."""
        number = self._numbers[worker]
        self._total += change
        while number < len(self._sums):
            self._sums[number] += change
            number += number & -number

    def draw(self, chance: float) -> User:
        """Return whose worker it is, for a chance from 0 to 1; the last user's where nobody works."""
        sought, number, passed = chance * self._total, 0, 0
        step = 1 << len(self._sums).bit_length()
        while step := step >> 1:
            following = number + step
            # Sums of whole numbers, compared with a float: nothing is rounded, however large they are.
            if following < len(self._sums) and passed + self._sums[following] <= sought:
                number, passed = following, passed + self._sums[following]
        return self._users[min(number, len(self._users) - 1)]
