"""The key: carried to the pool, and shown to nobody else."""

import base64
import copy
import html
import itertools
import json
import logging
import pickle
import re
import traceback
import urllib.parse
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from bitminter_async._wire.key import ApiKey, KeyPlace, Mask
from tests.support.samples import KEY

ODD = """aB"3<c>&d/e'f\\g%h+i=j?~z"""  # every form of it is another
QUOTES: dict[str, Callable[[str], str]] = {
    "plain": str,
    "percent": lambda text: urllib.parse.quote(text, safe=""),
    "percent twice": lambda text: urllib.parse.quote(urllib.parse.quote(text, safe=""), safe=""),
    "html": html.escape,
    "html twice": lambda text: html.escape(html.escape(text)),
    "json": lambda text: json.dumps(text)[1:-1],
    "json for a script": lambda text: json.dumps(text)[1:-1].replace("/", "\\/").replace("+", "\\u002b"),
    "json's repr": lambda text: repr(json.dumps(text))[2:-2],
    "UTF-16": lambda text: text.encode("utf-16-le").decode("utf-8", "replace").rstrip("\0"),
    "UTF-16, big end first": lambda text: text.encode("utf-16-be").decode("utf-8", "replace").lstrip("\0"),
    "UTF-32": lambda text: text.encode("utf-32-le").decode("utf-8", "replace").rstrip("\0"),
    "UTF-16 as JSON": lambda text: json.dumps("\0".join(text))[1:-1],
    "UTF-16's repr": lambda text: repr("\0".join(text))[1:-1],
    "UTF-16 in a URL": lambda text: urllib.parse.quote("\0".join(text), safe=""),
}
IN_NUMBERS: dict[str, Callable[[str], str]] = {  # what quotes letters and digits as well
    "percent": lambda text: "".join(f"%{ord(char):02X}" for char in text),
    "percent twice": lambda text: "".join(f"%25{ord(char):02x}" for char in text),
    "percent four times": lambda text: "".join(f"%252525{ord(char):02x}" for char in text),
    "html": lambda text: "".join(f"&#0{ord(char)};" for char in text),
    "html in hex": lambda text: "".join(f"&amp;#x{ord(char):x};" for char in text),
    "json": lambda text: "".join(f"\\u{ord(char):04x}" for char in text),
    "python": lambda text: "".join(f"\\\\x{ord(char):02X}" for char in text),
}
CODES: dict[str, Callable[[str], str]] = {
    "plain": str,
    "basic": lambda key: base64.b64encode(f"key:{key}".encode()).decode().rstrip("="),
    "basic for URLs": lambda key: base64.urlsafe_b64encode(f"key:{key}".encode()).decode().rstrip("="),
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
        "K",
        KEY[:7],
    ],
)
def test_a_bad_key_is_refused_unseen(bad: str) -> None:
    """What no header can carry is a ValueError, and neither its text nor a frame's locals show the key."""
    with pytest.raises(
        ValueError, match=r"^api_key must be 8 or more printable ASCII characters, without a space$"
    ) as caught:
        ApiKey(bad)
    text = shown(caught.value)
    assert "self = ApiKey('***')" in text
    assert KEY[:7] not in text
    assert "'K'" not in text


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
        ("KEY9KEY9", "header", b"key=KEY9KEY9", b""),
        ("KEY9KEY9", "basic", b"Basic a2V5OktFWTlLRVk5", b""),
        ("KEY9KEY9", "query", None, b"key=KEY9KEY9"),
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


def test_what_is_derived_from_a_key_is_always_the_same() -> None:
    """Processes of different releases that share a budget open one another's answers, so this must not change."""
    assert ApiKey("KEY9KEY9").derive(b"salt").hex() == (
        "07e7dd66209034bbf6a213e40647d0f81243fa4bf6483abbf635b99970d99c1d"
        "1a097f6b5bf539ff7a99746a1bd45974216562dc8972a90f32ffef9d10ac5b8f"
    )


@pytest.mark.parametrize("case", [str, str.lower, str.upper, str.swapcase])
@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("quote", QUOTES)
@pytest.mark.parametrize("key", [KEY, ODD, ODD[:-1], ODD[:-2]])
def test_a_mask_knows_every_form(key: str, quote: str, code: str, case: Callable[[str], str]) -> None:
    """A key that a server echoes is masked in each form that it was sent or may be written in, in any letter case."""
    echo = case(QUOTES[quote](CODES[code](key)))
    masked = Mask(ApiKey(key))(f"<b>your key {echo}</b>, again {echo}.")
    assert masked == "<b>your key ***</b>, again ***."


@pytest.mark.parametrize("case", [str, str.lower, str.upper])
@pytest.mark.parametrize("numbers", IN_NUMBERS)
@pytest.mark.parametrize("key", [KEY, ODD])
def test_a_mask_knows_a_key_written_in_numbers(key: str, numbers: str, case: Callable[[str], str]) -> None:
    """A server that quotes every character, letters too, once or more, is masked as well."""
    echo = case(IN_NUMBERS[numbers](key))
    assert Mask(ApiKey(key))(f"{echo}, {echo}{key}") == "***, ******"


@pytest.mark.parametrize("quote", QUOTES)
@pytest.mark.parametrize("key", [KEY, ODD, "?>~?>~?>", "12345678"])
def test_a_mask_knows_the_base64_of_any_text_with_the_key(key: str, quote: str) -> None:
    """Alone or amid other text, padded or not, in both alphabets: what is left tells less than a letter at each end."""
    mask = Mask(ApiKey(key))
    for before, after, encode in itertools.product(
        ("", "a", "ab", "abc"), ("", "y", "yz"), (base64.b64encode, base64.urlsafe_b64encode)
    ):
        encoded = encode(f"{before}{key}{after}".encode()).decode()
        for echo in (encoded, encoded.rstrip("=")):
            left, right = mask(QUOTES[quote](echo)).split("***")
            left, right = (re.sub(r"\0|\\u0000|\\x00|%00|=|%(25)?3D", "", text) for text in (left, right))
            assert len(left) * 6 < (len(before) + 1) * 8
            assert len(right) * 6 <= (len(after) + 1) * 8


def test_padding_is_no_part_of_the_key() -> None:
    """Base64 that was quoted is masked up to its padding."""
    key = "K3Y0>>>9"
    assert Mask(ApiKey(key))("Basic a2V5OkszWTA%2BPj45==") == "Basic ***=="
    assert Mask(ApiKey(key))("SzNZMD4%2BPjk%3D") == "***k%3D"


def test_the_longest_form_is_masked_whole() -> None:
    """No form that begins as a shorter one is left half standing."""
    assert Mask(ApiKey("k3y-of-a&b"))("k3y-of-a&b K3Y-OF-A%26B k3y-of-a&amp;b") == "*** *** ***"
    assert Mask(ApiKey("k3y-of-a%"))("k3y-of-a%25|k3y-of-a%") == "***|***"


def test_a_mask_takes_a_key_for_no_pattern() -> None:
    """The key's own characters mean themselves."""
    assert Mask(ApiKey("[K.Y]+^-"))("[K.Y]+^- [KEY]+^- k.y [k.y]+^-") == "*** [KEY]+^- k.y ***"


def test_a_mask_leaves_alone_what_is_no_key() -> None:
    """What is like the key, or is a part of it, stands."""
    text = f"{KEY[:-1]} {KEY[1:]} {KEY[:16]}.{KEY[16:]} {base64.b64encode(KEY[:-4].encode()).decode()}"
    assert Mask(ApiKey(KEY))(text) == text


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


@pytest.fixture
def masked_logger() -> Iterator[logging.Logger]:
    """A logger with a mask as its filter."""
    logger, mask = logging.getLogger("tests.key"), Mask(ApiKey(KEY))
    logger.addFilter(mask)
    yield logger
    logger.removeFilter(mask)


def test_a_log_record_is_masked_with_its_arguments(
    caplog: pytest.LogCaptureFixture, masked_logger: logging.Logger
) -> None:
    """As a filter a mask leaves no key in a record, neither in its text nor in its arguments, and lets it pass."""
    with caplog.at_level(logging.DEBUG, masked_logger.name):
        masked_logger.debug("headers %r, %d %% of %s", [(b"location", f"/?key={KEY}".encode())], 5, KEY)
        masked_logger.debug(f"key={KEY} at 100%%s")  # noqa: G004  # as a careless library would
        masked_logger.debug("begins with %.3s at 100%%", KEY)
    assert caplog.messages == [
        "headers [(b'location', b'/?key=***')], 5 % of ***",
        "key=*** at 100%%s",
        "begins with K3Y at 100%",
    ]
    assert KEY not in repr([vars(record) for record in caplog.records])


def test_a_log_record_without_a_key_is_left_as_it_is(
    caplog: pytest.LogCaptureFixture, masked_logger: logging.Logger
) -> None:
    """What groups or counts records by their format and arguments, as error trackers do, goes on doing so."""
    with caplog.at_level(logging.DEBUG, masked_logger.name):
        masked_logger.debug("%s of %d", "half", 5)
        masked_logger.debug("%(part)s at 100%%", {"part": "half"})
    assert [record.msg for record in caplog.records] == ["%s of %d", "%(part)s at 100%%"]
    assert [record.args for record in caplog.records] == [("half", 5), {"part": "half"}]
    assert caplog.messages == ["half of 5", "half at 100%"]
