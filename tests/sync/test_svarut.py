"""A municipality's letter by SvarUt: to her list, read and told; and what is not hers."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from connectors import clock
from connectors.svarut.simulator import Failure, SvarutSimulator
from connectors.world.letters import letters, new_letter
from connectors.world.model import Channel
from connectors.world.persons import by_slug
from inbox.citizens.identity import find_citizen
from inbox.letters.models import Letter
from inbox.sync import engine, receipts, rejections
from inbox.sync.models import Mailbox, Quarantined, Rejection, Source
from tests.make import log_in

pytestmark = pytest.mark.django_db
OLENA = by_slug("olena")


@pytest.fixture
def svarut(demo_citizens) -> SvarutSimulator:
    found = demo_citizens.control.by_channel[Channel.SVARUT]
    assert isinstance(found, SvarutSimulator)
    return found


def test_the_demo_has_one_queue_for_everybody_and_a_mailbox_for_each(svarut):
    source = Source.objects.get(slug="svarut")
    assert source.shared_queue and source.due_at is not None
    assert Mailbox.objects.filter(source=source).count() > 10
    assert not Mailbox.objects.filter(source=source).exclude(due_at=None).exists()
    secret = svarut.credentials.password_file.read_text()
    assert secret not in str(source.settings)


def test_her_two_letters_come_once_and_svarut_learns_that_she_has_read_one(svarut):
    olena = find_citizen("national_id", OLENA.national_id)
    svarut.send_many([each for each in letters(OLENA) if each.channel is Channel.SVARUT])
    assert engine.sync_source("svarut") == 2
    assert svarut.waiting() == []
    place, contract = Letter.objects.filter(citizen=olena).order_by("received_at")
    assert (place.security_level, contract.security_level) == (3, 4)
    assert contract.due_at is not None and contract.needs_action
    assert place.case_reference == contract.case_reference
    for each in svarut.state.connection().execute("SELECT id FROM consignments").fetchall():
        svarut.redeliver(each["id"])
    engine.sync_source("svarut")
    assert Letter.objects.filter(citizen=olena).count() == 2
    screen = Client()
    log_in(screen, olena, level=4)
    screen.post(reverse("letter_agree", args=[place.id]))
    assert receipts.send_due() == 1
    [reading] = svarut.readings()
    assert reading["fnr"] == OLENA.national_id and reading["system"] == "Samlepost"


def test_what_cannot_be_read_is_told_at_once_and_a_strangers_letter_after_a_while(svarut):
    broken = svarut.send_broken(OLENA, Channel.SVARUT, "broken-zip")
    stranger = replace(OLENA, slug="nobody", national_id="01828012345")
    nobodys = svarut.send(new_letter(stranger, Channel.SVARUT, at=clock.now()))
    own = svarut.send(new_letter(OLENA, Channel.SVARUT, at=clock.now()))
    assert engine.sync_source("svarut") == 1
    assert Letter.objects.get().deliveries.get().external_id == own
    kept = {each.external_id: each for each in Quarantined.objects.all()}
    assert set(kept) == {broken, nobodys}
    [failure] = svarut.failures()
    assert (failure.consignment, failure.permanent) == (broken, True)
    assert failure.reason == kept[broken].reason
    Rejection.objects.update(due_at=timezone.now())
    assert rejections.send_due() == 1
    assert svarut.failures()[1] == Failure(nobodys, kept[nobodys].reason, True)
