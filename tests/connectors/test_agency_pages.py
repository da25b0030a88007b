"""The simulated agencies' own pages, visited as a browser does, behind the simulated ID-porten."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from html import unescape
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import httpx
import pytest

from connectors import http
from connectors.contract import LEVEL_HIGH
from connectors.idporten import simulator as idporten
from connectors.idporten.provider import HIGH, SUBSTANTIAL
from connectors.minside import simulator as minside
from connectors.minside.feed import FEEDS
from connectors.minside.pages import address, safe_return
from connectors.simulation import mounted
from connectors.world.letters import new_letter
from connectors.world.model import STUDY_DATE, Channel
from connectors.world.persons import by_slug

KARI, OLA = by_slug("kari"), by_slug("ola")
OURS = "http://127.0.0.1:8000/letters/1/"


@pytest.fixture
def nav(
    tmp_path: Path, contract_keys: Path, monkeypatch: pytest.MonkeyPatch, frozen_clock: None
) -> minside.MinsideSimulator:
    return minside.make(tmp_path, contract_keys)


@pytest.fixture
def browser(
    nav: minside.MinsideSimulator,
    tmp_path: Path,
    contract_keys: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[httpx.Client]:
    app = mounted({"minside": nav, "idporten": idporten.make(tmp_path, contract_keys)})
    transport = httpx.WSGITransport(app)
    monkeypatch.setattr(http, "transport_for", lambda base_url: transport)
    with httpx.Client(transport=transport, follow_redirects=True) as client:
        yield client


@pytest.fixture
def send(nav: minside.MinsideSimulator) -> Callable[..., str]:
    def sent(level: int = 3) -> str:
        made = new_letter(
            KARI, Channel.NAV, at=STUDY_DATE, title="Send noe", level=level, with_document=False
        )
        return address("nav", nav.send(replace(made, agency_task="Send inn", needs_action=True)))

    return sent


def choose(browser: httpx.Client, page: httpx.Response, slug: str, acr: str) -> httpx.Response:
    ticket = re.search(r'name="ticket" value="([^"]+)"', page.text)
    assert ticket, page.text
    form = {"ticket": ticket[1], "person": slug, "level": acr}
    return browser.post("http://127.0.0.1:8010/idporten/login", data=form)


def press(browser: httpx.Client, page: httpx.Response) -> httpx.Response:
    fields = dict(re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page.text))
    return browser.post(str(page.url), data={k: unescape(v) for k, v in fields.items()})


def test_who_is_logged_in_at_id_porten_is_not_asked_again(
    browser: httpx.Client, send: Callable[..., str]
) -> None:
    task = send()
    first = browser.get(task)
    assert "Logg inn som en oppdiktet person" in first.text
    assert "Send noe" in choose(browser, first, "kari", SUBSTANTIAL).text
    browser.cookies.delete("agency_session")
    again = browser.get(task)
    assert again.status_code == 200 and "Send noe" in again.text


def test_doing_the_task_closes_it_in_the_feed_and_leads_back(
    browser: httpx.Client, nav: minside.MinsideSimulator, send: Callable[..., str]
) -> None:
    task = f"{send()}?return_to={quote(OURS, safe='')}"
    page = choose(browser, browser.get(task), "kari", SUBSTANTIAL)
    assert f'href="{OURS}"' in page.text
    done = press(browser, page)
    assert "Dette er gjort" in done.text and f'href="{OURS}"' in done.text
    press(browser, page)
    items = nav.page("nav", KARI.national_id, None)["items"]
    assert len(items) == 2
    assert items[-1]["handled_at"] and "NAV" in items[-1]["handled_by"]


@pytest.mark.parametrize("agency", FEEDS)
def test_each_agencys_pages_are_known_to_id_porten(browser: httpx.Client, agency: str) -> None:
    page = browser.get(address(agency, "no-such-letter"))
    assert page.status_code == 200 and "Logg inn som en oppdiktet person" in page.text


def test_another_person_finds_nothing(browser: httpx.Client, send: Callable[..., str]) -> None:
    task = send()
    page = choose(browser, browser.get(task), "ola", SUBSTANTIAL)
    assert page.status_code == 404 and "Send noe" not in page.text


def test_a_task_of_the_high_level_asks_for_the_high_level(
    browser: httpx.Client, send: Callable[..., str]
) -> None:
    low, high = send(), send(LEVEL_HIGH)
    choose(browser, browser.get(low), "kari", SUBSTANTIAL)
    page = browser.get(high)
    assert "krever høyt sikkerhetsnivå" in page.text
    assert "Send noe" in choose(browser, page, "kari", HIGH).text


def test_a_form_without_its_token_does_nothing(
    browser: httpx.Client, nav: minside.MinsideSimulator, send: Callable[..., str]
) -> None:
    task = send()
    choose(browser, browser.get(task), "kari", SUBSTANTIAL)
    assert browser.post(task, data={"token": "x"}).status_code == 403
    assert len(nav.page("nav", KARI.national_id, None)["items"]) == 1


def test_logging_out_ends_the_visit_there_too(
    browser: httpx.Client, send: Callable[..., str]
) -> None:
    task = send()
    choose(browser, browser.get(task), "kari", SUBSTANTIAL)
    out = browser.get("http://127.0.0.1:8010/idporten/endsession")
    frames = [unescape(each) for each in re.findall(r'<iframe src="([^"]+)"', out.text)]
    for frame in frames:
        if "minside/nav" in frame:
            browser.get(frame)
    assert "Logg inn som en oppdiktet person" in browser.get(task).text


@pytest.mark.parametrize(
    "value",
    [
        "https://evil.example/",
        "//evil.example/",
        "http://127.0.0.1:8000.evil.example/",
        "http://127.0.0.1:8000@evil.example/",
        "http://127.0.0.1:9999/",
        "javascript:alert(1)",
        "http://127.0.0.1:8000\\@evil.example/",
        "/letters/1/",
        "http://[",
        OURS + "x" * 2000,
    ],
)
def test_the_way_back_leads_to_samlepost_alone(value: str) -> None:
    assert safe_return(value) == ""
    assert safe_return(OURS) == OURS


def test_no_identity_number_stands_in_an_address_or_on_a_page(
    browser: httpx.Client, send: Callable[..., str]
) -> None:
    page = choose(browser, browser.get(send()), "kari", SUBSTANTIAL)
    seen = [str(answer.url) for answer in [*page.history, page]] + [page.text]
    assert not any(KARI.national_id in each for each in seen)
    assert parse_qs(urlsplit(str(page.url)).query)["fresh"] == ["1"]
