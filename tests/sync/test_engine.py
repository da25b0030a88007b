from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.db.models import Q
from django.utils import timezone

from connectors import clock
from connectors.dpi.package import MANIFEST
from connectors.dpi.sender import message_id, package_files
from connectors.simulation import Faults
from connectors.world.agencies import agency
from connectors.world.letters import letters, new_letter
from connectors.world.model import STUDY_DATE, Channel
from connectors.world.persons import by_slug
from inbox.archive import store
from inbox.citizens.identity import find_citizen, identify
from inbox.citizens.models import Citizen, InboxState
from inbox.letters import counters, receive
from inbox.letters.models import Delivery, Document, Event, Letter, Sender
from inbox.notifications.models import Notification
from inbox.sync import engine, quarantine, schedule
from inbox.sync.freshness import freshness
from inbox.sync.models import Mailbox, OutboundReceipt, Quarantined, Rejection, Source
from inbox.sync.replay import replay

DPI_EXAMPLES = Path(__file__).parents[1] / "connectors" / "data" / "dpi" / "extensions"

pytestmark = pytest.mark.django_db

CHANNELS = [Channel.DIGIPOST, Channel.ALTINN, Channel.NAV]


def citizen(slug: str = "kari") -> Citizen:
    found = find_citizen("national_id", by_slug(slug).national_id)
    assert found is not None
    return found


def simulator(world, channel: Channel):
    return world.control.by_channel[channel]


def send(world, channel: Channel, title: str = "Et nytt brev", slug: str = "kari", **kw) -> None:
    letter = new_letter(by_slug(slug), channel, title=title, at=clock.now(), **kw)
    simulator(world, channel).send(letter)


def sync(channel: Channel, slug: str = "kari") -> int:
    if Source.objects.get(slug=channel.value).shared_queue:
        return engine.sync_source(channel.value)
    mailbox = Mailbox.objects.get(citizen=citizen(slug), source_id=channel.value)
    return engine.sync_mailbox(mailbox.citizen_id, mailbox.id)


def state(channel: Channel, slug: str = "kari"):
    return next(s for s in freshness(citizen(slug).id) if s.slug == channel.value)


def test_a_letter_sent_on_behalf_of_another_has_its_authors_name_where_we_know_it(demo_citizens):
    nav, stranger, processor = agency("nav"), agency("digdir"), agency("skatteetaten")
    for number, author in enumerate((nav, stranger)):
        draft = new_letter(by_slug("kari"), Channel.DIGIPOST, title="Et brev", at=clock.now())
        processed = replace(draft, key=f"p{number}", agency=author, processor=processor)
        simulator(demo_citizens, Channel.DIGIPOST).send(processed)
    Sender.objects.all().delete()
    Sender.objects.create(org_number=nav.org_number, name="NAV")
    assert sync(Channel.DIGIPOST) == 2
    shown = {letter.sender.org_number: letter.sender_name for letter in Letter.objects.all()}
    assert shown == {nav.org_number: "NAV", stranger.org_number: stranger.org_number}


def test_what_a_dpi_letter_says_of_an_arrangement_and_a_proof_is_kept(demo_citizens):
    dpi = simulator(demo_citizens, Channel.DIGIPOST)
    for kind in ("arrangement", "bevis"):
        sent = new_letter(by_slug("kari"), Channel.DIGIPOST, title=kind, at=clock.now())
        files = dict(package_files(sent))
        data = f'</tittel><data href="data.xml" mime="application/vnd.difi.dpi.{kind}+xml"/>'
        files[MANIFEST] = files[MANIFEST].replace(b"</tittel>", data.encode(), 1)
        files["data.xml"] = (DPI_EXAMPLES / f"{kind}.xml").read_bytes()
        package = dpi.sender.packed(sent, files)
        dpi.put([dpi.sender.sealed(sent, package, message_id(sent))])
    assert sync(Channel.DIGIPOST) == 2
    event = Letter.objects.get(title="arrangement").appointments[0]
    assert event["place"].startswith("Sagene skole") and len(event["times"]) == 2
    proof = Letter.objects.get(title="bevis")
    assert proof.proofs[0]["issuer"] == "Bekkestua Bibliotek" and proof.documentary_value is True


@pytest.mark.parametrize("channel", CHANNELS)
def test_a_letter_sent_by_a_channel_arrives_once(demo_citizens, channel):
    send(demo_citizens, channel)
    assert sync(channel) == 1
    assert sync(channel) == 0
    letter = Letter.objects.get(citizen=citizen())
    assert letter.title == "Et nytt brev"
    assert letter.source == channel.value
    assert letter.unread
    assert Notification.objects.filter(citizen=citizen()).count() == 2
    delivery = Delivery.objects.get(citizen=citizen())
    assert store.verify(delivery.id) == []
    assert state(channel).ok
    assert state(channel).last_success_at == STUDY_DATE


@pytest.mark.parametrize("channel", [Channel.DIGIPOST, Channel.NAV])
def test_its_document_is_the_senders_byte_for_byte(demo_citizens, channel):
    letter = new_letter(by_slug("kari"), channel, title="Vedtak", at=clock.now())
    simulator(demo_citizens, channel).send(letter)
    sync(channel)
    document = Document.objects.select_related("blob").get(citizen=citizen())
    kept = store.read_bytes(document.citizen_id, document.blob.package_id, document.blob.path)
    assert kept == letter.documents[0].content


def test_what_arrived_is_kept_byte_for_byte(demo_citizens):
    send(demo_citizens, Channel.DIGIPOST)
    sync(Channel.DIGIPOST)
    delivery = Delivery.objects.get(citizen=citizen())
    kept = delivery.package.blobs.filter(path__startswith="original/")
    assert {"original/sbd.jwt", "original/asic.cms"} <= {blob.path for blob in kept}


def test_the_queue_owes_a_delivery_receipt_for_each_letter(demo_citizens):
    send(demo_citizens, Channel.DIGIPOST)
    sync(Channel.DIGIPOST)
    assert OutboundReceipt.objects.filter(citizen=citizen(), kind="delivered").count() == 1


def test_all_of_karis_seeded_letters_arrive_and_the_counts_agree(demo_citizens):
    kari = by_slug("kari")
    sent = list(letters(kari))
    for channel, sim in demo_citizens.control.by_channel.items():
        sim.send_many([letter for letter in sent if letter.channel is channel])
    for mailbox in Mailbox.objects.filter(citizen=citizen()).select_related("source"):
        sync(Channel(mailbox.source_id))
    assert Delivery.objects.filter(citizen=citizen()).count() == len(sent)
    one_each = [letter for letter in sent if "-kopi" not in letter.key]
    assert Letter.objects.filter(citizen=citizen()).count() == len(one_each)
    kept = InboxState.objects.get(citizen=citizen())
    before = (kept.letters, kept.unread, kept.needs_action, kept.senders)
    fresh = counters.recount(citizen().id)
    assert before == (fresh.letters, fresh.unread, fresh.needs_action, fresh.senders)
    old = Letter.objects.filter(citizen=citizen(), received_at__lt=STUDY_DATE - timedelta(days=14))
    assert old.exists()
    assert not old.filter(unread=True).exists()
    assert not Notification.objects.filter(letter_id__in=old.values("id")).exists()


@pytest.mark.files
@pytest.mark.parametrize("channel", CHANNELS)
@pytest.mark.parametrize("mode", ["down", "garbage", "html", "truncated"])
def test_a_source_that_fails_is_shown_and_nothing_is_lost(demo_citizens, channel, mode):
    send(demo_citizens, channel, "Det første")
    sync(channel)
    clock.freeze(STUDY_DATE + timedelta(hours=1))
    send(demo_citizens, channel, "Det andre")
    simulator(demo_citizens, channel).state.set_faults(channel.value, Faults(mode=mode))
    assert sync(channel) == 0
    assert not state(channel).ok
    assert state(channel).failure == "temporary"
    assert state(channel).last_success_at == STUDY_DATE
    assert Letter.objects.filter(citizen=citizen()).count() == 1
    simulator(demo_citizens, channel).state.set_faults(channel.value, Faults())
    assert sync(channel) == 1
    assert state(channel).ok


@pytest.mark.files
@pytest.mark.parametrize("channel", CHANNELS)
def test_one_broken_letter_among_fifty_lies_in_quarantine_and_the_others_arrive(
    demo_citizens, channel
):
    sim = simulator(demo_citizens, channel)
    batch = [
        new_letter(by_slug("kari"), channel, title=f"Brev {number}", at=clock.now())
        for number in range(49)
    ]
    sim.send_many(batch[:25])
    sim.send_garbage(by_slug("kari"), channel)
    sim.send_many(batch[25:])
    assert sync(channel) == 49
    assert sync(channel) == 0
    item = quarantine.waiting().get()
    assert item.reason
    assert item.files
    assert sum(file["size"] for file in item.files) > 0
    assert b"".join(quarantine.read_file(item, item.files[0]["path"]))
    assert store.verify(item.id) == []
    assert state(channel).ok


def test_a_letter_for_nobody_here_is_kept_and_replayed_when_she_has_come(demo_citizens):
    send(demo_citizens, Channel.DIGIPOST)
    address = citizen().identifiers.get(kind="mailbox_address")
    owner = address.citizen
    address.blind_index = b"0" * 32
    address.save()
    assert sync(Channel.DIGIPOST) == 0
    item = quarantine.waiting().get()
    assert "recipient" in item.reason
    assert replay(item.id) is False
    address.delete()
    from_seed = by_slug("kari").mailbox_address
    identify(owner, "mailbox_address", from_seed)
    assert replay(item.id) is True
    assert Letter.objects.filter(citizen=owner).count() == 1
    assert not quarantine.waiting().exists()


def test_two_workers_do_not_fetch_the_same_mailbox(demo_citizens):
    send(demo_citizens, Channel.NAV)
    Mailbox.objects.filter(source_id="minside-nav").update(
        lease_until=timezone.now() + timedelta(seconds=30)
    )
    assert sync(Channel.NAV) == 0
    assert not Letter.objects.exists()
    Mailbox.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert sync(Channel.NAV) == 1


@pytest.mark.parametrize(("channel", "model"), [(Channel.NAV, Mailbox), (Channel.DIGIPOST, Source)])
def test_a_ping_during_a_fetch_makes_for_another_soon(demo_citizens, monkeypatch, channel, model):
    row = {Mailbox: Q(citizen=citizen(), source_id=channel), Source: Q(slug=channel)}[model]
    send(demo_citizens, channel)
    real = engine.take_in

    def pinged(intake, batch, save):
        schedule.make_due(row, model)
        return real(intake, batch, save)

    monkeypatch.setattr(engine, "take_in", pinged)
    assert sync(channel) == 1
    assert model.objects.get(row).due_at <= timezone.now() + schedule.ping_floor()
    monkeypatch.undo()
    assert sync(channel) == 0
    assert model.objects.get(row).due_at > timezone.now()


def test_a_refused_source_is_shown_as_such(demo_citizens):
    Source.objects.filter(slug="altinn").update(settings={})
    sync(Channel.ALTINN)
    assert state(Channel.ALTINN).failure == "misconfigured"


def test_an_unexpected_error_is_shown_and_not_taken_for_no_letters(demo_citizens, monkeypatch):
    send(demo_citizens, Channel.NAV)

    def break_down(*_args, **_kwargs):
        raise ZeroDivisionError

    monkeypatch.setattr(engine, "take_in", break_down)
    sync(Channel.NAV)
    assert not state(Channel.NAV).ok


@pytest.fixture
def poisonous(monkeypatch):
    """A letter of this title trips the inbox in a way that nobody has foreseen."""
    real = receive.cases.assign

    def assign(letters):
        if any(letter.title == "Giftig" for letter in letters):
            raise ZeroDivisionError
        return real(letters)

    monkeypatch.setattr(receive.cases, "assign", assign)


@pytest.mark.parametrize("channel", [Channel.DIGIPOST, Channel.NAV])
def test_a_letter_that_breaks_its_batch_holds_the_others_up_for_a_while_only(
    demo_citizens, poisonous, channel
):
    for title in ("Først", "Giftig", "Sist"):
        send(demo_citizens, channel, title=title)
    for _ in range(engine.PATIENCE):
        assert sync(channel) == 0
        assert not state(channel).ok
        assert not Quarantined.objects.exists()
    assert sync(channel) == 2
    assert state(channel).ok
    assert {letter.title for letter in Letter.objects.all()} == {"Først", "Sist"}
    item = Quarantined.objects.get()
    assert item.reason == "receiving it failed (ZeroDivisionError)"
    if channel is Channel.DIGIPOST:
        assert Rejection.objects.get().fault == "server"
    assert sync(channel) == 0
    assert Quarantined.objects.count() == 1


def test_where_no_letter_can_be_received_none_is_blamed(demo_citizens, poisonous):
    for _ in range(3):
        send(demo_citizens, Channel.NAV, title="Giftig")
    for _ in range(engine.PATIENCE + 2):
        sync(Channel.NAV)
    assert not state(Channel.NAV).ok
    assert not Quarantined.objects.exists()


def test_a_letter_taken_over_while_it_was_fetched_is_not_written_twice(demo_citizens, monkeypatch):
    send(demo_citizens, Channel.NAV)
    real = engine.take_in

    def lose_the_lease(intake, batch, save):
        Mailbox.objects.filter(source_id="minside-nav").update(lease_token=None)
        return real(intake, batch, save)

    monkeypatch.setattr(engine, "take_in", lose_the_lease)
    assert sync(Channel.NAV) == 0
    assert not Letter.objects.exists()
    monkeypatch.undo()


def test_events_tell_where_a_letter_came_from(demo_citizens):
    send(demo_citizens, Channel.NAV)
    sync(Channel.NAV)
    event = Event.objects.get(citizen=citizen(), kind=Event.Kind.RECEIVED)
    assert event.detail["source"] == "minside-nav"
    assert Quarantined.objects.count() == 0


@pytest.mark.parametrize("moment", [datetime.min, datetime.max])
def test_a_letter_for_the_end_of_all_time_holds_up_nobody_elses(demo_citizens, moment):
    hidden = new_letter(by_slug("kari"), Channel.DIGIPOST, title="Aldri", at=clock.now())
    far_off = moment.replace(microsecond=0, tzinfo=UTC)
    simulator(demo_citizens, Channel.DIGIPOST).send(replace(hidden, visible_from=far_off))
    send(demo_citizens, Channel.DIGIPOST)
    assert sync(Channel.DIGIPOST) == 1
    assert quarantine.waiting().get().reason == "its date is in a year that cannot be"
