"""Parents, guardians, estates and deaths, as a register says them."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from django.test import Client

from connectors import clock
from connectors.world.persons import by_slug
from inbox.citizens import register, representation
from inbox.citizens.identity import find_citizen
from inbox.citizens.models import Citizen, Representation, SecurityLevel
from inbox.citizens.register import OSLO
from inbox.citizens.viewer import Viewer
from inbox.letters import forward
from inbox.letters.models import Letter
from inbox.notifications import deliver
from inbox.notifications.models import Notification
from inbox.notifications.rules import queue_for
from tests.make import act_for, log_in, make_citizen, make_letter, make_representation

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]

FAMILY = ("henrik", "sara", "bjorg", "leif")
BORN = date(2010, 12, 1)


@pytest.fixture
def child() -> Citizen:
    return make_citizen("Sara")


@pytest.fixture
def helper() -> Citizen:
    return make_citizen("Henrik")


def viewer(helper: Citizen, principal: Citizen) -> Viewer | None:
    found = representation.acting_for(helper.id, principal.id, SecurityLevel.HIGH, changing=False)
    return found[0] if found else None


def test_a_parents_access_ends_on_the_sixteenth_birthday_and_is_erased_on_the_eighteenth(
    child, helper
):
    register.parent(child, helper, "p", BORN)
    birthday = datetime(2026, 12, 1, tzinfo=OSLO)
    clock.freeze(birthday - timedelta(seconds=1))
    assert viewer(helper, child)
    clock.freeze(birthday)
    assert viewer(helper, child) is None
    representation.erase_due()
    assert Representation.objects.count() == 1
    clock.freeze(datetime(2028, 12, 1, tzinfo=OSLO))
    representation.erase_due()
    assert not Representation.objects.exists()
    register.parent(child, helper, "p", BORN)
    assert not Representation.objects.exists()


def test_from_twelve_letters_of_level_four_are_the_childs_alone(child, helper):
    register.parent(child, helper, "p", BORN)
    found = viewer(helper, child)
    assert found and found.scopes
    assert found.scopes[0].high_hidden_from == datetime(2022, 12, 1, tzinfo=OSLO)


def test_who_was_born_on_leap_day_has_the_birthday_on_the_first_of_march(child, helper):
    register.parent(child, helper, "p", date(2012, 2, 29))
    row = Representation.objects.get()
    assert row.ends_at == datetime(2028, 2, 29, tzinfo=OSLO)
    assert row.erase_at == datetime(2030, 3, 1, tzinfo=OSLO)


def test_the_same_word_twice_changes_nothing_and_a_new_word_changes_the_row(child, helper):
    for until in (date(2027, 1, 1), date(2027, 1, 1), date(2026, 11, 22)):
        register.guardian(child, helper, "g", date(2026, 1, 1), until)
    assert Representation.objects.count() == 1
    assert viewer(helper, child) is None


def test_a_death_ends_everything_at_once_but_keeps_the_letters_for_the_estate(
    child, helper, settings, tmp_path
):
    settings.ARCHIVE_DIR = tmp_path / "archive"
    make_letter(child, title="Til avdøde")
    heir = make_citizen("Arving")
    register.guardian(child, helper, "g", date(2026, 1, 1), None)
    register.estate(child, heir, "e", date(2026, 1, 1))
    own, guardians, heirs = Client(), Client(), Client()
    log_in(own, child)
    log_in(guardians, helper)
    log_in(heirs, heir)
    act_for(guardians, child)
    assert heirs.post("/acting/start/", {"citizen": child.id}).status_code == 404
    register.death(child)
    assert own.get("/")["Location"].startswith("/login/")
    assert guardians.get("/")["Location"] == "/"
    act_for(heirs, child)
    assert "Til avdøde" in heirs.get("/").content.decode()


def test_a_death_ends_for_good_what_she_gave_and_what_she_held_for_others(child, helper):
    other = make_citizen("Ola")
    given = make_representation(child, helper)
    asked = make_representation(child, None, accepted=False, label="Per")
    held = make_representation(other, child)
    between = make_representation(other, helper)
    estate_of_another = make_representation(other, child, kind="estate")
    register.death(child)
    for row in (given, asked, held, estate_of_another):
        row.refresh_from_db()
        assert row.withdrawn_at == clock.now()
    between.refresh_from_db()
    assert between.withdrawn_at is None
    assert viewer(helper, child) is viewer(child, other) is None
    assert list(representation.live(other.id)) == [between]
    # The register says the same again: nothing comes back.
    register.guardian(child, helper, "g", date(2026, 1, 1), None)
    register.death(child)
    assert viewer(helper, child) is None


def test_of_the_dead_no_notice_leaves_and_no_link_opens(child, helper, settings, tmp_path):
    settings.ARCHIVE_DIR = tmp_path / "archive"
    letter = make_letter(child)
    queue_for([letter], clock.now())
    own = Viewer(child.id, SecurityLevel.HIGH)
    _, token = forward.send_on(own, letter.id, "Per", 7)
    person = Viewer(helper.id, SecurityLevel.HIGH)
    assert forward.find(person, token)
    register.death(child)
    clock.freeze(clock.now() + timedelta(days=8))
    assert deliver.send_due() == 0
    assert not Notification.objects.filter(state="sent").exists()
    assert forward.find(person, token) is None
    assert Letter.objects.filter(id=letter.id, unread=True).exists()


def test_the_made_up_register_names_a_child_and_an_estate(demo_citizens):
    of = {slug: find_citizen("national_id", by_slug(slug).national_id) for slug in FAMILY}
    father, heir = Client(), Client()
    log_in(father, of["henrik"])
    log_in(heir, of["bjorg"])
    page = father.get("/acting/").content.decode()
    assert "Sara Dahl" in page
    assert "Leif Lien" in (shown := heir.get("/acting/").content.decode())
    assert "Solveig Moen" in shown
    act_for(father, of["sara"])
    act_for(heir, of["leif"])
    assert Citizen.objects.get(pk=of["leif"].pk).deceased_at
    child = Client()
    log_in(child, of["sara"])
    assert "Henrik Dahl" in child.get("/sharing/").content.decode()
    clock.freeze(datetime(2026, 12, 1, tzinfo=OSLO))
    assert father.get("/")["Location"] == "/"  # back to his own, and told so
    father.get("/")
    assert "Sara Dahl" not in father.get("/acting/").content.decode()
    assert father.post("/acting/start/", {"citizen": of["sara"].id}).status_code == 404
