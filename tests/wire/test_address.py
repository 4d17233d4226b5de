"""Where the pool is, and the way there: the base URL, and which proxy is taken."""

import ssl
from typing import Any

import httpx
import pytest

from bitminter_async import RequestTimeout, TransportError
from tests.support.samples import KEY
from tests.support.transport import Fake, answer
from tests.support.wires import STATS_CALL, make_wire, nothing

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


@pytest.mark.parametrize("misplaced", [KEY, KEY.lower(), f"/{KEY}", f"{KEY}.example", f"ftp://{KEY}", "localhost"])
def test_what_is_no_base_url_is_not_repeated(misplaced: str) -> None:
    """Who passes the key as `base_url` does not read it in the error, which says what is wanted instead."""
    with pytest.raises(ValueError, match=r"^base_url must be ") as caught:
        make_wire(None, misplaced)
    assert str(caught.value) == "base_url must be a URL with a host, and begin with http:// or https://"


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
        ("https://10.1.2.3", None, {"HTTPS_PROXY": PROXY, "NO_PROXY": "a.example,10.0.0.0/8"}, None),
        ("https://10.1.2.3:8443", None, {"ALL_PROXY": PROXY, "no_proxy": " 10.0.0.7/8 , a.example"}, None),
        ("https://11.1.2.3", None, {"HTTPS_PROXY": PROXY, "NO_PROXY": "10.0.0.0/8,2001:db8::/32"}, PROXY),
        ("https://10.1.2.3", None, {"HTTPS_PROXY": PROXY, "NO_PROXY": "10.1.2.3"}, None),
        ("https://10.1.2.3", None, {"HTTPS_PROXY": PROXY, "NO_PROXY": "10.0.0.0/33,,10.0.0.0/x,/8"}, PROXY),
        ("https://[2001:db8::5]", None, {"HTTPS_PROXY": PROXY, "NO_PROXY": "10.0.0.0/8,2001:db8::/32"}, None),
        ("https://[2001:db9::5]:8443", None, {"HTTPS_PROXY": PROXY, "NO_PROXY": "2001:db8::/32"}, PROXY),
        ("https://pool.example", None, {"HTTPS_PROXY": PROXY, "NO_PROXY": "0.0.0.0/0"}, PROXY),
        ("https://10.1.2.3", PROXY, {"NO_PROXY": "10.0.0.0/8"}, PROXY),
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


@pytest.mark.parametrize(
    ("failure", "kind"),
    [
        (httpx.ConnectError("All connection attempts failed"), TransportError),
        (httpx.ProxyError("407 Proxy Authentication Required"), TransportError),
        (httpx.ConnectTimeout("slow"), RequestTimeout),
        (None, RequestTimeout),
    ],
)
@pytest.mark.parametrize("given", [True, False])
async def test_a_dead_proxy_is_named(
    monkeypatch: pytest.MonkeyPatch, failure: Exception | None, kind: type[Exception], *, given: bool
) -> None:
    """Where a proxy is on the way, a failure says so, without the proxy's password; else there is none to name."""
    proxy = "http://joe:ses@me@proxy.example:3128/sesame"
    if not given:
        monkeypatch.setenv("HTTPS_PROXY", proxy)
    fake = Fake(failure, repeat=True) if failure else Fake(answer(), delay=1e6, repeat=True)

    def make_transport(**_: Any) -> Fake:
        return fake

    monkeypatch.setattr(httpx, "AsyncHTTPTransport", make_transport)
    with pytest.raises(kind, match=r", through the proxy http://proxy\.example:3128$") as caught:
        await make_wire(None, proxy=proxy if given else None).send(STATS_CALL, nothing)
    assert type(caught.value) is kind
    monkeypatch.setenv("NO_PROXY", "*")
    with pytest.raises(kind) as caught:
        await make_wire(None).send(STATS_CALL, nothing)
    assert "through" not in str(caught.value)


@pytest.mark.parametrize("proxy", ["http://[v1.x]:80", "http://a_b\u3002c:8"])
def test_a_proxy_whose_host_nobody_can_know_is_refused(proxy: str) -> None:
    """What httpx would stumble over later is named at once."""
    with pytest.raises(ValueError, match="proxy must"):
        make_wire(None, proxy=proxy)
