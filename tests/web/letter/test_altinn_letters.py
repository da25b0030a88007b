"""Letters from Altinn on their whole way: the thread under one, and the largest there may be."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from django.test import Client
from django.urls import reverse

from connectors import clock
from connectors.altinn.simulator import AltinnSimulator
from connectors.world.letters import new_letter
from connectors.world.model import Channel, SimulatedDocument
from connectors.world.persons import by_slug
from inbox.citizens.identity import find_citizen
from inbox.citizens.models import Citizen, Identifier
from inbox.letters.models import Document, Letter
from inbox.sync import engine, retrieve
from inbox.sync.models import Mailbox
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
