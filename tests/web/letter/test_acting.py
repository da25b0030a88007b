"""Acting on a letter that came from a simulated agency: answered, done, paid, followed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from html import unescape
from typing import Any
from uuid import UUID

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import override

from connectors import clock
from connectors.contract import (
    Action,
    Kind,
    Payment,
    ReplyChoice,
    ReplyForm,
    ReplyKind,
    Signing,
    SigningStatus,
)
from connectors.minside.simulator import MinsideSimulator
from connectors.minside.threads import ANSWER_AFTER
from connectors.simulation import Faults
from connectors.world.letters import new_letter
from connectors.world.model import STUDY_DATE, Channel
from connectors.world.persons import by_slug
from inbox.archive import store
from inbox.citizens.identity import find_citizen
from inbox.citizens.models import Citizen, Identifier
from inbox.letters.erase import erase, erase_bytes
from inbox.letters.models import Letter, Reply
from inbox.notifications.models import Notification
from inbox.sync import engine, receipts, retrieve, sending
from inbox.sync.models import Mailbox, OutboundReceipt
from inbox.web.dates import Calendar
from inbox.web.replying import amount_of
from tests.incoming import WRITE
from tests.make import log_in, make_citizen, make_letter
from tests.take_out import take_out

pytestmark = pytest.mark.usefixtures("frozen_clock")

PNG = b"\x89PNG\r\n\x1a\n" + b"x" * 20
ASK = ReplyForm(
    "valg",
    ReplyKind.CHOICE,
    "Vil du?",
    choices=(ReplyChoice("ja", "Ja, gjerne"), ReplyChoice("nei", "Nei takk")),
)
Send = Callable[..., Letter]


@pytest.fixture
def kari(demo_citizens) -> Citizen:
    found = find_citizen(Identifier.Kind.NATIONAL_ID, by_slug("kari").national_id)
    assert found is not None
    return found


@pytest.fixture
def nav(demo_citizens) -> MinsideSimulator:
    found = demo_citizens.simulators["minside"]
    assert isinstance(found, MinsideSimulator)
    return found


def fetch(kari: Citizen) -> None:
    mailbox = Mailbox.objects.get(citizen=kari, source="minside-nav")
    Mailbox.objects.filter(id=mailbox.id).update(lease_until=None)
    engine.sync_mailbox(kari.id, mailbox.id)


@pytest.fixture
def send(kari: Citizen, nav: MinsideSimulator) -> Send:
    """Have NAV send Kari a letter, and fetch it."""

    def sent(*forms: ReplyForm, **changes: Any) -> Letter:
        made = new_letter(
            by_slug("kari"), Channel.NAV, at=STUDY_DATE, title="Svar oss", with_document=False
        )
        nav.send(replace(made, reply_forms=forms, **changes))
        fetch(kari)
        return Letter.objects.filter(citizen=kari).latest("id")

    return sent


def body(screen: Client, letter: Letter) -> str:
    answer = screen.get(reverse("letter", args=[letter.id]))
    assert answer.status_code == 200
    return answer.content.decode()


def post(screen: Client, letter: Letter, do: str, **fields: Any) -> Any:
    fields.setdefault("form", WRITE.code)
    return screen.post(reverse("letter_reply", args=[letter.id]), {"do": do, **fields})


def write(screen: Client, letter: Letter, text: str = "Her er svaret.", **fields: Any) -> Reply:
    fields.setdefault("tab", "one")
    post(screen, letter, "save", text=text, **fields)
    return Reply.objects.get(letter_id=letter.id, state="draft")


def send_away(screen: Client, letter: Letter, draft: Reply) -> Any:
    return post(screen, letter, "send", id=str(draft.id))


def test_one_press_answers_and_closes_the_task(screen, kari, nav, send):
    letter = send(ASK, needs_action=True)
    assert "Vil du?" in body(screen, letter)
    post(screen, letter, "choose:ja", form="valg")
    post(screen, letter, "choose:nei", form="valg")
    assert sending.send_due() == 1
    [taken] = nav.replies(by_slug("kari"))
    assert taken["said"]["choice"] == "Ja, gjerne"
    page = body(screen, letter)
    assert taken["reference"] in page and "Your answer" in page and "Done with your answer" in page
    letter.refresh_from_db()
    assert letter.handled_by == "reply"
    kari.inbox_state.refresh_from_db()
    assert kari.inbox_state.needs_action == 0
    fetch(kari)
    letter.refresh_from_db()
    assert letter.handled_by == "reply"


def test_a_text_with_files_is_looked_over_sent_and_answered(screen, kari, nav, send):
    letter = send(WRITE)
    body(screen, letter)
    upload = SimpleUploadedFile("lønnsslipp.exe", PNG)
    answer = post(screen, letter, "preview", text="Se vedlegget.", tab="a", files=upload)
    preview = screen.get(answer.url).content.decode()
    assert "Se vedlegget." in preview and "lønnsslipp.png" in preview
    draft = Reply.objects.get(letter_id=letter.id)
    send_away(screen, letter, draft)
    assert "Waiting to be sent to NAV" in body(screen, letter)
    assert sending.send_due() == 1
    assert send_away(screen, letter, draft).status_code == 302
    assert sending.send_due() == 0
    [taken] = nav.replies(by_slug("kari"))
    assert taken["said"]["attachments"] == [{"name": "lønnsslipp.png", "size": len(PNG)}]
    clock.freeze(clock.now() + ANSWER_AFTER + timedelta(seconds=1))
    fetch(kari)
    letter.refresh_from_db()
    assert letter.unread
    assert Notification.objects.filter(letter_id=letter.id, kind="answer").count() == 1
    page = body(screen, letter)
    assert "Vi ser på saken" in page and "The sender answered you" in page
    file = screen.get(re.search(r'href="([^"]+/reply/files/[^"]+)"', page)[1])
    assert b"".join(file) == PNG and file["Content-Type"] == "image/png"
    fetch(kari)
    letter.refresh_from_db()
    assert not letter.unread, "read, and nothing new has been written"


def test_a_source_that_is_down_gets_the_answer_later(screen, nav, send):
    letter = send(WRITE)
    send_away(screen, letter, write(screen, letter))
    nav.state.set_faults("minside-nav", Faults("down"))
    assert sending.send_due() == 0
    page = body(screen, letter)
    assert "Waiting to be sent to NAV" in page and "we try again" in page
    nav.state.set_faults("minside-nav", Faults())
    Reply.objects.update(due_at=timezone.now())
    assert sending.send_due() == 1
    assert "Sent to NAV" in body(screen, letter)


def test_what_the_agency_refuses_is_shown_with_its_reason_and_kept(screen, nav, send):
    letter = send(WRITE)
    draft = write(screen, letter)
    nav.close_thread(by_slug("kari"), Channel.NAV, "Saken er avsluttet.")
    send_away(screen, letter, draft)
    assert sending.send_due() == 0
    page = body(screen, letter)
    assert "did not take it" in page and "Saken er avsluttet." in page and draft.text in page
    post(screen, letter, f"edit:{draft.id}")
    assert Reply.objects.get(letter_id=letter.id).state == "draft"


def test_a_closed_thread_says_why(screen, kari, nav, send):
    letter = send(WRITE)
    draft = write(screen, letter)
    nav.close_thread(by_slug("kari"), Channel.NAV, "Saken er avsluttet.")
    fetch(kari)
    page = body(screen, letter)
    assert "You cannot answer this letter here any more." in page and "Saken er avsluttet." in page
    assert "<textarea" not in page
    send_away(screen, letter, draft)
    assert Reply.objects.get(letter_id=letter.id).state == "draft"


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.pdf", b"<html>", "is of a type"),
        ("a.png", b"%PDF-" + b"x" * 1000, "is too large"),
        ("a.pdf", b"", "is empty"),
    ],
)
def test_a_file_that_is_not_taken_loses_nothing_of_the_text(
    screen, send, name, content, said, settings
):
    letter = send(WRITE)
    post(screen, letter, "save", text="Teksten", tab="a", files=SimpleUploadedFile(name, content))
    page = body(screen, letter)
    assert said in page and "Teksten</textarea>" in page
    # The page opens at the form, so that is where she is told.
    assert page.count(said) == 1 and page.index('id="reply-said"') > page.index('id="reply"')
    assert Reply.objects.get(letter_id=letter.id).attachments == []


def test_no_more_files_than_the_form_takes_and_each_can_be_taken_away(screen, send):
    letter = send(WRITE)
    for _ in range(3):
        post(screen, letter, "save", text="T", tab="a", files=SimpleUploadedFile("a.png", PNG))
    draft = Reply.objects.get(letter_id=letter.id)
    assert len(draft.attachments) == 2
    assert "at most 2 files" in body(screen, letter)
    gone = draft.attachments[0]["id"]
    post(screen, letter, f"remove:{gone}", text="T", tab="a", version=draft.version)
    draft.refresh_from_db()
    assert gone not in str(draft.attachments) and len(draft.attachments) == 1
    assert screen.get(reverse("reply_file", args=[letter.id, gone])).status_code == 404


def test_a_text_that_is_too_long_is_kept_and_not_sent(screen, send):
    letter = send(WRITE)
    draft = write(screen, letter, "x" * 101)
    assert (
        "too long"
        in screen.get(
            reverse("letter_reply", args=[letter.id]), {"form": WRITE.code}
        ).content.decode()
    )
    send_away(screen, letter, draft)
    draft.refresh_from_db()
    assert (draft.state, len(draft.text)) == ("draft", 101)


def test_two_tabs_never_overwrite_each_other(screen, send):
    letter = send(WRITE)
    first = write(screen, letter, "Fra den første", tab="one", version=0)
    answer = post(screen, letter, "save", text="Fra den andre", tab="two", version=0)
    page = answer.content.decode()
    assert answer.status_code == 409
    assert "Fra den første" in page and "Fra den andre" in page
    assert Reply.objects.get(letter_id=letter.id).text == "Fra den første"
    post(screen, letter, "save", text="Fra den andre", tab="two", version=first.version)
    assert Reply.objects.get(letter_id=letter.id).text == "Fra den andre"


def test_a_draft_is_saved_while_she_writes(screen, send):
    letter = send(WRITE)
    address = reverse("letter_reply", args=[letter.id])
    fields = {"do": "", "form": WRITE.code, "tab": "a", "text": "Halv", "version": "0"}
    answer = screen.post(address, fields, headers={"HX-Request": "true"})
    assert "Draft saved" in answer.content.decode() and "HX-Request" in answer["Vary"]
    assert "Halv</textarea>" in body(screen, letter)


def test_what_she_wrote_as_her_session_ended_is_offered_after_log_in(screen, kari, send):
    letter = send(WRITE)
    body(screen, letter)
    del screen.cookies["samlepost_session"]
    answer = post(screen, letter, "preview", text="Nesten tapt", tab="a")
    assert answer.url.startswith(reverse("login"))
    said = screen.get(answer.url).content.decode()
    assert "Your text is kept for an hour" in said and "Nesten tapt" not in said
    stranger = make_citizen("Ola")
    log_in(screen, stranger)
    assert screen.get(reverse("letter", args=[letter.id])).status_code == 404
    log_in(screen, kari)
    page = body(screen, letter)
    assert "You were logged out while you wrote." in page and "Nesten tapt</textarea>" in page
    post(screen, letter, "save", text="Nesten tapt", tab="b")
    assert "You were logged out" not in body(screen, letter)
    assert Reply.objects.get(letter_id=letter.id).text == "Nesten tapt"


def test_the_page_of_answers_lists_drafts_and_sent_ones(screen, send):
    letter, other = send(WRITE), send(WRITE)
    send_away(screen, letter, write(screen, letter, "Sendt svar"))
    sending.send_due()
    write(screen, other, "Påbegynt svar")
    page = screen.get(reverse("sent")).content.decode()
    assert page.index("Påbegynt svar") < page.index("Sendt svar")
    assert Reply.objects.get(letter_id=letter.id).reference in page


def test_below_the_letters_level_nothing_of_an_answer_shows(screen, kari, send):
    log_in(screen, kari, 4)
    letter = send(WRITE, security_level=4, public_title="Brev fra NAV")
    body(screen, letter)
    write(screen, letter, "Hemmelig svar")
    log_in(screen, kari, 3)
    sent = screen.get(reverse("sent")).content.decode()
    assert "Hemmelig" not in sent + body(screen, letter) and "Svar oss" not in sent
    for name in ("letter_reply", "letter_thread", "letter_leave"):
        assert screen.get(reverse(name, args=[letter.id])).status_code == 302
    post(screen, letter, "save", text="Annet")
    assert Reply.objects.get(letter_id=letter.id).text == "Hemmelig svar"


def test_a_deleted_letter_takes_answers_and_files_with_it(screen, send):
    letter = send(WRITE)
    post(screen, letter, "save", text="T", tab="a", files=SimpleUploadedFile("a.png", PNG))
    [file] = Reply.objects.get(letter_id=letter.id).attachments
    erase(letter)
    erase_bytes()
    assert not Reply.objects.exists() and not store.exists(UUID(file["id"]))


def test_done_at_the_agency_closes_the_task_here(screen, kari, nav, send):
    letter = send(needs_action=True)
    body(screen, letter)
    item = nav.page("nav", by_slug("kari").national_id, None)["items"][-1]
    done = {"handled_at": clock.now().isoformat(), "handled_by": "Du, på nav.no"}
    nav.change(Channel.NAV, item["id"], **done)
    fetch(kari)
    kari.inbox_state.refresh_from_db()
    assert kari.inbox_state.needs_action == 0
    assert "Du, på nav.no" in body(screen, letter)
    assert not Notification.objects.filter(letter_id=letter.id, state="waiting").exists()


def test_done_by_her_is_told_to_the_agency_and_can_be_taken_back(screen, kari, nav, send):
    letter = send(needs_action=True)
    body(screen, letter)
    address = reverse("letter_done", args=[letter.id])

    def kinds() -> list[str]:
        receipts.send_due()
        return [each["kind"] for each in nav.receipts(by_slug("kari"))]

    screen.post(address)
    screen.post(address)
    assert kinds() == ["handled"]
    page = body(screen, letter)
    assert "You marked it as done" in page and "was told that it is done" in page
    fetch(kari)
    screen.post(address, {"undo": "1"})
    assert kinds() == ["handled", "reopened"]
    letter.refresh_from_db()
    assert letter.handled_at is None
    fetch(kari)
    letter.refresh_from_db()
    assert letter.handled_at is None


def test_a_bill_is_shown_with_what_to_copy_and_can_be_marked_as_paid(screen, send):
    bill = Payment(184_500, "86011117947", "2345676", due_at=STUDY_DATE + timedelta(days=9))
    letter = send(payment=bill, kind=Kind.INVOICE)
    page = body(screen, letter)
    assert 'data-copy="2345676"' in page and "NOK\xa01,845.00" in page and "8601 11 17947" in page
    assert "does not look right" not in page
    screen.post(reverse("letter_done", args=[letter.id]))
    assert "It is not done after all" in body(screen, letter)


def test_a_wrong_kid_is_a_warning(screen, send):
    page = body(screen, send(payment=Payment(100, "86011117948", "2345677")))
    assert page.count("does not look right") == 2


@pytest.mark.parametrize(
    ("language", "said"), [("en", "NOK\xa01,845.05"), ("nb", "1\xa0845,05\xa0kr")]
)
def test_an_amount_is_written_as_in_the_language(language, said):
    with override(language):
        assert amount_of(184_505, "NOK") == said


def test_a_document_to_sign_says_where_it_stands(screen, send):
    letter = send(signing=Signing(SigningStatus.WAITING), agency_task="Signer", needs_action=True)
    page = body(screen, letter)
    assert "waits for your signature" in page and "Signer" in page


def test_the_host_is_shown_before_she_leaves_and_the_way_back_goes_along(screen, send):
    letter = send(agency_task="Send inn", needs_action=True)
    page = body(screen, letter)
    address = unescape(re.search(r'href="([^"]+/leave/[^"]+)"', page)[1])
    leaving = unescape(screen.get(address).content.decode())
    assert "You are leaving Samlepost: 127.0.0.1:8010" in leaving
    assert f"return_to=http%3A%2F%2Ftestserver%2Fletters%2F{letter.id}%2F" in leaving


def test_links_inside_documents_are_offered_outside_them(screen, kari, send):
    letter = make_letter(kari, actions=[Action("https://nav.no/ok", "Svar")])
    document = letter.documents.get()
    document.texts.update(
        links=[
            {"url": "https://nav.no/ok", "page": 1},
            {"url": "https://www.nav.no/dypt", "page": 1},
            {"url": "https://nav.no@evil.example/", "page": 2},
        ]
    )
    page = body(screen, letter)
    assert "nav.no/dypt" in page and "evil.example" not in page
    assert page.count("/leave/?to=") == 2
    assert (
        "https://www.nav.no/dypt"
        in screen.get(reverse("letter_leave", args=[letter.id]), {"to": "d0"}).content.decode()
    )


def test_nobody_else_can_act_on_the_letter(screen, kari, send):
    letter = send(WRITE, ASK)
    log_in(screen, make_citizen("Ola"))
    for do in ("save", "choose:ja", "send", "discard", "preview"):
        assert post(screen, letter, do, text="x").status_code == 404
    for name in ("letter_done", "letter_confirm"):
        assert screen.post(reverse(name, args=[letter.id])).status_code == 404
    assert not Reply.objects.exists()


def test_all_that_was_written_is_in_the_zip_of_her_letters(screen, kari, nav, send):
    letter = send(WRITE)
    body(screen, letter)
    draft = write(screen, letter, files=SimpleUploadedFile("lønn.png", PNG))
    send_away(screen, letter, draft)
    assert sending.send_due() == 1
    clock.freeze(clock.now() + ANSWER_AFTER + timedelta(seconds=1))
    fetch(kari)
    write(screen, letter, "Enda noe")
    log_in(screen, kari, 4)
    whole = take_out(screen)
    files = {name.partition(letter.id.hex[-12:])[2]: data for name, data in whole.items()}
    page = files["/letter.html"].decode()
    said = json.loads(files["/letter.json"])
    assert files["/answers/lønn.png"] == PNG
    assert (
        "Her er svaret." in page and "answers/l%C3%B8nn.png" in page and "Vi ser på saken" in page
    )
    assert page.index("Enda noe") > page.index("Her er svaret.") and "Not sent" in page
    assert [each["state"] for each in said["answers"]] == ["done", "draft"]
    assert said["answers"][0]["attachments"][0]["file"] == "answers/lønn.png"


def test_a_letter_with_a_thread_costs_one_query_more(screen, kari, send, django_assert_num_queries):
    plain, answered = make_letter(kari), send(WRITE)
    write(screen, answered)
    body(screen, plain), body(screen, answered)
    with django_assert_num_queries(5):
        body(screen, plain)
    with django_assert_num_queries(6):
        body(screen, answered)


def test_one_press_confirms_a_letter_at_altinn_once_and_altinn_says_that_it_is_done(
    screen, kari, demo_citizens
):
    altinn = demo_citizens.simulators["altinn"]
    made = new_letter(by_slug("kari"), Channel.ALTINN, at=STUDY_DATE, title="Bekreft dette")
    due_at = STUDY_DATE + timedelta(days=9)
    dialog = altinn.send(replace(made, needs_confirmation=True, due_at=due_at))
    mailbox = Mailbox.objects.get(citizen=kari, source="altinn")

    def sync() -> Letter:
        Mailbox.objects.filter(id=mailbox.id).update(lease_until=None)
        engine.sync_mailbox(kari.id, mailbox.id)
        return Letter.objects.get(citizen=kari)

    letter = sync()
    confirm = reverse("letter_confirm", args=[letter.id])
    assert letter.needs_action
    page = body(screen, letter)  # asked for at once; possible when there is something to confirm
    day = Calendar(clock.now(), "en").full_day(due_at)
    asks = f"The sender asks you to confirm that you have got the letter, by {day}."
    assert asks in page and "once the letter has been fetched" in page
    assert (
        f'action="{confirm}"' not in page and reverse("letter_done", args=[letter.id]) not in page
    )
    assert retrieve.run_due() == 1
    content = reverse("letter_content", args=[letter.id])
    arrived = screen.get(content, headers={"HX-Request": "true"}).content.decode()
    for page in (arrived, body(screen, letter)):
        assert f'action="{confirm}"' in page and asks in page
    assert not handled_at(altinn, dialog)
    altinn.state.set_faults(Channel.ALTINN.value, Faults("down"))
    for _ in range(2):
        assert screen.post(confirm)["Location"] == reverse("letter", args=[letter.id])
    page = body(screen, letter)
    assert "You have confirmed. The sender is told." in page
    assert f'action="{confirm}"' not in page
    assert receipts.send_due() == 0
    assert not handled_at(altinn, dialog)
    altinn.state.set_faults(Channel.ALTINN.value, Faults())
    OutboundReceipt.objects.update(due_at=timezone.now())
    assert receipts.send_due() == 1
    told = handled_at(altinn, dialog)
    assert told
    assert receipts.send_due() == 0
    assert OutboundReceipt.objects.get(kind="confirmed").state == "done"
    letter = sync()
    assert letter.handled_by == Letter.HandledBy.CONFIRMATION
    assert not letter.unread
    assert handled_at(altinn, dialog) == told
    assert "You confirmed that you have got the letter" in body(screen, letter)


def test_a_confirmation_that_altinn_does_not_take_is_asked_for_again(screen, kari, demo_citizens):
    altinn = demo_citizens.simulators["altinn"]
    made = new_letter(by_slug("kari"), Channel.ALTINN, at=STUDY_DATE, title="Bekreft dette")
    altinn.send(replace(made, needs_confirmation=True))
    engine.sync_mailbox(kari.id, Mailbox.objects.get(citizen=kari, source="altinn").id)
    letter = Letter.objects.get(citizen=kari)
    confirm = reverse("letter_confirm", args=[letter.id])
    body(screen, letter)
    assert retrieve.run_due() == 1
    altinn.forget(by_slug("kari"))
    screen.post(confirm)
    assert receipts.send_due() == 0
    page = body(screen, letter)
    assert "Altinn did not take the confirmation" in page and f'action="{confirm}"' in page
    altinn.send(replace(made, needs_confirmation=True))
    screen.post(confirm)  # not fetched there: that is done first
    assert receipts.send_due() == 1
    page = body(screen, letter)
    assert "Altinn was told that you confirmed" in page and f'action="{confirm}"' not in page


def test_a_letter_that_she_confirmed_at_altinn_itself_is_not_asked_for_here(
    screen, kari, demo_citizens
):
    altinn = demo_citizens.simulators["altinn"]
    made = new_letter(by_slug("kari"), Channel.ALTINN, at=STUDY_DATE, title="Bekreft dette")
    dialog = altinn.send(replace(made, needs_confirmation=True))
    mailbox = Mailbox.objects.get(citizen=kari, source="altinn")
    engine.sync_mailbox(kari.id, mailbox.id)
    letter = Letter.objects.get(citizen=kari)
    body(screen, letter)
    assert retrieve.run_due() == 1
    assert altinn.confirm(dialog)
    screen.post(reverse("letter_confirm", args=[letter.id]))  # from a page that knows nothing of it
    assert receipts.send_due() == 1
    Letter.objects.update(handled_at=None, handled_by="")
    Mailbox.objects.filter(id=mailbox.id).update(lease_until=None)
    engine.sync_mailbox(kari.id, mailbox.id)
    letter.refresh_from_db()
    assert (letter.handled_by, letter.needs_action) == (Letter.HandledBy.SOURCE, False)
    page = body(screen, letter)
    assert "Noted as done by Altinn" in page
    assert reverse("letter_confirm", args=[letter.id]) not in page


def handled_at(altinn: Any, dialog: str) -> str | None:
    """When the sender took it for done, as Altinn keeps it."""
    row = altinn.state.connection().execute("SELECT said FROM dialogs WHERE id = ?", (dialog,))
    found: str | None = json.loads(row.fetchone()["said"])["handled_at"]
    return found
