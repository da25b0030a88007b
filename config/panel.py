"""Reading PANEL_SITES: the agencies' sites that may show the panel of new letters from others."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import urlsplit

from django.core.exceptions import ImproperlyConfigured

LOOPBACK_NAMES = ("127.0.0.1", "localhost")
SLUG = re.compile(r"[a-z0-9-]{1,64}")
ORG_NUMBER = re.compile(r"[0-9]{9}")

SiteValues = tuple[str, tuple[str, ...], tuple[str, ...], str]
"""Address, origins that may frame the panel, organisation numbers, name."""


def read_panel_sites(lines: Iterable[str], *, loopback: bool) -> dict[str, SiteValues]:
    """Return {slug: values}. With `loopback` (the demo) http on a loopback host will do, and both
    names of that host may frame. Raises ImproperlyConfigured for a line that cannot be read.
    """
    found: dict[str, SiteValues] = {}
    for line in lines:
        slug, *rest = (part.strip() for part in line.split("|"))
        parts = urlsplit(rest[0] if rest else "")
        is_safe = parts.scheme == "https" or (loopback and parts.hostname in LOOPBACK_NAMES)
        known = len(rest) == 3 and SLUG.fullmatch(slug) and ORG_NUMBER.fullmatch(rest[1])
        if not (known and rest[2] and is_safe and parts.hostname):
            raise ImproperlyConfigured(
                "PANEL_SITES must be slug|https address|organisation number|name, "
                f"separated by commas; this cannot be read: {line}"
            )
        hosts = [parts.hostname]
        if loopback and parts.hostname in LOOPBACK_NAMES:
            hosts = list(LOOPBACK_NAMES)
        port = f":{parts.port}" if parts.port else ""
        origins = tuple(f"{parts.scheme}://{host}{port}" for host in hosts)
        found[slug] = (rest[0], origins, (rest[1],), rest[2])
    return found
