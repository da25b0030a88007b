"""Hosts that others name: only those on the public internet are spoken to.

Who gives us an address must not have us ask what lies within our own walls (OWASP, "Server-Side
Request Forgery Prevention"). A name is resolved once for a connection, and the addresses that were
looked at are the ones that are connected to: what the name says a moment later changes nothing.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

import httpcore

from connectors.contract import Misconfigured

Resolve = Callable[[str, int], list[str]]
"""Which addresses a host and port stand for."""

LOOPBACK_NAMES = ("localhost", "127.0.0.1", "::1")
NAT64 = IPv6Network("64:ff9b::/96")
"""Whose last 32 bits are the IPv4 address that it leads to (RFC 6052 §2.1)."""


class NotPublic(Misconfigured):
    """The host has an address that is not on the public internet."""


def public_addresses(host: str, port: int) -> list[str]:
    """Return the addresses of `host`.

    Raises NotPublic if one of them is not on the public internet, and httpcore.ConnectError when
    there are none.
    """
    found = _resolved(host, port)
    if not all(is_public(each) for each in found):
        raise NotPublic("the host has an address that is not on the public internet")
    return found


def public_or_loopback(host: str, port: int) -> list[str]:
    """As `public_addresses`, but this very machine is let through by its own names."""
    if host in LOOPBACK_NAMES:
        return [each for each in _resolved(host, port) if ip_address(each).is_loopback]
    return public_addresses(host, port)


def is_public(address: str) -> bool:
    """Say whether an IP address is on the public internet, and what it leads to as well."""
    ip = ip_address(address)
    if isinstance(ip, IPv6Address):
        inner = _leads_to(ip)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast


def _leads_to(ip: IPv6Address) -> IPv4Address | None:
    if ip in NAT64:
        return IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour


def _resolved(host: str, port: int) -> list[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise httpcore.ConnectError("the host has no address") from None
    return list(dict.fromkeys(str(each[4][0]) for each in found))
