"""What processes tell each other: read as it was written, or as nothing, and believed within bounds."""

import json
import os
import stat
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from bitminter_async import Blocked, RateLimited
from bitminter_async._session.budget.record import Lease, Record, Rest, sweep
from tests.support.pace import make_reason
from tests.support.pools import few_examples


def nested(inner: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    """Lists, and objects with the record's own names."""
    names = st.sampled_from(
        ["departed", "slowed_to", "rest", "lease", "by", "seen", "begun", "seconds", "kind", "said"]
    )
    return st.lists(inner) | st.dictionaries(names, inner)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the record is."""
    return tmp_path / "pool.json"


def test_a_record_is_read_as_it_was_written(path: Path) -> None:
    """Everything comes back, and nothing else lies beside it; the file is one line."""
    now = time.time()
    written = Record(now - 1, 2.0, now - 3, Rest.of(4.0, make_reason(Blocked)), Lease(now, 5.0), "me", {"me": now - 1})
    written.save(path)
    assert Record.load(path) == written
    assert os.listdir(path.parent) == ["pool.json"]  # noqa: PTH208  # names are enough
    assert path.read_text(encoding="ascii").count("\n") == 0
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    "content",
    [
        *("", "{", "[]", "null", "5", '"x"', '{"departed": null}', '{"departed": "soon"}', '{"departed": -1}'),
        *('{"departed": NaN}', '{"departed": Infinity}', '{"rest": 5}', '{"rest": {"kind": "Nap"}}'),
        *("[" * 500_000, " " * 2**20 + "{}", f'{{"departed": {10**400}}}', f'{{"departed": {"9" * 5000}}}'),
        *('{"rest": {"seconds": 1e9}}', '{"lease": {"seconds": 1e300}}', '{"seen": [1]}', "\x00\xff"),
    ],
)
def test_what_cannot_be_read_counts_as_new(path: Path, content: str) -> None:
    """Whatever stands in the file, it holds up nobody and ends no program."""
    path.write_text(content, encoding="latin-1")
    assert Record.load(path) == Record()


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.integers() | st.text(), nested))
@few_examples
def test_no_record_ends_a_program(value: object) -> None:
    """Whatever JSON there is, reading it gives a record, of which everything can be asked and which can be written."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "pool.json"
        path.write_text(json.dumps(value), encoding="ascii")
        record = Record.load(path)
        assert record.lease.left >= 0
        assert isinstance(record.rest.reason, RateLimited | Blocked)
        record.departed_by("me").save(path)
        assert Record.load(path).by == "me"


def test_what_is_no_file_holds_up_nobody(path: Path) -> None:
    """A pipe in the file's place, to which nobody writes, counts as new."""
    os.mkfifo(path)
    assert Record.load(path) == Record()


def test_what_the_killed_have_left_is_removed(path: Path) -> None:
    """A file that was being written long ago will not be finished; one that was just begun may."""
    old, young = path.with_suffix(".1-1.new"), path.with_suffix(".2-2.new")
    old.touch()
    young.touch()
    path.touch()
    os.utime(old, (0, 0))
    sweep(path.parent)
    assert sorted(path.parent.iterdir()) == sorted([young, path])


def test_a_missing_file_counts_as_new_and_others_are_told(path: Path) -> None:
    """Without a file nothing is known; a directory in its place is an OSError, and so is one that is missing."""
    assert Record.load(path) == Record()
    path.mkdir()
    with pytest.raises(OSError, match="directory"):
        Record.load(path)
    with pytest.raises(OSError, match="directory"):
        Record().save(path)
    assert os.listdir(path.parent) == ["pool.json"]  # noqa: PTH208  # nothing is left beside it
    with pytest.raises(OSError, match="No such file"):
        Record().save(path / "nowhere" / "pool.json")


def test_nothing_has_happened_in_the_future(path: Path) -> None:
    """After the clock was set back, what lies ahead counts as just begun, and that is written down, once for all."""
    ahead = time.time() + 86_400
    rest = evolve(Rest.of(900.0, make_reason(Blocked)), begun=ahead)
    Record(departed=ahead, slowed_to=4.0, slowed_at=ahead, rest=rest).save(path)
    read = Record.load(path)
    now = time.time()
    assert max(read.departed, read.slowed_at, read.rest.begun) <= now
    assert now - 60 < read.rest.begun
    assert read.rest.seconds == 900
    assert Record.load(path) == read


def test_a_lease_is_never_longer_than_it_was() -> None:
    """What is left of a lease runs down to nothing, and is no more than the whole after the clock was set back."""
    now = time.time()
    assert Lease(now - 100, 5.0).left == 0
    assert 0 < Lease(now, 5.0).left <= 5
    assert Lease(now + 86_400, 5.0).left == 5


@pytest.mark.parametrize("kind", [RateLimited, Blocked])
def test_a_rest_tells_what_began_it(path: Path, kind: type[RateLimited | Blocked]) -> None:
    """The error comes back as what it was, without the answer's body and headers, which are nobody else's business."""
    error = kind("why", status=429, url="https://pool.example/x", body="balance", headers={"a": "b"})
    Record(rest=Rest.of(7.0, error)).save(path)
    reason = Record.load(path).rest.reason
    assert type(reason) is kind
    assert (str(reason), reason.status, reason.url, reason.retry_after) == ("why", 429, "https://pool.example/x", 7.0)
    assert (reason.body, reason.headers) == ("", {})
    assert "balance" not in path.read_text()


def test_who_departed_long_ago_is_forgotten() -> None:
    """Of those who departed it tells the latest hundred of the last ten minutes, and the last of all."""
    now = time.time()
    seen = {"old": now - 3600, **{str(number): now - number for number in range(200)}}
    record = Record(seen=seen).departed_by("me")
    assert record.by == "me"
    assert record.departed == record.seen["me"] >= now
    assert record.seen.keys() == {"me", *map(str, range(100))}
    assert record.others("me") == 100
    assert Record(seen={"old": now - 601, "me": now, "it": now}).others("me") == 1
