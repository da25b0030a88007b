from __future__ import annotations

from datetime import timedelta
from importlib import import_module
from uuid import uuid4

import pytest
from django.apps import apps

from config.celery import BEAT
from connectors import clock
from connectors.contract import RawPart, Unreadable
from inbox.archive import keys, store
from inbox.archive.models import Package
from inbox.citizens.identity import find_citizen, identify
from inbox.citizens.models import Citizen
from inbox.letters.models import Letter
from inbox.notifications.models import Notification
from inbox.sync import closing, consent, quarantine, removal
from inbox.sync.models import Mailbox
from tests.make import make_citizen, make_letter, make_mailbox, make_source

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]
NUMBER = "01857012345"


@pytest.fixture
def kari() -> Citizen:
    citizen = make_citizen()
    identify(citizen, "national_id", NUMBER)
    make_mailbox(citizen)
    make_letter(citizen)
    return citizen


def later(days: float) -> None:
    clock.freeze(clock.now() + timedelta(days=days))


def rows_of(citizen: Citizen) -> dict[str, int]:
    """How many rows of each table refer to her."""
    return {
        f"{model._meta.label}.{field.name}": model._base_manager.filter(
            **{field.name: citizen.pk}
        ).count()
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if field.related_model is Citizen
    }


def test_nothing_is_removed_before_the_time_of_regret_is_over(kari):
    closing.ask(kari.id)
    later(29.9)
    assert removal.close_due() == 0
    assert Letter.objects.filter(citizen=kari).exists()


def test_afterwards_no_row_and_no_byte_of_hers_is_left_and_nothing_of_others_is_gone(kari):
    ola = make_citizen("Ola")
    others = make_letter(ola)
    broken = Unreadable("9", "no title", [RawPart("x.json", b"{}", "application/json")])
    quarantine.record([quarantine.keep(make_source(), broken, kari.id)])
    bytes_of_hers = list(Package.objects.filter(citizen=kari).values_list("id", flat=True))
    assert bytes_of_hers
    before = rows_of(ola)
    closing.ask(kari.id)
    later(30)
    assert removal.close_due() == 1
    assert not any(rows_of(kari).values())
    assert not Citizen.objects.filter(pk=kari.pk).exists()
    assert find_citizen("national_id", NUMBER) is None
    assert not any(store.exists(object_id) for object_id in bytes_of_hers)
    assert rows_of(ola) == before
    assert Letter.objects.filter(citizen=ola, id=others.id).exists()
    assert removal.close_due() == 0


def test_a_removal_that_breaks_off_is_taken_up_again(kari, monkeypatch):
    closing.ask(kari.id)
    later(31)

    def dies(_self):
        raise OSError("power cut")

    with monkeypatch.context() as patched:
        patched.setattr(Citizen, "delete", dies)
        assert removal.close_due() == 0
    assert find_citizen("national_id", NUMBER) is None  # nobody can log in to what is half gone
    assert not closing.take_back(kari.id)
    assert removal.close_due() == 1


def test_what_is_archived_for_her_while_she_is_removed_is_not_kept(kari, monkeypatch):
    late, begun, forget = uuid4(), uuid4(), store.forget_owner
    files = {"files/0001.pdf": b"%PDF"}

    def while_it_is_put(citizen_id):
        with pytest.raises(keys.NoKey), store.group([(citizen_id, begun)]) as group:
            group.put(citizen_id, begun, files)
            forget(citizen_id)
        with pytest.raises(keys.Destroyed):
            store.put(citizen_id, late, files)

    monkeypatch.setattr(store, "forget_owner", while_it_is_put)
    closing.ask(kari.id)
    later(31)
    assert removal.close_due() == 1
    assert not store.exists(late)
    assert not store.exists(begun)
    assert keys.is_destroyed(kari.id)


def test_closing_stops_fetching_and_notices_and_taking_it_back_begins_again(kari):
    make_mailbox(kari, "minside-nav")
    consent.disconnect(kari.id, "minside-nav")
    closing.ask(kari.id)
    assert not Mailbox.objects.filter(citizen=kari, active=True).exists()
    assert not Notification.objects.filter(citizen=kari, state="waiting").exists()
    later(29)
    assert closing.take_back(kari.id)
    active = Mailbox.objects.filter(citizen=kari, active=True)
    # What she had disconnected herself stays so.
    assert list(active.values_list("source_id", flat=True)) == ["altinn"]
    later(100)
    assert removal.close_due() == 0
    assert Letter.objects.filter(citizen=kari).exists()


def test_too_late_is_too_late(kari):
    closing.ask(kari.id)
    later(30)
    assert not closing.take_back(kari.id)


def test_staying_away_for_twenty_years_deletes_no_letter(kari, monkeypatch):
    """BundID deletes accounts, and the letters with them, after two years without log-in."""
    Mailbox.objects.all().delete()
    later(20 * 365)
    for path, _seconds in BEAT.values():
        module, _, name = path.rpartition(".")
        getattr(import_module(module), name).run()
    letter = Letter.objects.get(citizen=kari)
    package = Package.objects.get(citizen=kari)
    assert letter.place == Letter.Place.INBOX
    assert store.verify(package.id) == []
