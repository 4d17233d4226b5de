"""Where a fleet shares its budget: what can be named."""

import pytest

from bitminter_async._session.budget.options import Redis


@pytest.mark.parametrize("url", ["redis://host/0", "rediss://:secret@host:6380", "unix:///run/redis"])
def test_urls(url: str) -> None:
    """Redis is reached over TCP, TLS or a socket; what shows the options does not show the password."""
    assert Redis(url, alone=30.0).url == url
    assert repr(Redis(url, alone=30.0)) == "Redis(alone=30.0)"


@pytest.mark.parametrize(
    ("url", "alone", "error"),
    [
        ("http://host", None, ValueError),
        ("host", None, ValueError),
        (7, None, TypeError),
        ("redis://host", 0.0, ValueError),
        ("redis://host", "30", TypeError),
    ],
)
def test_what_cannot_be_used(url: str, alone: float, error: type[Exception]) -> None:
    """A wrong URL and a wrong interval are named at once, and no password with them."""
    with pytest.raises(error):
        Redis(url, alone=alone)
