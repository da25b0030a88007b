"""Extensions of a document: a link, a proof, an arrangement; Digdir's own examples."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from connectors.contract import Action, Appointment, IncomingLetter, Proof
from connectors.dpi.manifest import moment
from connectors.dpi.package import MANIFEST
from connectors.dpi.refusal import Refusal
from tests.connectors.dpi.place import DATA, SENT, Place, drained, letter
from tests.connectors.dpi.test_refusals import manifest_xml


def example(kind: str) -> bytes:
    return (DATA / "extensions" / f"{kind}.xml").read_bytes()


def received(place: Place, kind: str, content: bytes | None, mime: str = "") -> IncomingLetter:
    """The letter whose main document has this extension."""
    mime = mime or f"application/vnd.difi.dpi.{kind}+xml"
    data = f'</tittel><data href="data.xml" mime="{mime}"/>'.encode()
    files = {
        MANIFEST: manifest_xml().replace(b"</tittel>", data, 1),
        "vedtak.pdf": b"%PDF-1.7 a",
        "01-vedlegg.pdf": b"%PDF-1.7 b",
    }
    place.signed(files if content is None else {**files, "data.xml": content})
    [found], unreadable = drained(place.connector())
    assert not unreadable
    return found


def test_a_link_becomes_an_action_with_its_deadline(place: Place) -> None:
    found = received(place, "lenke", example("lenke"))
    due = datetime(2017, 10, 1, 10, tzinfo=UTC)
    url = "https://www.avsender.no/svar"
    assert found.actions == (Action(url, "Svar på den viktige meldingen", due),)
    assert found.due_at == due and found.needs_action
    assert "extensions" not in found.provenance


def test_a_proof_is_told_with_its_validity_and_without_whose_it_is(place: Place) -> None:
    found = received(place, "bevis", example("bevis"))
    start = datetime(2019, 5, 15, 9, 12, 13, tzinfo=UTC)
    # The example gives summer time in December.
    end = datetime(2019, 12, 31, 9, 12, 13, tzinfo=UTC)
    assert found.proofs == (Proof("Medlemskort", "Bekkestua Bibliotek", start, end),)
    assert found.documentary_value is True
    assert "17058400000" not in repr(found)


def test_a_proof_that_is_valid_each_year_is_told_without_a_period(place: Place) -> None:
    whole = example("bevis").decode()
    start, _, rest = whole.partition("<periode>")
    middle = rest.partition("<!-- ELLER:")[2].partition("-->")[0]
    yearly = start + middle + "</gyldighetsperiode>" + rest.partition("</gyldighetsperiode>")[2]
    [proof] = received(place, "bevis", yearly.encode()).proofs
    assert (proof.title, proof.valid_from, proof.valid_until) == ("Medlemskort", None, None)


def test_an_arrangement_says_what_when_and_where(place: Place) -> None:
    found = received(place, "arrangement", example("arrangement"))
    [event] = found.appointments
    assert event.title == "Kommunestyre- og fylkestingvalget 2019"
    assert event.place == "Sagene skole, Biermanns gate 2, 0473 Oslo, Norge"
    first = (datetime(2019, 9, 9, 7, tzinfo=UTC), datetime(2019, 9, 9, 19, tzinfo=UTC))
    assert event.times[0] == first and len(event.times) == 2
    assert event.note.startswith("Dørene til valglokalet")
    [action] = found.actions
    assert (action.url, action.label) == ("https://valg.no", "Les mer om valget på valg.no")
    assert not found.needs_action


APPOINTMENT = Appointment(
    "Kontroll av hjertet",
    "Haukeland universitetssjukehus, Jonas Lies vei 65, 5021 Bergen",
    (
        (SENT, SENT + timedelta(hours=1)),
        (SENT + timedelta(days=1), None),
        (None, SENT + timedelta(days=200)),
    ),
    "Møt 15 minutter før; ta med <legitimasjon> & briller.",
)
PROOF = Proof("Frikort 2026", "Helfo", SENT, SENT + timedelta(days=40))


def test_what_a_simulated_agency_extends_a_document_with_arrives_as_it_was_meant(
    place: Place,
) -> None:
    """The schemas in xsd/ judge on the way: one that is not valid is not read."""
    due = SENT + timedelta(days=14)
    linked = {"action_url": "https://nav.no/svar?a=1&b=2", "action_label": "Svar", "due_at": due}
    place.dpi.send(letter("one", appointment=APPOINTMENT))
    place.dpi.send(letter("two", proof=PROOF, documents=()))
    place.dpi.send(letter("three", link_of_document=True, **linked))
    letters, unreadable = drained(place.connector())
    assert not unreadable
    assert not [each for each in letters if "extensions" in each.provenance]
    by_appointment, by_proof, by_link = letters
    assert by_appointment.appointments == (APPOINTMENT,)
    assert by_proof.proofs == (PROOF,) and by_proof.documentary_value
    assert by_link.actions == (Action(linked["action_url"], "Svar", due),)
    assert (by_link.due_at, by_link.needs_action) == (due, True)
    assert all("data" not in each.title for each in letters)
    assert [len(each.documents) for each in letters] == [2, 1, 2], "an extension is no document"


@pytest.mark.parametrize(
    ("content", "mime", "reason"),
    [
        (b"<lenke/>", "", "not of the kind"),
        (b"<lenke", "", "well-formed"),
        (b"<!DOCTYPE x [<!ENTITY y 'z'>]><lenke/>", "", "document type"),
        (None, "", "not in the package"),
        (b"<x/>", "application/vnd.difi.dpi.ukjent+xml", "unknown kind"),
        (b'<lenke xmlns="http://begrep.difi.no/sdp/utvidelser/lenke"/>', "", "schema in lenke"),
    ],
)
def test_an_extension_that_cannot_be_read_does_not_hold_up_the_letter(
    place: Place, content: bytes | None, mime: str, reason: str
) -> None:
    found = received(place, "lenke", content, mime)
    assert found.documents[0].content == b"%PDF-1.7 a" and not found.actions
    assert reason in found.provenance["extensions"]


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00", "9999-12-31T23:59:59-05:00"])
def test_a_time_that_is_none_in_utc_is_refused(text: str) -> None:
    with pytest.raises(Refusal):
        moment(text)
