"""Where the pool is, and the way there: its URL, and the proxy that the environment names."""

from contextlib import suppress
from importlib.util import find_spec
from ipaddress import ip_address, ip_network
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

__all__ = ["as_proxy", "base_url_of", "find_proxy", "is_loopback", "without_user_info"]

_LONGEST = 2000


def base_url_of(text: object, name: str = "base_url") -> httpx.URL:
    """Read a pool's URL; raise ValueError unless it is http or https, with a host and nothing beyond a path."""
    checked = _check_url(name, text, {"http", "https"})
    if "@" in checked:
        raise ValueError(f"{name} must not carry user info: the key goes into api_key")
    if "?" in checked or "#" in checked:
        raise ValueError(f"{name} must not carry a query or a fragment: a path prefix is all that it may have")
    with suppress(ValueError, httpx.InvalidURL):
        url = httpx.URL(checked)
        if url.host:  # reading it decodes what a foreign alphabet was written as, which may fail as well
            return url
    raise ValueError(f"{name} must have a host that a name server can know")


def as_proxy(name: str, text: object) -> str:
    """Return the URL of a proxy, http where no scheme is named; raise ValueError if it is none."""
    url = f"http://{text}" if isinstance(text, str) and "://" not in text else text
    checked = _check_url(name, url, {"http", "https", "socks5", "socks5h"})
    has_host = False
    with suppress(ValueError, httpx.InvalidURL):
        has_host = bool(httpx.URL(checked).host)
    if not has_host:
        raise ValueError(f"{name} must have a host that a name server can know")
    if checked.startswith("socks") and not find_spec("socksio"):
        raise ValueError(f"{name} names a SOCKS proxy, for which socksio is missing: pip install 'httpx[socks]'")
    return checked


def _check_url(name: str, text: object, schemes: set[str]) -> str:
    """Raise without repeating the text: it may hold a password, or be a key that was put in the wrong place."""
    if not isinstance(text, str):
        raise TypeError(f"{name} must be a string, not {type(text).__name__}")
    if _is_url(text, schemes):
        return text
    beginnings = " or ".join(f"{scheme}://" for scheme in sorted(schemes))
    raise ValueError(f"{name} must be a URL with a host, and begin with {beginnings}")


def _is_url(text: str, schemes: set[str]) -> bool:
    try:
        parts = urlsplit(text)
        is_whole = bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return is_whole and parts.scheme in schemes and text.isprintable() and " " not in text and len(text) <= _LONGEST


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine, whatever a name server may say."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def find_proxy(url: httpx.URL, chosen: str | None) -> str | None:
    """Return the proxy to a URL: the one chosen, else the environment's (HTTPS_PROXY and the like, NO_PROXY heeded).

    Raises:
        ValueError: The environment names one that is none.
    """
    if is_loopback(url.host):
        return None
    if chosen:
        return chosen
    proxies = getproxies()
    scheme = url.scheme if proxies.get(url.scheme) else "all"
    proxy = proxies.get(scheme)
    if not proxy or _is_in_network(url.host, proxies.get("no", "")):
        return None
    if proxy_bypass(url.host if url.port is None else f"{url.host}:{url.port}"):
        return None
    return as_proxy(f"the environment's {scheme.upper()}_PROXY", proxy)


def _is_in_network(host: str, no_proxy: str) -> bool:
    """Tell whether the host is an address in one of the networks of NO_PROXY, such as 10.0.0.0/8: urllib knows none."""
    for entry in no_proxy.split(","):
        with suppress(ValueError):  # one of both is a name
            if ip_address(host) in ip_network(entry.strip(), strict=False):
                return True
    return False


def without_user_info(proxy: str) -> str:
    """Return the URL of a proxy as an error may show it: without a name and a password."""
    parts = urlsplit(proxy)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
