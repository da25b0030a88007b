"""Letters sent from the portal, as they are made, confirmed and taken in."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from connectors import clock
from inbox.agencies import drafts, outgoing, sending
from inbox.agencies.files import BadFile, Bundle
from inbox.agencies.letters import Refused, Terms, choice_form
from inbox.agencies.models import Dispatch, Outgoing
from inbox.archive import store
from inbox.citizens.identity import is_organisation_number
from inbox.letters.models import Delivery, Document, Letter
from inbox.sync import closing, consent
from inbox.sync.models import Mailbox, Quarantined
from tests.agencies.sending import KARI, NOBODY, OLA, pdf, wanted, zip_of, zipped
from tests.make import log_in
from tests.rows import rows

pytestmark = pytest.mark.django_db


def prepare(agency, letters, content, **more):
    return outgoing.prepare(agency, Terms(), letters, io.BytesIO(content), **more)


def codes(refused: pytest.ExceptionInfo[Refused]) -> list[tuple[str, int]]:
    return [(each.code, each.line) for each in refused.value.problems]


def test_a_letter_arrives_with_all_that_was_said_of_it(agency, employee, kari):
    terms = Terms(
        public_title="Svar fra kommunen",
        documentary_value=True,
        wants_receipt=True,
        form=choice_form("Tar du imot plassen?", ["Ja", "Nei"]),
    )
    due = clock.now() + timedelta(days=9)
    letter = wanted(due_at=due, case_reference="26/1", reference="ref-1")
    content = pdf()
    dispatch = outgoing.submit(agency, terms, [letter], content, by=employee.id)
    assert sending.send_due() == 1
    came = Letter.objects.get(citizen=kari)
    assert (came.title, came.public_title, came.security_level) == (
        "Svar på søknaden",
        "Svar fra kommunen",
        4,
    )
    assert (came.sender_name, came.sender.org_number) == ("Bergen kommune", "964338531")
    assert (came.due_at, came.documentary_value, came.case_reference) == (due, True, "26/1")
    assert came.reply_forms[0]["kind"] == "choice"
    delivery = Delivery.objects.get(citizen=kari)
    assert (delivery.sender_verified, delivery.wants_opening_receipt) == ("portal", True)
    document = Document.objects.get(citizen=kari)
    assert store.read_bytes(delivery.citizen_id, delivery.id, document.blob.path) == content
    sent = dispatch.letters.get()
    assert (sent.state, sent.delivery_id, sent.recipient) == ("delivered", delivery.id, "")
    dispatch.refresh_from_db()
    assert dispatch.state == "done"
    assert not store.exists(dispatch.id)


def test_the_agency_stands_among_her_sources_and_she_may_leave_it(agency, kari, client):
    outgoing.submit(agency, Terms(), [wanted()], pdf())
    sending.send_due()
    mailbox = Mailbox.objects.get(citizen=kari)
    assert (mailbox.source_id, mailbox.active) == ("portal-964338531", True)
    log_in(client, kari, 4)
    client.cookies["django_language"] = "nb"
    page = client.get("/sources/").content.decode()
    assert "Bergen kommune sender deg brev herfra." in page
    assert "Svar" in client.get("/?view=separate&source=portal-964338531").content.decode()
    consent.disconnect(kari.id, mailbox.source_id)
    outgoing.submit(agency, Terms(), [wanted(title="Et nytt brev")], pdf())
    sending.send_due()
    assert Letter.objects.filter(citizen=kari).count() == 1
    assert not Mailbox.objects.get(citizen=kari).active
    assert Outgoing.objects.latest("id").state == "refused"


def test_nothing_goes_before_it_is_confirmed_and_confirmed_twice_it_goes_once(agency, kari):
    dispatch = prepare(agency, [wanted()], pdf())
    assert sending.send_due() == 0
    assert outgoing.confirm(agency, dispatch.id)
    assert not outgoing.confirm(agency, dispatch.id)
    assert sending.send_due() == 1
    assert sending.send_due() == 0
    assert Letter.objects.filter(citizen=kari).count() == 1


def test_who_closes_her_account_gets_no_letter_and_is_as_one_who_is_not_here(agency, kari):
    closing.ask(kari.id)
    dispatch = outgoing.submit(agency, Terms(), [wanted()], pdf())
    assert sending.send_due() == 0
    assert dispatch.letters.get().state == "refused" and not Letter.objects.exists()
    closing.take_back(kari.id)
    outgoing.submit(agency, Terms(), [wanted()], pdf())
    assert sending.send_due() == 1


def test_whoever_is_not_here_is_told_of_and_her_number_forgotten(agency, kari, ola):
    outgoing.source_of(agency)
    Mailbox.objects.create(
        citizen=ola, source=outgoing.source_of(agency), connected_at=clock.now(), active=False
    )
    letters = [wanted(line=2), wanted(NOBODY, line=3), wanted(OLA, line=4)]
    dispatch = prepare(agency, letters, pdf(), is_list=True)
    outgoing.confirm(agency, dispatch.id)
    sending.send_due()
    assert list(dispatch.letters.order_by("line").values_list("state", flat=True)) == [
        "delivered",
        "refused",
        "refused",
    ]
    assert outgoing.counts(dispatch) == {"delivered": 1, "refused": 2}
    assert not Outgoing.objects.exclude(recipient="").exists()
    assert not Quarantined.objects.exists()


def test_each_gets_her_own_pdf_from_a_zip(agency, kari, ola):
    hers, his = pdf(Title="Kari"), pdf(Title="Ola")
    letters = [wanted(file="a.pdf", line=2), wanted(OLA, file="b.pdf", line=3)]
    dispatch = prepare(agency, letters, zipped(a=hers, b=his), is_list=True)
    outgoing.confirm(agency, dispatch.id)
    assert sending.send_due() == 2
    for citizen, content in ((kari, hers), (ola, his)):
        document = Document.objects.get(citizen=citizen)
        assert (
            store.read_bytes(document.citizen_id, document.delivery_id, document.blob.path)
            == content
        )


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"recipient": "12345678901"}, "recipient"),
        ({"recipient": "kari"}, "recipient"),
        ({"recipient": ""}, "recipient"),
        ({"title": ""}, "title_missing"),
        ({"title": "x" * 201}, "title_long"),
        ({"title": f"Til {KARI}"}, "number_in_text"),
        ({"reference": f"{KARI[:6]} {KARI[6:]}"}, "number_in_text"),
        ({"reference": "x" * 65}, "reference_long"),
        ({"title": "a\0b"}, "bad_sign"),
        ({"file": "a.pdf"}, "no_zip"),
    ],
)
def test_a_letter_that_cannot_be_sent_is_refused_with_its_line(agency, change, code):
    with pytest.raises(Refused) as refused:
        prepare(agency, [wanted(line=2), wanted(**{"recipient": OLA, "line": 3} | change)], pdf())
    assert (code, 3) in codes(refused)
    assert KARI not in repr(refused.value.problems)
    assert not Dispatch.objects.exists()


def test_a_deadline_that_is_past_and_a_letter_that_stands_there_twice_are_refused(agency):
    past = clock.now() - timedelta(days=1)
    with pytest.raises(Refused) as refused:
        prepare(agency, [wanted(line=2, due_at=past), wanted(line=3)], pdf())
    assert codes(refused) == [("due_past", 2), ("twice", 3)]


@pytest.mark.parametrize(
    ("content", "code"),
    [(b"", "empty"), (b"MZ", "no_pdf"), (b"%PDF-1.7 broken", "unreadable")],
)
def test_what_is_no_pdf_is_refused(agency, content, code):
    with pytest.raises(Refused) as refused:
        prepare(agency, [wanted()], content)
    assert codes(refused) == [(code, 0)]


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({"../a.pdf": pdf()}, "bad_name"),
        ({"/a.pdf": pdf()}, "bad_name"),
        ({"C:a.pdf": pdf()}, "bad_name"),
        ({f"{KARI}.pdf": pdf()}, "number_in_name"),
        ({"a.pdf": b"MZ"}, "no_pdf"),
        ({"b.pdf": pdf()}, "unknown_file"),
        ({"a.pdf": pdf(), "b.pdf": pdf()}, "unused_file"),
    ],
)
def test_a_zip_that_does_not_fit_is_refused(agency, files, code):
    with pytest.raises(Refused) as refused:
        prepare(agency, [wanted(file="a.pdf", line=2)], zip_of(files), is_list=True)
    assert code in {each for each, _ in codes(refused)}
    assert KARI not in repr(refused.value.problems)


def test_what_a_mac_puts_into_a_zip_is_passed_over(agency):
    files = {"a.pdf": pdf(), "__MACOSX/._a.pdf": b"x", ".DS_Store": b"x"}
    assert prepare(agency, [wanted(file="a.pdf", line=2)], zip_of(files), is_list=True)


def test_a_zip_that_grows_is_refused_before_it_is_unpacked(settings):
    settings.OUTGOING_PDF_MAX_BYTES = 1000
    with pytest.raises(BadFile, match="too_large"):
        Bundle(io.BytesIO(zip_of({"a.pdf": b"%PDF-" + bytes(5000)})))
    settings.OUTGOING_PDF_MAX_BYTES = 10_000
    settings.OUTGOING_ZIP_MAX_BYTES = 3000
    with pytest.raises(BadFile, match="zip_too_large"):
        Bundle(io.BytesIO(zip_of({f"{n}.pdf": b"%PDF-" + bytes(5000) for n in range(2)})))
    settings.OUTGOING_ROWS_MAX = 0
    with pytest.raises(BadFile, match="zip_too_large"):
        Bundle(io.BytesIO(zip_of({"a.pdf": b"%PDF-"})))


def test_a_zip_that_lies_of_a_size_is_refused():
    packed = bytearray(zip_of({"a.pdf": b"%PDF-" + bytes(50)}))
    place = packed.rfind(b"PK\1\2")
    packed[place + 24 : place + 28] = (10).to_bytes(4, "little")
    with pytest.raises(BadFile, match="broken_zip"):
        Bundle(io.BytesIO(packed)).read("a.pdf")


def test_the_same_to_the_same_is_told_before_it_is_sent_again(agency):
    content = pdf()
    first = prepare(agency, [wanted()], content)
    assert outgoing.sent_before(first) is None
    outgoing.confirm(agency, first.id)
    assert outgoing.sent_before(prepare(agency, [wanted()], content)) is not None
    assert outgoing.sent_before(prepare(agency, [wanted(OLA)], content)) is None


def test_a_draft_that_nobody_sends_is_thrown_away_with_its_file(agency, frozen_clock):
    dispatch = prepare(agency, [wanted()], pdf())
    assert drafts.discard_forgotten() == 0
    clock.freeze(clock.now() + timedelta(hours=25))
    assert drafts.discard_forgotten() == 1
    assert not Outgoing.objects.exists()
    assert not store.exists(dispatch.id)


def test_what_is_sent_is_not_thrown_away(agency):
    dispatch = prepare(agency, [wanted()], pdf())
    outgoing.confirm(agency, dispatch.id)
    assert not drafts.discard(agency, dispatch.id)
    assert store.exists(dispatch.id)


class Killed(BaseException):
    """As SIGKILL: nothing catches it."""


STEPS = [
    (sending, "take_in", "before"),
    (sending, "take_in", "after"),
    (Outgoing.objects, "bulk_update", "before"),
    (Outgoing.objects, "bulk_update", "after"),
    (store, "remove", "before"),
    (store, "remove", "after"),
]


@pytest.mark.parametrize(("where", "what", "when"), STEPS)
def test_a_worker_killed_between_two_steps_leaves_each_exactly_one_letter(
    agency, kari, ola, monkeypatch, where, what, when
):
    monkeypatch.setattr(sending, "BATCH", 1)
    letters = [wanted(line=2), wanted(OLA, line=3)]
    dispatch = prepare(agency, letters, pdf(), is_list=True)
    outgoing.confirm(agency, dispatch.id)
    own = getattr(where, what)

    def killed(*args, **kwargs):
        if when == "after":
            own(*args, **kwargs)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(where, what, killed)
        with pytest.raises(Killed):
            sending.send(dispatch.id)
    assert sending.send_due() == 0, "somebody has it in hand"
    Dispatch.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    sending.send_due()
    dispatch.refresh_from_db()
    assert dispatch.state == "done"
    assert Letter.objects.count() == Delivery.objects.count() == 2
    assert set(dispatch.letters.values_list("delivery_id", flat=True)) == set(
        Delivery.objects.values_list("id", flat=True)
    )


def test_two_workers_that_both_believe_it_theirs_send_each_once(agency, kari, ola, monkeypatch):
    dispatch = prepare(agency, [wanted(line=2), wanted(OLA, line=3)], pdf(), is_list=True)
    outgoing.confirm(agency, dispatch.id)
    own = sending.take_in

    def overtaken(*args):
        monkeypatch.setattr(sending, "take_in", own)
        Dispatch.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        assert sending.send(dispatch.id) == 2
        return own(*args)

    monkeypatch.setattr(sending, "take_in", overtaken)
    assert sending.send(dispatch.id) == 0
    assert Letter.objects.count() == Delivery.objects.count() == 2
    dispatch.refresh_from_db()
    assert dispatch.state == "done"
    assert outgoing.counts(dispatch) == {"delivered": 2}


def test_a_letter_that_trips_the_inbox_holds_up_no_other(agency, kari, ola, monkeypatch):
    letters = [wanted(line=2, title="Trips"), wanted(OLA, line=3)]
    dispatch = prepare(agency, letters, pdf(), is_list=True)
    outgoing.confirm(agency, dispatch.id)
    own = sending.take_in_apart.__globals__["receive"]

    def trips(arrivals, now):
        if any(each.incoming.title == "Trips" for each in arrivals):
            raise RuntimeError
        return own(arrivals, now)

    monkeypatch.setitem(sending.take_in_apart.__globals__, "receive", trips)
    for _ in range(5):
        sending.send_due()
        Dispatch.objects.filter(state="waiting").update(due_at=timezone.now())
    assert outgoing.counts(dispatch) == {"delivered": 1, "failed": 1}
    assert Quarantined.objects.count() == 1


def test_no_number_stands_in_the_clear_in_any_row_or_file(agency, kari, tmp_path):
    dispatch = prepare(agency, [wanted()], pdf(), name=f"{KARI}.pdf")
    assert dispatch.file_name == "brev.pdf"
    outgoing.confirm(agency, dispatch.id)

    def told() -> bool:
        said = repr([vars(each) for each in rows()])
        kept = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
        return KARI in said or KARI.encode() in kept

    assert not told()
    sending.send_due()
    assert not told()


def test_the_queries_of_a_batch_do_not_grow_with_it(agency, kari, ola):
    def asked(letters) -> int:
        dispatch = prepare(agency, letters, pdf(), is_list=True)
        outgoing.confirm(agency, dispatch.id)
        with CaptureQueriesContext(
            connection,
        ) as captured:
            sending.send_due()
        return len(captured)

    few = asked([wanted(line=2), wanted(OLA, line=3)])
    many = asked([wanted(KARI if n % 2 else OLA, title=f"Brev {n}", line=n) for n in range(2, 42)])
    assert many <= few + 45, "one to count each as it comes"


@pytest.mark.parametrize(
    ("number", "can_be"),
    [("964338531", True), ("889640782", True), ("964338532", False), ("96433853", False)],
)
def test_an_organisation_number_has_a_check_digit(number, can_be):
    assert is_organisation_number(number) is can_be
