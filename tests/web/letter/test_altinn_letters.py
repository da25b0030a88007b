"""Letters from Altinn on their whole way: the thread under one, and the largest there may be."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from io import BytesIO
from zipfile import ZipFile

import pytest
from django.test import Client
from django.urls import reverse

from connectors import clock
from connectors.altinn import wire
from connectors.altinn.simulator import AltinnSimulator
from connectors.contract import Version
from connectors.control.compose import WrongInput
from connectors.world.letters import new_letter
from connectors.world.model import Channel, SimulatedDocument, SimulatedLetter
from connectors.world.persons import by_slug
from inbox.citizens.identity import find_citizen
from inbox.citizens.models import Citizen, Identifier
from inbox.letters.models import Delivery, Document, Event, Letter
from inbox.sync import engine, retrieve
from inbox.sync.models import Mailbox, Retrieval
from tests.make import log_in

pytestmark = pytest.mark.usefixtures("frozen_clock")


@pytest.fixture
def kari(demo_citizens) -> Citizen:
    found = find_citizen(Identifier.Kind.NATIONAL_ID, by_slug("kari").national_id)
    assert found is not None
    return found


def arrived(kari: Citizen, altinn: AltinnSimulator, level: int = 3) -> Letter:
    """A letter with a thread of four at Altinn, listed here and not opened."""
    made = new_letter(by_slug("kari"), Channel.ALTINN, at=clock.now(), title="Søknaden din")
    dialog = altinn.send(replace(made, security_level=level, public_title="Brev"))
    altinn.transmit(
        dialog, "Du må sende mer", kind="Request", summary="Vi mangler lønnsslipp for mai."
    )
    altinn.transmit(dialog, "Lønnsslipp", kind="Submission", by_her=True)
    altinn.transmit(dialog, "Vedtak", kind="Decision", urls=["https://skatt.example/vedtak.pdf"])
    altinn.transmit(dialog, "<script>alert(1)</script>", kind="Information")
    engine.sync_mailbox(kari.id, Mailbox.objects.get(citizen=kari, source="altinn").id)
    return Letter.objects.get(citizen=kari)


def page_of(screen: Client, letter: Letter) -> str:
    return screen.get(reverse("letter", args=[letter.id])).content.decode()


def test_the_thread_is_read_when_she_opens_the_letter_and_shown_in_order(
    screen, kari, demo_citizens
) -> None:
    log_in(screen, kari)
    letter = arrived(kari, demo_citizens.simulators["altinn"])
    assert letter.messages == []
    page_of(screen, letter)
    assert retrieve.run_due() == 1
    page = page_of(screen, letter)
    thread = page[page.index('<ol class="thread"') : page.index("</ol>")]
    said = " ".join(re.sub(r"<[^>]*>", " ", thread).split())
    words = ["Request", "Du må sende mer", "Vi mangler lønnsslipp for mai.", "From your side"]
    words += ["Submission", "Lønnsslipp", "Decision", "Vedtak", "&lt;script&gt;alert(1)"]
    places = [said.index(word) for word in words]
    assert places == sorted(places)
    assert "Information" not in said and "<script>alert" not in page
    assert "opens skatt.example" in page
    letter.refresh_from_db()
    assert len(letter.messages) == 4


def test_below_its_level_nothing_of_the_thread_is_shown(screen, kari, demo_citizens) -> None:
    log_in(screen, kari, 4)
    letter = arrived(kari, demo_citizens.simulators["altinn"], level=4)
    page_of(screen, letter)
    assert retrieve.run_due() == 1
    assert "Vi mangler lønnsslipp" in page_of(screen, letter)
    log_in(screen, kari, 3)
    page = page_of(screen, letter)
    assert "lønnsslipp" not in page.lower() and "Vedtak" not in page


def test_the_largest_and_most_hostile_letter_is_read_and_does_no_harm(
    screen, kari, demo_citizens
) -> None:
    log_in(screen, kari)
    hostile = (
        "# Hei\n\n<script>alert(1)</script> <img src=x onerror=alert(1)>\n\n"
        "[her](javascript:alert(1)) ![x](https://spor.example/p.gif)\n\n"
        + "> " * 500
        + "dypt\n\n"
        + "*" * 3000
        + "\n\n"
        + "[" * 3000
        + "\n\n"
    )
    text = (hostile + "ord " * 9000)[:29_980] + "\n\nHELT TIL SLUTT"
    name = "Å" * 200 + ".pdf"  # 404 bytes; each of them the same
    documents = [
        SimulatedDocument(
            name, f"Vedlegg {number}", "application/pdf", f"%PDF-1.7 {number}".encode()
        )
        for number in range(100)
    ]
    made = new_letter(by_slug("kari"), Channel.ALTINN, at=clock.now(), title="Stort")
    demo_citizens.simulators["altinn"].send(replace(made, body=text, documents=tuple(documents)))
    engine.sync_mailbox(kari.id, Mailbox.objects.get(citizen=kari, source="altinn").id)
    letter = Letter.objects.get(citizen=kari)
    page_of(screen, letter)
    assert retrieve.run_due() == 1
    kept = Document.objects.filter(citizen=kari, replaced_at=None, blob__isnull=False)
    assert kept.count() == 100
    paths = [path for (path,) in kept.values_list("blob__path")]
    assert len(set(paths)) == 100
    assert max(len(part.encode()) for path in paths for part in path.split("/")) <= 255
    page = page_of(screen, letter)
    assert "HELT TIL SLUTT" in page and "Show all 99 attachments" in page
    paper = page[page.index('<div class="paper"') : page.index("HELT TIL SLUTT")]
    for harm in ("<script", "<img", 'href="javascript'):
        assert harm not in paper, harm
    last = kept.get(title="Vedlegg 99")
    address = reverse("document_download", args=[letter.id, last.id])
    answer = screen.get(address)
    assert b"".join(answer) == b"%PDF-1.7 99"
    assert "\n" not in answer["Content-Disposition"]
    answer = screen.get(reverse("documents_download", args=[letter.id]))
    names = ZipFile(BytesIO(b"".join(answer.streaming_content))).namelist()
    assert len({each.casefold() for each in names}) == 100
    assert max(len(each.encode()) for each in names) <= 255


TEXT = "# Om vedtaket\n\nDu får **medhold**. <script>alert(1)</script>"


def opened_letter(kari: Citizen, altinn: AltinnSimulator, screen: Client) -> tuple[Letter, str]:
    """A letter that she has opened, and the id of its dialog."""
    log_in(screen, kari)
    dialog = altinn.send(new_letter(by_slug("kari"), Channel.ALTINN, at=clock.now(), title="Sak"))
    fetch(kari)
    letter = Letter.objects.get(citizen=kari)
    page_of(screen, letter)
    assert retrieve.run_due() == 1
    page_of(screen, letter)
    return letter, dialog


def fetch(kari: Citizen) -> None:
    engine.sync_mailbox(kari.id, Mailbox.objects.get(citizen=kari, source="altinn").id)


def test_what_comes_with_a_transmission_is_kept_and_shown_beside_it(
    screen, kari, demo_citizens
) -> None:
    altinn = demo_citizens.simulators["altinn"]
    log_in(screen, kari)
    dialog = altinn.send(new_letter(by_slug("kari"), Channel.ALTINN, at=clock.now(), title="Sak"))
    until = clock.now() + timedelta(days=3)
    altinn.transmit(
        dialog,
        "Vedtak",
        kind="Decision",
        summary="Vedtaket ligger ved.",
        body=TEXT,
        files=[SimulatedDocument("brev.pdf", "Vedtaket", "application/pdf", b"%PDF-1.7 vedtak")],
        ways_out=[
            ("Klag her", "https://skatt.example/klage", until),
            ("For sent", "https://skatt.example/gammelt", clock.now() - timedelta(days=1)),
            ("Farlig", "javascript:alert(1)", None),
        ],
    )
    fetch(kari)
    letter = Letter.objects.get(citizen=kari)
    page_of(screen, letter)
    assert retrieve.run_due() == 1
    page = page_of(screen, letter)
    thread = page[page.index('<ol class="thread"') : page.index("</ol>")]
    assert "<h3>Om vedtaket</h3>" in thread and "<strong>medhold</strong>" in thread
    assert "<script>alert" not in page and "javascript:" not in page
    assert "For sent" not in page and "Farlig" not in page
    [file] = Document.objects.filter(citizen=kari, title="Vedtaket")
    assert file.blob_id and file.name == "brev.pdf (2)" and not file.is_main
    assert reverse("document", args=[letter.id, file.id]) in thread
    answer = screen.get(reverse("document_download", args=[letter.id, file.id]))
    assert b"".join(answer) == b"%PDF-1.7 vedtak"
    [way] = re.findall(r'href="([^"]*leave[^"]*)"><bdi>Klag her', thread)
    leaving = screen.get(way.replace("&amp;", "&")).content.decode()
    assert "https://skatt.example/klage" in leaving
    assert "(opens skatt.example, until" in " ".join(thread.split())
    assert not Delivery.objects.get(citizen=kari).has_more


def test_a_text_that_cannot_be_had_is_told_and_the_summary_is_shown(
    screen, kari, demo_citizens, monkeypatch
) -> None:
    altinn = demo_citizens.simulators["altinn"]
    log_in(screen, kari)
    dialog = altinn.send(new_letter(by_slug("kari"), Channel.ALTINN, at=clock.now(), title="Sak"))
    altinn.transmit(dialog, "Lang", summary="Kort.", body="ord " * 200_000)
    monkeypatch.setattr(wire, "text_of", lambda said, key: None)
    altinn.transmit(dialog, "Borte", summary="Også kort.", body="x")
    fetch(kari)
    letter = Letter.objects.get(citizen=kari)
    page_of(screen, letter)
    assert retrieve.run_due() == 1
    monkeypatch.undo()
    page = page_of(screen, letter)
    assert "Kort." in page and "Også kort." in page
    assert page.count("we do not get it from there") == 2
    assert retrieve.run_due() == 0


def test_a_transmission_after_the_opening_is_heard_of_and_read_in_full_at_the_next(
    screen, kari, demo_citizens
) -> None:
    altinn = demo_citizens.simulators["altinn"]
    letter, dialog = opened_letter(kari, altinn, screen)
    Letter.objects.update(place="filed")
    seen = len(altinn.find("id", dialog, by_slug("kari").national_id).seen)
    file = SimulatedDocument("v.pdf", "Vedlegget", "application/pdf", b"%PDF-1.7 v")
    altinn.transmit(dialog, "Vi mangler noe", kind="Request", summary="Send mer.")
    altinn.transmit(dialog, "Vedtak", kind="Decision", body=TEXT, files=[file])
    altinn.transmit(dialog, "Fra meg", kind="Submission", by_her=True)
    fetch(kari)
    assert Retrieval.objects.get(state="waiting").part == "thread"
    assert retrieve.run_due() == 1
    letter.refresh_from_db()
    assert [each["title"] for each in letter.messages] == ["Vi mangler noe", "Vedtak", "Fra meg"]
    assert letter.unread and letter.updated and letter.place == "filed"
    assert len(altinn.find("id", dialog, by_slug("kari").national_id).seen) == seen
    assert Event.objects.filter(letter_id=letter.id, kind="answered").count() == 2
    assert Document.objects.filter(citizen=kari, replaced_at=None).count() == 1
    page = page_of(screen, letter)
    assert "Vi mangler noe" in page and "comes when the recipient opens the letter" in page
    assert retrieve.run_due() == 1
    page = page_of(screen, letter)
    assert "<strong>medhold</strong>" in page and "Vedlegget" in page
    kept = Document.objects.filter(citizen=kari, replaced_at=None, blob__isnull=False)
    assert [each.title for each in kept.order_by("position")] == ["Sak", "Vedlegget"]
    letter.refresh_from_db()
    assert not letter.unread and retrieve.run_due() == 0
    fetch(kari)
    assert not Retrieval.objects.filter(state="waiting").exists()


def test_of_a_letter_that_she_has_not_opened_nothing_is_asked_but_the_list(
    screen, kari, demo_citizens
) -> None:
    altinn = demo_citizens.simulators["altinn"]
    letter = arrived(kari, altinn)
    altinn.transmit(Delivery.objects.get(citizen=kari).external_id, "Enda en")
    fetch(kari)
    assert not Retrieval.objects.exists()
    letter.refresh_from_db()
    assert letter.content == "on_open"


def test_above_the_level_of_background_work_new_messages_wait_for_her(
    screen, kari, demo_citizens
) -> None:
    altinn = demo_citizens.simulators["altinn"]
    log_in(screen, kari, 4)
    letter = arrived(kari, altinn, level=4)
    page_of(screen, letter)
    assert retrieve.run_due() == 1
    page_of(screen, letter)
    dialog = Delivery.objects.get(citizen=kari).external_id
    altinn.transmit(dialog, "Hemmelig nytt")
    fetch(kari)
    letter.refresh_from_db()
    assert letter.unread and not Retrieval.objects.filter(state="waiting").exists()
    assert letter.title == "Søknaden din"
    log_in(screen, kari, 3)
    assert "Hemmelig nytt" not in page_of(screen, letter)
    assert retrieve.run_due() == 0
    log_in(screen, kari, 4)
    page_of(screen, letter)
    assert retrieve.run_due() == 1
    assert "Hemmelig nytt" in page_of(screen, letter)


def in_three_languages(level: int = 3) -> SimulatedLetter:
    made = new_letter(by_slug("kari"), Channel.ALTINN, at=clock.now(), title="Vedtak om støtte")
    return replace(
        made,
        summary="Du får støtte.",
        body="Teksten på **bokmål**.",
        security_level=level,
        public_title="Brev til deg",
        versions=[
            Version("nn", "Vedtak om stønad", "Brev til deg her", "Du får stønad.", "*Nynorsk*."),
            Version("en", "Decision on support", "A letter to you", "Granted.", "In **English**."),
        ],
    )


def test_a_letter_in_several_languages_is_read_in_each_without_javascript(
    screen, kari, demo_citizens
) -> None:
    log_in(screen, kari)
    demo_citizens.simulators["altinn"].send(in_three_languages())
    fetch(kari)
    letter = Letter.objects.get(citizen=kari)
    page_of(screen, letter)
    assert retrieve.run_due() == 1
    page = page_of(screen, letter)
    assert "Vedtak om støtte" in page and "<strong>bokmål</strong>" in page
    also = page[page.index("Also in:") :]
    ways = dict(re.findall(r'href="([^"]*)" hreflang="(\w\w)"', also))
    assert list(ways.values()) == ["nn", "en"]
    nynorsk, english = ways
    page = screen.get(nynorsk.replace("&amp;", "&")).content.decode()
    assert ">Vedtak om stønad</h1>" in page and "<em>Nynorsk</em>" in page
    assert 'dir="auto" lang="nn">' in page and "<strong>bokmål" not in page
    page = screen.get(english).content.decode()
    assert ">Decision on support</h1>" in page and "In <strong>English</strong>" in page
    assert 'hreflang="nb"' in page and 'hreflang="en"' not in page
    printed = screen.get(reverse("letter_print", args=[letter.id]), {"lang": "nn"})
    assert "<em>Nynorsk</em>" in printed.content.decode()
    unknown = screen.get(reverse("letter", args=[letter.id]), {"lang": "<b>"}).content.decode()
    assert ">Vedtak om støtte</h1>" in unknown
    found = screen.get(reverse("search"), {"q": "Granted"}).content.decode()
    assert "Vedtak om støtte" in found


def test_her_own_language_comes_first(screen, kari, demo_citizens) -> None:
    Citizen.objects.filter(id=kari.id).update(language="nn")
    demo_citizens.simulators["altinn"].send(in_three_languages())
    fetch(kari)
    letter = Letter.objects.get(citizen=kari)
    assert (letter.title, letter.language) == ("Vedtak om stønad", "nn")
    log_in(screen, kari)
    page_of(screen, letter)
    assert retrieve.run_due() == 1
    letter.refresh_from_db()
    assert letter.body == "*Nynorsk*."
    # What is here stays what it is when she chooses another.
    Citizen.objects.filter(id=kari.id).update(language="en")
    external = Delivery.objects.get(citizen=kari).external_id
    demo_citizens.simulators["altinn"].touch(external)
    fetch(kari)
    letter.refresh_from_db()
    assert (letter.title, letter.body) == ("Vedtak om stønad", "*Nynorsk*.")
    assert {each["language"]: each["body"] for each in letter.versions} == {
        "en": "In **English**.",
        "nb": "Teksten på **bokmål**.",
    }


def test_below_its_level_each_language_shows_what_is_safe_and_no_more(
    screen, kari, demo_citizens
) -> None:
    demo_citizens.simulators["altinn"].send(in_three_languages(level=4))
    fetch(kari)
    letter = Letter.objects.get(citizen=kari)
    log_in(screen, kari, 4)
    page_of(screen, letter)
    assert retrieve.run_due() == 1
    assert (
        "Decision on support"
        in screen.get(reverse("letter", args=[letter.id]), {"lang": "en"}).content.decode()
    )
    log_in(screen, kari, 3)
    for code, title in (
        ("", "Brev til deg"),
        ("nn", "Brev til deg her"),
        ("en", "A letter to you"),
    ):
        page = screen.get(reverse("letter", args=[letter.id]), {"lang": code}).content.decode()
        assert f">{title}</h1>" in page
        for secret in ("støtte", "stønad", "support", "Granted", "English</strong>"):
            assert secret not in page, (code, secret)


def test_what_is_written_from_the_control_page_is_the_letter_and_its_thread(
    screen, kari, demo_citizens
) -> None:
    control = demo_citizens.control
    with pytest.raises(WrongInput):
        control.transmit({"person": "kari", "title": "For tidlig"})
    wanted = {"person": "kari", "channel": "altinn", "title": "Fra kontrollsiden"}
    control.send(wanted | {"offer": "Be om møte", "title_en": "From the page", "document": False})
    fetch(kari)
    letter = Letter.objects.get(citizen=kari)
    log_in(screen, kari)
    page_of(screen, letter)
    assert retrieve.run_due() == 1
    page = page_of(screen, letter)
    assert "Be om møte" in page and 'hreflang="en"' in page
    said = {"title": "Et vedtak", "kind": "Decision", "body": "**Ja.**", "document": "on"}
    control.transmit({"person": "kari", "link": "https://skatt.example/", **said})
    fetch(kari)
    assert retrieve.run_due() == 1
    page_of(screen, letter)
    assert retrieve.run_due() == 1
    page = page_of(screen, letter)
    assert "<strong>Ja.</strong>" in page and "opens skatt.example" in page and "Vedlegg 1" in page
