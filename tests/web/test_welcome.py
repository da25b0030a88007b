"""What is connected, fetched and kept, and how she says no."""

from __future__ import annotations

import pytest
from django.test import Client

from inbox.citizens.models import Citizen
from inbox.sync.models import Mailbox
from tests.make import log_in, make_citizen, make_letter, make_mailbox, make_source

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]


@pytest.fixture
def kari(client: Client) -> Citizen:
    citizen = make_citizen()
    make_mailbox(citizen)
    log_in(client, citizen)
    client.cookies["django_language"] = "en"
    return citizen


def shown(client: Client, path: str = "/") -> str:
    return client.get(path).content.decode()


def test_the_inbox_welcomes_her_until_she_has_put_the_welcome_away(client, kari):
    assert 'id="welcome"' in shown(client)
    answer = client.post("/welcome/done/", follow=True)
    assert answer.redirect_chain[-1][0] == "/"
    assert 'id="welcome"' not in shown(client)
    assert "Altinn" in shown(client, "/welcome/")  # and can be found again


def test_a_deep_link_is_not_led_astray_by_the_welcome(client, kari):
    letter = make_letter(kari)
    assert client.get(f"/letters/{letter.id}/").status_code == 200


def test_the_page_says_for_each_source_what_is_fetched_and_kept(client, kari):
    make_source("dpi-digipost", "Digipost", shared_queue=True)
    make_mailbox(kari, "dpi-digipost")
    page = shown(client, "/welcome/")
    assert "We ask Altinn for the letters that lie there for you." in page
    assert "Digipost receives the letters that are sent to your digital mailbox." in page
    assert "letters that still come are put aside unread" in page
    assert page.count("Letters you have got stay in your archive.") == 2


def test_she_disconnects_a_source_and_connects_it_again(client, kari):
    letter = make_letter(kari, title="Den gamle")
    form = {"next": "/welcome/"}
    answer = client.post("/sources/altinn/disconnect/", form, follow=True)
    assert answer.redirect_chain[-1][0] == "/welcome/"
    assert "Altinn is disconnected." in answer.content.decode()
    assert not Mailbox.objects.get(citizen=kari).active
    inbox = shown(client)
    assert "Something may be missing: Altinn is not connected." in inbox
    assert "Connect it again" in inbox
    assert letter.title in inbox
    client.post("/sources/altinn/connect/")
    assert Mailbox.objects.get(citizen=kari).active
    assert "Something may be missing" not in shown(client)


def test_one_can_neither_connect_nor_disconnect_what_one_does_not_have(client, kari):
    make_mailbox(make_citizen("Ola"), "minside-nav")
    for act in ("connect", "disconnect"):
        assert client.post(f"/sources/minside-nav/{act}/").status_code == 404
    assert Mailbox.objects.get(source_id="minside-nav").active


def test_the_way_back_after_disconnecting_never_leads_out_of_samlepost(client, kari):
    answer = client.post("/sources/altinn/disconnect/", {"next": "https://ond.example/"})
    assert answer["Location"] == "/sources/"
