"""Which proxy an address is reached through, by the variables that every tool reads."""

from __future__ import annotations

import os
from urllib.parse import unquote, urlsplit

from msgspec import Struct, field


class Proxy(Struct, frozen=True):
    """Its headers may hold a login, so its `repr` has none."""

    host: str
    port: int
    headers: dict[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Proxy({self.host!r}, {self.port})"


def proxy_for(scheme: str, host: str, port: int) -> Proxy | None:
    """By HTTP_PROXY, HTTPS_PROXY and NO_PROXY as Go reads them, since skopeo goes by those.

    This machine itself is never reached through one.
    """
    setting = "" if _is_this_machine(host) else _variable(f"{scheme}_proxy")
    if not setting or _is_exempt(host, port, _variable("no_proxy")):
        return None
    parts = urlsplit(setting if "://" in setting else f"http://{setting}")
    if not parts.hostname:
        return None
    return Proxy(parts.hostname, parts.port or 80, _login(parts.username, parts.password))


def _variable(name: str) -> str:
    return os.environ.get(name.upper()) or os.environ.get(name, "")


def _login(user: str | None, password: str | None) -> dict[str, str]:
    if user is None:
        return {}
    from base64 import b64encode

    pair = f"{unquote(user)}:{unquote(password or '')}"
    return {"Proxy-Authorization": f"Basic {b64encode(pair.encode()).decode()}"}


def _is_this_machine(host: str) -> bool:
    return host == "localhost" or host == "::1" or host.startswith("127.")


def _is_exempt(host: str, port: int, exempt: str) -> bool:
    return any(_covers(each.strip(), host, port) for each in exempt.split(",") if each.strip())


def _covers(rule: str, host: str, port: int) -> bool:
    if rule == "*":
        return True
    if "/" in rule:
        return _in_network(host, rule)
    name, colon, number = rule.rpartition(":")
    if colon and number.isdigit() and ":" not in name:
        return port == int(number) and _covers(name, host, port)
    suffix = rule.lower().lstrip("*").lstrip(".")
    bare = host.lower()
    return bare.endswith(f".{suffix}") or (bare == suffix and not rule.startswith((".", "*")))


def _in_network(host: str, network: str) -> bool:
    from ipaddress import ip_address, ip_network

    try:
        return ip_address(host) in ip_network(network, strict=False)
    except ValueError:
        return False
