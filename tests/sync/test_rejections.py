"""Messages that went to quarantine, answered with `feil` and verified by the simulated sender."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import httpx
import pytest
from django.db.models import F
from django.utils import timezone

from connectors.contract import Fault
from connectors.dpi import cms
from connectors.dpi.envelope import peek
from connectors.simulation import Faults
from connectors.world.letters import new_letter
from connectors.world.model import STUDY_DATE, Channel
from connectors.world.persons import by_slug
from inbox.citizens.models import Identifier
from inbox.letters.erase import erase
from inbox.letters.models import Letter
from inbox.sync import engine, quarantine, receipts, rejections
from inbox.sync.models import OutboundReceipt, Quarantined, Rejection, Source
from inbox.sync.replay import replay
from tests.connectors.dpi.test_schema import officially

pytestmark = pytest.mark.django_db

KARI = by_slug("kari")
SLUG = Channel.DIGIPOST.value


@pytest.fixture
def sim(demo_citizens):
    return demo_citizens.control.by_channel[Channel.DIGIPOST]


def said(sim) -> list[tuple[str, str, str]]:
    """Type, fault and reason of what the sender has been told."""
    found = []
    for each in sim.receipts(KARI):
        body = peek(each.envelope)["standardBusinessDocument"][each.type]
        found.append((each.type, body.get("feiltype", ""), body.get("detaljer", "")))
    return found


def lose_our_key() -> dict[str, str]:
    """Configure a decryption key that no sender has heard of; returns the settings before."""
    source = Source.objects.get(slug=SLUG)
    before = dict(source.settings)
    other = Source.objects.get(slug=Channel.EBOKS.value).settings
    for what in ("decryption_key_file", "decryption_certificate_file"):
        source.settings[what] = other[what]
    source.save()
    return before


def put(sim, envelope: str = "", change=lambda envelope: envelope) -> None:
    """Put a message in the queue whose envelope is another, or changed."""
    message = sim.sender.message(new_letter(KARI, Channel.DIGIPOST, title="X", at=STUDY_DATE))
    sim.put([replace(message, envelope=envelope or change(message.envelope))])


def come_due() -> None:
    Rejection.objects.update(due_at=timezone.now())


def test_a_broken_message_is_answered_once_with_the_reason(sim):
    sim.send_garbage(KARI, Channel.DIGIPOST)
    engine.sync_source(SLUG)
    assert rejections.send_due() == 1
    assert rejections.send_due() == 0
    row = Rejection.objects.get()
    assert (row.state, row.sent_at) == ("done", STUDY_DATE)
    reason = "the package is not the one that the message was signed for"
    assert said(sim) == [("feil", "KLIENT", reason)]
    assert sim.receipts(KARI)[0].envelope == row.signed


REASONS = {
    "wrong_fingerprint": ("KLIENT", "the package is not the one that the message was signed for"),
    "no_zip": ("KLIENT", "the package is not a ZIP container"),
    "broken_manifest": ("KLIENT", "the manifest is not well-formed XML"),
    "unsigned": ("KLIENT", "is not signed"),
    "changed_file": ("KLIENT", "not the one that was signed"),
    "uncovered_file": ("KLIENT", "does not cover every file"),
    "another_signer": ("KLIENT", "another organisation"),
    "wrong_signature": ("KLIENT", "the message's signature does not match its certificate"),
    "unknown_mailbox": ("KLIENT", "nobody here has this recipient"),
    "expired_certificate": ("KLIENT", "certificate"),
    "revoked_certificate": ("KLIENT", "the signer has been revoked since 2026-"),
    "schema_violation": ("KLIENT", "digital.sikkerhetsnivaa is none of the permitted values"),
    "wrong_recipient_key": ("SERVER", "the package is encrypted to another key than ours"),
}


def test_each_broken_variant_has_its_reason_and_its_answer(sim):
    assert set(REASONS) == set(sim.broken_variants)
    sent = {sim.send_broken(KARI, Channel.DIGIPOST, name): name for name in sim.broken_variants}
    engine.sync_source(SLUG)
    come_due()
    assert rejections.send_due() == len(sent)
    for each in sim.receipts(KARI):
        fault, reason = REASONS[sent.pop(each.message_id)]
        assert officially(peek(each.envelope), "feil") is True
        body = peek(each.envelope)["standardBusinessDocument"]["feil"]
        assert body["feiltype"] == fault
        assert reason in body["detaljer"]
    assert not sent
    assert {each.state for each in sim.sent(KARI)} == {"refused"}
    assert not Letter.objects.exists()


def test_a_message_for_nobody_here_waits_and_is_answered_when_its_time_is_over(sim, settings):
    settings.REJECTION_HOLD_SECONDS = 4 * 3600
    sim.send(new_letter(KARI, Channel.DIGIPOST, title="Til en annen", at=STUDY_DATE))
    Identifier.objects.all().delete()
    engine.sync_source(SLUG)
    assert Rejection.objects.get().due_at > timezone.now() + timedelta(hours=3, minutes=59)
    assert rejections.send_due() == 0
    assert said(sim) == []
    Rejection.objects.update(due_at=F("due_at") - timedelta(hours=4))
    assert rejections.send_due() == 1
    assert said(sim) == [("feil", "KLIENT", "nobody here has this recipient")]


def test_what_was_delivered_and_comes_again_unreadable_is_answered_by_one_receipt(sim):
    identifier = sim.send(new_letter(KARI, Channel.DIGIPOST, title="Vedtak", at=STUDY_DATE))
    engine.sync_source(SLUG)
    receipts.send_due()
    before = lose_our_key()
    for _ in ("as a letter", "as a letter that she has deleted for good"):
        sim.redeliver(identifier)
        Quarantined.objects.all().delete()
        engine.sync_source(SLUG)
        assert Quarantined.objects.get().external_id == identifier, "it is kept all the same"
        assert not Rejection.objects.exists()
        kari = Letter.objects.first()
        if kari:
            erase(kari)
    Source.objects.filter(slug=SLUG).update(settings=before)
    assert [kind for kind, _, _ in said(sim)] == ["leveringskvittering"]


def test_what_was_delivered_and_comes_again_by_another_name_is_not_answered_again(sim):
    message = sim.sender.message(new_letter(KARI, Channel.DIGIPOST, title="X", at=STUDY_DATE))
    sim.put([message])
    engine.sync_source(SLUG)
    sim.put([replace(message, id=str(uuid4()), conversation=str(uuid4()))])
    engine.sync_source(SLUG)
    assert Quarantined.objects.count() == 1
    assert not Rejection.objects.exists()


def test_what_comes_again_readable_in_time_is_answered_by_one_receipt(sim):
    before = lose_our_key()
    identifier = sim.send(new_letter(KARI, Channel.DIGIPOST, title="Vedtak", at=STUDY_DATE))
    engine.sync_source(SLUG)
    assert Rejection.objects.count() == 1
    Source.objects.filter(slug=SLUG).update(settings=before)
    sim.redeliver(identifier)
    assert engine.sync_source(SLUG) == 1
    receipts.send_due()
    assert not Rejection.objects.exists()
    assert [kind for kind, _, _ in said(sim)] == ["leveringskvittering"]


def test_a_message_whose_signature_does_not_hold_is_answered_to_the_header_sender(sim):
    put(sim, change=lambda envelope: envelope[:-8] + "AAAAAAAA")
    engine.sync_source(SLUG)
    assert rejections.send_due() == 1
    reason = "the message's signature does not match its certificate"
    assert said(sim) == [("feil", "KLIENT", reason)]


def test_what_names_no_sender_is_kept_and_nobody_is_answered(sim):
    put(sim, "bm90aGluZw.e30.bm90aGluZw")
    engine.sync_source(SLUG)
    assert Quarantined.objects.count() == 1
    assert not Rejection.objects.exists()


def test_a_receipt_in_the_queue_is_never_answered(sim):
    sim.send(new_letter(KARI, Channel.DIGIPOST, title="Vedtak", at=STUDY_DATE))
    engine.sync_source(SLUG)
    receipts.send_due()
    (taken,) = sim.receipts(KARI)
    put(sim, taken.envelope)
    engine.sync_source(SLUG)
    assert Quarantined.objects.count() == 1
    assert not Rejection.objects.exists()


def test_a_key_that_we_lack_is_our_fault_and_mended_in_time_nobody_hears_of_it(sim, settings):
    before = lose_our_key()
    sim.send(new_letter(KARI, Channel.DIGIPOST, title="Vedtak", at=STUDY_DATE))
    engine.sync_source(SLUG)
    row = Rejection.objects.get()
    assert row.fault == Fault.SERVER
    assert row.due_at > timezone.now() + timedelta(seconds=settings.REJECTION_HOLD_SECONDS / 2)
    assert rejections.send_due() == 0
    Source.objects.filter(slug=SLUG).update(settings=before)
    assert replay(row.quarantined_id)
    assert not Rejection.objects.exists()
    receipts.send_due()
    assert [kind for kind, _, _ in said(sim)] == ["leveringskvittering"]


def test_a_key_added_too_late_gives_both_receipts(sim):
    before = lose_our_key()
    sim.send(new_letter(KARI, Channel.DIGIPOST, title="Vedtak", at=STUDY_DATE))
    engine.sync_source(SLUG)
    come_due()
    rejections.send_due()
    Source.objects.filter(slug=SLUG).update(settings=before)
    assert replay(Rejection.objects.get().quarantined_id)
    receipts.send_due()
    assert [(kind, fault) for kind, fault, _ in said(sim)] == [
        ("feil", "SERVER"),
        ("leveringskvittering", ""),
    ]
    assert Rejection.objects.get().signed
    assert OutboundReceipt.objects.get().signed
    assert Letter.objects.count() == 1


def test_an_answer_that_was_lost_is_sent_again_byte_for_byte_and_counts_once(sim):
    sim.send_garbage(KARI, Channel.DIGIPOST)
    engine.sync_source(SLUG)
    rejections.send_due()
    signed = Rejection.objects.get().signed
    Quarantined.objects.update(reason="another reason by now")
    Rejection.objects.update(state="waiting", due_at=timezone.now(), sent_at=None)
    assert rejections.send_due() == 1
    assert Rejection.objects.get().signed == signed
    assert len(said(sim)) == 1


def test_a_message_that_comes_again_is_not_answered_again(sim):
    identifier = sim.send_garbage(KARI, Channel.DIGIPOST)
    engine.sync_source(SLUG)
    rejections.send_due()
    sim.redeliver(identifier)
    Quarantined.objects.update(content_sha256="other content")
    engine.sync_source(SLUG)
    assert Quarantined.objects.count() == 2
    rejections.send_due()
    assert len(said(sim)) == 1


def test_an_error_receipt_waits_while_the_source_is_down(sim):
    sim.send_garbage(KARI, Channel.DIGIPOST)
    engine.sync_source(SLUG)
    sim.state.set_faults(SLUG, Faults(mode="down"))
    assert rejections.send_due() == 0
    row = Rejection.objects.get()
    assert (row.state, row.attempts) == ("waiting", 1)
    sim.state.set_faults(SLUG, Faults())
    come_due()
    assert rejections.send_due() == 1


def test_the_receipts_of_another_source_go_on_when_one_is_misconfigured(sim):
    sim.send_garbage(KARI, Channel.DIGIPOST)
    engine.sync_source(SLUG)
    Source.objects.filter(slug=SLUG).update(settings={})
    assert rejections.send_due() == 0
    assert Rejection.objects.get().state == "waiting"


def test_a_fault_of_ours_in_reading_is_ours(sim, monkeypatch):
    def fail(*_: object) -> bytes:
        raise ZeroDivisionError

    monkeypatch.setattr(cms, "decrypt", fail)
    sim.send(new_letter(KARI, Channel.DIGIPOST, title="Vedtak", at=STUDY_DATE))
    engine.sync_source(SLUG)
    assert Rejection.objects.get().fault == Fault.SERVER
    assert quarantine.waiting().get().reason == "reading it failed (ZeroDivisionError)"


def test_the_control_page_shows_what_the_senders_know(demo_citizens, sim):
    sim.send(new_letter(KARI, Channel.DIGIPOST, title="Vedtak", at=STUDY_DATE))
    with httpx.Client(
        transport=httpx.WSGITransport(app=demo_citizens.wsgi), base_url="http://127.0.0.1:8010"
    ) as client:
        [said] = client.get("/control/api/sent").json()
        assert (said["state"], said["person"]) == ("waiting", "kari")
        assert "Venter på svar" in client.get("/").text
        engine.sync_source(SLUG)
        receipts.send_due()
        page = client.get("/").text
        assert "<td>Levert</td><td>23.11.2026 kl. 09.00</td>" in page
        assert '<option value="wrong_signature">Feil signatur</option>' in page
