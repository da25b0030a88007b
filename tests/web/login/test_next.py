"""Where a log-in leads: to a page of ours, whatever the address says."""

from __future__ import annotations

import httpx
import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from tests.web.login.walk import (
    SITE,
    Browser,
    next_of,
)

OFF_SITE = [
    "https://evil.example/",
    "http://evil.example",
    "//",
    "//evil.example",
    "///evil.example",
    "/\\evil.example",
    "\\/evil.example",
    "\\\\evil.example",
    "https:evil.example",
    "https:/evil.example",
    "https:///evil.example",
    "javascript:alert(1)",
    "data:text/html,x",
    "/\t/evil.example",
    "/\n/evil.example",
    "/\r\n/evil.example",
    "\t//evil.example",
    " //evil.example",
    "\x00//evil.example",
    "/\x00/evil.example",
    "/\u2028/evil.example",
    "/probe/\r\nSet-Cookie: a=b",
    "/@evil.example\\",
    "http://127.0.0.1:8000@evil.example/",
    "http://127.0.0.1:8000.evil.example/",
    "evil.example",
    "/" + "a" * 3000,
]


@pytest.mark.parametrize("wanted", OFF_SITE)
def test_next_never_leads_to_another_site(visitor: Browser, wanted: str) -> None:
    assert visitor.log_in(next_page=wanted)["Location"] == "/"
    assert visitor.site.get("/login/", {"next": wanted})["Location"] == "/"
    assert next_of(visitor.site.get("/login/step-up/", {"next": wanted})) == "/"


@given(wanted=st.text(alphabet="/\\:@.%?#\t\n\r \u00a0\u3002evil", max_size=30))
def test_no_text_at_all_leads_to_another_site(wanted: str) -> None:
    site = Client(HTTP_HOST="127.0.0.1:8000")
    accepted = next_of(site.get("/login/", {"next": wanted}))
    address = httpx.URL(SITE + "/login/").join(accepted.translate({9: "", 10: "", 13: ""}))
    assert accepted.startswith("/") and not accepted.startswith(("//", "/\\"))
    assert (address.scheme, address.host, address.port) == ("http", "127.0.0.1", 8000)
