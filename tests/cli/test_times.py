"""Moments on the command line."""

from datetime import UTC, datetime, timedelta

import pytest

from bitminter_async.cli._times import parse_moment, parse_until


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2014-03-01", datetime(2014, 3, 1, tzinfo=UTC)),
        ("2014-03-01T12:30", datetime(2014, 3, 1, 12, 30, tzinfo=UTC)),
        ("2014-03-01 12:30:05", datetime(2014, 3, 1, 12, 30, 5, tzinfo=UTC)),
        ("2014-03-01T12:30Z", datetime(2014, 3, 1, 12, 30, tzinfo=UTC)),
        ("2014-03-01T12:30+02:00", datetime(2014, 3, 1, 10, 30, tzinfo=UTC)),
    ],
)
def test_a_moment_is_in_utc_unless_it_says(text: str, moment: datetime) -> None:
    """A date is its first moment; where no zone is named it is UTC, wherever the machine stands."""
    assert parse_moment(text) == moment


@pytest.mark.parametrize(
    ("text", "ago"),
    [
        ("30m", timedelta(minutes=30)),
        ("12h", timedelta(hours=12)),
        ("7d", timedelta(days=7)),
        ("2w", timedelta(days=14)),
    ],
)
def test_a_span_is_so_long_ago(text: str, ago: timedelta) -> None:
    """`7d` is seven days ago."""
    before = datetime.now(UTC)
    assert before - ago <= parse_moment(text) <= datetime.now(UTC) - ago


def test_until_a_date_includes_it() -> None:
    """`--until` a date goes to the end of that day; until a moment, or so long ago, it is that moment."""
    assert parse_until("2014-03-01") == datetime(2014, 3, 1, 23, 59, 59, 999999, tzinfo=UTC)
    assert parse_until("2014-03-01T12:00") == datetime(2014, 3, 1, 12, tzinfo=UTC)
    assert parse_until("1d") <= datetime.now(UTC) - timedelta(days=1)


@pytest.mark.parametrize(
    "text", ["", "yesterday", "7", "d", "-7d", "7y", "2014-13-01", "999999w", "\u0667d", "9999-12-31T23:59-12:00"]
)
def test_what_is_no_moment_is_refused(text: str) -> None:
    """Anything else is told in one sentence with examples."""
    with pytest.raises(ValueError, match="such as 7d, 12h, 2014-03-01"):
        parse_moment(text)
    with pytest.raises(ValueError, match="such as 7d, 12h, 2014-03-01"):
        parse_until(text)
