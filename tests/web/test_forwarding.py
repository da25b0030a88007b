"""A letter sent on by a link: made, opened, guessed at, withdrawn, run out."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from connectors import clock
from connectors.world.model import STUDY_DATE
from inbox.citizens.models import Citizen
from inbox.letters import forward
from inbox.letters.models import Access, Event, Forwarding, Letter
from inbox.sync.models import OutboundReceipt
from inbox.web.views.forwarding import TRIES_MAX
from tests.make import act_for, log_in, make_citizen, make_letter, make_representation

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]
SECRET = "Vedtak om bostøtte"


@pytest.fixture(autouse=True)
def _archive(settings, tmp_path):
    settings.ARCHIVE_DIR = tmp_path / "archive"


@pytest.fixture
def kari() -> Citizen:
    return make_citizen("Kari Nordmann")


@pytest.fixture
def ola() -> Citizen:
    return make_citizen("Ola Hansen")


def screen(citizen: Citizen, level: int = 4) -> Client:
    client = Client(headers={"accept-language": "en"})
    log_in(client, citizen, level)
    return client


def text(client: Client, address: str) -> str:
    return client.get(address, follow=True).content.decode()


def send_on(client: Client, letter: Letter, **fields: Any) -> str:
    said = {"label": "Ola på hjørnet", "days": "7"} | fields
    address = reverse("letter_forward", args=[letter.id])
    return client.post(address, said, follow=True).content.decode()


def link_in(page: str) -> str:
    found = re.search(r'value="http://testserver(/link/[^"]+)"', page)
    assert found, page
    return found[1]


def sent(kari: Citizen, letter: Letter, **fields: Any) -> str:
    return link_in(send_on(screen(kari), letter, **fields))


def test_whoever_has_the_link_and_logs_in_reads_the_letter_and_its_document(kari, ola):
    letter = make_letter(kari, title=SECRET, body="Du får 2 500 kroner.")
    link = sent(kari, letter)
    client = screen(ola)
    shown = text(client, link)
    assert SECRET in shown
    assert "Du får 2 500 kroner." in shown
    document = client.get(f"{link}0/")
    assert b"".join(document).startswith(b"%PDF")
    assert document["Content-Disposition"].startswith("inline")
    assert client.get(f"{link}0/?keep=1")["Content-Disposition"].startswith("attachment")
    assert client.get(f"{link}1/").status_code == 404


def test_the_link_is_shown_once_and_lies_nowhere(kari):
    letter = make_letter(kari)
    client = screen(kari)
    link = link_in(send_on(client, letter))
    token = link.split("/")[2]
    assert len(token) >= 43  # 256 bits
    for address in (reverse("letter_forward", args=[letter.id]), "/sharing/"):
        assert token not in text(client, address)
    row = Forwarding.objects.get()
    values = {name: bytes(v) if isinstance(v, memoryview) else v for name, v in vars(row).items()}
    assert token not in str(values)
    assert token not in str(dict(client.session))


def test_who_is_not_logged_in_is_asked_to_and_comes_back(kari):
    link = sent(kari, make_letter(kari, title=SECRET))
    answer = Client().get(link)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/login/")
    assert link in answer["Location"].replace("%2F", "/")


def test_below_the_letters_level_nothing_shows_but_that_there_is_one(kari, ola):
    letter = make_letter(
        kari, title=SECRET, public_title="Brev til Kari", sender="Klinikken", security_level=4
    )
    link = sent(kari, letter)
    client = screen(ola, level=3)
    shown = text(client, link)
    for word in (SECRET, "Brev til Kari", "Klinikken", "Kari"):
        assert word not in shown
    assert "requires a higher security level" in shown
    assert client.get(f"{link}0/")["Location"] == link
    assert not Access.objects.filter(role="link").exists()
    assert SECRET in text(screen(ola, level=4), link)


def test_the_opening_stands_in_her_log_and_in_his_and_nobody_else_is_told(kari, ola):
    letter = make_letter(kari, wants_opening_receipt=True)
    kari_at = screen(kari)
    kari_at.post(reverse("letter_agree", args=[letter.id]))
    link = link_in(send_on(kari_at, letter))
    before = (OutboundReceipt.objects.count(), Letter.objects.get(id=letter.id).opened_at)
    client = screen(ola)
    text(client, link)
    client.get(f"{link}0/")
    assert (OutboundReceipt.objects.count(), Letter.objects.get(id=letter.id).opened_at) == before
    log = text(kari_at, "/access-log/")
    assert "Ola Hansen (by a link) opened the letter" in log
    assert "Ola Hansen (by a link) opened a document" in log
    assert "Kari Nordmann" in text(client, "/acting/done/")


def test_a_letter_that_she_has_not_read_stays_unread_when_somebody_else_has(kari, ola):
    letter = make_letter(kari)
    text(screen(ola), sent(kari, letter))
    assert Letter.objects.get(id=letter.id).unread
    assert not Event.objects.filter(letter_id=letter.id, kind=Event.Kind.OPENED).exists()


def test_the_timeline_says_that_it_was_sent_on(kari):
    letter = make_letter(kari)
    client = screen(kari)
    send_on(client, letter)
    assert "The letter was sent on by a link" in text(client, reverse("letter", args=[letter.id]))


@pytest.mark.parametrize("days", forward.LASTS_DAYS)
def test_it_ends_by_the_clock(kari, ola, days):
    link = sent(kari, make_letter(kari, title=SECRET), days=str(days))
    clock.freeze(STUDY_DATE + timedelta(days=days, seconds=-1))
    assert SECRET in text(screen(ola), link)
    clock.freeze(STUDY_DATE + timedelta(days=days))
    client = screen(ola)
    assert client.get(link).status_code == 404
    assert client.get(f"{link}0/").status_code == 404
    assert "sent on by a link" not in text(screen(kari), "/sharing/")


def test_withdrawing_ends_it_in_the_middle_of_reading(kari, ola):
    link = sent(kari, make_letter(kari, title=SECRET))
    client = screen(ola)
    assert SECRET in text(client, link)
    hers = screen(kari)
    listed = text(hers, "/sharing/")
    assert "Ola på hjørnet" in listed
    assert SECRET in listed
    withdraw = re.search(r'action="(/sharing/links/[^"]+)"', listed)
    assert withdraw
    assert screen(ola).post(withdraw[1]).status_code == 404
    assert "opens nothing any more" in hers.post(withdraw[1], follow=True).content.decode()
    gone, made_up = client.get(link), client.get("/link/nothing/")
    assert gone.status_code == made_up.status_code == 404
    assert SECRET not in gone.content.decode()
    assert client.get(f"{link}0/").status_code == 404
    assert "Nobody but you" in text(hers, "/sharing/")


@pytest.mark.parametrize("how", ["bin", "deleted", "closed", "dead"])
def test_what_is_gone_for_her_is_gone_by_the_link(kari, ola, how):
    letter = make_letter(kari, title=SECRET)
    link = sent(kari, letter)
    if how == "bin":
        Letter.objects.filter(id=letter.id).update(place=Letter.Place.BIN)
    elif how == "deleted":
        letter.delete()
        assert not Forwarding.objects.exists()
    else:
        changed = {"closed": {"is_active": False}, "dead": {"deceased_at": clock.now()}}
        Citizen.objects.filter(id=kari.id).update(**changed[how])
    assert screen(ola).get(link).status_code == 404


def test_guessing_links_is_stopped_even_at_the_right_one(kari, ola):
    link = sent(kari, make_letter(kari, title=SECRET))
    client = screen(ola)
    for _ in range(TRIES_MAX):
        assert "mistyped, withdrawn or too old" in text(client, "/link/nothing/")
    assert "Too many links that open nothing" in text(client, link)
    assert SECRET in text(screen(make_citizen("Per")), link)


def test_it_leads_to_this_letter_alone_and_changes_nothing(kari, ola):
    letter, other = make_letter(kari, title=SECRET), make_letter(kari, title="Et annet")
    link = sent(kari, letter)
    client = screen(ola)
    text(client, link)
    assert client.post(link).status_code == 405
    for one in (letter, other):
        assert client.get(reverse("letter", args=[one.id])).status_code == 404
        assert client.post(reverse("letter_unread", args=[one.id])).status_code == 404
    assert SECRET not in text(client, "/?q=bost%C3%B8tte")
    assert SECRET not in text(client, "/acting/")


def test_she_herself_is_led_to_the_letters_own_page(kari):
    letter = make_letter(kari)
    client = screen(kari)
    link = link_in(send_on(client, letter))
    assert client.get(link)["Location"] == reverse("letter", args=[letter.id])


def test_a_helper_never_sends_on(kari, ola):
    letter = make_letter(kari)
    make_representation(kari, ola, may_answer=True)
    client = screen(ola)
    act_for(client, kari)
    address = reverse("letter_forward", args=[letter.id])
    assert client.get(address).status_code == 404
    assert client.post(address, {"label": "Per", "days": "7"}).status_code == 404
    assert address not in text(client, reverse("letter", args=[letter.id]))
    assert not Forwarding.objects.exists()


def test_what_she_may_not_read_or_has_thrown_away_is_not_sent_on(kari):
    high = make_letter(kari, security_level=4)
    asks = make_letter(kari, wants_opening_receipt=True)
    binned = make_letter(kari)
    Letter.objects.filter(id=binned.id).update(place=Letter.Place.BIN)
    client = screen(kari, level=3)
    for letter, status in ((high, 302), (asks, 302), (binned, 404)):
        address = reverse("letter_forward", args=[letter.id])
        answer = client.post(address, {"label": "Ola", "days": "7"})
        assert answer.status_code == status
        assert address not in text(client, reverse("letter", args=[letter.id]))
    assert not Forwarding.objects.exists()


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"label": " "}, "Write whom you send the letter to"),
        ({"label": "x" * 101}, "Write a shorter name"),
        ({"days": ""}, "Choose how long the link is to work"),
        ({"days": "3650"}, "Choose how long the link is to work"),
    ],
)
def test_bad_input_is_told_and_nothing_is_lost(kari, fields, complaint):
    said = send_on(screen(kari), make_letter(kari), **fields)
    assert complaint in said
    assert f'value="{fields.get("label", "Ola på hjørnet").strip()}"' in said
    assert not Forwarding.objects.exists()


def test_there_is_a_limit_to_how_many_are_in_force(kari, monkeypatch):
    monkeypatch.setattr(forward, "LIVE_MAX", 1)
    letter = make_letter(kari)
    client = screen(kari)
    link_in(send_on(client, letter))
    assert "You have 1 links in force already" in send_on(client, letter)
    clock.freeze(STUDY_DATE + timedelta(days=8))
    link_in(send_on(client, letter))


@pytest.mark.parametrize("token", ["x" * 5000, "%00", "../../", "æøå"])
def test_nonsense_in_place_of_a_token_opens_nothing(ola, token):
    assert screen(ola).get(f"/link/{token}/").status_code == 404
