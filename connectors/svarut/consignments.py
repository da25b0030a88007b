"""How a sender's letter stands on SvarUt's wire, in order or broken; for the simulator."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from cryptography import x509

from connectors.dpi import cms
from connectors.world.model import SimulatedDocument, SimulatedLetter

ZIP_AT = (2026, 1, 1, 0, 0, 0)
BOMB_BYTES = 30_000_000
Files = Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class Consignment:
    """What the simulator keeps: the entry of the listing (without its address), and what is had."""

    id: str
    entry: dict[str, Any]
    package: bytes
    metadata: dict[str, Any]


def consignment(letter: SimulatedLetter, certificate: x509.Certificate) -> Consignment:
    """Return the letter as SvarUt has it, its files encrypted for the holder of `certificate`."""
    identifier = consignment_id(letter)
    documents = letter.documents or [_as_text(letter)]
    files = [(each.name, each.content) for each in documents]
    return Consignment(
        identifier,
        _entry(identifier, letter, documents),
        cms.encrypt(packed(files), certificate),
        {"dokumenter": [_described(identifier, letter, each) for each in documents]},
    )


def consignment_id(letter: SimulatedLetter) -> str:
    """Return the id that follows from the letter's key."""
    return str(uuid5(NAMESPACE_URL, f"samlepost:svarut:{letter.key}"))


def packed(files: Files) -> bytes:
    """Return one file as it is, several as a zip."""
    return files[0][1] if len(files) == 1 else zipped(files)


def zipped(files: Files) -> bytes:
    """Return a zip of the files, in order, names as they are."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files:
            info = zipfile.ZipInfo(name, ZIP_AT)
            archive.writestr(info, content, zipfile.ZIP_DEFLATED, compresslevel=9)
    return buffer.getvalue()


def broken(whole: Consignment, variant: str, certificate: x509.Certificate) -> Consignment:
    """Return it broken in one of VARIANTS."""
    _, change = VARIANTS[variant]
    return change(whole, certificate)


def _files(files: Files, *listed: str) -> Callable[[Consignment, x509.Certificate], Consignment]:
    """Let these files be in the zip, whatever the listing says of them."""

    def change(whole: Consignment, certificate: x509.Certificate) -> Consignment:
        names = [{"filnavn": name, "mimetype": "application/pdf"} for name in listed]
        entry = {**whole.entry, "filmetadata": names}
        return replace(whole, entry=entry, package=cms.encrypt(zipped(files), certificate))

    return change


def _says(**fields: Any) -> Callable[[Consignment, x509.Certificate], Consignment]:
    return lambda whole, _: replace(whole, entry={**whole.entry, **fields})


def _without_number(whole: Consignment, _: x509.Certificate) -> Consignment:
    receiver = {name: v for name, v in whole.entry["mottaker"].items() if name != "fnr"}
    return replace(whole, entry={**whole.entry, "mottaker": receiver})


def _half(whole: Consignment, certificate: x509.Certificate) -> Consignment:
    files = zipped([("a.pdf", b"a" * 500), ("b.pdf", b"b" * 500)])
    cut = cms.encrypt(files[: len(files) // 2], certificate)
    names = [{"filnavn": name, "mimetype": "application/pdf"} for name in ("a.pdf", "b.pdf")]
    return replace(whole, package=cut, entry={**whole.entry, "filmetadata": names})


def _not_encrypted(whole: Consignment, _: x509.Certificate) -> Consignment:
    return replace(whole, package=b"%PDF-1.7 in clear")


def _changed(whole: Consignment, certificate: x509.Certificate) -> Consignment:
    return replace(whole, package=cms.encrypt(b"%PDF-1.7 another", certificate))


A, B = ("a.pdf", b"%PDF-1.7 a"), ("b.pdf", b"%PDF-1.7 b")
VARIANTS: Mapping[str, tuple[str, Callable[[Consignment, x509.Certificate], Consignment]]] = {
    "no-fnr": ("Mangler fødselsnummer", _without_number),
    "no-files": ("Har ingen filer", _says(filmetadata=[])),
    "not-encrypted": ("Filene er ikke kryptert til oss", _not_encrypted),
    "broken-zip": ("Zip-filen er avbrutt", _half),
    "path": (
        "Et filnavn i zip-filen fører ut av den",
        _files([("../../a.pdf", b"a"), B], "a.pdf", "b.pdf"),
    ),
    "bomb": (
        "Zip-filen vokser uten grenser",
        _files([("a.pdf", bytes(BOMB_BYTES)), B], "a.pdf", "b.pdf"),
    ),
    "collision": ("To filer har samme navn", _files([A, A], "a.pdf", "b.pdf")),
    "missing-file": ("En fil mangler", _files([A, ("c.pdf", b"c")], "a.pdf", "b.pdf")),
    "changed": ("En fil er en annen enn SvarUt har", _changed),
    "no-date": ("Tidspunktet er ikke noe tidspunkt", _says(date="i går")),
}
"""Ways in which one can be broken, with what the control page calls them."""


def _as_text(letter: SimulatedLetter) -> SimulatedDocument:
    """SvarUt carries files alone: a letter without any comes as a text."""
    said = (letter.body or letter.summary or letter.title).encode()
    return SimulatedDocument("melding.txt", letter.title, "text/plain", said, is_main=True)


def _entry(
    identifier: str, letter: SimulatedLetter, documents: Sequence[SimulatedDocument]
) -> dict[str, Any]:
    """As in `SvarUtForsendelse.json`, with what senders write by the second version."""
    lines = [*letter.agency.address, "", ""]
    return {
        "avsender": {
            "adresselinje1": lines[0],
            "adresselinje2": None,
            "adresselinje3": None,
            "navn": letter.agency.name,
            "poststed": lines[1].partition(" ")[2],
            "postnr": lines[1].partition(" ")[0],
        },
        "mottaker": {
            "adresse1": next(iter(letter.person.address), None),
            "navn": letter.person.name,
            "land": "Norge",
            "orgnr": None,
            "fnr": letter.person.national_id,
        },
        "svarSendesTil": {
            "navn": letter.agency.name,
            "orgnr": letter.agency.org_number,
            "fnr": None,
        },
        "id": identifier,
        "tittel": letter.title,
        "date": round(letter.sent_at.timestamp() * 1000),
        "metadataFraAvleverendeSystem": {
            "sakssekvensnummer": 0,
            "saksaar": 0,
            "journalposttype": "U",
            "tittel": letter.title,
        },
        "metadataForImport": {"sakssekvensnummer": 0, "saksaar": 0, "tittel": None},
        "status": "Akseptert",
        "filmetadata": [{"filnavn": each.name, "mimetype": each.media_type} for each in documents],
        "kryptert": True,
        "krevNiva4Innlogging": letter.security_level == 4,
        "svarPaForsendelse": None,
        "svarPaForsendelseLink": bool(letter.reply_forms),
        "korrelasjonsid": letter.case_reference or None,
        "forsendelsestype": f"kommune.{letter.kind.value}",
        "taushetsbelagtPost": False,
        "signeringUtloper": letter.due_at.isoformat() if letter.signing and letter.due_at else None,
        "lenker": [{"url": letter.action_url, "tekst": letter.action_label, "ledetekst": None}]
        if letter.action_url
        else [],
    }


def _described(
    identifier: str, letter: SimulatedLetter, document: SimulatedDocument
) -> dict[str, Any]:
    """As `DokumentMetadata`."""
    page = f"https://svarut.ks.no/forsendelse/{identifier}/1"
    signed = bool(letter.signing and document.is_main)
    return {
        "filnavn": document.name,
        "mimeType": document.media_type,
        "dokumentType": "HOVED" if document.is_main else "VEDLEGG",
        "storrelse": len(document.content),
        "sha256Hash": hashlib.sha256(document.content).hexdigest(),
        "nedlasningUrl": page,
        "kanSigneres": signed,
        **({"signeringUrl": f"{page}/signering"} if signed else {}),
        "ekstraMetadata": [],
        "inneholderPersonsensitivInformasjon": letter.security_level == 4,
    }
