"""Random numbers that are the same for the same seed."""

from random import Random

__all__ = ["seeded_rng"]


def seeded_rng(seed: int, *purpose: object) -> Random:
    """Return a random generator that depends on the seed and the purpose alone.

    Each purpose has its own, or one more draw for one thing would change all others.
    """
    return Random("/".join(map(str, (seed, *purpose))))  # noqa: S311  # repeatable, not secret
