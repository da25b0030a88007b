"""Help, accessibility statement and privacy page: there for everybody, and true."""

from __future__ import annotations

import re

import pytest
from django.apps import apps
from django.test import Client

from inbox.citizens.models import Citizen
from inbox.web.stored import stored
from tests.make import log_in, make_citizen

pytestmark = pytest.mark.django_db

PAGES = ["/help/", "/accessibility/", "/privacy/"]


def tables_of_hers() -> set[str]:
    """Every table that refers to a citizen, and the citizen's own."""
    found = {
        model._meta.label
        for model in apps.get_models()
        if any(field.related_model is Citizen for field in model._meta.get_fields())
        and model._meta.label.partition(".")[0] not in ("auth", "contenttypes", "sessions")
    }
    return (found | {Citizen._meta.label}) - {"agencies.SandboxPerson"}  # of nobody who is real


def test_the_privacy_page_names_every_table_in_which_something_of_hers_lies():
    named = [label for each in stored() for label in each.models]
    assert len(named) == len(set(named))
    assert set(named) == tables_of_hers(), "inbox/web/stored.py names what is kept"


def test_the_privacy_page_shows_all_of_the_list(client: Client):
    client.cookies["django_language"] = "nb"
    shown = client.get("/privacy/").content.decode()
    assert len(re.findall(r"<h3>", shown)) == len(stored())
    assert shown.count("Hvor lenge") == len(stored())


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("language", ["nb", "en"])
def test_the_pages_are_there_for_strangers_and_for_her(client: Client, path, language):
    client.cookies["django_language"] = language
    as_stranger = client.get(path)
    assert as_stranger.status_code == 200
    assert "<nav" not in as_stranger.content.decode()
    log_in(client, make_citizen())
    assert "<nav" in client.get(path).content.decode()


@pytest.mark.parametrize("path", ["/", *PAGES, "/login/", "/sources/", "/nowhere/", "/logged-out/"])
def test_help_stands_first_in_the_footer_of_every_page(client: Client, path):
    log_in(client, make_citizen())
    shown = client.get(path, follow=True).content.decode()
    footer = shown[shown.index('<footer class="foot">') :]
    assert re.search(r'<ul class="links">\s*<li><a href="/help/">', footer), "WCAG 3.2.6"


def test_the_address_to_write_to_is_the_one_that_is_set(client: Client, settings):
    settings.CONTACT_EMAIL = "spør@etat.example"
    for path in PAGES:
        assert "mailto:spør@etat.example" in client.get(path).content.decode()


def test_an_empty_inbox_says_what_one_can_do(client: Client):
    log_in(client, make_citizen())
    client.cookies["django_language"] = "en"
    shown = client.get("/").content.decode()
    assert "No letters yet." in shown
    assert 'href="/sources/">See which sources are connected' in shown
