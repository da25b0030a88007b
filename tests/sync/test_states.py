"""Her letters here and in Altinn's own inbox: each follows the other, and neither echoes it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

import httpx
import pytest
from django.utils import timezone

from connectors import clock, http
from connectors.altinn import labels, wire
from connectors.altinn.simulator import AltinnSimulator
from connectors.simulation import Faults
from connectors.world.letters import new_letter
from connectors.world.model import Channel
from connectors.world.persons import by_slug
from inbox.citizens.identity import find_citizen
from inbox.citizens.models import Citizen
from inbox.citizens.viewer import Role, Viewer
from inbox.letters import counters, filing, source_state
from inbox.letters.models import Delivery, Letter, SourceState
from inbox.letters.queries import LetterQuerySet
from inbox.notifications.models import Notification
from inbox.sync import consent, emptying, engine, retrieve, telling
from inbox.sync.models import Mailbox, Source
from inbox.sync.opening import mark_unread, open_letter

pytestmark = pytest.mark.django_db

KARI = by_slug("kari")
INBOX, FILED, BIN = Letter.Place.INBOX, Letter.Place.FILED, Letter.Place.BIN


@dataclass
class Hers:
    """Kari with her mailbox at the simulated Altinn."""

    citizen: Citizen
    altinn: AltinnSimulator

    @property
    def viewer(self) -> Viewer:
        return Viewer(self.citizen.id, 3)

    def send(self, title: str = "Et brev") -> str:
        made = new_letter(KARI, Channel.ALTINN, title=title, at=clock.now(), with_document=False)
        return self.altinn.send(made)

    def fetch(self) -> None:
        mailbox = Mailbox.objects.get(citizen=self.citizen, source_id="altinn")
        engine.sync_mailbox(self.citizen.id, mailbox.id)
        mailbox.refresh_from_db()
        assert not mailbox.failures, mailbox.failure_detail

    def received(self) -> tuple[str, Letter]:
        dialog = self.send()
        self.fetch()
        return dialog, self.letter(dialog)

    def letter(self, dialog: str) -> Letter:
        return Letter.objects.get(deliveries__external_id=dialog)

    def open(self, letter: Letter) -> None:
        open_letter(self.viewer, letter.id)
        assert retrieve.run_due() == 1

    def label(
        self, dialog: str, added: tuple[str, ...] = (), removed: tuple[str, ...] = ()
    ) -> None:
        """She does it in Altinn's own inbox."""
        assert self.altinn.set_labels({dialog: ""}, added, removed)

    def labels(self, dialog: str) -> list[str]:
        found = self.altinn.find("id", dialog, KARI.national_id)
        assert found
        return sorted(found.labels)

    def revision(self, dialog: str) -> str:
        found = self.altinn.find("id", dialog, KARI.national_id)
        assert found
        return wire.list_item(found, 3)["endUserContext"]["revision"]

    def changes(self, dialog: str) -> int:
        return len(self.altinn.label_log(dialog))

    def marks(self) -> set[str]:
        return set().union(*self.altinn.marks(KARI).values())


@pytest.fixture
def hers(demo_citizens) -> Hers:
    citizen = find_citizen("national_id", KARI.national_id)
    assert citizen
    source = Source.objects.get(slug="altinn")
    source.settings |= {"look_again_seconds": "0"}  # each run looks
    source.save()
    return Hers(citizen, demo_citizens.simulators["altinn"])


@pytest.mark.parametrize(("label", "place"), [("Archive", FILED), ("Bin", BIN)])
def test_what_she_puts_away_at_altinn_is_put_away_here_and_comes_back_with_it(
    hers: Hers, label: str, place: str
) -> None:
    dialog, _ = hers.received()
    hers.label(dialog, (label,))
    hers.fetch()
    assert hers.letter(dialog).place == place
    assert hers.letter(dialog).delete_at is None
    assert telling.send_due() == 0
    hers.label(dialog, ("Default",))
    hers.fetch()
    assert hers.letter(dialog).place == INBOX
    assert telling.send_due() == 0 and hers.changes(dialog) == 2
    assert hers.marks() == set()


@pytest.mark.parametrize(("place", "label"), [(FILED, "Archive"), (BIN, "Bin")])
def test_what_she_puts_away_here_is_put_away_at_altinn_and_comes_back_with_it(
    hers: Hers, place: str, label: str
) -> None:
    dialog, letter = hers.received()
    filing.move(hers.viewer, [letter.id], place)
    assert telling.send_due() == 1
    assert hers.labels(dialog) == [label]
    hers.fetch()
    assert hers.letter(dialog).place == place and telling.send_due() == 0
    filing.move(hers.viewer, [letter.id], INBOX)
    assert telling.send_due() == 1
    assert hers.labels(dialog) == ["Default"]
    assert hers.changes(dialog) == 2 and hers.marks() == set()


def test_what_she_undoes_at_once_is_told_nobody(hers: Hers) -> None:
    dialog, letter = hers.received()
    filed = filing.move(hers.viewer, [letter.id], FILED)
    assert filed
    filing.undo(hers.viewer, filed.id)
    assert telling.send_due() == 0
    assert hers.changes(dialog) == 0
    assert SourceState.objects.get().state == SourceState.State.DONE
    filed = filing.move(hers.viewer, [letter.id], FILED)
    assert filed and telling.send_due() == 1
    filing.undo(hers.viewer, filed.id)
    assert telling.send_due() == 1
    assert hers.labels(dialog) == ["Default"]


def test_what_she_marks_as_unread_there_is_unread_here_until_she_reads_it_on_either_side(
    hers: Hers,
) -> None:
    dialog, letter = hers.received()
    hers.open(letter)
    hers.fetch()
    hers.label(dialog, ("MarkedAsUnopened",))
    hers.fetch()
    assert hers.letter(dialog).unread and hers.letter(dialog).opened_at
    hers.altinn.see(dialog)
    hers.fetch()
    assert not hers.letter(dialog).unread
    hers.label(dialog, ("MarkedAsUnopened",))
    hers.fetch()
    open_letter(hers.viewer, letter.id)
    assert telling.send_due() == 1
    assert hers.labels(dialog) == ["Default"]
    hers.fetch()
    assert not hers.letter(dialog).unread and telling.send_due() == 0


def test_what_she_marks_as_unread_here_is_unread_there_where_it_was_opened(hers: Hers) -> None:
    dialog, letter = hers.received()
    filing.mark(hers.viewer, [letter.id], unread=False)
    filing.mark(hers.viewer, [letter.id], unread=True)
    filing.mark(hers.viewer, [letter.id], unread=False)
    assert telling.send_due() == 0  # Altinn would take any of it for an opening
    assert hers.labels(dialog) == ["Default"] and hers.marks() == set()
    filing.mark(hers.viewer, [letter.id], unread=True)
    hers.open(letter)
    mark_unread(hers.viewer, letter.id)
    assert telling.send_due() == 1
    assert hers.labels(dialog) == ["Default", "MarkedAsUnopened"]
    hers.fetch()
    assert hers.letter(dialog).unread
    filing.mark(hers.viewer, [letter.id], unread=False)
    assert telling.send_due() == 1
    assert hers.labels(dialog) == ["Default"]


def test_opened_at_altinn_is_read_here_though_no_list_by_time_tells_of_it(hers: Hers) -> None:
    dialog, letter = hers.received()
    clock.freeze(clock.now() + timedelta(hours=3))
    for _ in range(3):
        hers.send()
    hers.fetch()
    hers.altinn.see(dialog)
    hers.fetch()
    letter.refresh_from_db()
    assert not letter.unread and letter.opened_at
    assert not Notification.objects.filter(letter_id=letter.id, state="waiting").exists()


def test_the_round_of_all_letters_reaches_each_in_as_many_runs_as_it_has_pages(
    hers: Hers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.altinn.position.PAGE_SIZE", 3)
    dialogs = [hers.send(f"Brev {n}") for n in range(10)]
    hers.fetch()
    hers.fetch()  # the first page of the round
    for dialog in dialogs:
        hers.label(dialog, ("Archive",))
    for _ in range(2):
        hers.fetch()
    hers.altinn.expire_continuation_tokens()  # the round begins anew
    for _ in range(4):
        hers.fetch()
    assert {hers.letter(dialog).place for dialog in dialogs} == {FILED}


def test_a_letter_that_its_sender_changes_lies_where_she_put_it(hers: Hers) -> None:
    """Altinn puts it back into its own inbox, where nobody asked for that."""
    dialog, letter = hers.received()
    filing.move(hers.viewer, [letter.id], FILED)
    telling.send_due()
    hers.altinn.touch(dialog, due_at="2026-12-24T11:00:00.000000Z")
    assert hers.labels(dialog) == ["Default"]
    hers.fetch()
    assert hers.letter(dialog).place == FILED
    assert telling.send_due() == 0
    hers.label(dialog, ("Bin",))  # that she does herself
    hers.fetch()
    assert hers.letter(dialog).place == BIN


def test_where_both_have_changed_what_she_did_here_counts_and_the_rest_stays(hers: Hers) -> None:
    dialog, letter = hers.received()
    hers.open(letter)
    hers.fetch()
    hers.label(dialog, ("Bin", "MarkedAsUnopened"))  # not heard of yet: Altinn answers 412
    filing.move(hers.viewer, [letter.id], FILED)
    assert telling.send_due() == 1
    assert hers.labels(dialog) == ["Archive", "MarkedAsUnopened"]
    hers.fetch()
    assert hers.letter(dialog).place == FILED and hers.letter(dialog).unread
    assert telling.send_due() == 0


def test_what_she_does_there_while_something_else_is_owed_comes_here_after_that(
    hers: Hers,
) -> None:
    dialog, letter = hers.received()
    hers.open(letter)
    hers.fetch()
    filing.move(hers.viewer, [letter.id], FILED)
    hers.label(dialog, ("MarkedAsUnopened",))
    hers.fetch()
    assert not hers.letter(dialog).unread
    assert telling.send_due() == 1
    assert hers.labels(dialog) == ["Archive", "MarkedAsUnopened"]
    hers.fetch()
    assert hers.letter(dialog).place == FILED and hers.letter(dialog).unread


def test_what_altinn_said_before_it_was_told_moves_nothing_back(hers: Hers) -> None:
    dialog, letter = hers.received()
    row = SourceState.objects.get()
    filing.move(hers.viewer, [letter.id], FILED)
    asked_at = timezone.now()
    telling.send_due()
    late = source_state.LetterState(
        dialog, source_state.Place.INBOX, False, row.revision, row.changed_at, asked_at
    )
    source_state.follow(hers.citizen.id, "altinn", [late])
    assert hers.letter(dialog).place == FILED


def test_of_what_is_owed_nothing_that_altinn_says_is_followed(hers: Hers) -> None:
    dialog, letter = hers.received()
    filing.move(hers.viewer, [letter.id], FILED)
    hers.label(dialog, ("Bin",))
    hers.fetch()
    assert hers.letter(dialog).place == FILED
    assert telling.send_due() == 1
    assert hers.labels(dialog) == ["Archive"]


@pytest.mark.parametrize("fault", ["down", "rate_limited", "garbage", "unauthorized"])
def test_what_altinn_does_not_take_now_is_told_later(hers: Hers, fault: str) -> None:
    dialog, letter = hers.received()
    filing.move(hers.viewer, [letter.id], FILED)
    hers.altinn.state.set_faults("altinn", Faults(fault))
    assert telling.send_due() == 0
    row = SourceState.objects.get()
    assert row.state == SourceState.State.WAITING and row.last_error
    hers.altinn.state.set_faults("altinn", Faults())
    Source.objects.update(paused_until=None)
    SourceState.objects.update(due_at=timezone.now())
    assert telling.send_due() == 1
    assert hers.labels(dialog) == ["Archive"]
    assert SourceState.objects.get().state == SourceState.State.DONE


def test_what_she_does_while_it_is_told_is_told_next(
    hers: Hers, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialog, letter = hers.received()
    filing.move(hers.viewer, [letter.id], FILED)
    inner = http.transport_for

    class Meanwhile(httpx.BaseTransport):
        def __init__(self, base_url: str) -> None:
            self._inner = inner(base_url)

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            answer = self._inner.handle_request(request)
            if request.method == "PUT" and hers.letter(dialog).place == FILED:
                filing.move(hers.viewer, [letter.id], BIN)
            return answer

    monkeypatch.setattr(http, "transport_for", Meanwhile)
    assert telling.send_due() == 1
    assert hers.labels(dialog) == ["Archive"]
    assert telling.send_due() == 1
    assert hers.labels(dialog) == ["Bin"]


def test_a_worker_that_dies_with_it_leaves_it_to_the_next(
    hers: Hers, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Dead(BaseException):
        pass

    def die(*_: object) -> None:
        raise Dead

    dialog, letter = hers.received()
    filing.move(hers.viewer, [letter.id], FILED)
    with monkeypatch.context() as patched, pytest.raises(Dead):
        patched.setattr(source_state, "note_told", die)
        telling.send_due()
    assert hers.labels(dialog) == ["Archive"]  # told, and nobody here knows
    assert telling.send_due() == 0
    SourceState.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    assert telling.send_due() == 1
    assert SourceState.objects.get().state == SourceState.State.DONE
    assert hers.changes(dialog) == 1


def test_a_source_that_she_has_disconnected_is_told_nothing(hers: Hers) -> None:
    dialog, letter = hers.received()
    consent.disconnect(hers.citizen.id, "altinn")
    filing.move(hers.viewer, [letter.id], FILED)
    assert telling.send_due() == 0
    assert hers.labels(dialog) == ["Default"]
    assert not SourceState.objects.filter(state="waiting").exists()


def test_a_letter_that_altinn_has_deleted_stays_here_and_is_told_no_more(hers: Hers) -> None:
    dialog, letter = hers.received()
    hers.altinn.forget(KARI)
    filing.move(hers.viewer, [letter.id], FILED)
    assert telling.send_due() == 0
    assert hers.letter(dialog).place == FILED
    assert SourceState.objects.get().state == SourceState.State.DONE


def test_what_she_bins_at_altinn_is_never_deleted_here_by_itself(hers: Hers) -> None:
    dialog, letter = hers.received()
    hers.label(dialog, ("Bin",))
    hers.fetch()
    clock.freeze(clock.now() + timedelta(days=400))
    assert emptying.empty_due() == 0
    assert emptying.delete_now(hers.viewer, letter.id)
    hers.fetch()
    assert not Letter.objects.filter(id=letter.id).exists()


def test_letters_put_away_at_altinn_long_ago_come_into_the_archive_and_are_not_announced(
    hers: Hers,
) -> None:
    filed, binned, unread = (hers.send(title) for title in ("Arkivert", "Kastet", "Ulest"))
    hers.label(filed, ("Archive",))
    hers.label(binned, ("Bin",))
    hers.label(unread, ("MarkedAsUnopened",))
    hers.fetch()
    assert [hers.letter(each).place for each in (filed, binned, unread)] == [FILED, BIN, INBOX]
    waiting = Notification.objects.filter(state="waiting")
    assert set(waiting.values_list("letter_id", flat=True)) == {hers.letter(unread).id}
    state = hers.citizen.inbox_state
    state.refresh_from_db()
    kept = state.letters, state.unread
    fresh = counters.recount(hers.citizen.id)
    assert kept == (fresh.letters, fresh.unread)


def test_what_says_nothing_new_costs_one_query(hers: Hers, django_assert_num_queries) -> None:
    for n in range(20):
        hers.send(f"Brev {n}")
    hers.fetch()
    said = [
        source_state.LetterState(
            row.delivery.external_id,
            source_state.Place(row.place),
            row.unread,
            row.revision,
            row.changed_at,
            timezone.now(),
        )
        for row in SourceState.objects.select_related("delivery")
    ]
    assert len(said) == 20
    with django_assert_num_queries(1):
        assert source_state.follow(hers.citizen.id, "altinn", said) == []


def test_labels_that_are_not_known_leave_the_letter_where_it_lies(hers: Hers) -> None:
    dialog, _ = hers.received()
    with hers.altinn.state.transaction() as db:
        db.execute(
            "INSERT OR REPLACE INTO contexts VALUES (?, ?, 7)", (dialog, '["Default", "Favourite"]')
        )
    row = SourceState.objects.get()
    page = {
        "id": dialog,
        "updatedAt": row.changed_at.isoformat(),
        "endUserContext": {"revision": str(UUID(int=7)), "systemLabels": ["Default", "Favourite"]},
    }
    (state,) = labels.states_of([page, {"id": dialog}, None], timezone.now())
    assert source_state.follow(hers.citizen.id, "altinn", [state]) == []
    assert hers.letter(dialog).place == INBOX
    assert Delivery.objects.count() == 1


def test_the_round_of_all_letters_begins_anew_where_its_next_page_has_become_empty(
    hers: Hers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.altinn.position.PAGE_SIZE", 1)
    hers.altinn.forget(KARI)
    last = hers.send()
    clock.freeze(clock.now() + timedelta(hours=3))
    dialog, _ = hers.received()  # the round's first page; its next would hold the last letter
    with hers.altinn.state.transaction() as db:
        db.execute("DELETE FROM dialogs WHERE id = ?", (last,))
    hers.fetch()
    clock.freeze(clock.now() + timedelta(hours=3))
    hers.received()
    hers.label(dialog, ("Archive",))
    for _ in range(3):
        hers.fetch()
    assert hers.letter(dialog).place == FILED


@pytest.mark.parametrize("etag", ["", "x" * 300, 'W/"{}"', '"{}"'])
def test_a_revision_that_altinn_does_not_name_rightly_is_asked_for(
    hers: Hers, monkeypatch: pytest.MonkeyPatch, etag: str
) -> None:
    dialog, letter = hers.received()
    inner = http.transport_for

    class Odd(httpx.BaseTransport):
        def __init__(self, base_url: str) -> None:
            self._inner = inner(base_url)

        def handle_request(self, request: httpx.Request) -> httpx.Response:
            answer = self._inner.handle_request(request)
            if "etag" in answer.headers:
                answer.headers["etag"] = etag.format(answer.headers["etag"])
            return answer

    monkeypatch.setattr(http, "transport_for", Odd)
    filing.move(hers.viewer, [letter.id], FILED)
    assert telling.send_due() == 1
    assert SourceState.objects.get().revision == ("" if "{}" not in etag else hers.revision(dialog))
    filing.move(hers.viewer, [letter.id], BIN)
    assert telling.send_due() == 1
    assert hers.labels(dialog) == ["Bin"]


def test_what_altinn_says_of_a_letter_that_is_deleted_meanwhile_stops_nothing(
    hers: Hers, monkeypatch: pytest.MonkeyPatch
) -> None:
    dialog, letter = hers.received()
    other, _ = hers.received()
    for each in (dialog, other):
        hers.label(each, ("Archive",))
    defer = LetterQuerySet.defer

    def meanwhile(found: LetterQuerySet, *fields: str) -> LetterQuerySet:
        Letter.objects.filter(id=letter.id).delete()
        return defer(found, *fields)

    with monkeypatch.context() as patched:
        patched.setattr(LetterQuerySet, "defer", meanwhile)
        hers.fetch()
    assert hers.letter(other).place == FILED
    assert not Letter.objects.filter(id=letter.id).exists()


def test_a_helper_sets_nothing_aside_for_her(hers: Hers) -> None:
    dialog, letter = hers.received()
    hers.open(letter)
    helper = find_citizen("national_id", by_slug("henrik").national_id)
    assert helper
    mark_unread(replace(hers.viewer, helper_id=helper.id, role=Role.GIVEN), letter.id)
    assert not hers.letter(dialog).unread
    assert telling.send_due() == 0 and hers.labels(dialog) == ["Default"]
