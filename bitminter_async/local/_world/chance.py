"""Chance that is the same for the same seed."""

from random import Random

__all__ = ["dice"]


def dice(*names: object) -> Random:
    """Chance of its own for each name: drawing for one thing changes nothing for another."""
    return Random("/".join(map(str, names)))  # noqa: S311  # the same seed must give the same world
