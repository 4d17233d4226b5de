"""What the users and their workers are called."""

from random import Random

__all__ = ["WORKER_KINDS", "user_names"]

WORKER_KINDS = ("rig", "ant", "cube", "gpu", "shed-")

_USERS = 72
_AWKWARD = ("Ada Lovelace", "miné/craft", "100%pool", "矿工", "a+b?c=d#e")
"""Names that a URL must quote."""

_FIRST = ("ash", "block", "coin", "deep", "ever", "fox", "gold", "hash", "iron", "jade", "kilo", "lucky")
_SECOND = ("bear", "digger", "forge", "hound", "mill", "pick", "shaft", "smith", "stone", "vein")


def user_names(chance: Random) -> list[str]:
    """The names of all users of a new world, each once."""
    plain = [first + second for first in _FIRST for second in _SECOND]
    return [*_AWKWARD, *chance.sample(plain, _USERS - len(_AWKWARD))]
