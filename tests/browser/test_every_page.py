"""Every page that a walk through the demo reaches, in every language, width and scheme."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import product

import pytest
from playwright.sync_api import Browser, Page

from connectors.world.agencies import agency
from connectors.world.persons import by_slug, synthetic_id
from tests import vnu
from tests.agencies.sending import pdf
from tests.browser.conftest import (
    leave_out,
    look_at,
    new_context,
    remember_shown,
    shown_alone,
    sideways,
    violations,
)
from tests.journeys.browserless import HIGH, SUBSTANTIAL, Visitor
from tests.journeys.processes import Demo
from tests.pages import ROUTES, Answer, crawl, made_up, route_of

# By the browser's name pytest keeps those that need none beside the others, and so makes the
# pages once.
pytestmark = [pytest.mark.browser, pytest.mark.usefixtures("browser_name")]

LANGUAGES = ["nb", "nn", "en"]
PERSONS = {
    "Kari at the high level": ("kari", HIGH),
    "Kari at the lower level": ("kari", SUBSTANTIAL),
    "who runs Samlepost": ("drift", HIGH),
    "who works at NAV": ("berit", HIGH),
    "a stranger": ("", ""),
}
STARTS = [
    *["/", "/?show=unread", "/?q=vedtak", "/?q=ingentingsomdette", "/?view=separate"],
    *[
        "/login/",
        "/login/step-up/?next=/",
        "/logged-out/",
        "/offline/",
        "/panel/?site=nav",
        "/panel/consent/?site=nav",
        "/operator/archive/",
        "/operator/quarantine/",
        "/virksomhet/",
        "/demo/",
    ],
]
NO_PAGE = {
    "agency_send_undelivered": "a file for a spreadsheet",
    "agency_sent_file": "the file itself",
    "agency_conformance_file": "a file",
    "agency_figures_download": "a table for a spreadsheet",
    "appointment_file": "a file for a calendar",
    "changes": "a part of the inbox",
    "demo_fetch": "for the control page",
    "demo_forget": "for the control page",
    "document": "the document itself",
    "document_download": "the document itself",
    "document_pdf": "a file",
    "documents_download": "a zip",
    "proof_download": "a zip",
    "healthz": "a word for machines",
    "letter_pdf": "a file",
    "letter_content": "a part of the letter's page",
    "letter_reply": "leads to the letter, but for what is posted",
    "letter_thread": "a part of the letter's page",
    "link": "opens by a link that somebody was given",
    "link_file": "the document itself",
    "login_callback": "leads on",
    "login_start": "leads to ID-porten",
    "session_left": "a part of a page",
    **{name: "for agencies' systems" for name in ROUTES if name.startswith("api_")},
    "manifest": "for browsers",
    "service_worker": "a script",
    "logout_frontchannel": "an empty frame for ID-porten",
    "quarantine_file": "the file itself",
    "reply_file": "the file itself",
}
"""Routes that answer GET with something else than a page, and what that is."""
NOBODY = synthetic_id(date(1950, 1, 2), 77)
OFFERING = "Skattemelding mangler vedlegg"
COLOURS = ["color-contrast", "link-in-text-block"]
BROKEN = re.compile("Content Security Policy|Error")
"""What the console says of a page that breaks its own policy, or of a script that fails."""
TOGETHER = ["landmark-unique", "accesskeys", "duplicate-id-aria"]
"""The rules by which axe holds elements against each other, with the order of headings."""
LAYOUT = ["target-size", "scrollable-region-focusable", "aria-hidden-focus", "heading-order"]
AROUND = "body > :not(.wrap)"
"""What stands around a page's own content and navigation."""
LEAVE_OUT_MORE_OF_THE_SAME = """() => {
    const known = new Map();
    for (const each of document.querySelectorAll("main li, tbody tr")) {
        const parts = [each, ...each.querySelectorAll("*")].map((e) => e.tagName + e.className);
        const count = (known.get(parts.join()) || 0) + 1;
        known.set(parts.join(), count);
        if (count > 2) each.remove();
    }
}"""
"""Of lines that are alike but for their words, axe need not look at more than two."""


@dataclass(frozen=True)
class Seen:
    """A page, and who saw it."""

    who: str
    answer: Answer


@pytest.fixture(scope="module")
def visitors(running: Demo) -> Iterator[dict[str, Visitor]]:
    made = {who: Visitor(running.web) for who in PERSONS}
    for who, visitor in made.items():
        slug, level = PERSONS[who]
        if slug:
            visitor.log_in(slug, level)
    yield made
    for visitor in made.values():
        visitor.close()


@pytest.fixture(scope="module")
def pages(running: Demo, visitors: dict[str, Visitor]) -> list[Seen]:
    """Every page that somebody comes to, each letter's among them."""
    prepare(visitors["Kari at the high level"])
    write_as_an_agency(visitors["who works at NAV"])
    add_a_webhook(visitors["who works at NAV"])
    run_the_kit(running, visitors["who works at NAV"])
    let_altinn_offer_something(running, visitors["Kari at the high level"])
    return [
        Seen(who, answer)
        for who, visitor in visitors.items()
        for answer in crawl(visitor.ask, STARTS, each=3, more={"letter": 100})
        if answer.is_page
    ]


def prepare(kari: Visitor) -> None:
    """Bring Kari's letters into every state that only she can bring them into."""
    for wanted, place in (("førerkort", "bin"), ("helsestasjonen", "filed")):
        found = crawl(kari.ask, [f"/?q={wanted}"], more={"letter": 1})
        letter = next(each.address for each in found if each.route == "letter")
        kari.press(letter, "letter_move", to=place)
    kari.press("/folders/", "folders", name="Bolig")
    paper = {"title": "Vigselsattest", "sender": "Byfogden", "day": "2014-06-21"}
    kari.press("/papers/add/", "own_paper_add", {"files": ("attest.pdf", pdf())}, **paper)
    kari.press("/search/?q=vedtak", "saved_searches", name="Vedtakene mine")


def write_as_an_agency(berit: Visitor) -> None:
    """Send one letter from the portal, another to nobody, and leave a third as a draft."""
    send = f"/virksomhet/{agency('nav').org_number}/send/"
    said = {"recipient": by_slug("kari").national_id, "level": "3", "form": "choice"}
    said |= {"choice_label": "Passer tiden?", "choices": "Ja\nNei"}
    for title in ("Time hos NAV", "Ny time hos NAV"):
        file = {"file": ("brev.pdf", pdf())}
        draft = berit.press(send, "agency_send", file, title=title, **said)
        assert draft.status_code == 200, draft.text
    berit.press(draft.url.path, "agency_send_dispatch", do="send")
    listed = f"mottaker;referanse\n{NOBODY};7\n".encode()
    files = {"file": ("brev.pdf", pdf()), "list": ("liste.csv", listed)}
    draft = berit.press(f"{send}flere/", "agency_send_many", files, title="Til ingen")
    berit.press(draft.url.path, "agency_send_dispatch", do="send")


def add_a_webhook(berit: Visitor) -> None:
    """Give NAV a webhook that nobody answers at, with a message on its way."""
    webhooks = f"/virksomhet/{agency('nav').org_number}/webhooks/"
    berit.press(webhooks, "agency_webhooks_create", url="http://127.0.0.1:9/hook")
    # Pytest may make the pages anew in the same demo: then there is one already.
    links = berit.ask(webhooks).links()
    webhook = next(each for each in links if route_of(each) == "agency_webhooks_one")
    berit.press(webhook, "agency_webhooks_test")


def run_the_kit(running: Demo, berit: Visitor) -> None:
    """Have NAV's feed tried, and wait for what came of it."""
    tests = f"/virksomhet/{agency('nav').org_number}/test/"
    asked = berit.press(tests, "agency_conformance_start", source="minside-nav")
    assert route_of(asked.url.path) == "agency_conformance_run", asked.text
    running.wait_for(lambda: 'id="under-way"' not in berit.ask(asked.url.path).text)


def let_altinn_offer_something(running: Demo, kari: Visitor) -> None:
    """Let a letter come that asks for something by a day, and open it until all of it is here."""
    running.control(
        "send", person="kari", channel="altinn", title=OFFERING, needs_action=True, due_in_days=9
    )
    found: list[str] = []

    def is_listed() -> bool:
        found[:] = [
            each.address
            for each in crawl(kari.ask, [f"/?q={OFFERING}"], more={"letter": 1})
            if each.route == "letter" and OFFERING in each.text
        ]
        return bool(found)

    running.wait_for(is_listed)
    running.wait_for(lambda: "letter_act" in map(route_of, kari.ask(found[0]).links()))


@pytest.fixture(scope="module")
def telling(pages: list[Seen]) -> list[Seen]:
    """The pages that have something on them that none before has: each route's, each state's."""
    known: set[tuple[str, ...]] = set()
    chosen = []
    for seen in pages:
        parts = {("route", seen.answer.route)}
        parts |= {
            (str(each.tag), name)
            for each in seen.answer.tree.body.iter()
            if isinstance(each.tag, str)
            for name in [*each.get("class", "").split(), each.get("role", ""), each.get("type", "")]
        }
        if parts - known:
            known |= parts
            chosen.append(seen)
    return chosen


@pytest.fixture(scope="module")
def said_aloud() -> list[str]:
    """What the consoles of `browsers` have said."""
    return []


@pytest.fixture(scope="module")
def browsers(
    browser: Browser, running: Demo, visitors: dict[str, Visitor], said_aloud: list[str]
) -> Iterator[dict[str, Page]]:
    """Each visitor's page, in a browser that goes on with the session."""
    made = {}
    for who, visitor in visitors.items():
        context = new_context(browser, running, service_workers="allow")
        context.add_cookies(visitor.cookies())
        made[who] = page = context.new_page()
        page.on("console", lambda message: said_aloud.append(message.text))
        page.on("pageerror", lambda error: said_aloud.append(f"Error: {error}"))
    yield made
    for page in made.values():
        page.context.close()


def test_every_route_is_among_the_pages_or_is_none(
    pages: list[Seen], visitors: dict[str, Visitor]
) -> None:
    reached = {seen.answer.route for seen in pages}
    posts = {
        name
        for name in set(ROUTES) - reached
        if any(visitor.ask(made_up(name)).status == 405 for visitor in visitors.values())
    }
    assert set(ROUTES) - reached - posts - set(NO_PAGE) == set(), "no walk leads to these pages"
    assert set(NO_PAGE) & reached == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_axe_finds_nothing_nothing_scrolls_sideways_and_no_policy_is_broken(
    running: Demo,
    browsers: dict[str, Page],
    said_aloud: list[str],
    telling: list[Seen],
    language: str,
) -> None:
    """Every width and scheme are changes to the page as it was loaded: the server knows neither.

    Axe looks at one language: what another changes is how long words are, and no text lacks its
    translation (tests/web/test_translations.py).
    """
    wrong: list[str] = []
    known: set[str] = set()
    for page in browsers.values():
        page.context.add_cookies([cookie("django_language", language, running.web)])
    for seen in telling:
        page = browsers[seen.who]
        said_aloud.clear()
        page.set_viewport_size({"width": 320, "height": 800})
        page.goto(seen.answer.address)
        if seen.answer.route != "offline":  # one text for everybody, in all languages
            assert page.locator("html").get_attribute("lang") == language
        said = {"320": [f"{sideways(page)} px too wide"] if sideways(page) > 0 else []}
        if os.environ.get("THOROUGH"):
            said |= judged_at_length(page)
        elif language == LANGUAGES[0]:
            page.evaluate(LEAVE_OUT_MORE_OF_THE_SAME)
            said |= judged(page, known)
        said["console"] = [text for text in said_aloud if BROKEN.search(text)]
        wrong += [
            f"{seen.who}, {seen.answer.address}, {how}: {each}"
            for how, found in said.items()
            for each in found
        ]
    assert wrong == []


def judged(page: Page, known: set[str]) -> dict[str, list[str]]:
    """Return what axe says: each rule once, colours in each scheme, layout where it is narrow.

    Colours follow the scheme and not the width, so each scheme is looked at in one width, and in
    the other no more than what is shown there alone. What stands around a page as it did around
    one before was judged there, but for layout and for what it may have in common with the page.
    """
    look_at(page, 1280, "light")
    leave_out(page, AROUND, known)
    said = {"1280 light": violations(page, beside="leftOut")}
    remember_shown(page)
    look_at(page, 390, "dark")
    only_narrow, only_wide = shown_alone(page)
    said["390 dark"] = violations(page, COLOURS, beside="leftOut")
    look_at(page, 390, "light")
    said["390 light"] = violations(page, LAYOUT + TOGETHER)
    if only_narrow:
        said["390 light alone"] = violations(page, COLOURS, within="onlyNow")
    if only_wide:
        look_at(page, 1280, "dark")
        said["1280 dark alone"] = violations(page, COLOURS, within="onlyBefore")
    return said


def judged_at_length(page: Page) -> dict[str, list[str]]:
    """Return what axe says by every rule at every width and scheme."""
    said = {}
    for width, scheme in product((1280, 390), ("light", "dark")):
        look_at(page, width, scheme)
        said[f"{width} {scheme}"] = violations(page)
    return said


def cookie(name: str, value: str, url: str) -> dict[str, str]:
    return {"name": name, "value": value, "url": url}


@pytest.mark.skipif(bool(vnu.missing()), reason=vnu.missing())
def test_the_nu_html_checker_has_nothing_to_say(
    pages: list[Seen], visitors: dict[str, Visitor]
) -> None:
    stranger = visitors["a stranger"].ask
    errors = [stranger("/nothing/here/"), stranger("/hooks/nothing/")]
    shown = [(f"{seen.who}, {seen.answer.address}", seen.answer.body) for seen in pages]
    shown += [(each.address, each.body) for each in errors if each.is_page]
    said = vnu.complaints(shown)
    assert not said, "\n".join(said)
