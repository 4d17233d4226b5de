"""Hash rates, whatever unit they came in."""

import math
import sys
from typing import Self, overload

from attrs import field, frozen

__all__ = ["HashRate"]

_NUMBERS = (float, int)  # and no bool
_ROLL_OVER = 1000  # what a unit shows at most before the next one takes over
_KILO, _MEGA, _GIGA, _TERA, _PETA, _EXA = 1e3, 1e6, 1e9, 1e12, 1e15, 1e18
_SHOWN = (("H/s", 1.0), ("kH/s", _KILO), ("MH/s", _MEGA), ("GH/s", _GIGA), ("TH/s", _TERA), ("PH/s", _PETA))


def _finite(rate: float) -> float:
    if type(rate) not in _NUMBERS:
        raise TypeError(f"a hash rate must be made of a number, not of {type(rate).__name__}")
    if not 0 <= rate <= sys.float_info.max:
        kind = "a finite number" if rate == math.inf else "a number"
        raise ValueError(f"a hash rate must be {kind}, 0 or more, not {rate}")
    return rate + 0.0  # a float, and no -0.0


@frozen(order=True, repr=False)
class HashRate:
    """A hash rate: hashes per second, readable in every unit.

    The API counts users in Mhps and the pool in Ghps, so say which: `HashRate.from_mhps(1500)`. Hash rates compare, and
    print as people write them: `1.70 PH/s`. They add up (`sum(rates)` too), subtract, and are multiplied and divided by
    numbers; one divided by another is their ratio, a float. 0 is falsy.

    None is below 0: to take the greater from the smaller is a ValueError, so compare first.

    Attributes:
        hps: Hashes per second.

    Raises:
        ValueError: The number is negative, infinite or not a number.
        TypeError: It is not a number at all.
    """

    hps: float = field(converter=_finite)

    @classmethod
    def from_hps(cls, rate: float) -> Self:
        """Make a hash rate of hashes per second."""
        return cls(rate)

    @classmethod
    def from_khps(cls, rate: float) -> Self:
        """Make a hash rate of thousands of hashes per second."""
        return cls(_finite(rate) * _KILO)

    @classmethod
    def from_mhps(cls, rate: float) -> Self:
        """Make a hash rate of millions of hashes per second, the API's unit for users and workers."""
        return cls(_finite(rate) * _MEGA)

    @classmethod
    def from_ghps(cls, rate: float) -> Self:
        """Make a hash rate of billions (10⁹) of hashes per second, the API's unit for the pool."""
        return cls(_finite(rate) * _GIGA)

    @classmethod
    def from_thps(cls, rate: float) -> Self:
        """Make a hash rate of 10¹² hashes per second."""
        return cls(_finite(rate) * _TERA)

    @classmethod
    def from_phps(cls, rate: float) -> Self:
        """Make a hash rate of 10¹⁵ hashes per second."""
        return cls(_finite(rate) * _PETA)

    @classmethod
    def from_ehps(cls, rate: float) -> Self:
        """Make a hash rate of 10¹⁸ hashes per second."""
        return cls(_finite(rate) * _EXA)

    @property
    def khps(self) -> float:
        """Thousands of hashes per second."""
        return self.hps / _KILO

    @property
    def mhps(self) -> float:
        """Millions of hashes per second."""
        return self.hps / _MEGA

    @property
    def ghps(self) -> float:
        """Billions (10⁹) of hashes per second."""
        return self.hps / _GIGA

    @property
    def thps(self) -> float:
        """10¹² hashes per second."""
        return self.hps / _TERA

    @property
    def phps(self) -> float:
        """10¹⁵ hashes per second."""
        return self.hps / _PETA

    @property
    def ehps(self) -> float:
        """10¹⁸ hashes per second."""
        return self.hps / _EXA

    def __bool__(self) -> bool:
        return bool(self.hps)

    def __add__(self, other: "HashRate") -> "HashRate":
        return HashRate(self.hps + other.hps) if type(other) is HashRate else NotImplemented

    def __radd__(self, other: int) -> "HashRate":
        return self if other == 0 else NotImplemented  # sum() starts from 0

    def __sub__(self, other: "HashRate") -> "HashRate":
        return HashRate(self.hps - other.hps) if type(other) is HashRate else NotImplemented

    def __mul__(self, factor: float) -> "HashRate":
        return HashRate(self.hps * factor) if type(factor) in _NUMBERS else NotImplemented

    __rmul__ = __mul__

    @overload
    def __truediv__(self, divisor: "HashRate") -> float: ...
    @overload
    def __truediv__(self, divisor: float) -> "HashRate": ...
    def __truediv__(self, divisor: "HashRate | float") -> "HashRate | float":
        if isinstance(divisor, HashRate):
            return self.hps / divisor.hps
        return HashRate(self.hps / divisor) if type(divisor) in _NUMBERS else NotImplemented

    def __str__(self) -> str:
        for unit, factor in _SHOWN:
            if round(self.hps / factor, 2) < _ROLL_OVER:
                return f"{self.hps / factor:.2f} {unit}"
        return f"{self.ehps:.2f} EH/s"

    def __repr__(self) -> str:
        return f"HashRate({self.hps!r})"

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)
