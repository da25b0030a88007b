"""Faults that users of other inboxes have reported: none of them is to happen here.

Each test names where the fault was reported.
"""

from __future__ import annotations

import io
import re
from datetime import UTC, datetime, timedelta
from importlib import import_module
from zipfile import ZipFile

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from config.celery import BEAT
from connectors import clock
from connectors.contract import IncomingDocument
from inbox.citizens.models import Citizen, InboxState
from inbox.letters.change import change
from inbox.letters.models import Event, Letter
from inbox.letters.receive import known
from inbox.notifications.deliver import send_due
from inbox.notifications.models import Notification
from inbox.notifications.rules import queue_for
from inbox.web.dates import OSLO
from inbox.web.views import filing
from tests.incoming import NOW, PDF, arrival, incoming
from tests.make import act_for, log_in, make_citizen, make_letter, make_mailbox, make_representation
from tests.take_out import take_out

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]

HTMX = {"HX-Request": "true"}
TITLE = re.compile(r'<a id="letter-[^>]*>(?:<span[^>]*>[^<]*</span>)?([^<]*)</a>')


@pytest.fixture(autouse=True)
def _place(settings, tmp_path):
    settings.ARCHIVE_DIR = tmp_path / "archive"
    settings.LANGUAGE_CODE = "en"


@pytest.fixture
def kari() -> Citizen:
    citizen = make_citizen()
    make_mailbox(citizen)
    return citizen


@pytest.fixture
def screen(kari) -> Client:
    client = Client(headers={"accept-language": "en"})
    log_in(client, kari, level=4)
    return client


def shown(screen: Client, address: str = "/") -> str:
    answer = screen.get(address)
    assert answer.status_code == 200
    return answer.content.decode()


def titles(screen: Client, address: str = "/") -> list[str]:
    return TITLE.findall(shown(screen, address))


def test_new_words_about_a_read_letter_do_not_make_it_unread(kari, screen):
    """Altinn/dialogporten#3866."""
    letter = make_letter(kari, title="Vedtak", external_id="1")
    screen.get(reverse("letter", args=[letter.id]))
    said = incoming("1", title="Vedtak, rettet", due_at=NOW + timedelta(days=8))
    delivery = known("altinn", [(kari.id, "1")])[kari.id, "1"]
    new = arrival(kari.id, said)
    new.package, new.blobs, new.raw_blobs = None, [], []
    new.letter_id, new.delivery_id = delivery.letter_id, delivery.id
    change(delivery, new)
    assert Letter.objects.get(citizen=kari).title == "Vedtak, rettet"
    assert not Letter.objects.get(citizen=kari).unread
    assert InboxState.objects.get(citizen=kari).unread == 0


@pytest.mark.parametrize(("content", "is_news"), [(PDF, False), (PDF + b"more", True)])
def test_a_document_under_another_name_is_no_news_but_other_bytes_are(
    kari, screen, content, is_news
):
    """Altinn/dialogporten#3375."""
    letter = make_letter(kari, external_id="1")
    screen.get(reverse("letter", args=[letter.id]))
    document = IncomingDocument("a.pdf", "application/pdf", "Rettet", is_main=True, content=content)
    delivery = known("altinn", [(kari.id, "1")])[kari.id, "1"]
    new = arrival(kari.id, incoming("1", documents=[document]))
    new.letter_id, new.delivery_id = delivery.letter_id, delivery.id
    for blob in new.kept_blobs():
        blob.version = 2
    change(delivery, new)
    assert InboxState.objects.get(citizen=kari).unread == is_news
    assert "Rettet" in shown(screen, reverse("letter", args=[letter.id]))


def test_a_letter_of_2019_that_is_fetched_today_does_not_stand_first(kari, screen):
    """Altinn/dialogporten#3849."""
    make_letter(kari, title="Fra i år")
    old = datetime(2019, 3, 4, 9, 0, tzinfo=UTC)
    make_letter(kari, title="Fra 2019", sent_at=old, history=True)
    assert titles(screen) == ["Fra i år", "Fra 2019"]
    assert InboxState.objects.get(citizen=kari).unread == 1


def test_a_letter_looked_at_once_is_logged_once_though_the_page_asks_again(kari, screen):
    """Altinn/dialogporten#3254."""
    letter = make_letter(kari)
    page = reverse("letter", args=[letter.id])
    screen.get(page)
    for _ in range(5):
        screen.get(reverse("letter_content", args=[letter.id]), headers=HTMX)
        screen.get("/changes/?v=0&n=1", headers=HTMX)
    screen.head(page)
    opened = Event.objects.filter(citizen=kari, letter_id=letter.id, kind=Event.Kind.OPENED)
    assert opened.count() == 1


def test_attachments_of_equal_and_overlong_names_are_all_in_the_zip(kari, screen):
    """Altinn/altinn-correspondence#1867 and #1950."""
    names = ["vedlegg.pdf", "vedlegg.pdf", "VEDLEGG.pdf", "ø" * 250 + ".pdf", "ø" * 250 + ".pdf"]
    documents = [
        IncomingDocument(name, "application/pdf", content=f"%PDF {number}".encode())
        for number, name in enumerate(names)
    ]
    letter = make_letter(kari, documents=documents)
    screen.get(reverse("letter", args=[letter.id]))
    answer = screen.get(reverse("documents_download", args=[letter.id]))
    with ZipFile(io.BytesIO(b"".join(answer))) as packed:
        inside = packed.namelist()
        contents = {packed.read(name) for name in inside}
    assert contents == {f"%PDF {number}".encode() for number in range(len(names))}
    assert len({name.casefold() for name in inside}) == len(names)
    assert all(len(part.encode()) <= 255 for name in inside for part in name.split("/"))


def test_a_notice_goes_out_only_when_the_letter_can_be_seen(kari):
    """Altinn/altinn-correspondence#1970."""
    tomorrow = clock.now() + timedelta(days=1)
    letter = make_letter(kari, visible_from=tomorrow)
    queue_for([letter], clock.now())
    assert send_due() == 0
    clock.freeze(tomorrow)
    assert send_due() == 1
    assert len(mail.outbox) == 1


def test_the_reminder_of_a_letter_that_she_has_opened_is_called_off(kari, screen):
    """Altinn/altinn-correspondence#1970."""
    letter = make_letter(kari)
    queue_for([letter], clock.now())
    send_due()
    screen.get(reverse("letter", args=[letter.id]))
    reminder = Notification.objects.get(citizen=kari, kind=Notification.Kind.REMINDER)
    assert reminder.state == Notification.State.CANCELLED
    clock.freeze(clock.now() + timedelta(days=8))
    assert send_due() == 0
    assert len(mail.outbox) == 1


def test_an_account_that_nobody_uses_for_ten_years_keeps_its_letters(kari, screen):
    """BundID: an account unused for two years is deleted, and its letters with it."""
    letter = make_letter(kari, title="Vedtak fra den gang")
    clock.freeze(clock.now() + timedelta(days=3653))
    for task, _ in BEAT.values():
        module, _, name = task.rpartition(".")
        getattr(import_module(module), name)()
    assert titles(screen) == ["Vedtak fra den gang"]
    document = letter.documents.get(is_main=True)
    screen.get(reverse("letter", args=[letter.id]))
    answer = screen.get(reverse("document", args=[letter.id, document.id]))
    assert b"".join(answer).startswith(b"%PDF")


def test_a_helpers_counts_are_of_what_the_helper_may_open(kari):
    """paperless-ngx#6654: counts told of other users' inboxes."""
    shared = make_letter(kari, title="Delt")
    for number in range(5):
        make_letter(kari, title=f"Ikke delt {number}", sender="Skatteetaten")
    make_representation(kari, helper := make_citizen("Ola"), **one(shared))
    screen = acting(helper, kari)
    page = shown(screen)
    assert titles(screen) == ["Delt"]
    assert "1 unread of 1 letter from 1 sender" in page
    assert not re.search(r">[56]<|\b[56] (unread|letters)", page)


def test_a_shared_letter_that_she_throws_away_is_in_no_bin_of_the_helpers(kari, screen):
    """paperless-ngx#7118."""
    letter = make_letter(kari, title="Delt")
    make_representation(kari, helper := make_citizen("Ola"), **one(letter))
    assert titles(acting(helper, kari)) == ["Delt"]
    screen.post(reverse("letter_move", args=[letter.id]), {"to": "bin"})
    assert titles(screen, "/bin/") == ["Delt"]
    assert titles(acting(helper, kari)) == []
    own = Client(headers={"accept-language": "en"})
    log_in(own, helper, level=4)
    for client in (own, acting(helper, kari)):
        assert "Delt" not in client.get("/bin/").content.decode()


def test_a_guardian_by_two_rules_is_listed_once(kari):
    """island.is#22276."""
    guardian = make_citizen("Verge Vergesen")
    for key in ("first", "second"):
        make_representation(kari, guardian, kind="guardian", register_key=key)
    client = Client(headers={"accept-language": "en"})
    log_in(client, guardian, level=4)
    assert shown(client, "/acting/").count(f'value="{kari.id}"') == 1


def test_a_parents_access_ends_when_the_birthday_begins(kari):
    """island.is#15214."""
    make_letter(kari, title="Til barnet")
    birthday = datetime(2026, 12, 24, 0, 0, tzinfo=OSLO)
    parent = make_citizen("Mor")
    make_representation(kari, parent, kind="parent", ends_at=birthday)
    client = acting(parent, kari)
    clock.freeze(birthday - timedelta(seconds=1))
    assert titles(client) == ["Til barnet"]
    clock.freeze(birthday)
    assert "Til barnet" not in client.get("/", follow=True).content.decode()


def test_at_the_limit_of_a_bulk_change_she_is_told_so(kari, screen, monkeypatch):
    """Altinn's `selected_max_reached`: what was over the limit was left without a word."""
    monkeypatch.setattr(filing, "BULK_MAX", 3)
    for number in range(5):
        make_letter(kari, title=f"Brev {number}")
    screen.post("/bulk/", {"do": "filed", "all": "1", "list": "/"})
    assert "No more than 3 letters at a time: there are more that match." in shown(screen)
    assert len(titles(screen)) == 2


def test_the_export_says_that_the_bin_is_in_it(kari, screen):
    """paperless-ngx, pull request 12425: what lay in the bin was missing from the export."""
    letter = make_letter(kari, title="Kastet vedtak")
    screen.post(reverse("letter_move", args=[letter.id]), {"to": "bin"})
    files = take_out(screen)
    index = files["index.html"].decode()
    assert any(name.endswith(".pdf") for name in files)
    assert "Kastet vedtak" in index
    assert "(in the bin)" in index


def one(letter: Letter) -> dict[str, object]:
    """The reach of a representation that is of one letter alone."""
    return {"reach": "letter", "limits": {"letter": str(letter.id)}}


def acting(helper: Citizen, principal: Citizen) -> Client:
    """The screen of somebody who looks at another's mail."""
    client = Client(headers={"accept-language": "en"})
    log_in(client, helper, level=4)
    act_for(client, principal)
    return client
