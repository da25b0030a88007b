"""The letter's page in real Chromium, with the headers that citizens get."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from django.test import Client
from django.urls import reverse
from playwright.sync_api import Browser, Page, expect

from connectors.contract import IncomingDocument
from connectors.world.letters import new_letter
from connectors.world.model import STUDY_DATE, Channel
from connectors.world.persons import by_slug
from inbox.archive import store
from inbox.letters import texts
from inbox.letters.models import Letter
from tests.browser.conftest import (
    browser_type_launch_args,  # noqa: F401
    sideways,
    violations,
)
from tests.make import log_in, make_letter

pytestmark = [
    pytest.mark.browser,
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("frozen_clock"),
]

VIEWER = "chrome-extension://"
Visit = Callable[..., Page]


@pytest.fixture(scope="module")
def window(browser: Browser) -> Iterator[Page]:
    """A page in a browser; what it complains of is in `complaints`."""
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    page.on("console", lambda message: page.complaints.append(message.text))
    yield page
    context.close()


@pytest.fixture
def visit(transactional_db, live_server, window: Page, kari, settings) -> Iterator[Visit]:
    """Open a letter's page as Kari, in a browser that has no session but hers."""

    def opened(letter: Letter, width: int = 1280) -> Page:
        client = Client()
        log_in(client, kari)
        name = settings.SESSION_COOKIE_NAME
        session = {"name": name, "value": client.cookies[name].value, "url": live_server.url}
        window.context.clear_cookies()
        window.context.add_cookies([session])
        window.complaints = []
        window.set_viewport_size({"width": width, "height": 900})
        window.goto(live_server.url + reverse("letter", args=[letter.id]))
        return window

    yield opened
    window.goto("about:blank")  # asks for nothing while the rows go


def real_pdf() -> bytes:
    draft = new_letter(by_slug("kari"), Channel.NAV, title="Vedtak", at=STUDY_DATE)
    content = draft.documents[0].content
    assert content.startswith(b"%PDF")
    return content


def test_the_pdf_is_shown_inside_the_page_and_no_policy_is_broken(visit, kari):
    page = visit(make_letter(kari, document=real_pdf()))
    expect(page.locator("object.pdf")).to_be_visible()
    page.wait_for_function("window.frames.length > 0")
    page.wait_for_timeout(500)
    assert any(frame.url.startswith(VIEWER) for frame in page.frames)
    assert not page.locator(".fallback").is_visible()
    assert [said for said in page.complaints if "Content Security Policy" in said] == []


def test_when_the_document_cannot_be_read_the_page_says_so(visit, kari):
    letter = make_letter(kari, document=real_pdf())
    store.remove(letter.citizen_id, letter.documents.get().delivery_id)
    page = visit(letter)
    expect(page.locator(".fallback")).to_be_visible()
    assert not any(frame.url.startswith(VIEWER) for frame in page.frames)


def test_on_a_narrow_screen_the_pdf_is_a_button(visit, kari):
    page = visit(make_letter(kari, title="Menneskerettighetskonvensjon" * 9), width=320)
    expect(page.get_by_role("link", name="Open PDF")).to_be_visible()
    expect(page.locator("object.pdf")).to_be_hidden()
    assert sideways(page) <= 0


def test_content_that_comes_later_shows_by_itself(visit, kari):
    letter = make_letter(kari, content_on_open=True, document=None)
    page = visit(letter)
    expect(page.get_by_text("We are fetching the letter")).to_be_visible()
    Letter.objects.update(content="kept", body="Her er brevet", body_media_type="text/plain")
    expect(page.get_by_text("Her er brevet")).to_be_visible(timeout=10_000)
    expect(page.get_by_text("Your copy is kept here.")).to_be_visible()
    expect(page.locator("#status")).to_have_text("The letter has been fetched.")
    assert page.locator("aside").count() == 1
    assert page.locator("#letter-content[hx-trigger]").count() == 0


@pytest.mark.parametrize(
    "fields",
    [
        {"body": "# Hei\n\n| a | b |\n|---|---|\n| 1 | 2 |", "body_media_type": "text/markdown"},
        {"due_at": STUDY_DATE, "needs_action": True, "withdrawn": True},
        {"security_level": 4, "public_title": ""},
        {"wants_opening_receipt": True},
        {"content_on_open": True, "document": None},
    ],
    ids=["markdown", "deadline", "locked", "receipt", "fetching"],
)
@pytest.mark.parametrize("width", [1280, 320])
def test_every_state_of_the_page_is_accessible(visit, kari, fields, width):
    page = visit(make_letter(kari, language="nb", **fields), width)
    assert violations(page) == []
    assert sideways(page) <= 0


@pytest.mark.parametrize("width", [1280, 320])
def test_a_document_as_text_and_the_print_view_are_accessible(visit, kari, live_server, width):
    letter = make_letter(kari, language="nn", document=real_pdf(), body="Hei")
    texts.read_due()
    page = visit(letter, width)
    for link in ("Read as text", "Print view"):
        page.goto(live_server.url + reverse("letter", args=[letter.id]))
        page.get_by_role("link", name=link).first.click()
        expect(page.get_by_text("Dette brevet er sendt fra kontrollsiden.")).to_be_visible()
        assert violations(page) == []
        assert sideways(page) <= 0


def test_an_image_stands_in_an_area_of_its_own_size(visit, kari):
    drawn = bytes.fromhex(
        "47494638396101000100800000000000ffffff21f90401000000002c00000000010001000002024401003b"
    )
    image = IncomingDocument("k.gif", "image/gif", "Kart", is_main=True, content=drawn)
    page = visit(make_letter(kari, documents=[image, replace(image, is_main=False)]))
    shown = page.get_by_role("img", name="Kart")
    expect(shown).to_be_visible()
    assert shown.evaluate("image => image.naturalWidth") == 1
    assert shown.evaluate("image => image.clientHeight") > 300
    assert violations(page) == []
    assert [said for said in page.complaints if "Content Security Policy" in said] == []
