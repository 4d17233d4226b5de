"""Where the pool is, and the way there: its URL, and the proxy that the environment names."""

from importlib.util import find_spec
from ipaddress import ip_address
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

__all__ = ["as_proxy", "check_base_url", "environment_proxy", "is_loopback"]

_LONGEST = 2000


def check_base_url(text: object) -> None:
    """Raise ValueError unless `text` is an http or https URL with a host and nothing beyond a path."""
    checked = _check_url("base_url", text, {"http", "https"})
    if "@" in checked:
        raise ValueError("base_url carries user info; the key goes into api_key")
    if "?" in checked or "#" in checked:
        raise ValueError("base_url carries a query or a fragment; a path prefix is all that it may have")


def as_proxy(name: str, text: object) -> str:
    """Return the URL of a proxy, http where no scheme is named; raise ValueError if it is none."""
    url = f"http://{text}" if isinstance(text, str) and "://" not in text else text
    checked = _check_url(name, url, {"http", "https", "socks5", "socks5h"})
    if checked.startswith("socks") and not find_spec("socksio"):
        raise ValueError(f"{name} names a SOCKS proxy, for which socksio is missing: pip install 'httpx[socks]'")
    return checked


def _check_url(name: str, text: object, schemes: set[str]) -> str:
    """Raise without repeating the text where it may hold a password."""
    if not isinstance(text, str):
        raise TypeError(f"{name} is a string, not {type(text).__name__}")
    shown = "" if set("@?#") & set(text) or len(text) > _LONGEST else f", not {text!r}"
    if _is_url(text, schemes):
        return text
    raise ValueError(f"{name} is a URL with a host, its scheme {' or '.join(sorted(schemes))}{shown}")


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


def environment_proxy(scheme: str, host: str, port: int | None) -> str | None:
    """Return the proxy that HTTPS_PROXY, HTTP_PROXY or ALL_PROXY names, unless NO_PROXY spares the host."""
    proxies = getproxies()
    proxy = proxies.get(scheme) or proxies.get("all")
    if not proxy or proxy_bypass(host if port is None else f"{host}:{port}"):
        return None
    return as_proxy(f"the environment's proxy for {scheme}", proxy)
