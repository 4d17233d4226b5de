"""Where the pool is, and the way there: the base URL, and which proxy is taken."""

import ssl
from typing import Any

import httpx
import pytest

from tests.support.transport import Fake
from tests.support.wires import make_wire

PROXY = "http://proxy.example:3128"


@pytest.mark.parametrize(
    ("base_url", "secret"),
    [
        ("https://joe:sesame@pool.example", "sesame"),
        ("https://sesame@pool.example", "sesame"),
        ("ftp://joe:sesame@pool.example", "sesame"),
        ("//joe:sesame@pool.example", "sesame"),
        ("https://pool.example/?key=sesame", "sesame"),
        ("https://pool.example?", "?"),
        ("https://pool.example/#sesame", "sesame"),
        ("https://pool.example#", "#"),
        ("ftp://pool.example", None),
        ("pool.example", None),
        ("pool.example:80", None),
        ("/api", None),
        ("https://", None),
        ("https:///api", None),
        ("", None),
        ("https://pool.example\n", None),
        ("https://[::1", None),
        ("https://pool.example:http", None),
        ("https://pool.example/" + "x" * 70000, None),
    ],
)
def test_a_base_url_that_cannot_be_used_is_refused(base_url: str, secret: str | None) -> None:
    """A base URL is http or https with a host and at most a path; what might be a secret in it is not repeated."""
    with pytest.raises(ValueError, match=r"^base_url ") as caught:
        make_wire(None, base_url)
    assert secret is None or secret not in str(caught.value)


@pytest.mark.parametrize("wrong", [5, b"https://pool.example"])
def test_a_base_url_is_a_string(wrong: Any) -> None:
    """Anything but a string is a TypeError."""
    with pytest.raises(TypeError):
        make_wire(None, wrong)


@pytest.mark.parametrize(
    ("base_url", "proxy", "environment", "used"),
    [
        ("https://pool.example", None, {}, None),
        ("https://pool.example", None, {"HTTPS_PROXY": PROXY}, PROXY),
        ("https://pool.example", None, {"https_proxy": "proxy.example:3128"}, PROXY),
        ("https://pool.example", None, {"HTTP_PROXY": PROXY}, None),
        ("https://pool.example", None, {"ALL_PROXY": PROXY}, PROXY),
        ("https://pool.example", None, {"ALL_PROXY": "http://other.example", "HTTPS_PROXY": PROXY}, PROXY),
        ("http://pool.example", None, {"HTTP_PROXY": PROXY, "HTTPS_PROXY": "http://other.example"}, PROXY),
        ("https://pool.example", None, {"HTTPS_PROXY": PROXY, "NO_PROXY": "other.example"}, PROXY),
        ("https://pool.example", None, {"HTTPS_PROXY": PROXY, "NO_PROXY": "a.example, pool.example"}, None),
        ("https://pool.example", None, {"HTTPS_PROXY": PROXY, "NO_PROXY": ".example"}, None),
        ("https://pool.example", None, {"HTTPS_PROXY": PROXY, "NO_PROXY": "*"}, None),
        ("https://pool.example:8443", None, {"HTTPS_PROXY": PROXY, "NO_PROXY": "pool.example:8443"}, None),
        ("https://pool.example:8443", None, {"HTTPS_PROXY": PROXY, "NO_PROXY": "pool.example:443"}, PROXY),
        ("https://pool.example", PROXY, {}, PROXY),
        ("https://pool.example", "proxy.example:3128", {"HTTPS_PROXY": "http://other.example"}, PROXY),
        ("https://pool.example", PROXY, {"NO_PROXY": "*"}, PROXY),
        ("http://127.0.0.1:8420", None, {"HTTP_PROXY": PROXY}, None),
        ("http://[::1]:8420", PROXY, {}, None),
        ("http://localhost", PROXY, {"ALL_PROXY": PROXY}, None),
    ],
)
def test_the_proxy(
    monkeypatch: pytest.MonkeyPatch, base_url: str, proxy: str | None, environment: dict[str, str], used: str | None
) -> None:
    """A given proxy is taken, else the environment's unless NO_PROXY names the host; to loopback none."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    made: list[dict[str, Any]] = []

    def make_transport(**options: Any) -> Fake:
        made.append(options)
        return Fake()

    monkeypatch.setattr(httpx, "AsyncHTTPTransport", make_transport)
    for _ in range(2):
        make_wire(None, base_url, proxy=proxy).open()
    assert [options["proxy"] for options in made] == [used, used]
    assert [options["trust_env"] for options in made] == [False, False]
    contexts = [options["verify"] for options in made]
    assert (contexts[0] is contexts[1]) is base_url.startswith("https")
    assert [context.verify_mode for context in contexts] == [ssl.CERT_REQUIRED] * 2
