"""Whatever happens at Altinn and on the way: afterwards both sides agree, letter by letter.

And Altinn has seen no mark that she did not cause.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from unittest import mock

import pytest
from django.db.models import QuerySet
from django.utils import timezone
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from connectors import clock
from connectors.altinn import labels, position, wire
from connectors.altinn.simulator import AltinnSimulator
from connectors.simulation import Faults
from connectors.world.letters import new_letter
from connectors.world.model import STUDY_DATE, Channel, SimulatedLetter
from connectors.world.persons import by_slug
from inbox.citizens.identity import find_citizen
from inbox.citizens.models import Citizen
from inbox.citizens.viewer import Viewer
from inbox.letters import counters, filing
from inbox.letters.models import Delivery, Letter, SourceState
from inbox.letters.queries import LetterQuerySet
from inbox.letters.source_state import THEIRS
from inbox.notifications.models import Notification
from inbox.sync import engine, reset, retrieve, telling
from inbox.sync.intake import HISTORY_AFTER
from inbox.sync.models import Mailbox, Source
from inbox.sync.opening import open_letter

pytestmark = pytest.mark.django_db

KARI = by_slug("kari")
MANY, PAGE_SIZE = (5000, 1000) if os.environ.get("THOROUGH") else (600, 250)
"""Letters, and how many of them a list holds: several pages of them."""
FAULTS = ("down", "html", "garbage", "truncated", "rate_limited", "unauthorized")


class Both:
    """Altinn and us: each rule is something that may happen, named by its method."""

    def __init__(self, simulator: AltinnSimulator, citizen: Citizen) -> None:
        self.simulator, self.citizen = simulator, citizen
        self.mailbox = Mailbox.objects.get(citizen=citizen, source_id="altinn")
        self.sent: list[SimulatedLetter] = []
        self.opened: set[str] = set()
        self.changed: set[str] = set()
        """What its sender has changed since it was sent."""
        self.rules: list[Callable[[Random], None]] = [
            *[self.send] * 4,
            self.send_old,
            self.send_for_later,
            self.send_above_the_level,
            *[self.replace] * 2,
            *[self.touch] * 3,
            *[self.time_passes] * 3,
            self.tokens_expire,
            *[self.fails_for_a_while] * 2,
            *[self.fetch] * 4,
            self.open,
            *[self.put_away_there] * 2,
            *[self.put_away_here] * 2,
            self.set_aside_unread_there,
            self.set_aside_unread_here,
            *[self.tell] * 2,
        ]

    def letter(self, title: str, at: datetime | None = None, **changes: Any) -> SimulatedLetter:
        made = new_letter(
            KARI, Channel.ALTINN, title=title, at=at or clock.now(), with_document=False
        )
        return replace(made, **changes)

    def put(self, letter: SimulatedLetter) -> None:
        self.sent.append(letter)
        self.simulator.send(letter)

    def send(self, random: Random) -> None:
        self.put(self.letter(f"Brev {random.random()}"))

    def send_old(self, random: Random) -> None:
        """An agency moves what it has had for years."""
        self.put(self.letter(f"Gammelt {random.random()}", datetime(2019, 5, 17, 9, tzinfo=UTC)))

    def send_for_later(self, random: Random) -> None:
        later = clock.now() + timedelta(hours=random.randint(1, 30))
        self.put(self.letter(f"Senere {random.random()}", visible_from=later))

    def send_above_the_level(self, random: Random) -> None:
        secret = f"Hemmelig {random.random()}"
        self.put(self.letter(secret, security_level=4, public_title="Brev fra Skatteetaten"))

    def replace(self, random: Random) -> None:
        if self.sent:
            at = random.randrange(len(self.sent))
            self.sent[at] = replace(self.sent[at], title=f"Rettet {random.random()}")
            self.changed.add(self.simulator.send(self.sent[at]))

    def touch(self, random: Random) -> None:
        if self.sent:
            letter = random.choice(self.sent)
            dialog = wire.version7(letter.key, letter.sent_at)
            due = clock.now() + timedelta(days=random.randint(1, 60))
            self.simulator.touch(dialog, due_at=wire.stamp(due))
            self.changed.add(dialog)

    def time_passes(self, random: Random) -> None:
        clock.freeze(clock.now() + timedelta(minutes=random.randint(1, 600)))

    def tokens_expire(self, random: Random) -> None:
        self.simulator.expire_continuation_tokens()

    def fails_for_a_while(self, random: Random) -> None:
        faults = Faults(random.choice(FAULTS), remaining=random.randint(1, 4))
        self.simulator.state.set_faults("altinn", faults)

    def fetch(self, random: Random) -> None:
        Source.objects.update(paused_until=None)  # as long as Altinn asked us to wait has passed
        engine.sync_mailbox(self.citizen.id, self.mailbox.id)

    def open(self, random: Random) -> None:
        mine = Letter.objects.visible_to(Viewer(self.citizen.id, 3)).filter(security_level=3)
        found = mine.order_by("id").values_list("id", flat=True)
        if found:
            letter = random.choice(list(found))
            self.opened.add(Delivery.objects.get(letter_id=letter).external_id)
            open_letter(Viewer(self.citizen.id, 3), letter)
            retrieve.run_due()

    def put_away_there(self, random: Random) -> None:
        """She does it in Altinn's own inbox."""
        if self.sent:
            letter = random.choice(self.sent)
            dialog = wire.version7(letter.key, letter.sent_at)
            self.simulator.set_labels({dialog: ""}, [random.choice(list(wire.PLACES))], [])

    def set_aside_unread_there(self, random: Random) -> None:
        dialogs = sorted(self.opened)
        if dialogs:
            change = [["MarkedAsUnopened"], []]
            random.shuffle(change)
            self.simulator.set_labels({random.choice(dialogs): ""}, *change)

    def put_away_here(self, random: Random) -> None:
        found = self.mine.values_list("id", flat=True)
        if found:
            some = random.sample(list(found), min(len(found), 3))
            filing.move(Viewer(self.citizen.id, 3), some, random.choice(Letter.Place.values))

    def set_aside_unread_here(self, random: Random) -> None:
        found = self.mine.filter(opened_at__isnull=False).values_list("id", flat=True)
        if found:
            letter = random.choice(list(found))
            filing.mark(Viewer(self.citizen.id, 3), [letter], unread=random.random() < 0.5)

    @property
    def mine(self) -> LetterQuerySet:
        """The letters that she may put away in a session of level 3."""
        hers = Letter.objects.visible_to(Viewer(self.citizen.id, 3))
        return hers.filter(security_level=3).order_by("id")

    def tell(self, random: Random) -> None:
        telling.send_due()

    def settle(self, rounds: int = 1) -> None:
        """The source is well again, it is told what she did, and she is fetched from it."""
        self.simulator.state.set_faults("altinn", Faults())
        Source.objects.update(paused_until=None)
        SourceState.objects.filter(state="waiting").update(due_at=timezone.now(), lease_until=None)
        while telling.send_due():
            pass
        assert not SourceState.objects.exclude(state="done").exists()
        # Each letter is looked at again once in a round: a page a fetch.
        with mock.patch.object(position, "PAGE_SIZE", PAGE_SIZE):
            for _ in range(rounds * (len(self.sent) // PAGE_SIZE + 2) + 1):
                engine.sync_mailbox(self.citizen.id, self.mailbox.id)
        self.mailbox.refresh_from_db()
        assert not self.mailbox.failures, self.mailbox.failure_detail

    def listed(self) -> dict[str, wire.Stored]:
        """Return all that Altinn would list, by dialog."""
        bounds = dict.fromkeys(("content", "updated", "created"), ("0001", "9999"))
        listed = self.simulator.listing(
            KARI.national_id,
            order="content",
            between=bounds,
            labels=(),
            before=("9999", ""),
            limit=100_000,
        )
        return {each.dialog: each for each in listed}

    def at_altinn(self) -> dict[str, tuple[Any, ...]]:
        """Return what Altinn would say to a token of level 3, by dialog."""
        return {dialog: _told(wire.list_item(each, 3)) for dialog, each in self.listed().items()}

    def with_us(self) -> dict[str, tuple[Any, ...]]:
        """Return the same of what she has here."""
        letters = {each.id: each for each in Letter.objects.filter(citizen=self.citizen)}
        deliveries = Delivery.objects.filter(citizen=self.citizen)
        return {
            each.external_id: (
                letters[each.letter_id].public_title or letters[each.letter_id].title,
                letters[each.letter_id].security_level,
                letters[each.letter_id].due_at,
                each.sent_at,
            )
            for each in deliveries
        }

    def standing_there(self) -> dict[str, tuple[str, bool]]:
        """Return where each letter lies at Altinn, and whether it is set aside as unread.

        One that its sender has changed Altinn puts back; it lies here where she put it.
        """
        rows = {row.delivery.external_id: row for row in _states()}
        found = {}
        for dialog, stored in self.listed().items():
            place = next(label for label in stored.labels if label in wire.PLACES)
            put_back = place == "Default" and dialog in self.changed
            here = THEIRS[Letter.Place(rows[dialog].delivery.letter.place)]
            found[dialog] = (
                here if put_back else labels.PLACES[place],
                "MarkedAsUnopened" in stored.labels,
            )
        return found

    def standing_here(self) -> dict[str, tuple[str, bool]]:
        """Return the same of what she has here."""
        return {
            row.delivery.external_id: (
                THEIRS[Letter.Place(row.delivery.letter.place)],
                row.delivery.letter.unread and row.delivery.letter.opened_at is not None,
            )
            for row in _states()
        }

    def agree(self, rounds: int = 1) -> None:
        """Assert that both have the same letters, and that Altinn has no mark but her own.

        `rounds`: how often each letter is looked at again before that.
        """
        self.settle(rounds)
        theirs, ours = self.at_altinn(), self.with_us()
        assert ours.keys() == theirs.keys()
        assert {key: ours[key] for key in ours if ours[key] != theirs[key]} == {}
        assert Delivery.objects.count() == len(ours)
        there, here = self.standing_there(), self.standing_here()
        assert {key: (here[key], there[key]) for key in there if here[key] != there[key]} == {}
        for marked in self.simulator.marks(KARI).values():
            assert marked <= self.opened
        state = self.citizen.inbox_state
        state.refresh_from_db()
        kept = state.letters, state.unread
        fresh = counters.recount(self.citizen.id)
        assert kept == (fresh.letters, fresh.unread)


def _states() -> QuerySet[SourceState]:
    return SourceState.objects.select_related("delivery__letter")


def _told(item: dict[str, Any]) -> tuple[Any, ...]:
    title = item["content"]["title"]
    due = item["dueAt"] and datetime.fromisoformat(item["dueAt"])
    level = 3 if title["isAuthorized"] else 4
    return title["value"][0]["value"], level, due, datetime.fromisoformat(item["createdAt"])


@pytest.fixture
def both(demo_citizens) -> Both:
    citizen = find_citizen("national_id", KARI.national_id)
    assert citizen
    source = Source.objects.get(slug="altinn")
    source.settings |= {"look_again_seconds": "0"}  # each run looks
    source.save()
    return Both(demo_citizens.simulators["altinn"], citizen)


@pytest.mark.files
def test_after_many_letters_and_200_changes_both_sides_agree(both: Both) -> None:
    random = Random(2026)
    old = [both.letter(f"Brev {n}", clock.now() - timedelta(hours=MANY - n)) for n in range(MANY)]
    both.sent += old
    both.simulator.send_many(old)
    both.agree(rounds=0)
    assert len(both.with_us()) == MANY
    history = both.mailbox.connected_at - HISTORY_AFTER
    before = Notification.objects.filter(letter__received_at__lt=history)
    assert not before.exists()
    for _ in range(200):
        random.choice(both.rules)(random)
    both.agree()
    assert len(both.with_us()) > MANY
    assert both.opened
    old_ones = Letter.objects.filter(received_at__year=2019)
    assert old_ones.exists() and not old_ones.filter(unread=True).exists()
    assert not before.exists()


@pytest.mark.files
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@example(seed=2008, steps=36)
@given(seed=st.integers(0, 2**32), steps=st.integers(1, 40))
def test_in_whatever_order_it_happens_both_sides_agree(both: Both, seed: int, steps: int) -> None:
    clock.freeze(STUDY_DATE)
    reset.forget(KARI.national_id)
    both.simulator.forget(KARI)
    both.simulator.state.set_faults("altinn", Faults())
    both.sent.clear()
    both.opened.clear()
    both.changed.clear()
    Mailbox.objects.filter(citizen=both.citizen).update(lease_token=None, lease_until=None)
    random = Random(seed)
    for _ in range(steps):
        random.choice(both.rules)(random)
    both.agree()
