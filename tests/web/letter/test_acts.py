"""What a sender offers to do for her at Altinn: asked, agreed to, done once, told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from lxml import html

from connectors.altinn.simulator import AltinnSimulator
from connectors.simulation import Faults
from connectors.world.letters import new_letter
from connectors.world.model import STUDY_DATE, Channel
from connectors.world.persons import by_slug
from inbox.citizens.identity import find_citizen
from inbox.citizens.models import Citizen, Identifier
from inbox.letters.models import Event, Letter
from inbox.sync import engine, receipts, retrieve
from inbox.sync.models import Mailbox, OutboundReceipt
from tests.make import log_in, make_citizen

pytestmark = pytest.mark.usefixtures("frozen_clock")


@pytest.fixture
def kari(demo_citizens) -> Citizen:
    found = find_citizen(Identifier.Kind.NATIONAL_ID, by_slug("kari").national_id)
    assert found is not None
    return found


class Offer:
    """A letter at Altinn with something that its sender would do, opened by her."""

    def __init__(self, screen: Client, kari: Citizen, altinn: AltinnSimulator, **said: Any) -> None:
        self.screen, self.altinn = screen, altinn
        made = new_letter(by_slug("kari"), Channel.ALTINN, at=STUDY_DATE, title="Vil du?")
        self.dialog = altinn.send(replace(made, needs_action=True))
        said = {"method": "POST", "prompt": "Vil du vente til mai?", **said}
        altinn.offer(self.dialog, "utsett", "Utsett fristen", **said)
        engine.sync_mailbox(kari.id, Mailbox.objects.get(citizen=kari, source="altinn").id)
        self.letter = Letter.objects.get(citizen=kari)
        self.page()
        assert retrieve.run_due() == 1
        self.address = reverse("letter_act", args=[self.letter.id])

    def page(self) -> str:
        return self.screen.get(reverse("letter", args=[self.letter.id])).content.decode()

    def asked(self) -> html.HtmlElement:
        """The page that asks her, reached by the button on the letter's."""
        (link,) = html.fromstring(self.page()).xpath(f"//a[starts-with(@href, '{self.address}')]")
        return html.fromstring(self.screen.get(link.get("href")).content)

    def agree(self, times: int = 1, **changes: str) -> None:
        (form,) = self.asked().xpath(f"//form[@action='{self.address}']")
        for _ in range(times):
            self.screen.post(self.address, {**dict(form.fields), **changes})

    def send(self) -> int:
        OutboundReceipt.objects.update(due_at=timezone.now())
        return receipts.send_due()

    @property
    def served(self) -> int:
        return self.altinn.served(self.dialog, "utsett")


@pytest.fixture
def offer(screen, kari, demo_citizens) -> Offer:
    log_in(screen, kari)
    return Offer(screen, kari, demo_citizens.simulators["altinn"])


def test_she_is_asked_before_it_is_done_and_it_is_done_once(offer: Offer) -> None:
    said = " ".join(offer.asked().text_content().split())
    assert "Utsett fristen" in said and "Vil du vente til mai?" in said
    assert "Samlepost asks 127.0.0.1:8010 to do this for you" in said
    assert offer.served == 0 and not OutboundReceipt.objects.exists()
    offer.agree(times=3)
    assert "We are asking" in offer.page()
    assert offer.send() == 1
    assert offer.send() == 0
    assert offer.served == 1
    page = offer.page()
    assert "127.0.0.1:8010 has done it." in page
    assert "Yes was said to this at 127.0.0.1:8010: Utsett fristen" in page
    assert "127.0.0.1:8010 has done it: Utsett fristen" in page
    assert f'href="{offer.address}?do=' not in page
    assert Event.objects.filter(kind="receipt_sent", actor=offer.letter.citizen_id).count() == 1


def test_what_is_offered_by_another_method_is_done_by_that(screen, kari, demo_citizens) -> None:
    log_in(screen, kari)
    offer = Offer(screen, kari, demo_citizens.simulators["altinn"], method="DELETE")
    offer.agree()
    assert offer.send() == 1
    row = offer.altinn.state.connection().execute("SELECT method FROM served").fetchall()
    assert [each["method"] for each in row] == ["DELETE"]


def test_what_has_changed_meanwhile_is_not_done(offer: Offer) -> None:
    offer.agree(agreed="0" * 64)
    assert not OutboundReceipt.objects.exists()
    offer.agree()
    offer.altinn.offer(offer.dialog, "utsett", "Utsett fristen", method="DELETE", prompt="Alt?")
    assert offer.send() == 0
    assert offer.served == 0
    assert "It was not done: the sender offers something else by now." in offer.page()


def test_a_no_is_told_in_the_hosts_words_and_she_may_ask_again(offer: Offer) -> None:
    offer.altinn.serve(offer.dialog, "utsett", "POST")
    offer.agree()
    assert offer.send() == 0
    page = offer.page()
    assert "It was not done: 127.0.0.1:8010 said no." in page and "Dette er gjort fra før" in page
    assert "127.0.0.1:8010 has not done it: Utsett fristen" in page
    offer.agree()
    assert OutboundReceipt.objects.get().state == "waiting"


@pytest.mark.parametrize("url", ["https://evil.example/x", "http://127.0.0.1:8010@evil.example/"])
def test_what_a_host_that_is_not_known_would_do_is_not_offered(
    screen, kari, demo_citizens, url: str
) -> None:
    log_in(screen, kari)
    offer = Offer(screen, kari, demo_citizens.simulators["altinn"], url=url)
    assert "Utsett fristen" not in offer.page()


def test_what_may_have_been_done_is_not_repeated(offer: Offer) -> None:
    offer.agree()
    row = OutboundReceipt.objects.all()
    row.update(attempts=1, lease_until=timezone.now() - timedelta(seconds=1))  # a worker died
    assert offer.send() == 0
    assert offer.served == 0
    assert "We do not know whether it was done" in offer.page()


def test_while_altinn_is_down_nothing_is_done_and_it_is_tried_again(offer: Offer) -> None:
    offer.agree()
    offer.altinn.state.set_faults(Channel.ALTINN.value, Faults("down"))
    assert offer.send() == 0
    assert OutboundReceipt.objects.get().state == "waiting"
    offer.altinn.state.set_faults(Channel.ALTINN.value, Faults())
    assert offer.send() == 1
    assert offer.served == 1


def test_nobody_elses_letter_is_acted_on_and_deleting_there_is_not_offered(offer: Offer) -> None:
    assert [each["label"] for each in offer.letter.actions] == []
    offer.letter.refresh_from_db()
    assert [each["label"] for each in offer.letter.actions] == ["Utsett fristen"]
    (action,) = offer.letter.actions
    log_in(offer.screen, make_citizen("Ola"))
    said = {"do": action["id"], "agreed": action["agreed"]}
    assert offer.screen.get(offer.address, said).status_code == 404
    assert offer.screen.post(offer.address, said).status_code == 404
    assert not OutboundReceipt.objects.exists()
