"""Where the parts of a demo are, as the environment says.

A browser and a server may see the same part at different addresses (containers do): the
PUBLIC_URL names are for browsers, the others for requests from one server to another.
"""

from __future__ import annotations

import os
from urllib.parse import urlsplit

LOOPBACK_NAMES = ("127.0.0.1", "localhost")


def simulators_public_url() -> str:
    """The simulators' address for a browser; the issuers' names are made from it."""
    return _address("SIMULATORS_PUBLIC_URL", "http://127.0.0.1:8010")


def simulators_url() -> str:
    """The simulators' address for Samlepost's own processes."""
    return _address("SIMULATORS_URL", simulators_public_url())


def web_public_url() -> str:
    """Samlepost's address for a browser."""
    return _address("WEB_PUBLIC_URL", "http://127.0.0.1:8000")


def inbox_url() -> str:
    """Samlepost's address for the simulators' process."""
    return _address("INBOX_URL", web_public_url())


def web_addresses() -> list[str]:
    """Samlepost's addresses for a browser: on a loopback host, by both of its names."""
    url = web_public_url()
    parts = urlsplit(url)
    if parts.hostname not in LOOPBACK_NAMES:
        return [url]
    port = f":{parts.port}" if parts.port else ""
    return [f"{parts.scheme}://{name}{port}{parts.path}" for name in LOOPBACK_NAMES]


def _address(variable: str, default: str) -> str:
    return (os.environ.get(variable) or default).rstrip("/")
