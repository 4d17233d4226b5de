"""The events: frozen, hashable records that compare by value."""

import pickle

import attrs
import pytest

import bitminter_async

_EVENTS = ("BlockChanged", "BlockFound", "WorkReported", "WorkerAdded", "WorkerBack", "WorkerGone", "WorkerIdle")


@pytest.mark.parametrize("name", _EVENTS)
def test_an_event_is_a_frozen_record(name: str) -> None:
    """An event is frozen, hashable, compares by value, survives a pickle and has no defaults."""
    kind = getattr(bitminter_async, name)
    fields = [field.name for field in attrs.fields(kind)]
    event = kind(*fields)
    assert event == kind(**dict(zip(fields, fields, strict=True)))
    assert len({event, pickle.loads(pickle.dumps(event))}) == 1  # noqa: S301  # our own
    assert kind.__match_args__ == tuple(fields)
    assert all(field.default is attrs.NOTHING for field in attrs.fields(kind))
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(event, fields[0], None)
