"""What is hers on letters that become one, or two again: answers, folders, shares, places."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse

from connectors import clock
from connectors.contract import Payment
from inbox.citizens.models import Citizen, InboxState, Representation, SecurityLevel
from inbox.citizens.viewer import Viewer
from inbox.letters import counters, filing, folders, forward, handle, join, proposals
from inbox.letters.life_events import DEATH
from inbox.letters.models import Case, Delivery, Event, Letter, LifeEventLetter, Placement, Reply
from inbox.letters.receive import receive
from inbox.sync import handling, replies, sending
from inbox.sync.replies import Conflict, Written
from tests.incoming import PDF, WRITE, arrival, incoming
from tests.make import act_for, log_in, make_citizen, make_representation, make_source

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]


@pytest.fixture(autouse=True)
def _archive(settings, tmp_path):
    settings.ARCHIVE_DIR = tmp_path / "archive"
    for slug in ("minside-nav", "altinn"):
        make_source(slug, slug)


@pytest.fixture
def kari() -> Citizen:
    return make_citizen()


@pytest.fixture
def two(kari) -> tuple[Letter, Letter]:
    """The same letter by two channels, not known to be the same yet; the first is the older."""
    return take(kari, "minside-nav"), take(kari, "altinn")


def take(kari, source, **changes) -> Letter:
    said = {
        "same_as": [],
        "reply_forms": [WRITE],
        "sent_at": clock.now(),
        "documents": [],
    } | changes
    with transaction.atomic():
        (letter,) = receive([arrival(kari.id, incoming(source, **said), source)], clock.now())
    return Letter.objects.get(citizen=kari, id=letter.id)


def viewer(kari) -> Viewer:
    return Viewer(kari.id, SecurityLevel.HIGH)


def write(kari, letter, text, version=0, tab="t") -> Reply:
    return replies.save_draft(viewer(kari), letter.id, Written(WRITE.code, text, version, tab))


def attach(kari, letter, name) -> None:
    replies.attach(viewer(kari), letter.id, WRITE.code, name, [PDF])


def join_them(kari, two) -> Letter:
    with transaction.atomic():
        join.lock([kari.id])
        keep, other = (
            Letter.objects.select_related("sender").get(citizen=kari, id=each.id) for each in two
        )
        join.join(keep, other, "reference")
    assert_counts_agree(kari)
    return Letter.objects.get(citizen=kari)


def split_them(kari, letter, source="altinn") -> Letter:
    delivery = Delivery.objects.get(citizen=kari, source=source)
    with transaction.atomic():
        alone = join.split(viewer(kari), letter.id, delivery.id, clock.now())
    assert_counts_agree(kari)
    return Letter.objects.get(citizen=kari, id=alone.id)


def unsplit_them(kari, source="altinn") -> Letter:
    delivery = Delivery.objects.get(citizen=kari, source=source)
    with transaction.atomic():
        join.unsplit(viewer(kari), delivery.id, clock.now())
    assert_counts_agree(kari)
    return Letter.objects.get(citizen=kari)


def assert_counts_agree(kari) -> None:
    def counts():
        state = InboxState.objects.get(citizen=kari)
        cases = Case.objects.filter(citizen=kari).order_by("id")
        told = list(cases.values("id", "letters", "status", "last_at", "open_status"))
        return (
            *(state.letters, state.unread, state.updated, state.needs_action, state.senders),
            *(state.life_events, told),
        )

    kept = counts()
    counters.recount(kari.id)
    assert kept == counts()


def test_of_two_drafts_by_one_form_both_texts_and_all_files_stay(kari, two):
    write(kari, two[0], "Det eldste jeg skrev")
    attach(kari, two[0], "a.pdf")
    clock.freeze(clock.now() + timedelta(minutes=1))
    write(kari, two[1], "Det nyeste jeg skrev")
    attach(kari, two[1], "b.pdf")
    whole = join_them(kari, two)
    draft = Reply.objects.get(citizen=kari)
    assert (draft.letter_id, draft.state) == (whole.id, "draft")
    assert draft.text == "Det eldste jeg skrev\n\nDet nyeste jeg skrev"
    assert [each["name"] for each in draft.attachments] == ["a.pdf", "b.pdf"]


@pytest.mark.parametrize("texts", [("Svar", ""), ("", "Svar"), ("Svar", "Svar")])
def test_of_two_drafts_that_say_one_thing_the_text_stands_once(kari, two, texts):
    for letter, text in zip(two, texts, strict=True):
        write(kari, letter, text)
    join_them(kari, two)
    assert Reply.objects.get(citizen=kari).text == "Svar"


def test_a_page_that_was_open_when_its_letter_became_another_still_saves(kari, two):
    write(kari, two[1], "Først", tab="open")
    join_them(kari, two)
    known = Reply.objects.get(citizen=kari).version
    write(kari, two[1], "Først og mer", known, "open")
    draft = Reply.objects.get(citizen=kari)
    assert (draft.letter_id, draft.text) == (two[0].id, "Først og mer")


def test_a_page_that_does_not_know_the_text_of_both_is_asked_which_stays(kari, two):
    write(kari, two[0], "Her")
    write(kari, two[1], "Der", tab="open")
    join_them(kari, two)
    with pytest.raises(Conflict):
        write(kari, two[1], "Der og mer", 1, "open")


def test_saving_at_a_former_address_leads_to_the_letter(kari, two):
    whole = join_them(kari, two)
    client = Client()
    log_in(client, kari, 4)
    said = {"form": WRITE.code, "text": "Svar", "version": "0", "tab": "t"}
    answer = client.post(reverse("letter_reply", args=[two[1].id]), said)
    assert answer["Location"].startswith(reverse("letter", args=[whole.id]))
    assert Reply.objects.get(citizen=kari).text == "Svar"


def test_what_she_has_sent_of_both_stays_sent_and_tells_how_the_case_stands(kari):
    two = (
        take(kari, "minside-nav", case_reference="S-1"),
        take(kari, "altinn", case_reference=""),
    )
    clock.freeze(clock.now() + timedelta(minutes=1))
    draft = write(kari, two[1], "Svar")
    replies.send_draft(viewer(kari), two[1].id, WRITE.code, draft.id)
    whole = join_them(kari, two)
    assert Reply.objects.get(citizen=kari, state="waiting").letter_id == whole.id
    assert Case.objects.get(citizen=kari).status == Case.Status.WAITING_FOR_SENDER


def test_an_answer_goes_with_the_copy_whose_source_gets_it(kari):
    two = take(kari, "minside-nav", reply_forms=[]), take(kari, "altinn")
    whole = join_them(kari, two)
    draft = write(kari, whole, "Til Altinn")
    alone = split_them(kari, whole)
    draft.refresh_from_db()
    assert draft.letter_id == alone.id
    assert sending._delivery_of(draft).source == "altinn"
    clock.freeze(clock.now() + timedelta(minutes=1))
    # And what she writes to the other from now on is another answer.
    Letter.objects.filter(id=whole.id).update(reply_forms=alone.reply_forms)
    assert write(kari, whole, "Til NAV").id != draft.id
    again = unsplit_them(kari)
    assert Reply.objects.get(citizen=kari).text == "Til Altinn\n\nTil NAV"
    assert again.id == whole.id


def test_what_a_source_has_taken_stays_with_that_sources_copy(kari, two):
    whole = join_them(kari, two)
    draft = write(kari, whole, "Svar")
    sent_by = sending._delivery_of(draft).source
    other = {"altinn": "minside-nav", "minside-nav": "altinn"}[sent_by]
    Reply.objects.update(state="done", reference="ref-1")
    Event.objects.create(
        citizen=kari,
        letter_id=whole.id,
        kind=Event.Kind.REPLIED,
        at=clock.now(),
        detail={"source": other, "reference": "ref-1"},
    )
    alone = split_them(kari, whole, other)
    draft.refresh_from_db()
    assert draft.letter_id == alone.id


def test_after_a_split_each_letter_can_be_answered_anew(kari, two):
    whole = join_them(kari, two)
    for text in ("En", "To"):
        draft = write(kari, whole, text)
        replies.send_draft(viewer(kari), whole.id, WRITE.code, draft.id)
    alone = split_them(kari, whole)
    for letter in (whole, alone):
        for _ in range(2):
            draft = write(kari, letter, "Nytt svar")
            replies.send_draft(viewer(kari), letter.id, WRITE.code, draft.id)
    unsplit_them(kari)
    assert Reply.objects.filter(citizen=kari, letter_id=whole.id).count() == 6


def test_a_letter_that_becomes_another_while_its_answer_is_sent_is_answered(kari, monkeypatch):
    asks = {"needs_action": True, "reply_forms": [replace(WRITE, settles=True)]}
    two = take(kari, "minside-nav", **asks), take(kari, "altinn", **asks)
    draft = write(kari, two[1], "Svar")
    replies.send_draft(viewer(kari), two[1].id, WRITE.code, draft.id)

    class Source:
        def reply(self, _account, _reply):
            join_them(kari, two)
            return "ref-1"

    class Connected:
        def __enter__(self):
            return Source()

        def __exit__(self, *_error):
            return None

    monkeypatch.setattr(sending, "connected", lambda _source: Connected())
    monkeypatch.setattr(sending, "account_of", lambda *_args: None)
    assert sending.send(kari.id, draft.id)
    whole = Letter.objects.get(citizen=kari)
    assert Event.objects.get(citizen=kari, kind=Event.Kind.REPLIED).letter_id == whole.id
    assert whole.handled_by == Letter.HandledBy.REPLY


def test_it_is_in_the_folders_of_both_and_both_stay_there(kari, two):
    home, tax = (folders.create(viewer(kari), name) for name in ("Bolig", "Skatt"))
    filing.put(viewer(kari), [each.id for each in two], home.id, into=True)
    filing.put(viewer(kari), [two[1].id], tax.id, into=True)
    whole = join_them(kari, two)
    assert set(whole.folders) == {str(home.id), str(tax.id)}
    alone = split_them(kari, whole)
    assert set(alone.folders) == {str(home.id), str(tax.id)}
    assert Placement.objects.filter(citizen=kari).count() == 4
    again = unsplit_them(kari)
    assert set(again.folders) == {str(home.id), str(tax.id)}
    assert Placement.objects.filter(citizen=kari).count() == 2


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        (("inbox", "bin"), "inbox"),
        (("bin", "inbox"), "inbox"),
        (("filed", "bin"), "filed"),
        (("inbox", "filed"), "inbox"),
        (("filed", "inbox"), "inbox"),
    ],
)
def test_it_lies_where_the_copy_nearest_to_her_eyes_lay(kari, two, places, expected):
    for letter, place in zip(two, places, strict=True):
        filing.move(viewer(kari), [letter.id], place)
    whole = join_them(kari, two)
    assert (whole.place, whole.delete_at) == (expected, None)


def test_of_two_in_the_bin_the_later_day_counts(kari, two):
    filing.move(viewer(kari), [two[0].id], "bin")
    clock.freeze(clock.now() + timedelta(days=5))
    filing.move(viewer(kari), [two[1].id], "bin")
    whole = join_them(kari, two)
    assert whole.delete_at == clock.now() + filing.BIN_LASTS
    assert split_them(kari, whole).delete_at == whole.delete_at


def test_that_a_letter_she_put_away_has_new_content_is_told_of_both(kari, two):
    filing.move(viewer(kari), [each.id for each in two], "filed")
    Letter.objects.filter(id=two[1].id).update(updated=True)
    counters.recount(kari.id)
    whole = join_them(kari, two)
    assert whole.updated
    assert split_them(kari, whole).updated


def test_what_is_marked_as_paid_stays_paid(kari):
    bill = {"needs_action": True, "payment": Payment(amount=12345, account="12345678903", kid="1")}
    two = take(kari, "minside-nav", **bill), take(kari, "altinn", **bill)
    handling.mark_done(viewer(kari), two[1].id)
    whole = join_them(kari, two)
    assert whole.handled_by == Letter.HandledBy.HERSELF
    alone = split_them(kari, whole)
    for letter in (alone, Letter.objects.get(id=whole.id)):
        assert letter.handled_by == Letter.HandledBy.HERSELF
        assert letter.payment["amount"] == 12345


def test_a_link_and_an_access_to_one_letter_lead_to_what_it_has_become(kari, two):
    helper = make_citizen("Hanne")
    person = Viewer(helper.id, SecurityLevel.HIGH)
    _, token = forward.send_on(viewer(kari), two[1].id, "Hanne", 7)
    make_representation(kari, helper, reach="letter", limits={"letter": str(two[1].id)})
    whole = join_them(kari, two)
    found = forward.find(person, token)
    assert found and found.scopes[0].letter_id == whole.id
    assert Representation.objects.get().limits == {"letter": str(whole.id)}
    client = Client()
    log_in(client, helper, 4)
    act_for(client, kari)
    assert client.get(reverse("letter", args=[whole.id])).status_code == 200
    assert client.get(reverse("letter", args=[two[1].id])).status_code == 302
    alone = split_them(kari, whole)
    # What she took out is a letter of its own: she gave access to one.
    assert client.get(reverse("letter", args=[alone.id])).status_code == 404


@pytest.mark.parametrize("said", [("accepted", "rejected"), ("rejected", "accepted")])
def test_what_she_said_for_a_life_event_outlives_joining_and_splitting(kari, two, said):
    for letter, state in zip(two, said, strict=True):
        proposals.add(viewer(kari), letter.id, DEATH)
        if state == "rejected":
            proposals.decide(viewer(kari), letter.id, DEATH, accept=False)
    whole = join_them(kari, two)
    assert LifeEventLetter.objects.get(event=DEATH).state == "accepted"
    alone = split_them(kari, whole)
    for letter in (whole, alone):
        assert LifeEventLetter.objects.get(event=DEATH, letter_id=letter.id).state == "accepted"
    unsplit_them(kari)
    assert LifeEventLetter.objects.get(event=DEATH).state == "accepted"


def test_a_former_id_of_somebody_else_leads_nowhere(kari, two):
    join_them(kari, two)
    with pytest.raises(Letter.DoesNotExist):
        handle.readable_letter(Viewer(make_citizen("Ola").id, SecurityLevel.HIGH), two[1].id)
