"""Checks of arguments: the error names the argument, what it may be, and what it was."""

import math

import pytest

from bitminter_async._arguments import check_integer, check_seconds


@pytest.mark.parametrize("value", [0, 0.0, 1, 0.001, 1e300])
def test_a_number_of_seconds_passes(value: float) -> None:
    """A finite number, 0 or more, is a number of seconds; where it must be above 0, 0 is none."""
    check_seconds("interval", value)
    if value:
        check_seconds("timeout", value, above_zero=True)
    else:
        with pytest.raises(ValueError, match=r"^timeout must be a number of seconds above 0, not 0"):
            check_seconds("timeout", value, above_zero=True)


@pytest.mark.parametrize("value", [-1, -0.001, math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("above_zero", [True, False])
def test_a_number_that_no_clock_shows_is_refused(value: float, *, above_zero: bool) -> None:
    """A negative or endless number, or NaN, is a ValueError with the name, the bound and the value."""
    kind, bound = "a finite number" if value == math.inf else "a number", " above 0" if above_zero else ", 0 or more"
    with pytest.raises(ValueError, match=rf"^max_age must be {kind} of seconds{bound}, not {value}$"):
        check_seconds("max_age", value, above_zero=above_zero)


@pytest.mark.parametrize(("value", "kind"), [("1", "str"), (None, "NoneType"), (True, "bool"), ([], "list")])
def test_what_is_no_number_is_refused(value: object, kind: str) -> None:
    """Anything but a number is a TypeError with the name and the type; a bool is no number."""
    with pytest.raises(TypeError, match=rf"^interval must be a number of seconds, not {kind}$"):
        check_seconds("interval", value)


@pytest.mark.parametrize("value", [1, 2, 50])
def test_an_integer_within_its_bounds_passes(value: int) -> None:
    """Both bounds are included."""
    check_integer("max", value, 1, 50)


@pytest.mark.parametrize("value", [-1, 0, 51, 10**30])
def test_an_integer_beyond_its_bounds_is_refused(value: int) -> None:
    """Outside of the bounds it is a ValueError that gives them and the value."""
    with pytest.raises(ValueError, match=rf"^max must be 1 to 50, not {value}$"):
        check_integer("max", value, 1, 50)


def test_an_integer_may_have_no_upper_bound() -> None:
    """Without an upper bound any integer from the least up passes, and the error says so."""
    check_integer("offset", 10**400, 0)
    with pytest.raises(ValueError, match=r"^offset must be 0 or more, not -1$"):
        check_integer("offset", -1, 0)


@pytest.mark.parametrize(("value", "kind"), [("1", "str"), (1.0, "float"), (True, "bool"), (None, "NoneType")])
def test_what_is_no_integer_is_refused(value: object, kind: str) -> None:
    """Anything but an int is a TypeError with the name and the type: no float, however whole, and no bool."""
    with pytest.raises(TypeError, match=rf"^attempts must be an int, not {kind}$"):
        check_integer("attempts", value, 1)
