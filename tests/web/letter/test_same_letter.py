from __future__ import annotations

import pytest
from django.test import Client

from connectors import clock
from inbox.citizens.models import Citizen
from inbox.letters.models import Delivery, Letter
from inbox.letters.receive import receive
from tests.incoming import arrival, incoming
from tests.make import log_in, make_citizen, make_letter, make_source

pytestmark = pytest.mark.django_db


@pytest.fixture
def kari() -> Citizen:
    return make_citizen()


@pytest.fixture
def screen(kari) -> Client:
    client = Client(headers={"accept-language": "en"})
    log_in(client, kari, 4)
    return client


@pytest.fixture
def letter(kari) -> Letter:
    """One letter that came by NAV's own page and by Digipost."""
    found = make_letter(
        kari, source="minside-nav", title="Vedtak", same_as=["dpi:1"], sent_at=clock.now()
    )
    make_source("dpi", "Digipost")
    copied = incoming("2", title="Vedtak", same_as=["dpi:1"], sent_at=clock.now())
    receive([arrival(kari.id, copied, "dpi")], clock.now())
    return Letter.objects.get(citizen=kari, id=found.id)


def page_of(client: Client, letter: Letter) -> str:
    return client.get(f"/letters/{letter.id}/", follow=True).content.decode()


def press(client: Client, letter: Letter, what: str, delivery: object) -> str:
    answer = client.post(f"/letters/{letter.id}/{what}/", {"delivery": delivery}, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_list_names_every_channel(screen, letter):
    assert "minside-nav and Digipost" in screen.get("/").content.decode()
    for source in ("dpi", "minside-nav"):
        shown = screen.get(f"/?source={source}").content.decode()
        assert "Vedtak" in shown


def test_the_page_says_where_each_copy_is_from_and_why_it_is_the_same(screen, letter):
    page = page_of(screen, letter)
    assert "You got this letter in more than one channel." in page
    assert "The sender gave both the same reference" in page
    assert page.count("Show as two letters") == 1


def test_it_is_shown_as_two_and_as_one_again(screen, kari, letter):
    copied = Delivery.objects.get(citizen=kari, source="dpi")
    page = press(screen, letter, "split", copied.id)
    assert "Shown as two letters from now on." in page
    assert "See the other letter" in page
    alone = Letter.objects.exclude(id=letter.id).get(citizen=kari)
    assert "Show as one letter" in page_of(screen, alone)
    page = press(screen, alone, "unsplit", copied.id)
    assert "Shown as one letter from now on." in page
    assert screen.get(f"/letters/{alone.id}/").headers["Location"] == f"/letters/{letter.id}/"


@pytest.mark.parametrize("delivery", ["", "x", "01a20e3b-b277-7600-9d47-3eb72913e78d"])
def test_nonsense_splits_nothing_and_says_so(screen, kari, letter, delivery):
    assert "could not be shown as two" in press(screen, letter, "split", delivery)
    assert "could not be shown as one" in press(screen, letter, "unsplit", delivery)
    assert Letter.objects.filter(citizen=kari).count() == 1


def test_a_stranger_splits_nothing(kari, letter):
    stranger = Client()
    log_in(stranger, make_citizen("Ola"), 4)
    copied = Delivery.objects.get(citizen=kari, source="dpi")
    for what in ("split", "unsplit"):
        answer = stranger.post(f"/letters/{letter.id}/{what}/", {"delivery": copied.id})
        assert answer.status_code == 404
