"""Whatever happens at Altinn and on the way: afterwards both sides agree, letter by letter.

And Altinn has seen no mark that she did not cause.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from connectors import clock
from connectors.altinn import wire
from connectors.altinn.simulator import AltinnSimulator
from connectors.simulation import Faults
from connectors.world.letters import new_letter
from connectors.world.model import STUDY_DATE, Channel, SimulatedLetter
from connectors.world.persons import by_slug
from inbox.citizens.identity import find_citizen
from inbox.citizens.models import Citizen
from inbox.citizens.viewer import Viewer
from inbox.letters import counters
from inbox.letters.models import Delivery, Letter
from inbox.notifications.models import Notification
from inbox.sync import engine, reset, retrieve
from inbox.sync.intake import HISTORY_AFTER
from inbox.sync.models import Mailbox, Source
from inbox.sync.opening import open_letter

pytestmark = pytest.mark.django_db

KARI = by_slug("kari")
FAULTS = ("down", "html", "garbage", "truncated", "rate_limited", "unauthorized")


class Both:
    """Altinn and us: each rule is something that may happen, named by its method."""

    def __init__(self, simulator: AltinnSimulator, citizen: Citizen) -> None:
        self.simulator, self.citizen = simulator, citizen
        self.mailbox = Mailbox.objects.get(citizen=citizen, source_id="altinn")
        self.sent: list[SimulatedLetter] = []
        self.opened: set[str] = set()
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
            self.simulator.send(self.sent[at])

    def touch(self, random: Random) -> None:
        if self.sent:
            letter = random.choice(self.sent)
            dialog = wire.version7(letter.key, letter.sent_at)
            due = clock.now() + timedelta(days=random.randint(1, 60))
            self.simulator.touch(dialog, due_at=wire.stamp(due))

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

    def settle(self) -> None:
        """The source is well again, and she is fetched from it."""
        self.simulator.state.set_faults("altinn", Faults())
        Source.objects.update(paused_until=None)
        engine.sync_mailbox(self.citizen.id, self.mailbox.id)
        self.mailbox.refresh_from_db()
        assert not self.mailbox.failures, self.mailbox.failure_detail

    def at_altinn(self) -> dict[str, tuple[Any, ...]]:
        """Return what Altinn would list for a token of level 3, by dialog."""
        bounds = dict.fromkeys(("content", "updated", "created"), ("0001", "9999"))
        listed = self.simulator.listing(
            KARI.national_id,
            order="content",
            between=bounds,
            labels=(),
            before=("9999", ""),
            limit=100_000,
        )
        return {each.dialog: _told(wire.list_item(each, 3)) for each in listed}

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

    def agree(self) -> None:
        """Assert that both have the same letters, and that Altinn has no mark but her own."""
        self.settle()
        theirs, ours = self.at_altinn(), self.with_us()
        assert ours.keys() == theirs.keys()
        assert {key: ours[key] for key in ours if ours[key] != theirs[key]} == {}
        assert Delivery.objects.count() == len(ours)
        for marked in self.simulator.marks(KARI).values():
            assert marked <= self.opened
        state = self.citizen.inbox_state
        state.refresh_from_db()
        kept = state.letters, state.unread
        fresh = counters.recount(self.citizen.id)
        assert kept == (fresh.letters, fresh.unread)


def _told(item: dict[str, Any]) -> tuple[Any, ...]:
    title = item["content"]["title"]
    due = item["dueAt"] and datetime.fromisoformat(item["dueAt"])
    level = 3 if title["isAuthorized"] else 4
    return title["value"][0]["value"], level, due, datetime.fromisoformat(item["createdAt"])


@pytest.fixture
def both(demo_citizens) -> Both:
    citizen = find_citizen("national_id", KARI.national_id)
    assert citizen
    return Both(demo_citizens.simulators["altinn"], citizen)


def test_after_5000_letters_and_200_changes_both_sides_agree(both: Both) -> None:
    random = Random(2026)
    old = [both.letter(f"Brev {n}", clock.now() - timedelta(hours=5000 - n)) for n in range(5000)]
    both.sent += old
    both.simulator.send_many(old)
    both.agree()
    assert len(both.with_us()) == 5000
    history = both.mailbox.connected_at - HISTORY_AFTER
    before = Notification.objects.filter(letter__received_at__lt=history)
    assert not before.exists()
    for _ in range(200):
        random.choice(both.rules)(random)
    both.agree()
    assert len(both.with_us()) > 5000
    assert both.opened
    old_ones = Letter.objects.filter(received_at__year=2019)
    assert old_ones.exists() and not old_ones.filter(unread=True).exists()
    assert not before.exists()


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
    Mailbox.objects.filter(citizen=both.citizen).update(lease_token=None, lease_until=None)
    random = Random(seed)
    for _ in range(steps):
        random.choice(both.rules)(random)
    both.agree()
