"""Parents, guardians, estates and deaths, as a register says them."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from django.test import Client

from connectors import clock
from inbox.citizens import register, representation
from inbox.citizens.models import Citizen, Representation, SecurityLevel
from inbox.citizens.register import OSLO
from inbox.citizens.viewer import Viewer
from tests.make import act_for, log_in, make_citizen, make_letter

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]

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
