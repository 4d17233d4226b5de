"""The key: carried to the pool, and shown to nobody else."""

import base64
import copy
import html
import json
import logging
import pickle
import traceback
import urllib.parse
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from bitminter_async._wire.key import ApiKey, KeyPlace, Mask
from tests.support.samples import KEY

ODD = """aB"3<c>&d/e'f\\g%h+i=j?~z"""  # every form of it is another
FORMS: dict[str, Callable[[str], str]] = {
    "plain": str,
    "basic": lambda key: base64.b64encode(f"key:{key}".encode()).decode(),
    "basic unpadded": lambda key: base64.b64encode(f"key:{key}".encode()).decode().rstrip("="),
    "percent": lambda key: urllib.parse.quote(key, safe=""),
    "html": html.escape,
    "json": lambda key: json.dumps(key)[1:-1],
}
REMAKES: list[Callable[[object], object]] = [copy.copy, copy.deepcopy, pickle.dumps]


def shown(exc: BaseException) -> str:
    """All that a careless logger prints: the error, its chain, and the locals of every frame below the test's own."""
    exc.__traceback__ = exc.__traceback__ and exc.__traceback__.tb_next
    return "".join(traceback.TracebackException.from_exception(exc, capture_locals=True).format())


@pytest.mark.parametrize("secret", [KEY, ODD])
def test_a_key_does_not_show_itself(secret: str) -> None:
    """However it is turned into text, there is a mask where the key would stand."""
    key = ApiKey(secret)
    masked = "ApiKey('***')"
    assert [repr(key), str(key), format(key), ascii(key), f"{key}", f"{key!r}"] == [masked] * 6
    assert repr({"key": [key]}) == f"{{'key': [{masked}]}}"
    assert f"{key!s:>15}" == f"  {masked}"


def test_a_key_has_no_variables_to_dump() -> None:
    """There is no `__dict__` that a debugger's or a logger's dump would print."""
    key = ApiKey(KEY)
    with pytest.raises(TypeError):
        vars(key)
    assert not hasattr(key, "__dict__")


@pytest.mark.parametrize("remake", REMAKES)
def test_a_key_is_not_copied(remake: Callable[[object], object]) -> None:
    """Copying or pickling it, or what holds it, is refused with a reason, since the result would hold the key."""
    for holder in (ApiKey(KEY), {"key": ApiKey(KEY)}):
        if remake is copy.copy and isinstance(holder, dict):
            continue  # a shallow copy holds the very same key, masked as before
        with pytest.raises(TypeError, match="not pickled or copied") as caught:
            remake(holder)
        assert KEY not in shown(caught.value)


@pytest.mark.parametrize(
    "bad",
    [
        "",
        f"{KEY} ",
        f" {KEY}",
        f"{KEY[:9]} {KEY[9:]}",
        f"{KEY}\n",
        f"{KEY}\r\nX: y",
        f"{KEY}\0",
        f"{KEY}\x7f",
        f"{KEY}é",
        f"{KEY}٣",
        f"{KEY}\udc80",
    ],
)
def test_a_bad_key_is_refused_unseen(bad: str) -> None:
    """What no header can carry is a ValueError, and neither its text nor a frame's locals show the key."""
    with pytest.raises(ValueError, match=r"^api_key must be printable ASCII") as caught:
        ApiKey(bad)
    text = shown(caught.value)
    assert "self = ApiKey('***')" in text
    assert KEY[:9] not in text


@pytest.mark.parametrize("bad", [KEY.encode(), bytearray(KEY.encode()), None, [KEY], 12345678])
def test_a_key_is_a_string(bad: Any) -> None:
    """Anything else is a TypeError that names the type and not the value, nor does what it came from."""
    with pytest.raises(TypeError, match=f"^api_key must be a string, not {type(bad).__name__}$") as caught:
        ApiKey(bad)
    context, text = caught.value.__context__, shown(caught.value)
    assert context is None or KEY not in "".join(
        traceback.TracebackException.from_exception(context, capture_locals=True).format()
    )
    assert KEY not in text
    assert "12345678" not in text


@pytest.mark.parametrize(
    ("key", "place", "header", "query"),
    [
        ("KEY9", "header", b"key=KEY9", b""),
        ("KEY9", "basic", b"Basic a2V5OktFWTk=", b""),
        ("KEY9", "query", None, b"key=KEY9"),
        ("a&b=c/%+", "header", b"key=a&b=c/%+", b""),
        ("a&b=c/%+", "basic", b"Basic a2V5OmEmYj1jLyUr", b""),
        ("a&b=c/%+", "query", None, b"key=a%26b%3Dc%2F%25%2B"),
    ],
)
def test_a_key_is_placed(key: str, place: KeyPlace, header: bytes | None, query: bytes) -> None:
    """Each place carries the key in the bytes that the API documents, and the other places nothing."""
    headers, in_query = ApiKey(key).placed(place)
    assert httpx.Headers(headers).raw == ([(b"Authorization", header)] if header else [])
    assert in_query == query


@pytest.mark.parametrize("case", [str, str.lower, str.upper, str.swapcase])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("key", [KEY, ODD, ODD[:-1], ODD[:-2]])
def test_a_mask_knows_every_form(key: str, form: str, case: Callable[[str], str]) -> None:
    """A key that a server echoes is masked in each form that it was sent or may be written in, in any letter case."""
    echo = case(FORMS[form](key))
    masked = Mask(ApiKey(key))(f"<b>your key {echo}</b>, again {echo}.")
    assert masked.replace("=", "") == "<b>your key ***</b>, again ***."


def test_the_longest_form_is_masked_whole() -> None:
    """No form that begins as a shorter one is left half standing."""
    assert Mask(ApiKey("a&b"))("a&b a%26b a&amp;b A%26B") == "*** *** *** ***"
    assert Mask(ApiKey("a%"))("a%25|a%") == "***|***"


def test_a_mask_takes_a_key_for_no_pattern() -> None:
    """The key's own characters mean themselves."""
    assert Mask(ApiKey("K.Y+"))("K.Y+ KEYY k.y+") == "*** KEYY ***"


def test_without_a_key_nothing_is_masked() -> None:
    """A client without a key has nothing to hide."""
    mask = Mask(None)
    assert mask(f"key={KEY} ***") == f"key={KEY} ***"
    record = logging.makeLogRecord({"msg": "key=%s", "args": (KEY,)})
    assert mask.filter(record) is True
    assert record.getMessage() == f"key={KEY}"


def test_a_mask_does_not_show_the_key() -> None:
    """A mask in somebody's locals gives nothing away."""
    assert KEY not in repr(Mask(ApiKey(KEY)))


def test_a_log_record_is_masked_with_its_arguments(caplog: pytest.LogCaptureFixture) -> None:
    """As a filter a mask leaves no key in a record, neither in its text nor in its arguments, and lets it pass."""
    logger = logging.getLogger("tests.key")
    mask = Mask(ApiKey(KEY))
    logger.addFilter(mask)
    try:
        with caplog.at_level(logging.DEBUG, logger.name):
            logger.debug("headers %r, %d %% of %s", [(b"location", f"/?key={KEY}".encode())], 5, KEY)
            logger.debug(f"key={KEY} at 100%%s")  # noqa: G004  # as a careless library would
            logger.debug("nothing to see")
    finally:
        logger.removeFilter(mask)
    assert caplog.messages == [
        "headers [(b'location', b'/?key=***')], 5 % of ***",
        "key=*** at 100%%s",
        "nothing to see",
    ]
    assert KEY not in repr([vars(record) for record in caplog.records])
