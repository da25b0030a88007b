"""Papers of her own: put in, kept, found, corrected, deleted; what is refused, and what is told."""

from __future__ import annotations

import re
import zlib
from datetime import date
from unittest.mock import patch
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client

from connectors import clock
from inbox.archive import store
from inbox.archive.models import Blob, ObjectKey
from inbox.citizens.models import InboxState
from inbox.citizens.viewer import Viewer
from inbox.letters import counters, erase, folders, own, record, texts
from inbox.letters.models import (
    Case,
    Correction,
    Delivery,
    DeliveryRecord,
    Document,
    DocumentText,
    Event,
    Letter,
    Placement,
    Sender,
)
from inbox.notifications.models import Notification
from inbox.sync.models import OutboundReceipt, Source
from tests.agencies.sending import pdf
from tests.letters.test_texts import written
from tests.make import act_for, log_in, make_citizen, make_letter, make_representation
from tests.take_out import take_out
from tests.web.test_inbox import html

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("frozen_clock")]

ADD = "/papers/add/"
JPEG = b"\xff\xd8\xff\xe0 a picture"
PNG = b"\x89PNG\r\n\x1a\n a picture"


@pytest.fixture(autouse=True)
def in_english(settings, tmp_path):
    settings.LANGUAGE_CODE = "en"
    settings.ARCHIVE_DIR = tmp_path / "archive"


@pytest.fixture
def kari(client):
    citizen = make_citizen()
    log_in(client, citizen)
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "en"
    return citizen


def file(content=None, name="brev.pdf"):
    return SimpleUploadedFile(name, pdf() if content is None else content)


def put_in(client, *files, **fields):
    said = {"title": "Vedtak fra 1998", "sender": "Trygdekontoret", "day": "1998-03-04"}
    return client.post(ADD, said | {"key": str(uuid4())} | fields | {"files": list(files)})


def the_letter():
    return Letter.objects.get(source=Letter.OWN)


def test_it_lies_in_her_archive_read_by_its_own_day_and_nobody_is_told(client, kari):
    newer = make_letter(kari, title="Newer")
    answer = put_in(client, file(), file(JPEG, "side 2.jpg"))
    letter = the_letter()
    assert answer.url.startswith(f"/letters/{letter.id}/")
    assert (letter.place, letter.unread, letter.security_level) == ("filed", False, 3)
    assert letter.received_at.date() == date(1998, 3, 4) < newer.received_at.date()
    names = Document.objects.filter(letter_id=letter.id).order_by("position")
    assert list(names.values_list("name", "is_main")) == [
        ("brev.pdf", True),
        ("side 2.jpg", False),
    ]
    delivery = Delivery.objects.get(letter_id=letter.id)
    assert (delivery.sender_verified, delivery.provenance) == ("", {})
    assert store.read_bytes(delivery.citizen_id, delivery.id, "files/0002.jpg") == JPEG
    assert not DeliveryRecord.objects.filter(source=Letter.OWN).exists()
    assert not OutboundReceipt.objects.exists()
    assert not Notification.objects.filter(letter_id=letter.id).exists()
    assert InboxState.objects.get(citizen=kari).letters == 1
    page = html(client, answer.url)
    assert "Added by you" in page
    assert "nobody has checked it" in page
    assert "4 March 1998" in page
    assert "You added the letter" in page
    assert "sent the letter" not in page
    assert "org. no." not in page
    listed = html(client, "/archive/?source=own")
    assert "Trygdekontoret</strong> · own paper" in listed
    assert "Newer" not in listed
    client.get(answer.url)
    assert not OutboundReceipt.objects.exists()


def test_my_papers_show_who_it_is_from_when_and_how_large(client, kari):
    assert "Added by you" not in html(client, "/papers/")
    letters = [put_in(client, file(JPEG + bytes([n]) * 1_500_000), again="1") for n in range(2)]
    assert len(letters) == 2
    page = html(client, "/papers/")
    shown = page[page.index("Added by you") : page.index("Letters that the sender says")]
    assert shown.count("Trygdekontoret") == shown.count('datetime="1998-03-04') == 2
    assert shown.count("1.5\xa0MB") == 2
    assert "See all that is added" not in page
    Letter.objects.update(security_level=4)
    assert "Added by you" not in html(client, "/papers/")


def test_there_is_an_end_to_what_she_may_keep_and_what_is_left_is_said(client, kari, settings):
    settings.OWN_TOTAL_MAX_BYTES = 25_000_000
    put_in(client, file(JPEG + bytes(999_980)))
    settings.OWN_TOTAL_MAX_BYTES = 1_600_000
    more = file(JPEG + b"\1" * 700_000)
    page = put_in(client, more).content.decode()
    assert "There is room for 600\xa0kB more: you may keep 1.6\xa0MB of letters" in page
    assert Letter.objects.count() == 1
    settings.OWN_TOTAL_MAX_BYTES = 1_700_100
    more.seek(0)
    deposit = own._deposit

    def slower(*args, **said):
        """The same by another tab in the meantime."""
        patched.stop()
        assert put_in(client, file(JPEG + b"\2" * 700_000)).status_code == 302
        deposit(*args, **said)

    patched = patch.object(own, "_deposit", slower)
    patched.start()
    assert "There is room for" in put_in(client, more).content.decode()
    assert Letter.objects.count() == 2
    assert ObjectKey.objects.count() == 2


def test_no_source_row_is_made_and_none_can_take_its_name(client, kari):
    put_in(client, file())
    assert not Source.objects.filter(slug=Letter.OWN).exists()
    assert "Own papers" not in html(client, "/sources/")
    with pytest.raises(CommandError, match="put in themselves"):
        call_command("source", "own", connector="example")


def test_it_is_found_by_what_stands_in_it(client, kari):
    put_in(client, file(written("Her står barnebidraget omtalt."), "brev.pdf"))
    texts.read_due()
    found = html(client, "/search/?q=barnebidraget&source=own")
    assert "Vedtak fra 1998" in found


def test_files_may_be_a_letter_each(client, kari):
    answer = put_in(client, file(), file(PNG, "Kvittering.png"), title="", apart="1")
    assert answer.url == "/archive/?source=own"
    assert set(Letter.objects.values_list("title", flat=True)) == {"brev", "Kvittering"}


def test_the_same_form_sent_twice_makes_one_letter(client, kari):
    key = str(uuid4())
    first = put_in(client, file(), key=key)
    again = put_in(client, file(), key=key, again="1")
    assert first.url == again.url
    assert Letter.objects.count() == 1


def test_what_she_has_already_is_said_with_where_it_lies(client, kari):
    put_in(client, file())
    letter = the_letter()
    answer = put_in(client, file(name="igjen.pdf"), title="Det samme")
    page = answer.content.decode()
    assert f"/letters/{letter.id}/" in page
    assert "in the archive" in page
    assert 'value="Det samme"' in page
    assert Letter.objects.count() == 1
    put_in(client, file(name="igjen.pdf"), title="Det samme", again="1")
    assert Letter.objects.count() == 2


def test_a_file_of_another_is_told_nobody(client, kari):
    ola = make_citizen("Ola")
    make_letter(ola, document=pdf(), title="Olas")
    answer = put_in(client, file())
    assert answer.status_code == 302
    assert "Olas" not in html(client, "/archive/")


def test_what_it_says_can_be_corrected_and_counts_follow(client, kari):
    letter = make_letter(kari, case_reference="26/7", title="Saken")
    put_in(client, file())
    paper = the_letter()
    assert 'value="Vedtak fra 1998"' in html(client, f"/papers/{paper.id}/")
    said = {"title": "Klage", "sender": "nav", "day": "1999-01-02", "case": letter.case_id}
    assert client.post(f"/papers/{paper.id}/", said).url == f"/letters/{paper.id}/"
    paper.refresh_from_db()
    assert (paper.title, paper.sender_name) == ("Klage", "NAV")
    assert paper.sender_id == letter.sender_id
    assert Event.objects.filter(letter_id=paper.id, kind="corrected").count() == 1
    assert "Klage" in html(client, "/search/?q=klage")
    case = Case.objects.get(id=letter.case_id)
    assert (case.letters, case.title, case.sender_name) == (2, "Saken", "NAV")
    assert "Klage" in html(client, f"/cases/{case.id}/")
    kept = InboxState.objects.get(citizen=kari)
    assert kept.senders == counters.recount(kari.id).senders
    client.post(f"/papers/{paper.id}/", said)
    assert Event.objects.filter(letter_id=paper.id, kind="corrected").count() == 1
    # What the archive has is as she says it by now, and the file lies there once.
    delivery = Delivery.objects.get(letter_id=paper.id)
    kept = record.read(store.read_bytes(kari.id, delivery.id, record.RECORD))
    assert kept.letter.title == "Klage"
    assert kept.documents == [record.Kept("files/0001.pdf", 1)]
    assert b"1999-01-02" in store.read_bytes(kari.id, delivery.id, "original/said.json")
    assert store.describe(kari.id, delivery.id).version == delivery.package.version == 2
    client.post(f"/papers/{paper.id}/", said | {"case": ""})
    assert store.describe(kari.id, delivery.id).version == 2


def test_of_two_corrections_at_once_the_one_that_the_archive_has_last_holds(client, kari):
    put_in(client, file())
    paper, viewer = the_letter(), Viewer(kari.id)
    under_way = Correction(citizen=kari, due_at=clock.now())
    slower = own._correction(viewer, paper, said(title="Først"), under_way)
    own.correct(viewer, paper.id, said(title="Sist"))
    with patch.object(own, "_correction", return_value=slower):
        assert own.correct(viewer, paper.id, said(title="Først")).title == "Sist"
    paper.refresh_from_db()
    assert paper.title == "Sist"


def test_a_letter_of_a_sender_is_never_corrected(client, kari):
    letter = make_letter(kari)
    assert client.get(f"/papers/{letter.id}/").status_code == 404
    said = {"title": "Falsk", "sender": "NAV", "day": "1999-01-02"}
    assert client.post(f"/papers/{letter.id}/", said).status_code == 404


def test_the_case_stands_as_the_sender_has_left_it(client, kari):
    letter = make_letter(kari, case_reference="26/7", title="Saken", needs_action=True)
    put_in(client, file(), case=letter.case_id, day=clock.now().date().isoformat())
    case = Case.objects.get(id=letter.case_id)
    assert (case.letters, case.status) == (2, "waiting_for_her")
    Letter.objects.filter(id=letter.id).update(place="bin")
    counters.recount(kari.id)
    case.refresh_from_db()
    assert (case.letters, case.title, case.sender_key) == (1, "Vedtak fra 1998", "889640782")


def test_anothers_case_and_folder_and_paper_are_not_there(client, kari):
    ola = make_citizen("Ola")
    theirs = make_letter(ola, case_reference="26/8")
    home = folders.create(Viewer(ola.id), "Hjem")
    paper = own.add(Viewer(ola.id), said(), [brought()], str(uuid4()))
    assert put_in(client, file(), case=theirs.case_id).status_code == 404
    assert put_in(client, file(), folder=home.id).status_code == 404
    assert client.get(f"/papers/{paper.id}/").status_code == 404
    assert not Letter.objects.filter(citizen=kari).exists()


def said(**changes):
    fields = {"title": "Vedtak", "sender": "Trygdekontoret", "day": date(1998, 3, 4), "level": 3}
    return own.Said(**fields | changes)


def brought(content=None, name="brev.pdf"):
    content = pdf() if content is None else content
    return own.look_at(name, lambda: [content])


def test_it_is_put_into_a_folder(client, kari):
    home = folders.create(Viewer(kari.id), "Hjem")
    put_in(client, file(), folder=home.id)
    assert Placement.objects.get(letter_id=the_letter().id).folder_id == home.id


def test_only_at_the_high_level_may_it_be_kept_for_that(client, kari):
    put_in(client, file(), high="1")
    assert the_letter().security_level == 3
    the_letter().delete()
    log_in(client, kari, 4)
    answer = put_in(client, file(), high="1", again="1")
    assert the_letter().security_level == 4
    log_in(client, kari, 3)
    page = html(client, answer.url)
    assert "You have chosen that it be shown only after a safer log-in" in page
    assert "Vedtak fra 1998" not in page
    assert client.get(f"/papers/{the_letter().id}/").status_code == 404


def test_who_looks_on_her_behalf_adds_nothing(client, kari):
    ola = make_citizen("Ola")
    make_representation(ola, kari)
    paper = own.add(Viewer(ola.id), said(), [brought()], str(uuid4()))
    act_for(client, ola)
    assert client.get(ADD).status_code == 404
    assert put_in(client, file()).status_code == 404
    page = html(client, f"/letters/{paper.id}/")
    assert "Added by the recipient" in page
    assert f"/papers/{paper.id}/" not in page


def test_the_name_of_a_sender_that_she_alone_knows_stands_in_no_shared_row(client, kari):
    put_in(client, file(), sender="Onkel Per")
    assert the_letter().sender_name == "Onkel Per"
    assert not Sender.objects.filter(name__contains="Per").exists()
    assert "Onkel Per" in html(client, ADD)


@pytest.mark.parametrize(
    ("content", "name", "why"),
    [
        (b"", "tom.pdf", "The file tom.pdf is empty."),
        (b"MZ\x90 a program", "brev.pdf", "neither PDF, JPEG nor PNG"),
        (b"<html><script>", "bilde.png", "neither PDF, JPEG nor PNG"),
        (b"\0\0\0\x18ftypheic", "bilde.jpg", "(HEIC)"),
        (b"II*\0....", "skann.tif", "(TIFF)"),
        (b"PK\3\4....", "brev.docx", "can still be changed"),
        (b"x", "a\x00b\u202e\n.pdf", "The file ab.pdf is neither"),
    ],
)
def test_what_is_no_paper_is_refused_with_what_she_wrote_kept(client, kari, content, name, why):
    answer = put_in(client, file(content, name))
    page = answer.content.decode()
    assert why in page
    assert 'value="Trygdekontoret"' in page
    assert 'value="1998-03-04"' in page
    assert not Letter.objects.exists()
    assert not Blob.objects.exists()


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"title": " \u200b "}, "Write what the letter is about."),
        ({"sender": ""}, "Write who the letter is from."),
        ({"day": "yesterday"}, "Write the date that the letter bears."),
        ({"day": "2999-01-01"}, "The letter cannot be from that day."),
        ({"day": "0001-01-01"}, "The letter cannot be from that day."),
        ({"title": "x" * 256}, "No more than 255 characters."),
    ],
)
def test_what_is_not_said_is_asked_for(client, kari, fields, why):
    assert why in put_in(client, file(), **fields).content.decode()
    assert not Letter.objects.exists()


def test_what_is_too_much_is_passed_over_as_it_arrives(client, kari, settings):
    settings.OWN_FILE_MAX_BYTES = 200_000
    page = put_in(client, file(b"%PDF-1.7" + bytes(300_000), "stor.pdf")).content.decode()
    assert "The file stor.pdf is too large: it may have 200" in page
    assert 'value="Trygdekontoret"' in page
    settings.OWN_FILES_MAX_BYTES = 250_000
    many = [file(JPEG + bytes([n]) * 150_000, f"{n}.jpg") for n in range(3)]
    assert "Together the files are too large" in put_in(client, *many).content.decode()
    settings.OWN_FILES_MAX_BYTES = 10_000_000
    many = [file(JPEG + bytes([n]), f"{n}.jpg") for n in range(60)]
    assert "you can add 30 at one time" in put_in(client, *many).content.decode()
    assert not Letter.objects.exists()


def test_the_token_is_asked_for_though_the_files_are_bounded_first(kari):
    strict = Client(enforce_csrf_checks=True)
    log_in(strict, kari)
    assert put_in(strict, file()).status_code == 403


def test_a_name_of_a_file_never_holds_an_identity_number(client, kari):
    put_in(client, file(name="13097248022.pdf"), title="", apart="1")
    assert Document.objects.get().name == "dokument.pdf"


def test_a_pdf_that_is_a_bomb_is_kept_and_marked(client, kari):
    put_in(client, file(bomb(), "bombe.pdf"))
    texts.read_due()
    assert "no_text" in DocumentText.objects.get().warnings
    assert "Vedtak fra 1998" in html(client, f"/letters/{the_letter().id}/")


def bomb():
    """A page whose stream is some hundred bytes that unpack, in two steps, to 150 MB."""
    inner = zlib.compressobj(9)
    packed = b"".join(inner.compress(b"0 " * 5_000_000) for _ in range(15)) + inner.flush()
    stream = zlib.compress(packed, 9)
    parts = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R>>",
        b"<</Length %d/Filter[/FlateDecode/FlateDecode]>>stream\n" % len(stream)
        + stream
        + b"\nendstream",
    ]
    made = b"%PDF-1.7\n"
    at = []
    for number, part in enumerate(parts, start=1):
        at.append(len(made))
        made += b"%d 0 obj\n" % number + part + b"\nendobj\n"
    start = len(made)
    made += b"xref\n0 5\n0000000000 65535 f \n" + b"".join(b"%010d 00000 n \n" % n for n in at)
    return made + b"trailer<</Size 5/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % start


def test_it_goes_to_the_bin_and_for_good_as_any_other(client, kari):
    put_in(client, file())
    letter = the_letter()
    delivery = Delivery.objects.get(letter_id=letter.id)
    client.post(f"/letters/{letter.id}/move/", {"to": "bin"})
    page = html(client, f"/letters/{letter.id}/")
    assert "The sender still has its own copy" not in page
    assert f"/papers/{letter.id}/" not in page
    client.post(f"/letters/{letter.id}/delete/")
    erase.erase_bytes()
    assert not Letter.objects.filter(citizen=kari).exists()
    assert not Blob.objects.filter(citizen=kari).exists()
    assert not store.exists(delivery.id)
    put_in(client, file())
    assert the_letter().place == "filed"


def test_the_zip_of_all_her_letters_holds_it(client, kari):
    put_in(client, file(JPEG, "side.jpg"))
    log_in(client, kari, 4)
    files = take_out(client)
    name = next(each for each in files if each.endswith("side.jpg"))
    assert "Trygdekontoret" in name
    assert files[name] == JPEG


def test_places_where_she_would_look_lead_there(client, kari):
    for address in ("/papers/", "/archive/"):
        assert re.search(f'href="{ADD}"', html(client, address))
    case_id = make_letter(kari, case_reference="26/7").case_id
    assert f'href="{ADD}?case={case_id}"' in html(client, f"/cases/{case_id}/")
    assert re.search(f'value="{case_id}" selected', html(client, f"{ADD}?case={case_id}"))
    assert 'value="own" selected' in html(client, "/archive/?source=own")
