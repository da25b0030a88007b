"""An agency sends from the portal, citizens read and answer, the agency sees it."""

from __future__ import annotations

import io
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from connectors import clock
from inbox.agencies import outgoing, sending
from inbox.agencies.letters import Terms
from inbox.agencies.models import Agency, Answer, Dispatch, Employee, Outgoing
from inbox.citizens.identity import identify
from inbox.citizens.models import Identifier, Representation
from inbox.letters.models import Event, Letter
from inbox.sync import receipts
from inbox.sync import sending as answering
from tests.agencies.sending import KARI, NOBODY, OLA, pdf, wanted, zip_of
from tests.make import act_for, log_in, make_citizen, make_representation

pytestmark = pytest.mark.django_db

CHOICE = {
    "form": "choice",
    "choice_label": "Tar du imot plassen?",
    "choices": "Ja, takk\r\nNei, takk\r\n",
}
TEXT = {"form": "text", "text_label": "Skriv til oss", "takes_files": "1"}
CLOSED = {"form": "closed", "reason": "Saken er avsluttet. Ring oss."}


@pytest.fixture
def office(agency, employee) -> Client:
    """The browser of somebody who works at the agency."""
    return screen(employee)


def screen(citizen, level: int = 4) -> Client:
    client = Client(headers={"accept-language": "en"})
    log_in(client, citizen, level)
    return client


def at(name: str, *args: Any) -> str:
    return reverse(f"agency_{name}", args=["964338531", *args])


def posted(**fields: Any) -> dict[str, Any]:
    said = {"recipient": KARI, "title": "Svar på søknaden", "level": "4", "kind": "letter"}
    file = SimpleUploadedFile("brev.pdf", pdf(), "application/pdf")
    return said | {"file": file} | fields


def post_list(office: Client, rows: str | bytes, file: bytes | None = None, **fields: Any) -> Any:
    content = rows.encode() if isinstance(rows, str) else rows
    said = posted(**fields) | {"list": SimpleUploadedFile("liste.csv", content)}
    if file is not None:
        said["file"] = SimpleUploadedFile("brev.zip", file)
    return office.post(at("send_many"), said)


def send(office: Client, answer: Any) -> str:
    """Confirm the draft that a post led to; returns its address."""
    assert answer.status_code == 302, answer.content.decode()
    assert office.post(answer.url, {"do": "send"}).status_code == 302
    sending.send_due()
    return str(answer.url)


def carry_out() -> None:
    answering.send_due()
    receipts.send_due()


def shown(client: Client, address: str) -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return str(answer.content.decode())


def sent_letter() -> str:
    return at("sent_letter", Outgoing.objects.latest("id").id)


def test_she_answers_by_a_press_and_the_agency_sees_opening_and_answer(office, kari):
    answer = office.post(at("send"), posted(receipt="1", reference="ref-7", **CHOICE))
    preview = shown(office, answer.url)
    for words in ("Svar på søknaden", "Tar du imot plassen?", "Nei, takk", "Nytt brev fra Bergen"):
        assert words in preview
    assert not Letter.objects.exists()
    send(office, answer)
    before = shown(office, sent_letter())
    assert "Delivered" in before
    assert "Not yet, or the recipient has said no to it" in before
    hers = screen(kari)
    letter = Letter.objects.get(citizen=kari)
    asked = shown(hers, f"/letters/{letter.id}/")
    assert "Bergen kommune" in asked
    assert hers.post(f"/letters/{letter.id}/open/", {"agree": "yes"}).status_code in (200, 302)
    page = shown(hers, f"/letters/{letter.id}/")
    assert "Nei, takk" in page
    hers.post(f"/letters/{letter.id}/reply/", {"form": "reply", "do": "choose:2"})
    carry_out()
    after = shown(office, sent_letter())
    assert "Answered" in after
    assert "Nei, takk" in after.split('id="answers"')[1].split('id="about"')[0]
    assert "said no to it" not in after
    listed = shown(office, at("sent"))
    assert "ref-7" in listed and "Answered" in listed
    kinds = Event.objects.filter(citizen=kari).values_list("kind", flat=True)
    assert {"received", "opened", "replied", "receipt_sent"} <= set(kinds)


def test_she_answers_with_a_text_and_a_file_that_only_the_agency_gets(office, kari):
    send(office, office.post(at("send"), posted(level="3", **TEXT)))
    hers = screen(kari, 3)
    letter = Letter.objects.get(citizen=kari)
    shown(hers, f"/letters/{letter.id}/")
    mine = SimpleUploadedFile("lønn.pdf", pdf(Title="mine"), "application/pdf")
    said = {"form": "reply", "text": "Her er <b>lønnsslippen</b>.", "do": "preview", "files": mine}
    answer = hers.post(f"/letters/{letter.id}/reply/", said | {"version": "0", "tab": "t"})
    looked = hers.get(answer.url)
    reply_id = looked.content.decode().split('name="id" value="')[1].split('"')[0]
    hers.post(f"/letters/{letter.id}/reply/", {"form": "reply", "do": "send", "id": reply_id})
    carry_out()
    listed = shown(office, at("sent"))
    assert "New answer" in listed
    page = shown(office, sent_letter())
    assert "Her er &lt;b&gt;lønnsslippen&lt;/b&gt;." in page
    assert "New answer" not in shown(office, at("sent"))
    got = Answer.objects.get()
    address = at("sent_file", got.outgoing_id, got.id, 0)
    assert address in page
    file = office.get(address)
    assert b"".join(file).startswith(b"%PDF-")
    assert file["X-Content-Type-Options"] == "nosniff"
    assert file["Content-Disposition"].startswith("attachment;")
    for other in (hers, screen(stranger())):
        assert other.get(address).status_code == 404
    assert office.get(at("sent_file", got.outgoing_id, got.id, 1)).status_code == 404
    assert office.get(at("sent_file", uuid4(), got.id, 0)).status_code == 404


def stranger() -> Any:
    """Somebody who works at another agency."""
    found = make_citizen("Annen Ansatt")
    other = Agency.objects.create(org_number="974761076", name="Skatteetaten")
    Employee.objects.create(agency=other, citizen=found)
    return found


def test_a_letter_that_cannot_be_answered_says_why(office, kari):
    send(office, office.post(at("send"), posted(**CLOSED)))
    letter = Letter.objects.get(citizen=kari)
    assert "Saken er avsluttet" in shown(screen(kari), f"/letters/{letter.id}/")


def test_an_enterprise_gets_a_letter_and_who_acts_for_it_answers(office, kari):
    garage = make_citizen("GAUP BILVERKSTED", email="", is_enterprise=True)
    identify(garage, Identifier.Kind.ORGANISATION, "889640782")
    make_representation(garage, kari, kind=Representation.Kind.ENTERPRISE, may_answer=True)
    send(office, office.post(at("send"), posted(recipient="889 640 782", **CHOICE)))
    letter = Letter.objects.get(citizen=garage)
    hers = screen(kari)
    act_for(hers, garage)
    shown(hers, f"/letters/{letter.id}/")
    said = {"form": "reply", "do": "choose:1", "acting": str(garage.id)}
    hers.post(f"/letters/{letter.id}/reply/", said)
    carry_out()
    assert Answer.objects.get().choice == "Ja, takk"


def test_an_answer_sent_twice_is_there_once(office, kari, monkeypatch):
    send(office, office.post(at("send"), posted(**CHOICE)))
    hers = screen(kari)
    letter = Letter.objects.get(citizen=kari)
    shown(hers, f"/letters/{letter.id}/")
    hers.post(f"/letters/{letter.id}/reply/", {"form": "reply", "do": "choose:1"})
    with monkeypatch.context() as patched:
        patched.setattr(answering.join, "lock", lambda _ids: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            answering.send_due()
    assert Answer.objects.count() == 1
    reply = letter.replies.get()
    letter.replies.filter(id=reply.id).update(lease_until=None)
    answering.send_due()
    assert Answer.objects.count() == 1
    assert letter.replies.get().state == "done"


def test_pressed_twice_it_is_sent_once(office, kari):
    address = send(office, office.post(at("send"), posted()))
    assert "sent already" in office.post(address, {"do": "send"}, follow=True).content.decode()
    sending.send_due()
    assert Letter.objects.filter(citizen=kari).count() == 1


def test_a_draft_can_be_discarded_and_is_then_sent_by_nothing(office, kari):
    answer = office.post(at("send"), posted())
    assert office.post(answer.url, {"do": "discard"}).status_code == 302
    assert office.post(answer.url, {"do": "send"}).status_code == 404
    sending.send_due()
    assert not Letter.objects.exists()


def test_a_list_sends_to_each_and_names_who_must_get_it_otherwise(office, kari, ola):
    rows = (
        "\ufeffMottaker;Tittel;Frist;Saksnummer;Referanse\r\n"
        f"{KARI};Plass i barnehagen;24.12.2026;26/1;a-1\r\n"
        f"{OLA[:6]} {OLA[6:]};;;;a-2\r\n"
        "\r\n"
        f"{NOBODY};;;;=a-3\r\n"
    )
    answer = post_list(office, rows, title="Felles tittel")
    assert "3 letters" in shown(office, answer.url)
    page = shown(office, send(office, answer))
    assert "a-3" in page and "a-1" not in page
    address = at("send_undelivered", Dispatch.objects.get().id)
    assert address in page
    assert office.get(address).content.decode("utf-8-sig").splitlines() == [
        "Line;Your reference;Title;Why",
        "5;'=a-3;Felles tittel;No inbox here",
    ]
    assert screen(stranger()).get(address).status_code == 404
    assert Letter.objects.get(citizen=kari).title == "Plass i barnehagen"
    assert Letter.objects.get(citizen=ola).title == "Felles tittel"
    assert list(Outgoing.objects.order_by("line").values_list("line", flat=True)) == [2, 3, 5]
    dispatch = Dispatch.objects.get()
    assert "a-2" in shown(office, f"{at('sent')}?dispatch={dispatch.id}")
    assert "a-2" not in shown(office, f"{at('sent')}?reference=a-1")
    found = office.post(at("sent"), {"reference": "a-1", "dispatch": str(dispatch.id)})
    page = found.content.decode()
    assert "a-1" in page and "a-2" not in page


def test_what_is_looked_for_stands_in_no_address(office):
    page = shown(office, at("sent"))
    form = page[page.index('role="search"') - 200 :]
    assert 'method="post"' in form[: form.index('role="search"')]
    said = office.post(at("sent"), {"reference": KARI})
    assert said.status_code == 200 and f"={KARI}" not in said.content.decode()


def test_a_list_from_a_spreadsheet_of_old_is_read(office, kari):
    rows = f"mottaker,tittel\n{KARI},Søknad på «plass»\n".encode("cp1252")
    send(office, post_list(office, rows))
    assert Letter.objects.get(citizen=kari).title == "Søknad på «plass»"


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("", "empty"),
        ("mottaker\n", "holds no letters"),
        (f"{KARI};x\n{OLA};y\n", "first line must name the columns"),
        ("mottaker;alder\n", "column that we do not know"),
        ("mottaker;tittel;tittel\n", "column that we do not know"),
        (f"mottaker;tittel\n{KARI}\n", "Line 2: It has more or fewer columns"),
        (f"mottaker;frist\n{KARI};i morgen\n", "Line 2: Write the deadline"),
        (f"mottaker;frist\n{KARI};24.12.2019\n", "Line 2: The deadline has passed"),
        ("mottaker\n12345678901\n", "Line 2: The recipient"),
        (f"mottaker\n{KARI}\n{KARI}\n", "Line 3: This is the same letter"),
        (f"mottaker;fil\n{KARI};a.pdf\n", "Line 2: It names a file"),
        (f"mottaker;referanse\n{KARI};{OLA}\n", "Line 2: A title, a reference"),
    ],
)
def test_a_list_that_is_wrong_sends_nothing_and_says_where(office, kari, rows, said):
    answer = post_list(office, rows)
    page = answer.content.decode()
    assert answer.status_code == 200
    if rows:
        assert said in page
    assert KARI not in page and OLA not in page
    assert not Dispatch.objects.exists()


def test_a_list_of_too_many_is_refused(office, settings):
    settings.OUTGOING_ROWS_MAX = 1
    page = post_list(office, f"mottaker\n{KARI}\n{OLA}\n").content.decode()
    assert "more than 1 letters" in page
    assert not Dispatch.objects.exists()


def test_each_of_a_list_gets_the_pdf_that_it_names(office, kari, ola):
    files = zip_of({"brev/a.pdf": pdf(Title="a"), "b.pdf": pdf(Title="b")})
    rows = f"mottaker;fil\n{KARI};brev/a.pdf\n{OLA};b.pdf\n"
    send(office, post_list(office, rows, files))
    assert Letter.objects.get(citizen=kari).documents.get().name == "a.pdf"
    assert Letter.objects.get(citizen=ola).documents.get().name == "b.pdf"


def test_a_zip_that_lacks_a_file_or_leads_out_is_refused(office):
    rows = f"mottaker;fil\n{KARI};b.pdf\n"
    page = post_list(office, rows, zip_of({"a.pdf": pdf()})).content.decode()
    assert "Line 2: The zip holds no file of that name." in page
    page = post_list(office, rows, zip_of({"../b.pdf": pdf()})).content.decode()
    assert "leads out of the zip" in page
    assert not Dispatch.objects.exists()


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"recipient": "1"}, "not a national identity number"),
        ({"recipient": KARI[1:] if KARI.startswith("0") else "1"}, "The recipient"),
        ({"title": ""}, "Write a title."),
        ({"title": f"Til {KARI}"}, "hold a national identity number"),
        ({"due": "2019-12-24"}, "The deadline has passed."),
        ({"due": "snart"}, "Write the deadline as"),
        ({"form": "choice", "choice_label": "Ja?", "choices": "Ja"}, "between 2 and 10 answers"),
        ({"form": "choice", "choices": "Ja\nNei"}, "Write the question"),
        ({"form": "choice", "choice_label": "?", "choices": "Ja\nJa"}, "are the same"),
        ({"form": "closed"}, "Write why the letter cannot be answered."),
        ({"file": SimpleUploadedFile("a.pdf", b"MZ")}, "is not a PDF"),
        ({"file": ""}, "Attach the letter."),
    ],
)
def test_a_form_that_is_wrong_says_what_and_never_repeats_the_number(office, fields, said):
    answer = office.post(at("send"), posted(**fields))
    page = answer.content.decode()
    assert answer.status_code == 200
    assert said in page
    number = KARI in page.replace(f"Til {KARI}", "")
    assert not number
    assert not Dispatch.objects.exists()


def test_what_would_trip_a_reader_is_said_before_it_is_sent(office):
    fields = {"title": "VIKTIG MELDING OM SYKDOM", "level": "3", "kind": "task"}
    page = shown(office, office.post(at("send"), posted(**fields)).url)
    for words in ("capitals", "«sykdom»", "task without a deadline", "not tagged", "no text"):
        assert words in page


def test_the_same_again_is_warned_of(office, kari):
    send(office, office.post(at("send"), posted()))
    page = shown(office, office.post(at("send"), posted()).url)
    assert "You sent the very same to the very same on" in page


def test_at_the_lower_level_the_agencys_pages_ask_for_the_high_one(agency, employee):
    client = screen(employee, 3)
    for address in (at("send"), at("send_many"), at("sent")):
        assert "step-up" in client.get(address).url


def test_another_agencys_letters_do_not_exist(office, kari):
    address = send(office, office.post(at("send"), posted()))
    other = screen(stranger())
    own = [address, sent_letter(), at("send"), at("sent")]
    theirs = [each.replace("964338531", "974761076") for each in own]
    for each in [*own, *theirs[:2]]:
        assert other.get(each).status_code == 404
        assert other.post(each).status_code in (404, 405)
    assert "Svar på søknaden" not in shown(other, theirs[3])


def test_no_page_of_the_agency_says_whom_a_letter_is_to(office, kari, caplog):
    caplog.set_level("DEBUG")
    rows = f"mottaker;referanse\n{KARI};a\n{NOBODY};b\n"
    pages = [post_list(office, rows)]
    pages += [office.get(pages[0].url)]
    address = send(office, pages[0])
    pages += [office.get(address), office.get(at("sent"))]
    pages += [office.get(at("sent_letter", each.id)) for each in Outgoing.objects.all()]
    for page in pages:
        said = page.content.decode() + str(page.headers)
        assert KARI not in said and NOBODY not in said
        assert kari.name not in said and str(kari.id) not in said
    assert KARI not in caplog.text and NOBODY not in caplog.text


def test_the_list_goes_on_where_a_page_ends_and_costs_the_same(
    office,
    agency,
    kari,
    django_assert_max_num_queries,
    monkeypatch,
):
    monkeypatch.setattr("inbox.web.views.agency.sent.ITEMS_A_PAGE", 2)
    letters = [wanted(NOBODY, title=f"Brev {n}", line=n) for n in range(2, 7)]
    dispatch = outgoing.prepare(agency, Terms(), letters, io.BytesIO(pdf()), is_list=True)
    outgoing.prepare(agency, Terms(), [wanted(title="Utkast")], io.BytesIO(pdf()))
    outgoing.confirm(agency, dispatch.id)
    seen, address = [], at("sent")
    while address:
        with django_assert_max_num_queries(7):
            page = shown(office, address)
        seen += [n for n in range(2, 7) if f"Brev {n}<" in page]
        assert "Utkast" not in page
        older = page.partition('href="?after=')[2].partition('"')[0]
        address = f"{at('sent')}?after={older}" if older else ""
    assert sorted(seen) == [2, 3, 4, 5, 6]
    assert len(seen) == 5


def test_a_deadline_today_is_not_too_late(office, frozen_clock):
    due = clock.now().date().isoformat()
    assert office.post(at("send"), posted(due=due)).status_code == 302
