from __future__ import annotations

import pytest
from django.test import Client

from inbox.citizens.models import Citizen
from tests.make import log_in, make_citizen
from tests.web.login.test_next import OFF_SITE

pytestmark = pytest.mark.django_db


def choose(client, **posted):
    return client.post("/language/", posted)


def test_the_chosen_language_is_that_of_the_next_page(client):
    assert 'lang="nb"' in client.get("/login/").content.decode()[:200]
    answer = choose(client, language="en", next="/login/")
    assert answer.status_code == 302
    assert answer["Location"] == "/login/"
    assert 'lang="en"' in client.get("/login/").content.decode()[:200]
    choose(client, language="nb")
    assert 'lang="nb"' in client.get("/login/").content.decode()[:200]


def test_the_chosen_colours_are_those_of_the_next_page(client):
    choose(client, color_scheme="dark")
    assert 'data-color-scheme="dark"' in client.get("/login/").content.decode()


def test_the_choice_is_kept_for_a_year_out_of_scripts_reach(client):
    answer = choose(client, language="en", color_scheme="dark")
    for name in ("django_language", "color_scheme"):
        cookie = answer.cookies[name]
        assert cookie["max-age"] == 365 * 24 * 3600
        assert cookie["httponly"]
        assert cookie["samesite"] == "Lax"


def test_a_logged_in_citizens_notices_follow_her_choice(client):
    kari, ola = make_citizen(language="nb"), make_citizen("Ola", language="nb")
    log_in(client, kari)
    choose(client, language="en")
    assert Citizen.objects.get(pk=kari.pk).language == "en"
    assert Citizen.objects.get(pk=ola.pk).language == "nb"


def test_colours_alone_leave_the_language_as_it_was(client):
    kari = make_citizen(language="en")
    log_in(client, kari)
    answer = choose(client, color_scheme="light")
    assert "django_language" not in answer.cookies
    assert Citizen.objects.get(pk=kari.pk).language == "en"


@pytest.mark.parametrize(
    "posted",
    [{}, {"language": "xx"}, {"language": "en-GB\r\nX: 1"}, {"color_scheme": "pink"}],
)
def test_a_choice_that_there_is_not_changes_nothing(client, posted):
    answer = choose(client, **posted)
    assert answer.status_code == 400
    assert not answer.cookies


@pytest.mark.parametrize("elsewhere", OFF_SITE)
def test_the_choice_never_leads_off_the_site(client, elsewhere):
    assert choose(client, language="en", next=elsewhere)["Location"] == "/"


def test_a_link_cannot_choose():
    assert Client().get("/language/", {"language": "en"}).status_code == 405


def test_another_site_cannot_choose():
    answer = Client(enforce_csrf_checks=True).post("/language/", {"language": "en"})
    assert answer.status_code == 403
    assert "django_language" not in answer.cookies
