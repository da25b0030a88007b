"""Giving access to one's mail: to whom, how far, from when until when."""

from __future__ import annotations

from datetime import timedelta

import pytest

from connectors import clock
from connectors.world.model import STUDY_DATE
from connectors.world.persons import PERSONS
from inbox.citizens import representation
from inbox.citizens.identity import identify, is_national_id
from inbox.citizens.models import Citizen, Identifier, Representation, SecurityLevel
from inbox.citizens.representation import Offer
from inbox.citizens.viewer import Role, Scope, Viewer
from tests.make import make_citizen, make_representation

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]

OLA_NUMBER = PERSONS[1].national_id
Reach = Representation.Reach


@pytest.fixture
def kari() -> Citizen:
    return make_citizen("Kari")


@pytest.fixture
def ola() -> Citizen:
    ola = make_citizen("Ola")
    identify(ola, Identifier.Kind.NATIONAL_ID, OLA_NUMBER)
    return ola


def offer(**fields: object) -> Offer:
    said = {"label": "Ola", "reach": Reach.ALL, "limits": {}, "may_answer": False}
    return Offer(**{**said, "national_id": OLA_NUMBER, **fields})  # type: ignore[arg-type]


def viewer(helper: Citizen, principal: Citizen, *, changing: bool = False) -> Viewer | None:
    found = representation.acting_for(
        helper.id, principal.id, SecurityLevel.HIGH, changing=changing
    )
    return found[0] if found else None


def test_only_who_is_named_finds_the_invitation_and_sees_nothing_before_accepting(kari, ola):
    given, code = representation.give(kari.id, offer())
    assert code == ""
    stranger = make_citizen("Per")
    assert not representation.invitations(stranger.id)
    assert representation.accept(stranger.id, given.id) is None
    assert [row.id for row in representation.invitations(ola.id)] == [given.id]
    assert viewer(ola, kari) is None
    assert representation.accept(ola.id, given.id)
    assert viewer(ola, kari) == Viewer(
        kari.id, SecurityLevel.HIGH, ola.id, Role.GIVEN, None, may_answer=False
    )


def test_the_answer_is_the_same_for_a_number_that_has_no_inbox(kari, ola):
    known, _ = representation.give(kari.id, offer())
    unknown, _ = representation.give(kari.id, offer(national_id=PERSONS[2].national_id))
    shown = [
        (row.label, row.helper_id, row.accepted_at, len(bytes(row.invited)))
        for row in (known, unknown)
    ]
    assert shown[0] == shown[1]


def test_the_number_stands_nowhere_in_the_row(kari):
    given, _ = representation.give(kari.id, offer())
    row = Representation.objects.values().get(id=given.id)
    assert OLA_NUMBER not in str(row)
    assert OLA_NUMBER.encode() not in bytes(row["invited"])


def test_a_code_works_once_for_whoever_brings_it_but_not_for_herself(kari, ola):
    _, code = representation.give(kari.id, offer(national_id=""))
    assert representation.accept_code(kari.id, code) is None
    assert representation.accept_code(ola.id, f" {code[:4].lower()}-{code[4:]} ")
    assert representation.accept_code(make_citizen("Per").id, code) is None
    assert viewer(ola, kari)


@pytest.mark.parametrize("code", ["", "x", "A" * 12, "A" * 4000, "\x00" * 12, "ÆØÅ" * 4])
def test_a_code_that_was_never_given_opens_nothing(kari, ola, code):
    representation.give(kari.id, offer(national_id=""))
    assert representation.accept_code(ola.id, code) is None


def test_an_invitation_grows_too_old(kari, ola):
    given, _ = representation.give(kari.id, offer())
    clock.freeze(STUDY_DATE + representation.INVITATION_LASTS + timedelta(seconds=1))
    assert representation.accept(ola.id, given.id) is None
    assert not representation.live(kari.id)


def test_it_holds_from_its_first_moment_until_its_last(kari, ola):
    make_representation(
        kari,
        ola,
        starts_at=STUDY_DATE + timedelta(days=1),
        ends_at=STUDY_DATE + timedelta(days=2),
    )
    held = []
    for hours in (0, 24, 47, 48):
        clock.freeze(STUDY_DATE + timedelta(hours=hours))
        held.append(viewer(ola, kari) is not None)
    assert held == [False, True, True, False]


def test_either_can_end_it_but_nobody_ends_what_the_law_gave(kari, ola):
    first, second = make_representation(kari, ola), make_representation(kari, ola)
    parent = make_representation(kari, ola, kind="parent")
    assert not representation.withdraw(ola.id, first.id)
    assert representation.withdraw(kari.id, first.id)
    assert representation.decline(ola.id, second.id)
    assert not representation.withdraw(kari.id, parent.id)
    assert viewer(ola, kari)


def test_two_that_hold_at_once_reach_as_far_as_both(kari, ola):
    first, second = kari.id, ola.id
    make_representation(kari, ola, reach=Reach.SENDERS, limits={"senders": [str(first)]})
    make_representation(kari, ola, reach=Reach.CASE, limits={"case": str(second)}, may_answer=True)
    looks, changes = viewer(ola, kari), viewer(ola, kari, changing=True)
    assert looks and changes
    assert looks.scopes == (Scope(senders=(first,)), Scope(case_id=second))
    assert looks.may_answer
    assert changes.scopes == (Scope(case_id=second),)


def test_who_may_only_read_can_change_nothing(kari, ola):
    make_representation(kari, ola)
    changes = viewer(ola, kari, changing=True)
    assert changes is not None
    assert not changes.may_answer
    assert changes.scopes == ()


def test_after_a_death_only_the_estate_sees_the_mail(kari, ola):
    heir = make_citizen("Arving")
    make_representation(kari, ola)
    make_representation(kari, heir, kind="estate")
    assert viewer(ola, kari)
    assert viewer(heir, kari) is None
    Citizen.objects.filter(pk=kari.pk).update(deceased_at=clock.now())
    assert viewer(ola, kari) is None
    assert viewer(heir, kari)


def test_no_more_than_so_many_are_given_at_once(kari):
    for _ in range(representation.LIVE_MAX):
        make_representation(kari, None, accepted=False)
    with pytest.raises(representation.TooMany):
        representation.give(kari.id, offer())


def test_nothing_remains_of_what_is_to_be_erased(kari, ola):
    make_representation(kari, ola, kind="parent", erase_at=STUDY_DATE)
    kept = make_representation(kari, ola)
    assert representation.erase_due() == 1
    assert [row.id for row in Representation.objects.all()] == [kept.id]


@pytest.mark.parametrize(
    ("number", "good"),
    [(OLA_NUMBER, True), (OLA_NUMBER[:-1], False), ("1" * 11, False), ("x" * 11, False)],
)
def test_a_mistyped_number_is_told_from_a_right_one(number, good):
    assert is_national_id(number) is good


def test_one_wrong_digit_is_always_noticed():
    for place in range(11):
        wrong = str((int(OLA_NUMBER[place]) + 1) % 10)
        assert not is_national_id(OLA_NUMBER[:place] + wrong + OLA_NUMBER[place + 1 :])
