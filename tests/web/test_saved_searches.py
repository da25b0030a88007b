"""Saved searches: named, opened, renamed, deleted and put back; by herself alone."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest
from django.test import Client

from inbox.citizens.viewer import Viewer
from inbox.letters import saved_searches
from inbox.letters.life_events import DEATH, WORK
from inbox.letters.models import LifeEventLetter, SavedSearch
from tests.make import act_for, log_in, make_citizen, make_letter, make_representation
from tests.take_out import take_out
from tests.web.test_search import html, titles, write

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]


@pytest.fixture(autouse=True)
def in_english(settings, tmp_path):
    settings.LANGUAGE_CODE = "en"
    settings.ARCHIVE_DIR = tmp_path / "archive"


@pytest.fixture
def kari(client):
    citizen = make_citizen()
    log_in(client, citizen)
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "en"
    return citizen


def save(client, name="Tax", query="q=skatt&status=action"):
    return client.post("/searches/", {"name": name, "query": query})


def listed(client) -> dict[str, str]:
    """Address by name, as the page lists them."""
    page = client.get("/searches/").content.decode()
    found = re.findall(r'<h2 id="search-[^"]*"><a href="([^"]*)"><bdi>(.*?)</bdi>', page)
    return {unescape(name): unescape(address) for address, name in found}


def test_the_search_she_sees_is_saved_by_name_and_opened_again(client, kari):
    write(kari, "Skattekortet", needs_action=True)
    page = html(client, "?status=action&q=%20skatt&nonsense=1&place=both")
    query = unescape(re.search(r'name="query" value="([^"]*)"', page)[1])
    assert query == "q=skatt&status=action"
    answer = save(client, " Tax  to do ", query)
    assert answer["Location"] == "/search/?q=skatt&status=action"
    assert listed(client) == {"Tax to do": "/search/?q=skatt&status=action"}
    page = html(client)
    assert 'href="/search/?q=skatt&amp;status=action"><bdi>Tax to do</bdi>' in page
    assert titles(html(client, "?q=skatt&status=action")) == ["Skattekortet"]


def test_what_is_no_search_is_not_kept(client, kari):
    for query in ("", "nonsense=1", "place=both", "q=a&since=2026-11-02&until=2026-11-01"):
        assert 'role="alert"' in save(client, query=query).content.decode()
    save(client, "Odd", "q=a&next=//evil.example&kind=<b>&event=x")
    assert listed(client) == {"Odd": "/search/?q=a"}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("", "Give the search a name."),
        (" \x00 ", "Give the search a name."),
        ("x" * 61, "The name can have no more than 60 characters."),
        ("TAX", "You have a saved search of that name already."),
    ],
)
def test_a_name_that_will_not_do_is_said_so_and_nothing_is_lost(client, kari, name, told):
    save(client)
    page = save(client, name, "q=pass").content.decode()
    assert told in page
    assert 'aria-invalid="true"' in page
    assert 'name="query" value="q=pass"' in page
    assert list(listed(client)) == ["Tax"]


def test_there_is_a_limit_and_it_is_told(client, kari):
    for number in range(saved_searches.SEARCHES_MAX):
        saved_searches.save(Viewer(kari.id), f"Search {number}", "q=a")
    assert "You can have no more than 50 saved searches." in save(client).content.decode()
    assert SavedSearch.objects.count() == 50


def test_it_is_renamed_deleted_and_put_back(client, kari):
    save(client)
    save(client, "Pass", "q=pass")
    one = SavedSearch.objects.get(name="Tax")
    client.post(f"/searches/{one.id}/", {"name": "Skatt"})
    assert list(listed(client)) == ["Pass", "Skatt"]
    assert "already" in client.post(f"/searches/{one.id}/", {"name": "pass"}).content.decode()
    client.post(f"/searches/{one.id}/delete/")
    page = client.get("/searches/").content.decode()
    assert "The search “Skatt” is deleted." in page
    assert list(listed(client)) == ["Pass"]
    form = page.partition('name="restore"')[2]
    fields = dict(re.findall(r'name="(name|query)" value="([^"]*)"', form)[:2])
    client.post("/searches/", {"restore": "1"} | {k: unescape(v) for k, v in fields.items()})
    assert listed(client)["Skatt"] == "/search/?q=skatt&status=action"
    assert "is deleted" not in client.get("/searches/").content.decode()


def test_nobody_else_sees_or_changes_them(client, kari):
    save(client, "Kari's own")
    one = SavedSearch.objects.get()
    ola = make_citizen("Ola")
    other = Client(headers={"accept-language": "en"})
    log_in(other, ola)
    for path in (f"/searches/{one.id}/", f"/searches/{one.id}/delete/"):
        assert other.post(path, {"name": "Mine"}).status_code == 404
    assert listed(other) == {}
    make_letter(kari)
    make_representation(kari, ola)
    act_for(other, kari)
    assert other.get("/searches/").status_code == 404
    page = html(other, "?q=skatt")
    assert "Kari&#39;s own" not in page
    assert "Save this search" not in page
    assert SavedSearch.objects.get().name == "Kari's own"


def test_they_are_in_the_export(client, kari):
    log_in(client, kari, 4)
    save(client)
    found = json.loads(take_out(client)["data/searches.json"])["searches"]
    assert [(each["name"], each["query"]) for each in found] == [("Tax", "q=skatt&status=action")]


def test_a_search_is_narrowed_to_a_life_event_within_the_level(client, kari):
    log_in(client, kari, 3)
    states = {"Godtatt": "accepted", "Foreslått": "proposed", "Avvist": "rejected"}
    made = {title: (write(kari, title), state, False) for title, state in states.items()}
    hidden = write(kari, "Hemmelig", public_title="Brev", security_level=4)
    made |= {"Hemmelig": (hidden, "accepted", False)}
    write(kari, "Utenfor")
    LifeEventLetter.objects.all().delete()
    for letter, state, safe in made.values():
        fields = {"letter_id": letter.id, "state": state, "safe": safe}
        LifeEventLetter.objects.create(citizen=kari, event=WORK, **fields)
    assert set(titles(html(client, f"?event={WORK}"))) == {"Godtatt", "Foreslått"}
    log_in(client, kari, 4)
    assert "Hemmelig" in titles(html(client, f"?event={WORK}"))
    assert titles(html(client, f"?event={DEATH}")) == []


def test_a_search_of_ten_thousand_characters_is_told_to_be_too_long(client, kari):
    write(kari, "Vedtak")
    page = html(client, "?q=" + "vedtak" * 2000)
    assert "The search is too long: it can have no more than 1000 characters." in page
    assert titles(page) == []
