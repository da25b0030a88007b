"""Which letters the rules propose for a life event, and what becomes of the proposals."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import transaction

from connectors import clock
from connectors.contract import Kind
from connectors.world.agencies import agency
from connectors.world.letters import drafts
from inbox.citizens.models import InboxState, SecurityLevel
from inbox.citizens.viewer import Viewer
from inbox.letters import counters, erase, filing, join, proposals
from inbox.letters.change import change
from inbox.letters.life_events import (
    DEATH,
    EVENTS,
    HAVING_A_CHILD,
    NAV,
    NEW_IN_NORWAY,
    RULES,
    RULES_VERSION,
    UDI,
    VOLUNTARY,
    matches,
)
from inbox.letters.models import Delivery, Letter, LifeEventLetter
from inbox.letters.reveal import reveal_due
from inbox.web.event_words import _topics, name_of, told
from tests.incoming import arrival, incoming
from tests.make import copy_letter, make_citizen, make_letter

State = LifeEventLetter.State


def letter(title: str, org_number: str = NAV, kind: str = "letter", public_title: str = "") -> Any:
    """As much of a letter as the rules look at."""
    sender = SimpleNamespace(org_number=org_number)
    return SimpleNamespace(sender=sender, kind=kind, title=title, public_title=public_title)


def proposed_for(made: Any) -> list[str]:
    return [match.event for match in matches(made)]


@pytest.mark.parametrize(
    "title",
    ["Vedtak: Du får foreldrepenger", "Du får foreldrepengar", "Decision on your parental benefit"],
)
def test_a_rule_knows_its_words_in_all_three_languages(title):
    assert proposed_for(letter(title)) == [HAVING_A_CHILD]


def test_a_rule_asks_who_wrote_and_what_kind_of_letter_it_is():
    assert proposed_for(letter("Foreldrepenger", org_number="974761076")) == []
    assert proposed_for(letter("Faktura for barnehage", "964338531", "invoice")) == []
    assert proposed_for(letter("Tilbud om barnehageplass", "964338531", "decision")) == [
        HAVING_A_CHILD
    ]
    assert proposed_for(letter("Hva som helst", org_number=UDI)) == [NEW_IN_NORWAY]


def test_a_word_counts_only_where_it_begins_a_word():
    assert proposed_for(letter("Sommerbarnehagen", "964338531")) == []


def test_what_the_public_title_or_the_sender_says_is_safe_to_tell_and_nothing_else():
    assert not matches(letter("Vedtak: gravferdsstønad", public_title="Brev fra NAV"))[0].safe
    assert matches(letter("Vedtak om gravferd", public_title="Om gravferd"))[0].safe
    assert matches(letter("Vedtak", UDI, public_title="Letter from UDI"))[0].safe


def test_every_event_has_rules_and_every_rule_and_event_its_words():
    assert {rule.event for rule in RULES} == set(EVENTS)
    assert {rule.code for rule in RULES} == set(_topics())
    assert len({rule.code for rule in RULES}) == len(RULES)
    assert all(name_of(event) and told(event) for event in EVENTS)
    for rule in RULES:
        assert rule.words == tuple(word.lower() for word in rule.words)
        assert set(rule.kinds) <= set(Kind)


def test_in_the_made_up_world_each_event_is_told_by_several_letters_of_one_person():
    told_by: dict[str, dict[str, int]] = {event: {} for event in EVENTS}
    for draft in drafts():
        org_number = agency(draft.agency).org_number
        made = letter(draft.title, org_number, draft.kind, draft.public_title)
        for event in proposed_for(made):
            told_by[event][draft.person.slug] = told_by[event].get(draft.person.slug, 0) + 1
    assert {event: max(found.values()) >= 3 for event, found in told_by.items()} == dict.fromkeys(
        EVENTS, True
    )
    assert set(told_by[DEATH]) == {"bjorg", "leif"}  # the widow, and the estate itself


@pytest.fixture
def kari(settings, tmp_path):
    settings.ARCHIVE_DIR = tmp_path / "archive"
    return make_citizen()


@pytest.fixture
def viewer(kari):
    return Viewer(kari.id, SecurityLevel.HIGH)


def states(made: Letter) -> dict[str, str]:
    rows = LifeEventLetter.objects.filter(citizen_id=made.citizen_id, letter_id=made.id)
    return dict(rows.values_list("event", "state"))


def shown(kari) -> dict[str, int]:
    return InboxState.objects.get(citizen=kari).life_events


def benefit(kari, **fields: Any) -> Letter:
    return make_letter(kari, title="Vedtak om barnetrygd", document=None, **fields)


def changed(made: Letter, **said: Any) -> None:
    delivery = Delivery.objects.get(citizen_id=made.citizen_id, letter_id=made.id)
    now = incoming(delivery.external_id, documents=[], **said)
    with transaction.atomic():
        change(delivery, arrival(made.citizen_id, now))


@pytest.mark.django_db
class TestProposals:
    def test_a_letter_is_proposed_as_it_comes_and_stands_in_the_navigation_when_there_are_two(
        self, kari
    ):
        assert states(benefit(kari)) == {HAVING_A_CHILD: State.PROPOSED}
        assert shown(kari) == {}
        benefit(kari)
        assert shown(kari) == {HAVING_A_CHILD: 3}
        assert states(make_letter(kari, title="Skattekort", document=None)) == {}

    def test_one_accepted_letter_is_enough(self, kari, viewer):
        made = benefit(kari)
        proposals.decide(viewer, made.id, HAVING_A_CHILD, accept=True)
        assert shown(kari) == {HAVING_A_CHILD: 3}
        proposals.decide(viewer, made.id, HAVING_A_CHILD, accept=False)
        assert shown(kari) == {}

    def test_what_takes_a_higher_level_to_know_shows_at_that_level_alone(self, kari, viewer):
        for _ in range(2):
            benefit(kari, security_level=4, public_title="Brev fra NAV")
        assert shown(kari) == {HAVING_A_CHILD: 4}
        benefit(kari)
        assert shown(kari) == {HAVING_A_CHILD: 4}
        benefit(kari)
        assert shown(kari) == {HAVING_A_CHILD: 3}

    def test_one_that_was_rejected_is_never_proposed_again(self, kari, viewer):
        made = benefit(kari)
        proposals.decide(viewer, made.id, HAVING_A_CHILD, accept=False)
        changed(made, title="Nytt vedtak om barnetrygd")
        InboxState.objects.update(proposed_by=0)
        proposals.catch_up()
        assert states(made) == {HAVING_A_CHILD: State.REJECTED}

    def test_a_new_title_brings_a_proposal_and_takes_away_one_without_ground(self, kari, viewer):
        made = make_letter(kari, title="Brev fra NAV", document=None)
        changed(made, title="Vedtak om barnetrygd")
        assert states(made) == {HAVING_A_CHILD: State.PROPOSED}
        changed(made, title="Vedtak om gravferd")
        assert states(made) == {DEATH: State.PROPOSED}
        proposals.decide(viewer, made.id, DEATH, accept=True)
        changed(made, title="Noe annet")
        assert states(made) == {DEATH: State.ACCEPTED}

    def test_a_letter_ahead_of_its_day_is_proposed_on_that_day(self, kari, frozen_clock):
        made = benefit(kari, visible_from=clock.now() + timedelta(days=1))
        assert states(made) == {}
        clock.freeze(clock.now() + timedelta(days=2))
        reveal_due()
        assert states(made) == {HAVING_A_CHILD: State.PROPOSED}

    def test_letters_that_were_there_before_the_rules_are_caught_up_once(self, kari):
        first = make_letter(kari, title="Skattekort", document=None)
        copy_letter(first, 3, title="Vedtak om dagpenger")
        assert proposals.catch_up() == 1
        assert LifeEventLetter.objects.count() == 3
        assert InboxState.objects.get(citizen=kari).proposed_by == RULES_VERSION
        assert shown(kari) == {"losing-and-finding-work": 3}
        assert proposals.catch_up() == 0

    def test_an_event_is_never_fuller_than_it_may_be(self, kari, viewer, monkeypatch):
        monkeypatch.setattr(proposals, "EVENT_MAX", 2)
        for _ in range(3):
            last = benefit(kari)
        assert LifeEventLetter.objects.count() == 2
        with pytest.raises(proposals.Full):
            proposals.add(viewer, last.id, HAVING_A_CHILD)

    def test_she_adds_a_letter_by_hand_once_even_one_that_she_rejected(self, kari, viewer):
        made = benefit(kari)
        assert proposals.add(viewer, made.id, VOLUNTARY)
        assert not proposals.add(viewer, made.id, VOLUNTARY)
        proposals.decide(viewer, made.id, HAVING_A_CHILD, accept=False)
        assert proposals.add(viewer, made.id, HAVING_A_CHILD)
        assert states(made) == {VOLUNTARY: State.ACCEPTED, HAVING_A_CHILD: State.ACCEPTED}

    def test_nobody_decides_about_what_the_session_may_not_read_or_what_is_anothers(self, kari):
        made = benefit(kari, security_level=4)
        for other in (Viewer(kari.id), Viewer(make_citizen("Ola").id, SecurityLevel.HIGH)):
            with pytest.raises(Letter.DoesNotExist):
                proposals.decide(other, made.id, HAVING_A_CHILD, accept=True)
            with pytest.raises(Letter.DoesNotExist):
                proposals.add(other, made.id, DEATH)
        with pytest.raises(LifeEventLetter.DoesNotExist):
            high = Viewer(kari.id, SecurityLevel.HIGH)
            proposals.decide(high, made.id, DEATH, accept=True)

    def test_the_bin_and_deletion_take_an_event_out_of_the_navigation(self, kari, viewer):
        made = benefit(kari)
        proposals.add(viewer, made.id, HAVING_A_CHILD)
        moved = filing.move(viewer, [made.id], Letter.Place.BIN)
        assert shown(kari) == {}
        assert moved
        filing.undo(viewer, moved.id)
        assert shown(kari) == {HAVING_A_CHILD: 3}
        with transaction.atomic():
            erase.erase(Letter.objects.get(citizen=kari, id=made.id))
        assert shown(kari) == {}
        assert not LifeEventLetter.objects.exists()

    def test_of_two_letters_that_are_one_what_she_has_said_stands(self, kari, viewer):
        keep, other = benefit(kari), benefit(kari, source="minside")
        proposals.decide(viewer, other.id, HAVING_A_CHILD, accept=True)
        proposals.add(viewer, other.id, VOLUNTARY)
        with transaction.atomic():
            join.lock([kari.id])
            join.join(*Letter.objects.filter(citizen=kari).order_by("id"), reason="case")
        assert states(keep) == {HAVING_A_CHILD: State.ACCEPTED, VOLUNTARY: State.ACCEPTED}
        assert states(other) == {}

    def test_a_copy_that_is_split_off_stays_in_the_event(self, kari, viewer):
        keep = benefit(kari)
        benefit(kari, source="minside")
        with transaction.atomic():
            join.lock([kari.id])
            join.join(*Letter.objects.filter(citizen=kari).order_by("id"), reason="case")
        proposals.decide(viewer, keep.id, HAVING_A_CHILD, accept=True)
        delivery = Delivery.objects.get(citizen=kari, source="minside")
        with transaction.atomic():
            alone = join.split(viewer, keep.id, delivery.id, clock.now())
        assert states(keep) == states(alone) == {HAVING_A_CHILD: State.ACCEPTED}

    def test_what_is_kept_for_the_navigation_is_what_the_rows_say(self, kari, viewer):
        benefit(kari)
        benefit(kari, security_level=4)
        before = shown(kari)
        counters.recount(kari.id)
        assert shown(kari) == before == {HAVING_A_CHILD: 4}
