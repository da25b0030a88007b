from __future__ import annotations

import pytest
from django.utils import timezone

from connectors import clock
from connectors.simulation import Faults
from connectors.world.letters import new_letter
from connectors.world.model import Channel
from connectors.world.persons import by_slug
from inbox.citizens.identity import find_citizen
from inbox.letters.models import Event
from inbox.sync import engine, receipts
from inbox.sync.models import OutboundReceipt

pytestmark = pytest.mark.django_db


@pytest.fixture
def received(demo_citizens):
    sim = demo_citizens.control.by_channel[Channel.DIGIPOST]
    sim.send(new_letter(by_slug("kari"), Channel.DIGIPOST, title="Vedtak", at=clock.now()))
    engine.sync_source(Channel.DIGIPOST.value)
    return sim


def test_the_sender_gets_one_delivery_receipt(received):
    assert receipts.send_due() == 1
    assert receipts.send_due() == 0
    (row,) = OutboundReceipt.objects.all()
    assert row.state == "done"
    assert [found.type for found in received.receipts(by_slug("kari"))] == ["leveringskvittering"]
    kari = find_citizen("national_id", by_slug("kari").national_id)
    assert Event.objects.filter(citizen=kari, kind=Event.Kind.RECEIPT_SENT).count() == 1


def test_a_receipt_whose_answer_was_lost_is_sent_again_and_counts_once(received):
    receipts.send_due()
    OutboundReceipt.objects.update(state="waiting", due_at=timezone.now())
    assert receipts.send_due() == 1
    assert len(received.receipts(by_slug("kari"))) == 1


def test_a_receipt_waits_while_the_source_is_down(received):
    received.state.set_faults("dpi-digipost", Faults(mode="down"))
    assert receipts.send_due() == 0
    row = OutboundReceipt.objects.get()
    assert (row.state, row.attempts) == ("waiting", 1)
    received.state.set_faults("dpi-digipost", Faults())
    OutboundReceipt.objects.update(due_at=timezone.now())
    assert receipts.send_due() == 1
