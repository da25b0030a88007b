"""NAV's varsler and documents, from whole lists to her page and back."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connectors import clock
from connectors.contract import Kind
from connectors.nav.simulator import NavSimulator
from connectors.simulation import Faults
from connectors.world.letters import new_letter
from connectors.world.model import STUDY_DATE, Channel, SimulatedDocument, SimulatedLetter
from connectors.world.persons import by_slug
from inbox.citizens.identity import find_citizen
from inbox.letters.models import Delivery, Document, Letter
from inbox.sync import engine, receipts, retrieve
from inbox.sync.models import Mailbox, Quarantined
from tests.make import log_in

pytestmark = pytest.mark.django_db

KARI = by_slug("kari")
ENGLISH = {"accept-language": "en"}


@pytest.fixture
def nav(demo_citizens) -> NavSimulator:
    return demo_citizens.control.by_channel[Channel.NAV_NO]


def kari():
    return find_citizen("national_id", KARI.national_id)


def sync(channel: Channel = Channel.NAV_NO) -> Mailbox:
    row = Mailbox.objects.get(citizen=kari(), source_id=channel.value)
    engine.sync_mailbox(row.citizen_id, row.id)
    row.refresh_from_db()
    return row


def letter(title: str, channel: Channel = Channel.NAV_NO, **said) -> SimulatedLetter:
    made = new_letter(KARI, channel, at=clock.now(), title=title)
    return replace(made, **said)


def varsel(title: str, kind: Kind = Kind.NOTICE, **said) -> SimulatedLetter:
    return letter(title, kind=kind, documents=(), **said)


def page(client, shown: Letter) -> str:
    return client.get(f"/letters/{shown.id}/", headers=ENGLISH).text


def test_what_is_new_changed_closed_and_no_longer_listed_is_followed(nav):
    kept = nav.send(varsel("Vi har fått søknaden din."))
    task = nav.send(varsel("Send dokumentasjon.", Kind.TASK))
    assert sync().failure == "" and Letter.objects.count() == 2
    nav.close(task)
    nav.delete(kept)
    nav.send(varsel("Ny beskjed."))
    sync()
    closed = Letter.objects.get(title="Send dokumentasjon.")
    assert (closed.handled_at, closed.handled_by) == (STUDY_DATE, Letter.HandledBy.SOURCE)
    assert closed.unread and closed.opened_at is None and not closed.needs_action
    assert Letter.objects.filter(title="Ny beskjed.").exists()
    assert Delivery.objects.get(external_id=kept).gone_at is None
    sync()
    assert Delivery.objects.get(external_id=kept).gone_at == STUDY_DATE
    assert Letter.objects.count() == 3 and not Quarantined.objects.exists()


def test_where_documents_fail_varsler_come_and_nothing_is_lost(nav, monkeypatch):
    nav.send(varsel("Vi har fått søknaden din."))
    sent = [nav.send(letter(f"Brev {number}")) for number in range(60)]
    downloads = nav.document

    def breaks_off(*asked):
        if Letter.objects.count() > 50:
            raise RuntimeError("the simulator breaks")
        return downloads(*asked)

    monkeypatch.setattr(nav, "document", breaks_off)
    assert sync().failure == "temporary"
    came = set(Delivery.objects.values_list("external_id", flat=True))
    assert len(came) == 51 and len(came & set(sent)) == 50
    monkeypatch.setattr(nav, "document", downloads)
    assert sync().failure == ""
    assert Letter.objects.count() == 61
    nav.state.set_faults(Channel.NAV_NO.value, Faults("down"))
    assert sync().failure == "temporary" and not Delivery.objects.exclude(gone_at=None).exists()


def test_a_beskjed_that_she_marks_as_done_is_closed_at_nav(nav, client):
    told = nav.send(varsel("Vi har fått søknaden din."))
    task = nav.send(varsel("Send dokumentasjon.", Kind.TASK))
    sync()
    log_in(client, kari())
    for shown in Letter.objects.all():
        assert "Mark as done" in page(client, shown)
        client.post(f"/letters/{shown.id}/done/")
    receipts.send_due()
    active = {each["varselId"]: each["aktiv"] for each in nav.varsler(KARI.national_id, high=True)}
    assert active == {told: False, task: True}
    sync()
    done = Letter.objects.get(title="Vi har fått søknaden din.")
    assert done.handled_by == Letter.HandledBy.HERSELF


def test_a_sensitive_varsel_shows_its_text_in_a_session_of_level_high(nav, client):
    nav.send(varsel("Du har fått svar om sykepenger.", security_level=4))
    sync()
    hidden = Letter.objects.get()
    assert (hidden.title, hidden.security_level) == ("Beskjed fra NAV", 4)
    log_in(client, kari(), level=3)
    assert "sykepenger" not in page(client, hidden)
    log_in(client, kari(), level=4)
    client.post(f"/letters/{hidden.id}/content/", headers=ENGLISH)
    page(client, hidden)
    retrieve.run_due()
    assert "Du har fått svar om sykepenger." in page(client, hidden)
    sync()
    assert Letter.objects.get().title == "Du har fått svar om sykepenger."


def test_a_document_that_nav_does_not_give_her_is_shown_with_the_reason(nav, client):
    withheld = SimulatedDocument(
        "a.pdf", "Legeerklæring", "application/pdf", b"%PDF-1", withheld=True
    )
    sent = letter("Vedtak om sykepenger")
    nav.send(replace(sent, documents=(*sent.documents, withheld)))
    assert sync().failure == ""
    shown = Letter.objects.get()
    refused = Document.objects.get(title="Legeerklæring")
    assert refused.blob_id is None and refused.ref == "" and refused.not_given
    assert Delivery.objects.get().keep_due_at is None
    log_in(client, kari(), level=4)
    text = page(client, shown)
    assert "does not give you this document" in text and "hensyn til personvernet" in text
    assert "What you are given of the letter is kept here." in text


def sent_by_dpi_as_well(title: str, content: bytes) -> tuple[SimulatedLetter, SimulatedLetter]:
    """A letter at nav.no, and in her digital mailbox with a main document of this content."""
    at_nav = letter(title, same_as=("dpi:1",))
    documents = (replace(at_nav.documents[0], content=content),)
    return at_nav, letter(title, KARI.mailbox_supplier, agency=at_nav.agency, documents=documents)


def test_a_letter_that_went_by_dpi_as_well_is_one_with_two_deliveries(nav, demo_citizens):
    at_nav, by_dpi = sent_by_dpi_as_well("Barnetrygden er endret", b"%PDF-1.7 samme\n%%EOF\n")
    nav.send(replace(at_nav, documents=by_dpi.documents))
    sync()
    demo_citizens.control.by_channel[KARI.mailbox_supplier].send(by_dpi)
    engine.sync_source(KARI.mailbox_supplier.value)
    shown = Letter.objects.get()
    assert {each.source for each in shown.deliveries.all()} == {
        Channel.NAV_NO.value,
        KARI.mailbox_supplier.value,
    }


def test_with_other_documents_it_is_not_certain_and_they_stay_two(nav, demo_citizens):
    at_nav, by_dpi = sent_by_dpi_as_well("Barnetrygden er endret", b"%PDF-1.7 annet\n%%EOF\n")
    nav.send(at_nav)
    sync()
    demo_citizens.control.by_channel[KARI.mailbox_supplier].send(by_dpi)
    engine.sync_source(KARI.mailbox_supplier.value)
    assert Letter.objects.count() == 2
