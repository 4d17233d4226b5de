"""What the users and their workers are called."""

from random import Random

__all__ = ["WORKER_KINDS", "user_names"]

WORKER_KINDS = ("rig", "ant", "cube", "gpu", "shed-")

_USERS = 72
_TO_BE_QUOTED = ("Ada Lovelace", "miné/craft", "100%pool", "矿工", "a+b?c=d#e")
"""Names that must be quoted in a URL, so that a client which does not is found out."""

_FIRST = ("ash", "block", "coin", "deep", "ever", "fox", "gold", "hash", "iron", "jade", "kilo", "lucky")
_SECOND = ("bear", "digger", "forge", "hound", "mill", "pick", "shaft", "smith", "stone", "vein")


def user_names(rng: Random) -> list[str]:
    """Return the names of a new world's users, each once."""
    plain = [first + second for first in _FIRST for second in _SECOND]
    return [*_TO_BE_QUOTED, *rng.sample(plain, _USERS - len(_TO_BE_QUOTED))]
