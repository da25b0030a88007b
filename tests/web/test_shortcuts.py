"""Keyboard shortcuts: a page that lists them, and a switch."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import inbox.web
from tests.make import log_in, make_citizen
from tests.web.test_inbox import html

pytestmark = pytest.mark.django_db
SCRIPT = (Path(inbox.web.__file__).parent / "static/web/shortcuts.js").read_text("utf-8")


@pytest.fixture(autouse=True)
def kari(client, settings):
    settings.LANGUAGE_CODE = "en"
    citizen = make_citizen()
    log_in(client, citizen)
    return citizen


def test_they_are_on_until_she_switches_them_off_in_this_browser(client):
    assert "web/shortcuts.js" in html(client)
    answer = client.post("/language/", {"shortcuts": "off", "next": "/shortcuts/"})
    assert answer["Location"] == "/shortcuts/"
    assert "web/shortcuts.js" not in html(client)
    page = html(client, "/shortcuts/")
    assert "The shortcuts are off in this browser." in page
    assert 'name="shortcuts" value="on"' in page
    client.post("/language/", {"shortcuts": "on"})
    assert "web/shortcuts.js" in html(client)


def test_nonsense_switches_nothing(client):
    assert client.post("/language/", {"shortcuts": "maybe"}).status_code == 400
    client.cookies["shortcuts"] = "<script>"
    assert "<script>alert" not in html(client)


def test_the_page_is_led_to_from_the_footer_and_lists_keys_that_there_are(client):
    assert 'href="/shortcuts/" data-go="?"' in html(client)
    listed = set(re.findall(r"<kbd>(.)</kbd>", html(client, "/shortcuts/")))
    assert listed == set("jkoxe#u/gi?")
    for key in "jkox":
        assert f"{key}: ()" in SCRIPT
