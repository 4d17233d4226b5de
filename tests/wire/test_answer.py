"""An answer: the error that its status means, the rest that it asks for, and what of it may be shown."""

import time
from collections.abc import Iterator
from typing import Any

import attrs
import pytest

from bitminter_async._wire.answer import Answer
from bitminter_async._wire.key import ApiKey, Mask
from bitminter_async.errors import (
    BadRequest,
    Blocked,
    Forbidden,
    NotFound,
    RateLimited,
    ServerError,
    StatusError,
    Unauthorized,
)
from tests.support.samples import KEY

URL = "https://pool.example/api/users/bob"
PERMISSION = '"Balance and worker summary"'
NOON = "Wed, 21 Oct 2015 12:00:00 GMT"
NOON_STAMP = 1445428800.0


def make(
    status: int = 200, body: bytes = b"", *, keyed: bool = False, for_user: bool = False, **headers: str
) -> Answer:
    """An answer with these headers, `retry_after` being `retry-after`; a keyed one masks the key."""
    mask = Mask(ApiKey(KEY) if keyed else None)
    return Answer(status, URL, keyed, for_user, {k.replace("_", "-"): v for k, v in headers.items()}, body, mask)


def error_of(answer: Answer) -> StatusError:
    """The answer's error, of which there must be one."""
    error = answer.error
    assert isinstance(error, StatusError)
    return error


def test_a_base_url_that_ends_in_api_is_told_of() -> None:
    """Where /api stands twice in what was asked for, a 404 says which of both is too much."""
    doubled = attrs.evolve(make(404), url="https://pool.example/api/api/pool/stats")
    assert "base_url should not end in /api" in str(error_of(doubled))
    assert isinstance(doubled.error, NotFound)
    assert "base_url" not in str(error_of(attrs.evolve(doubled, url="https://pool.example/api/users/api")))


@pytest.mark.parametrize(
    ("status", "keyed", "headers", "kind", "hint"),
    [
        (400, False, {}, BadRequest, "the pool refuses a parameter"),
        (401, True, {}, Unauthorized, "the key is wrong"),
        (401, False, {}, Unauthorized, "the key is missing"),
        (403, True, {}, Forbidden, f"the key lacks access to {PERMISSION}"),
        (403, True, {"retry_after": "5"}, Forbidden, f"the key lacks access to {PERMISSION}"),
        (403, False, {}, Blocked, "the pool has blocked this client"),
        (404, False, {}, NotFound, "no such user or path"),
        (405, False, {}, StatusError, "not an answer that the API documents"),
        (418, True, {"retry_after": "5"}, StatusError, "not an answer that the API documents"),
        (429, False, {}, RateLimited, "the pool asks for rest"),
        (429, True, {"retry_after": "5"}, RateLimited, "the pool asks for rest"),
        (500, False, {}, ServerError, "the pool failed"),
        (500, False, {"retry_after": "5"}, ServerError, "the pool failed"),
        (502, False, {}, ServerError, "the pool failed"),
        (503, False, {}, ServerError, "the pool failed"),
        (503, False, {"retry_after": "0"}, ServerError, "the pool failed"),
        (503, False, {"retry_after": "5"}, RateLimited, "the pool asks for rest"),
        (504, False, {}, ServerError, "the pool failed"),
        (599, False, {}, ServerError, "the pool failed"),
        (301, False, {"location": "/new"}, StatusError, "a redirect to /new, which is not followed"),
        (302, True, {"location": f"/?key={KEY}"}, StatusError, "a redirect to /?key=***, which is not followed"),
        (304, False, {}, StatusError, "not an answer that the API documents"),
        (199, False, {}, StatusError, "not an answer that the API documents"),
    ],
)
def test_each_status_means_its_error(
    *, status: int, keyed: bool, headers: dict[str, str], kind: type[StatusError], hint: str
) -> None:
    """A status becomes exactly its class, which tells the URL, the status and what to do about it."""
    error = error_of(make(status, b"Not today.\nGo away.", keyed=keyed, for_user=True, **headers))
    assert type(error) is kind
    assert str(error).startswith(f"GET {URL}: {status}, ")
    assert hint in str(error)
    assert str(error).endswith(" (it says: Not today.)")
    assert (error.status, error.url, error.body) == (status, URL, "Not today.\nGo away.")
    assert error.headers == {k.replace("_", "-"): v.replace(KEY, "***") for k, v in headers.items()}


@pytest.mark.parametrize("for_user", [True, False])
def test_a_success_with_a_body_is_no_error(*, for_user: bool) -> None:
    """What is answered with 200 goes on to be read."""
    assert make(200, b"0", keyed=True, for_user=for_user).error is None


@pytest.mark.parametrize("status", [201, 204, 206, 299])
def test_another_success_is_nothing_that_the_api_documents(status: int) -> None:
    """Part of an answer (206), or an answer to something else, is not taken for the answer."""
    error = error_of(make(status, b"0", keyed=True))
    assert type(error) is StatusError
    assert "not an answer that the API documents" in str(error)


@pytest.mark.parametrize("body", [b"", b" \r\n\t"])
def test_an_empty_success_means_missing_access_to_user_data(body: bytes) -> None:
    """Without a body, user data is Forbidden and names the permission; for pool data there is nothing to say yet."""
    error = error_of(make(200, body, keyed=True, for_user=True))
    assert type(error) is Forbidden
    assert PERMISSION in str(error)
    assert error.status == 200
    assert make(200, body).error is None


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("5", 5.0),
        (" 120 ", 120.0),
        ("604800", 604800.0),
        ("604801", None),
        ("1393675200", None),
        ("1393675200000", None),
        ("0", None),
        ("", None),
        ("-1", None),
        ("1.5", 1.5),
        ("1e3", None),
        ("٣", None),  # a digit that Python's int would take
        ("5, 7", 7.0),
        ("soon", None),
        ("Wed, 21 Oct 2015 12:00:30 GMT", 30.0),
        ("Wednesday, 21-Oct-15 12:01:00 GMT", 60.0),
        ("Wed, 21 Oct 2015 14:00:10 +0200", 10.0),
        (NOON, None),
        ("Wed, 21 Oct 2015 11:59:59 GMT", None),
        ("Wed, 21 Oct 2015 25:00:00 GMT", None),
        ("Wed, 21 Oct 99999 12:00:00 GMT", None),
        (f"Wed, 21 Oct {10**20} 12:00:00 GMT", None),  # more than an integer of C holds
        ("Thu, 01 Jan 1970 00:00:00 GMT", None),
    ],
)
@pytest.mark.parametrize("tells_date", [True, False])
def test_retry_after_is_read(
    monkeypatch: pytest.MonkeyPatch, said: str, seconds: float | None, *, tells_date: bool
) -> None:
    """Seconds, or a date held against the answer's own, else against our clock; what is past or nonsense is absent."""
    monkeypatch.setattr(time, "time", lambda: NOON_STAMP - (4000.0 if tells_date else 0.0))
    answer = make(429, retry_after=said, date=NOON if tells_date else "yesterday")
    assert answer.retry_after == seconds
    assert answer.rest == seconds
    error = error_of(answer)
    assert isinstance(error, RateLimited)
    assert error.retry_after == seconds


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """This machine's clock, set to a time zone far from UTC."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Asia/Tokyo")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("elsewhere")
def test_a_date_that_tells_no_zone_is_in_utc() -> None:
    """As HTTP's dates are, wherever this machine stands."""
    assert make(429, retry_after="Wed, 21 Oct 2015 12:00:30 -0000", date=NOON).retry_after == 30.0


def test_no_retry_after_is_none() -> None:
    """An answer that asks for nothing bids no rest, whatever its Date."""
    answer = make(200, b"1", date=NOON)
    assert answer.retry_after is None
    assert answer.rest is None


@pytest.mark.parametrize(
    ("status", "keyed", "retry_after", "rest"),
    [
        (200, False, "5", 5.0),
        (500, False, "5", 5.0),
        (403, True, "", None),
        (403, True, "5", 5.0),
        (403, False, "", 900.0),
        (403, False, "5", 900.0),
        (403, False, "1000", 1000.0),
    ],
)
def test_the_rest_that_an_answer_bids(*, status: int, keyed: bool, retry_after: str, rest: float | None) -> None:
    """Retry-After counts on any status; a block lasts 15 minutes, or longer where the pool says so."""
    answer = make(status, b"1", keyed=keyed, retry_after=retry_after)
    assert answer.rest == rest
    error = answer.error
    if isinstance(error, Blocked):
        assert error.retry_after == rest


def test_a_rest_asked_for_on_any_status_can_be_told_as_rate_limited() -> None:
    """`as_error` makes the error that later calls get of any answer, its rest included."""
    error = make(200, b"1701000", retry_after="90").as_error(RateLimited, "the pool asks for rest")
    assert type(error) is RateLimited
    assert (error.status, error.retry_after) == (200, 90.0)
    assert str(error) == f"GET {URL}: 200, the pool asks for rest (it says: 1701000)"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", ""),
        (b" \n ", ""),
        (b"<html><body>500</body></html>", ""),
        (b"\n\n  one  \ntwo", " (it says: one  )"),
        (b"a\x1b[31m\tb \xe2\x80\xae", " (it says: a\\u001b[31m\\u0009b \\u202e)"),
        (b"x" * 600, f" (it says: {'x' * 120})"),
        (b"caf\xc3\xa9 \xff", " (it says: caf\N{LATIN SMALL LETTER E WITH ACUTE} \N{REPLACEMENT CHARACTER})"),
    ],
)
def test_a_message_quotes_the_first_line_of_text(body: bytes, said: str) -> None:
    """The pool's own words are quoted, cut to 120 characters, fit for a terminal; HTML is not."""
    error = error_of(make(500, body))
    assert str(error) == f"GET {URL}: 500, the pool failed{said}"
    assert error.body == body.decode("utf-8", "replace")[:500]


@pytest.mark.parametrize("before", [0, 110, 119, 480, 499, 500])
def test_the_key_is_masked_before_the_cut(before: int) -> None:
    """No cut, in body, message or Location, leaves a part of the key standing."""
    echo = "." * before + KEY.lower() + "."
    answer = make(302, echo.encode(), keyed=True, location=echo, x_echo=echo)
    answer = attrs.evolve(answer, headers={**answer.headers, f"x-{KEY.lower()}": "named"})
    error = error_of(answer)
    assert error.body == ("." * before + "***.")[:500]
    assert error.headers == {"location": "." * before + "***.", "x-echo": "." * before + "***.", "x-***": "named"}
    for shown in (str(error), repr(error), error.body, repr(error.headers), repr(answer), answer.text):
        assert KEY[:4].lower() not in shown.lower()


def test_a_wild_location_is_tamed() -> None:
    """A redirect's target is quoted to 120 characters, fit for a terminal."""
    assert "a redirect to /\\u001b[31m, which" in str(error_of(make(302, location="/\x1b[31m")))
    error = error_of(make(302, location="/" + "x" * 5000))
    assert f"a redirect to /{'x' * 119}, which" in str(error)


@pytest.mark.parametrize("keyed", [True, False])
@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [(403, b" <!DOCTYPE html>Just a moment", {}), (503, b"<html>", {}), (403, b"", {"cf_mitigated": "challenge"})],
)
def test_a_challenge_is_called_one(status: int, body: bytes, headers: dict[str, Any], *, keyed: bool) -> None:
    """A page for browsers that something in between gives is not blamed on the key or the pool."""
    error = error_of(make(status, body, keyed=keyed, **headers))
    assert "something between here and the pool" in str(error)
    assert "key" not in str(error)


@pytest.mark.parametrize(("status", "body"), [(403, b"no access"), (500, b"<html>"), (404, b"<html>")])
def test_what_is_no_challenge_is_not_called_one(status: int, body: bytes) -> None:
    """Plain words, and HTML of other statuses, are the pool's own."""
    assert "between here and the pool" not in str(error_of(make(status, body, keyed=True)))


@pytest.mark.parametrize(
    ("status", "headers", "said"), [(429, {"retry_after": "90"}, "asks for rest, 90 s"), (429, {}, "asks for rest")]
)
def test_the_message_says_for_how_long(status: int, headers: dict[str, Any], said: str) -> None:
    """Who reads that the pool asks for rest also reads how long, where the pool says so."""
    assert str(error_of(make(status, b"", **headers))).endswith(said)


def test_a_debugger_that_expands_an_answer_sees_neither_headers_nor_body() -> None:
    """The fields in which a server may echo the key are left out of what attrs shows."""
    shown = {field.name for field in attrs.fields(Answer) if field.repr}
    assert not shown & {"headers", "body"}
