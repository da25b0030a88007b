"""Addresses of pages of ours, and which of them a browser may be sent on to."""

from __future__ import annotations

from functools import cache

from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme

LENGTH_MAX = 2000


@cache
def address_of(name: str) -> str:
    """Return the address of a view without arguments: a page has thirty, that never change.

    Raises NoReverseMatch.
    """
    return reverse(name)


def own_path(wanted: str) -> str:
    """Return `wanted` when it is the path of a page of ours, else "".

    Browsers drop tabs and line breaks from an address, and read a backslash as a slash.
    """
    is_ours = (
        wanted.startswith("/")
        and not wanted.startswith("//")
        and len(wanted) <= LENGTH_MAX
        and wanted.isprintable()
        and "\\" not in wanted
        and url_has_allowed_host_and_scheme(wanted, allowed_hosts=None)
    )
    return wanted if is_ours else ""
