"""Budgets of a machine, as if each were of a process of its own."""

from pathlib import Path
from typing import Any

from bitminter_async._session.budget import process
from bitminter_async._session.budget.machine import Machine
from tests.support.samples import POOL


def make_machine(interval: float = 0.0, patience: float = 60.0, timeout: float = 10.0, **options: Any) -> Machine:
    """The budget of a client, alone in its process."""
    process._STATES.clear()
    machine = Machine(interval, patience, options.get("origin", POOL), timeout)
    machine.bind()
    return machine


def record_of(machine: Machine) -> Path:
    """Where what is shared is written."""
    assert machine._lock
    return machine._lock.path.with_suffix(".json")
