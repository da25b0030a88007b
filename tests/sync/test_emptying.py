"""A letter that has lain in the bin long enough is gone: rows, bytes, and for good."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from django.utils import timezone

from connectors import clock
from connectors.contract import Account, Batch, Connector, IncomingDocument
from inbox.archive import store
from inbox.archive.models import Blob, Package
from inbox.citizens.models import InboxState, SecurityLevel
from inbox.citizens.viewer import Viewer
from inbox.letters import filing
from inbox.letters.models import Delivery, DeliveryRecord, Document, Event, Letter, Reply, Tombstone
from inbox.notifications import deliver
from inbox.notifications.models import Notification
from inbox.notifications.rules import queue_for
from inbox.sync import emptying, replies
from inbox.sync.emptying import Bin, bin_of, delete_now, empty_due, empty_now
from inbox.sync.intake import Intake, take_in
from inbox.sync.models import OutboundReceipt, Retrieval
from inbox.sync.replies import Written
from tests.incoming import PDF, WRITE, incoming
from tests.make import make_citizen, make_letter, make_mailbox

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]


@pytest.fixture(autouse=True)
def _archive(settings, tmp_path):
    settings.ARCHIVE_DIR = tmp_path / "archive"


@pytest.fixture
def kari():
    return make_citizen()


@pytest.fixture
def offer(kari):
    """Let the source offer a letter, as it does until it is taken off its queue."""
    mailbox = make_mailbox(kari)
    intake = Intake(
        mailbox.source, Connector({}), Account("unused"), mailbox, still_ours=lambda: None
    )

    def take(letter):
        return take_in(intake, Batch([letter]), save_cursor=lambda: None)

    return take


def throw_away(citizen, letter):
    filing.move(Viewer(citizen.id), [letter.id], "bin")


def wait(days):
    clock.freeze(clock.now() + timedelta(days=days))


def test_after_thirty_days_nothing_is_left_but_that_it_was(kari):
    letter, kept = make_letter(kari, external_id="secret-1"), make_letter(kari)
    delivery = Delivery.objects.get(letter_id=letter.id)
    throw_away(kari, letter)
    wait(29)
    assert empty_due() == 0
    wait(1)
    assert empty_due() == 1
    assert empty_due() == 0
    assert list(Letter.objects.values_list("id", flat=True)) == [kept.id]
    for table in (Delivery, Document, Event):
        assert not table.objects.filter(letter_id=letter.id).exists()
    assert not Package.objects.filter(id=delivery.id).exists()
    assert not Blob.objects.filter(package_id=delivery.id).exists()
    assert not store.exists(delivery.id)
    stone = Tombstone.objects.get()
    assert stone.erased_at is not None
    assert "secret-1" not in str(vars(stone))
    assert InboxState.objects.get(citizen=kari).letters == 1


def test_what_the_source_offers_again_stays_gone(kari, offer):
    (letter,) = offer(incoming("1"))
    offer(incoming("2"))
    throw_away(kari, letter)
    wait(30)
    empty_due()
    assert offer(incoming("1")) == []
    assert offer(incoming("1", title="Changed")) == []
    # Its sender, who takes it back, sees no deletion.
    assert offer(incoming("1", withdrawn=True)) == []
    assert DeliveryRecord.objects.get(external_id="1").withdrawn_at
    assert DeliveryRecord.objects.get(external_id="2").withdrawn_at is None
    assert Letter.objects.count() == 1
    assert len(offer(incoming("3"))) == 1


def test_a_restored_letter_is_not_deleted(kari):
    letter = make_letter(kari)
    throw_away(kari, letter)
    filing.move(Viewer(kari.id), [letter.id], "filed")
    wait(31)
    assert empty_due() == 0


@pytest.mark.parametrize("owed", ["receipt", "retrieval"])
def test_a_letter_of_which_word_is_owed_waits_for_it(kari, owed):
    letter = make_letter(kari)
    own = {"citizen": kari, "due_at": timezone.now()}
    delivery = Delivery.objects.get(letter_id=letter.id)
    if owed == "receipt":
        row = OutboundReceipt.objects.create(
            **own, delivery_id=delivery.id, kind="delivered", at=clock.now()
        )
    else:
        row = Retrieval.objects.create(
            **own,
            letter_id=letter.id,
            delivery_id=delivery.id,
            security_level=3,
            requested_at=clock.now(),
        )
    throw_away(kari, letter)
    wait(31)
    assert empty_due() == 0
    type(row).objects.update(state="done")
    assert empty_due() == 1


def answer(kari, letter, text="Et svar") -> Reply:
    """Begin an answer, with a file."""
    own = Viewer(kari.id)
    replies.save_draft(own, letter.id, Written(WRITE.code, text, 0, "t"))
    return replies.attach(own, letter.id, WRITE.code, "a.pdf", [PDF])


def test_a_letter_whose_answer_is_on_its_way_is_deleted_after_that(kari):
    letter = make_letter(kari, reply_forms=[WRITE])
    draft = answer(kari, letter)
    replies.send_draft(Viewer(kari.id), letter.id, WRITE.code, draft.id)
    throw_away(kari, letter)
    wait(31)
    assert empty_due() == 0
    assert not delete_now(Viewer(kari.id), letter.id)
    assert Reply.objects.filter(id=draft.id, state="waiting").exists()
    Reply.objects.update(state="done")
    assert empty_due() == 1
    assert not store.exists(UUID(draft.attachments[0]["id"]))


def test_an_answer_that_she_has_begun_is_never_thrown_away_by_the_calendar(
    kari, django_capture_on_commit_callbacks
):
    letter = make_letter(kari, reply_forms=[WRITE])
    draft = answer(kari, letter)
    throw_away(kari, letter)
    wait(31)
    assert empty_due() == 0
    assert Reply.objects.get(id=draft.id).text == "Et svar"
    with django_capture_on_commit_callbacks(execute=True):
        assert delete_now(Viewer(kari.id), letter.id)
    assert not Reply.objects.exists()
    assert not store.exists(UUID(draft.attachments[0]["id"]))


def test_a_draft_in_which_she_has_written_nothing_holds_nothing_up(kari):
    letter = make_letter(kari, reply_forms=[WRITE])
    replies.save_draft(Viewer(kari.id), letter.id, Written(WRITE.code, "", 0, "t"))
    throw_away(kari, letter)
    wait(31)
    assert empty_due() == 1


def test_the_whole_bin_is_emptied_but_for_what_waits_and_what_she_may_not_read(kari):
    kept, filed = make_letter(kari), make_letter(kari)
    plain = make_letter(kari)
    begun, sent = (make_letter(kari, reply_forms=[WRITE]) for _ in range(2))
    secret = make_letter(kari, security_level=4)
    others = make_letter(make_citizen("Ola"))
    answer(kari, begun)
    draft = answer(kari, sent)
    replies.send_draft(Viewer(kari.id), sent.id, WRITE.code, draft.id)
    filing.move(Viewer(kari.id), [filed.id], "filed")
    for letter in (plain, begun, sent, secret):
        filing.move(Viewer(kari.id, SecurityLevel.HIGH), [letter.id], "bin")
    throw_away(others.citizen, others)
    assert bin_of(Viewer(kari.id)) == Bin(letters=3, above=1, drafts=1, waiting=1)
    assert empty_now(Viewer(kari.id)) == 2
    left = set(Letter.objects.values_list("id", flat=True))
    assert left == {each.id for each in (kept, filed, sent, secret, others)}
    Reply.objects.update(state="done")
    assert empty_due() == 1
    assert InboxState.objects.get(citizen=kari).letters == 1


def test_of_a_full_bin_the_next_emptying_takes_the_rest(kari, monkeypatch):
    monkeypatch.setattr(emptying, "AT_ONCE", 2)
    for _ in range(5):
        throw_away(kari, make_letter(kari))
    assert empty_now(Viewer(kari.id)) == 2
    assert empty_due() == 3
    assert not Letter.objects.exists()


def test_bytes_that_a_dying_process_left_are_removed_by_the_next(kari, monkeypatch):
    letter = make_letter(kari)
    object_id = Delivery.objects.get(letter_id=letter.id).id
    throw_away(kari, letter)
    wait(30)

    def die(_owner_id, _object_id):
        raise OSError("no disk")

    with monkeypatch.context() as patched, pytest.raises(OSError, match="no disk"):
        patched.setattr(store, "remove", die)
        empty_due()
    assert store.exists(object_id)
    empty_due()
    assert not store.exists(object_id)


def test_new_content_stays_where_she_put_it_and_is_counted_there(kari, offer):
    (letter,) = offer(incoming("1"))
    filing.move(Viewer(kari.id), [letter.id], "filed")
    newer = IncomingDocument("nytt.pdf", "application/pdf", is_main=True, content=PDF + b"%")
    offer(incoming("1", documents=[newer]))
    letter.refresh_from_db()
    state = InboxState.objects.get(citizen=kari)
    assert (letter.place, letter.unread, letter.updated) == ("filed", True, True)
    assert (state.letters, state.unread, state.updated) == (0, 0, 1)
    filing.move(Viewer(kari.id), [letter.id], "inbox")
    state.refresh_from_db()
    assert (state.letters, state.unread, state.updated) == (1, 1, 0)


def test_words_alone_change_nothing_of_a_filed_letter(kari, offer):
    (letter,) = offer(incoming("1"))
    filing.move(Viewer(kari.id), [letter.id], "filed")
    offer(incoming("1", title="Other words"))
    assert not Letter.objects.get(id=letter.id).updated


def test_new_content_in_the_bin_gives_it_its_days_anew(kari, offer):
    (letter,) = offer(incoming("1"))
    throw_away(kari, letter)
    wait(29)
    newer = IncomingDocument("nytt.pdf", "application/pdf", is_main=True, content=PDF + b"%")
    offer(incoming("1", documents=[newer]))
    wait(2)
    assert empty_due() == 0


def test_nothing_is_announced_of_a_letter_in_the_bin(kari):
    letter = make_letter(kari)
    queue_for([letter], clock.now())
    throw_away(kari, letter)
    wait(8)
    assert deliver.send_due() == 0
    assert not Notification.objects.filter(state="sent").exists()
