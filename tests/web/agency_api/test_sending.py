"""A letter that an agency's system sends, and what it learns of it and of the answer."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from connectors import clock
from inbox.agencies import keys, sending
from inbox.agencies.models import Dispatch, Outgoing, Submission
from inbox.citizens.viewer import Viewer
from inbox.letters.models import Letter
from inbox.sync import opening
from inbox.sync import sending as answering
from inbox.web.agency_api import api as whole
from tests.agencies.conftest import known
from tests.agencies.sending import KARI, NOBODY, pdf
from tests.make import log_in, make_citizen
from tests.web.agency_api.conftest import asking

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]

ADDRESS = "/api/agency/v1/letters"
PROBLEM = "application/problem+json"
KEY = "8e03978e-40d5-43e8-bc93-6894a57f9324"
PDF = pdf()


@pytest.fixture(autouse=True)
def _archive(settings, tmp_path) -> None:
    settings.ARCHIVE_DIR = tmp_path / "archive"


@pytest.fixture
def kari(db):
    return known("Kari Nordmann", KARI)


@pytest.fixture
def api(made) -> Client:
    return Client(headers={"Authorization": f"Bearer {made.secret}"})


def post(api: Client, *, key: str | None = KEY, content: bytes = PDF, **said: Any) -> Any:
    fields = {"recipient": KARI, "title": "Svar på søknaden", **said}
    file = SimpleUploadedFile("svar.pdf", content, "application/pdf")
    headers = {"Idempotency-Key": key} if key is not None else {}
    return api.post(ADDRESS, {**fields, "pdf": file}, headers=headers)


def test_a_letter_is_sent_and_followed_until_its_answer(api, ask, kari):
    due = clock.now() + timedelta(days=9)
    answer = post(
        api,
        public_title="Svar fra NAV",
        kind="task",
        due_at=due.isoformat(),
        reference="ref-7",
        case_reference="26/7",
        wants_receipt="true",
        reply="choice",
        reply_label="Tar du imot plassen?",
        reply_choices=["Ja takk", "Nei takk"],
    )
    assert answer.status_code == 202
    said = answer.json()
    assert (said["reference"], said["state"], said["letter"]) == ("ref-7", "waiting", None)
    assert sending.send_due() == 1
    said = ask(f"sent/{said['id']}").json()
    assert said["state"] == "delivered"
    assert ask("sent", reference="ref-7").json() == {"items": [said], "next": None}
    assert ask(f"letters/{said['letter']}").json()["reference"] == said["id"]

    letter = Letter.objects.get(citizen=kari)
    assert (letter.title, letter.public_title) == ("Svar på søknaden", "Svar fra NAV")
    assert (letter.due_at, letter.case_reference, letter.security_level) == (due, "26/7", 4)
    viewer = Viewer(kari.id, 4)
    opening.open_letter(viewer, letter.id, agreed=True)
    assert ask(f"letters/{said['letter']}").json()["opening_is_told"]
    assert ask(f"sent/{said['id']}/answers").json() == {"items": []}
    hers = Client()
    log_in(hers, kari, 4)
    hers.post(f"/letters/{letter.id}/reply/", {"form": "reply", "do": "choose:2"})
    answering.send_due()
    (given,) = ask(f"sent/{said['id']}/answers").json()["items"]
    assert (given["choice"], given["text"], given["files"]) == ("Nei takk", "", [])
    assert ask(f"sent/{said['id']}").json()["answered_at"]


def test_the_file_of_an_answer_is_given_as_it_came(api, ask, oslo, kari):
    said = post(api, security_level="3", reply="text", reply_takes_files="true").json()
    sending.send_due()
    letter = Letter.objects.get(citizen=kari)
    hers = Client()
    log_in(hers, kari, 3)
    hers.get(f"/letters/{letter.id}/")
    mine = pdf(Title="mine")
    file = SimpleUploadedFile("lønn.pdf", mine, "application/pdf")
    form = {"form": "reply", "text": "Her er den.", "do": "preview", "files": file}
    looked = hers.post(
        f"/letters/{letter.id}/reply/", {**form, "version": "0", "tab": "t"}, follow=True
    )
    reply_id = looked.text.split('name="id" value="')[1].split('"')[0]
    hers.post(f"/letters/{letter.id}/reply/", {"form": "reply", "do": "send", "id": reply_id})
    answering.send_due()
    (given,) = ask(f"sent/{said['id']}/answers").json()["items"]
    (named,) = given["files"]
    assert named == {
        "number": 0,
        "name": "lønn.pdf",
        "media_type": "application/pdf",
        "size": len(mine),
    }
    assert given["text"] == "Her er den."
    address = f"sent/{said['id']}/answers/{given['id']}/files/0"
    got = ask(address)
    assert b"".join(got) == mine
    assert got["Content-Type"] == "application/octet-stream"
    assert got["Content-Disposition"].startswith("attachment;")
    assert (got["X-Content-Type-Options"], got["Cache-Control"]) == ("nosniff", "no-store")
    assert ask(f"{address[:-1]}1").status_code == 404
    others = asking(keys.create(oslo, "Arkivet", make_citizen("Anne").id).secret)
    assert others(address).status_code == 404


def test_asked_again_it_is_sent_once(api, kari):
    first, again = post(api), post(api, key=f'"{KEY}"')
    assert first.status_code == again.status_code == 202
    assert first.json() == again.json()
    assert sending.send_due() == 1
    assert post(api, title="Noe annet").status_code == 422
    assert post(api, content=pdf(Title="x")).status_code == 422
    assert Dispatch.objects.count() == 1


@pytest.mark.parametrize("key", [None, "", "short", "with space in the key!", "x" * 65])
def test_without_a_good_key_nothing_is_sent(api, kari, key):
    answer = post(api, key=key)
    assert (answer.status_code, answer["Content-Type"]) == (400, PROBLEM)
    (error,) = answer.json()["errors"]
    assert (error["in"], error["name"]) == ("header", "Idempotency-Key")
    assert not Dispatch.objects.exists()


def test_what_is_being_sent_just_now_is_409(api, nav, kari):
    post(api)
    Submission.objects.update(dispatch=None)
    answer = post(api)
    assert (answer.status_code, answer["Content-Type"]) == (409, PROBLEM)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ({"recipient": "12345678901"}, ("form", "recipient")),
        ({"recipient": KARI[1:]}, ("form", "recipient")),
        ({"title": "x" * 201}, ("form", "title")),
        ({"title": ""}, ("form", "title")),
        ({"title": f"Om {KARI}"}, ("form", "")),
        ({"title": "to\nlinjer"}, ("form", "")),
        ({"due_at": "2020-01-01T12:00:00Z"}, ("form", "due_at")),
        ({"due_at": "2026-12-24"}, ("form", "due_at")),
        ({"due_at": "9999-12-31T23:59:59-12:00"}, ("form", "due_at")),
        ({"kind": "invoice"}, ("form", "kind")),
        ({"security_level": "2"}, ("form", "security_level")),
        ({"reply": "choice", "reply_label": "?"}, ("form", "reply_choices")),
        ({"reply": "closed"}, ("form", "reply_reason")),
        ({"content": b""}, ("file", "pdf")),
        ({"content": b"no pdf"}, ("file", "pdf")),
    ],
)
def test_what_is_wrong_is_named_and_no_number_repeated(api, kari, change, place):
    answer = post(api, **change)
    assert (answer.status_code, answer["Content-Type"]) == (400, PROBLEM)
    errors = answer.json()["errors"]
    assert place in [(each["in"], each["name"]) for each in errors], errors
    assert KARI not in answer.text and KARI[1:] not in answer.text
    assert not Dispatch.objects.exists()
    assert not Submission.objects.exists()


def test_no_number_comes_into_the_logs_or_the_rows_that_stay(api, kari, caplog):
    caplog.set_level("DEBUG")
    assert post(api).status_code == 202
    post(api, title=f"Om {KARI}")
    post(api, recipient=f"{KARI}0")
    post(api, **{KARI: "x"})
    sending.send_due()
    assert KARI not in caplog.text
    for model in (Dispatch, Submission, Outgoing):
        assert KARI not in str(list(model.objects.values()))
    assert Outgoing.objects.get().recipient == ""


def test_a_misspelt_field_is_refused(api, kari):
    answer = post(api, due="2026-12-24T12:00:00Z")
    assert answer.status_code == 400
    assert "due_at" in answer.json()["detail"]
    assert not Dispatch.objects.exists()


def test_too_large_a_file_is_not_read(api, kari, settings, monkeypatch):
    settings.OUTGOING_PDF_MAX_BYTES = 1000
    answer = post(api, content=PDF + b"x" * 1000)
    assert answer.status_code == 400
    monkeypatch.setattr(whole, "BESIDE_THE_PDF_BYTES", 10)
    answer = post(api, content=PDF + b"x" * 1000)
    assert (answer.status_code, answer["Content-Type"]) == (413, PROBLEM)


def test_who_is_not_here_is_told_as_refused(api, ask):
    said = post(api, recipient=NOBODY).json()
    sending.send_due()
    said = ask(f"sent/{said['id']}").json()
    assert (said["state"], said["letter"]) == ("refused", None)


def test_another_agencys_are_not_there(api, ask, oslo, kari):
    said = post(api).json()
    others = asking(keys.create(oslo, "Arkivet", make_citizen("Anne").id).secret)
    for address in (f"sent/{said['id']}", f"sent/{said['id']}/answers"):
        assert ask(address).status_code == 200
        answer = others(address)
        assert answer.status_code == 404
        assert answer.json() == others(address.replace(said["id"], str(uuid4()))).json()
    assert others("sent").json()["items"] == []


def test_pages_of_what_is_sent_go_on_where_the_one_before_ended(api, ask, kari):
    made = [post(api, key=f"{KEY}{number}", title=f"Brev {number}").json() for number in range(3)]
    first = ask("sent", limit=2).json()
    rest = ask("sent", limit=2, cursor=first["next"]).json()
    listed = [each["id"] for each in first["items"] + rest["items"]]
    assert listed == [each["id"] for each in reversed(made)]
    assert rest["next"] is None
