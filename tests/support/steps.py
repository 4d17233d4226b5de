"""Counting what code does, where a law about its cost is to hold on any machine, however busy."""

import sys
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from attrs import define


@define
class Steps:
    """How many calls were made, of functions in Python or in C."""

    calls: int = 0


@contextmanager
def counted_steps() -> Generator[Steps]:
    """Count the calls that this thread makes meanwhile. Loops that call nothing are not seen."""
    steps = Steps()

    def note(_frame: FrameType, event: str, _argument: Any) -> None:
        steps.calls += event in {"call", "c_call"}

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        yield steps
    finally:
        sys.setprofile(before)
