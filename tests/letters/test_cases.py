"""Letters of one case: what the row of a case says after whatever can happen to its letters."""

from __future__ import annotations

import importlib
from datetime import timedelta

import pytest
from django.apps import apps
from django.db import transaction

from connectors import clock
from connectors.world.model import STUDY_DATE
from inbox.citizens.models import SecurityLevel
from inbox.citizens.viewer import Viewer
from inbox.letters import counters, filing, handle, join
from inbox.letters.change import change
from inbox.letters.erase import erase
from inbox.letters.models import Case, Delivery, Letter, Reply
from inbox.letters.receive import receive
from inbox.letters.reveal import reveal_due
from inbox.sync import replies, sending
from tests.incoming import WRITE, arrival, incoming
from tests.make import make_citizen, make_letter

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]


@pytest.fixture
def kari(settings, tmp_path):
    settings.ARCHIVE_DIR = tmp_path / "archive"
    return make_citizen()


def day(number: int):
    return STUDY_DATE - timedelta(days=30 - number)


def write(kari, number: int = 1, **fields) -> Letter:
    said = {"case_reference": "2026/7", "title": f"Brev {number}", "document": None}
    return make_letter(kari, **said | {"sent_at": day(number)} | fields)


def fresh(letter: Letter) -> Letter:
    return Letter.objects.get(citizen_id=letter.citizen_id, id=letter.id)


def only(kari) -> Case:
    return Case.objects.get(citizen=kari)


def test_letters_of_one_sender_with_one_reference_are_one_case(kari):
    first, second = write(kari, 1), write(kari, 2, sender="NAV Oslo")
    case = only(kari)
    assert (case.letters, case.title, case.last_at) == (2, "Brev 1", day(2))
    assert first.case_id == second.case_id == case.id
    write(kari, 3, org_number="974761076")
    write(kari, 4, case_reference="2026/8")
    write(make_citizen("Ola"))
    assert make_letter(kari).case_id is None
    assert Case.objects.filter(citizen=kari).count() == 3


def test_what_is_asked_and_done_is_its_status(kari):
    letter = write(kari)
    assert only(kari).status == Case.Status.NOTHING_ASKED
    task = write(kari, 2, needs_action=True)
    assert only(kari).status == Case.Status.WAITING_FOR_HER
    with transaction.atomic():
        handle.mark_handled(task, Letter.HandledBy.HERSELF, clock.now())
    assert only(kari).status == Case.Status.DONE
    with transaction.atomic():
        handle.reopen(task, clock.now())
    assert only(kari).status == Case.Status.WAITING_FOR_HER
    filing.move(Viewer(kari.id), [task.id], Letter.Place.BIN)
    assert (only(kari).letters, only(kari).status) == (1, Case.Status.NOTHING_ASKED)
    filing.move(Viewer(kari.id), [letter.id], Letter.Place.BIN)
    assert only(kari).last_at is None


def test_after_her_answer_it_waits_for_the_sender_until_the_sender_writes(kari, monkeypatch):
    letter = write(kari, needs_action=True, reply_forms=[WRITE])
    viewer = Viewer(kari.id)
    draft = replies.save_draft(
        viewer, letter.id, replies.Written(WRITE.code, "Her er svaret.", 0, "t")
    )
    assert only(kari).status == Case.Status.WAITING_FOR_HER
    reply = replies.send_draft(viewer, letter.id, WRITE.code, draft.id)
    with transaction.atomic():
        handle.mark_handled(letter, Letter.HandledBy.REPLY, clock.now())
    assert only(kari).status == Case.Status.WAITING_FOR_SENDER
    assert only(kari).last_at == reply.updated_at
    row = Reply.objects.filter(citizen=kari, id=reply.id)
    sending._refused(row, row.get(), sending.ReplyRefused("Nei"))
    assert only(kari).status == Case.Status.DONE
    row.update(state="done")
    clock_now = clock.now()
    monkeypatch.setattr(clock, "now", lambda: clock_now + timedelta(hours=1))
    write(kari, 2, sent_at=clock.now())
    assert only(kari).status == Case.Status.DONE


def test_a_session_of_the_lower_level_is_told_of_what_it_may_read_alone(kari):
    write(kari, 1, security_level=4, title="Hemmelig", public_title="Brev", needs_action=True)
    case = only(kari)
    assert (case.open_title, case.open_letters, case.open_status) == ("Brev", 0, "")
    assert case.reference_level == SecurityLevel.HIGH
    write(kari, 2, security_level=3, title="Åpent")
    case = only(kari)
    assert (case.title, case.letters, case.status) == ("Hemmelig", 2, "waiting_for_her")
    assert (case.open_title, case.open_letters, case.open_status) == ("Åpent", 1, "nothing_asked")


def test_a_letter_that_waits_for_its_day_is_not_told_before(kari, monkeypatch):
    write(kari, visible_from=clock.now() + timedelta(hours=1))
    assert only(kari).last_at is None
    later = clock.now() + timedelta(hours=2)
    monkeypatch.setattr(clock, "now", lambda: later)
    reveal_due()
    assert only(kari).letters == 1


def test_a_change_of_the_reference_moves_the_letter_and_an_empty_case_goes(kari):
    letter = write(kari, external_id="1")
    old = only(kari).id
    said = incoming("1", title="Nytt navn", case_reference="2026/9", sent_at=day(1), documents=[])
    moved = arrival(kari.id, said, "altinn")
    moved.letter_id = letter.id
    with transaction.atomic():
        change(Delivery.objects.get(citizen=kari), moved)
    case = only(kari)
    assert case.id != old
    assert (case.reference, case.title, case.letters) == ("2026/9", "Nytt navn", 1)
    with transaction.atomic():
        erase(fresh(letter))
    assert not Case.objects.filter(citizen=kari).exists()


def test_joined_and_split_letters_count_as_what_they_are(kari):
    write(kari, 1, same_as=["r"], source="altinn")
    write(kari, 2)
    said = incoming("2", case_reference="2026/7", sent_at=day(1), same_as=["r"], documents=[])
    copied = arrival(kari.id, said, "minside")
    with transaction.atomic():
        assert receive([copied], clock.now()) == []
    assert only(kari).letters == 2
    viewer = Viewer(kari.id)
    with transaction.atomic():
        join.split(viewer, copied.letter_id, copied.delivery_id, clock.now())
    assert only(kari).letters == 3
    with transaction.atomic():
        join.unsplit(viewer, copied.delivery_id, clock.now())
    assert only(kari).letters == 2


def test_recounting_repairs_rows_that_are_wrong_or_gone(kari):
    write(kari, 1)
    write(kari, 2)
    before = only(kari)
    Case.objects.filter(citizen=kari).update(letters=9, title="?")
    counters.recount(kari.id)
    assert (only(kari).letters, only(kari).title) == (2, "Brev 1")
    Case.objects.filter(citizen=kari).delete()
    counters.recount(kari.id)
    after = only(kari)
    fields = [field.attname for field in Case._meta.concrete_fields]
    assert [getattr(after, name) for name in fields] == [getattr(before, name) for name in fields]


def test_the_migration_makes_of_old_letters_what_new_ones_get(kari):
    write(kari, 1, security_level=4, public_title="Brev", needs_action=True)
    write(kari, 2, security_level=3)
    write(kari, 3, case_reference="2026/8", wants_opening_receipt=True)
    filing.move(
        Viewer(kari.id, SecurityLevel.HIGH),
        [write(kari, 4, case_reference="2026/9").id],
        Letter.Place.BIN,
    )
    names = [field.attname for field in Case._meta.concrete_fields if field.attname != "id"]
    made = list(Case.objects.order_by("reference").values_list(*names))
    Case.objects.all().delete()
    Letter.objects.filter(citizen=kari).update(case_id=None)
    migration = importlib.import_module("inbox.letters.migrations.0012_cases")
    migration.gather_cases(apps, None)
    assert list(Case.objects.order_by("reference").values_list(*names)) == made
    assert set(Case.objects.values_list("id")) == set(
        Letter.objects.filter(citizen=kari).values_list("case_id")
    )
