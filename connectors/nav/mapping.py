"""From a varsel or a journalpost to our letter. Pure; README.md has the tables."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID
from zoneinfo import ZoneInfo

from connectors.contract import (
    LEVEL_HIGH,
    LEVEL_SUBSTANTIAL,
    Action,
    IncomingDocument,
    IncomingLetter,
    Kind,
    RawPart,
    Recipient,
    SenderRef,
    Unreadable,
)
from connectors.fields import (
    WrongField,
    https_url,
    moment,
    optional_moment,
    optional_text,
    rows,
    table,
    text,
    truth,
)
from connectors.nav.reasons import refused_because

NAV = SenderRef("NAV", "889640782", "source")
OSLO = ZoneInfo("Europe/Oslo")
TITLE_MAX = 120
"""Characters of a varsel's text that stand in the list; the rest is in the letter."""
TEXT_MAX = {"beskjed": 300, "oppgave": 500, "innboks": 500}
"""`validation.kt`: characters of a varsel's text."""
LINK_MAX = 200
KEPT_AT_NAV = timedelta(days=365)
"""NAV deletes a varsel a year after it was made (`PeriodicVarselArchiver.kt`)."""
PUBLIC = {
    "beskjed": "Beskjed fra NAV",
    "oppgave": "Oppgave fra NAV",
    "innboks": "Ny melding i innboksen hos NAV",
}
LABELS = {
    "beskjed": "Gå til NAV",
    "oppgave": "Gå til oppgaven hos NAV",
    "innboks": "Les meldingen hos NAV",
}
KINDS = {"beskjed": Kind.NOTICE, "oppgave": Kind.TASK, "innboks": Kind.NOTICE}
HANDLED_BY = "NAV"
ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", re.IGNORECASE)
ARCHIVE_ID = re.compile(r"[0-9A-Za-z-]{1,40}")
"""Ids of the archive become parts of an address."""
MEDIA_TYPES = {"PDF": "application/pdf", "JPEG": "image/jpeg", "PNG": "image/png"}
VARIANTS = ("ARKIV", "SLADDET")
"""What of a document is shown, the first that she has access to."""
SENT = ("FERDIGSTILT", "EKSPEDERT", "JOURNALFOERT")
NOT_YET = ("MOTTATT", "UNDER_ARBEID", "RESERVERT", "OPPLASTING_DOKUMENT", "UKJENT_BRUKER", "UKJENT")
TAKEN_BACK = ("FEILREGISTRERT", "UTGAAR", "AVBRUTT")
DOCUMENTS_MAX = 200
NAME_MAX = 100


def read_varsel(item: Any, recipient: Recipient, *, opened: bool = False) -> IncomingLetter:
    """Map one varsel. Raises WrongField.

    `opened`: it was asked for in a session of level high, whatever its own level.
    """
    said = table(item, "the varsel")
    name = text(said, "type", longest=20).lower()
    if name not in KINDS:
        raise WrongField("type is none of beskjed, oppgave and innboks")
    identifier, sent_at = _varsel_id(said), moment(said, "opprettet")
    is_active, closed_at = _needed_truth(said, "aktiv"), optional_moment(said, "inaktivert")
    optional_moment(said, "aktivFremTil")
    content, words, link = said.get("innhold"), "", ""
    if content is not None:
        content = table(content, "innhold")
        words = _within(content, name)
        link = _link(content)
    title = _title(words) or PUBLIC[name]
    withheld = content is None
    return IncomingLetter(
        external_id=identifier,
        recipient=recipient,
        sender=NAV,
        title=title,
        sent_at=sent_at,
        public_title=PUBLIC[name],
        summary=words if title != words else "",
        body=words if title != words else "",
        language=optional_text(content or {}, "spraakkode", longest=8).lower(),
        expires_at=sent_at + KEPT_AT_NAV,
        security_level=LEVEL_HIGH if withheld or opened else LEVEL_SUBSTANTIAL,
        kind=KINDS[name],
        content_on_open=withheld,
        actions=[Action(link, LABELS[name])] if link else [],
        needs_action=name == "oppgave" and is_active and closed_at is None,
        handled_at=closed_at,
        handled_by=HANDLED_BY if closed_at else "",
        provenance={"transport": "nav", **({"closes": "yes"} if name == "beskjed" else {})},
        raw=[raw_part("varsel.json", item)],
    )


def read_journalpost(
    item: Any, themes: Mapping[str, str], recipient: Recipient
) -> IncomingLetter | None:
    """Map one journalpost; None where it is no letter to her. Raises WrongField.

    `themes` has the names of the codes. What NAV has taken back comes as withdrawn.
    """
    said = table(item, "the journalpost")
    identifier, kind = _archive_id(said, "journalpostId"), text(said, "journalposttype")
    if kind not in ("I", "U", "N"):
        raise WrongField("journalposttype is none of I, U and N")
    status = optional_text(said, "journalstatus", longest=64) or "FERDIGSTILT"
    if status not in (*SENT, *NOT_YET, *TAKEN_BACK):
        raise WrongField("journalstatus is none that we know")
    if kind == "I" or status in NOT_YET or (kind == "N" and _is_internal(said)):
        return None
    documents = _documents(said, identifier)
    title = optional_text(said, "tittel", longest=1000).strip()
    title = title or next((each.title for each in documents if each.title), "")
    if not title:
        raise WrongField("tittel is missing")
    code = optional_text(said, "tema", longest=20)
    theme = {"kode": code, "navn": themes.get(code, "")}
    by_post = optional_text(said, "kanal", longest=64) == "SDP"
    return IncomingLetter(
        external_id=identifier,
        recipient=recipient,
        sender=NAV,
        title=title,
        sent_at=local_moment(said, "datoSortering"),
        public_title="Notat fra NAV" if kind == "N" else "Brev fra NAV",
        summary=theme["navn"],
        security_level=LEVEL_HIGH,
        documents=documents,
        case_reference=_case(said),
        withdrawn=status in TAKEN_BACK,
        provenance={"transport": "nav", **({"also_sent_by": "dpi"} if by_post else {})},
        raw=[raw_part("journalpost.json", item), raw_part("tema.json", theme)],
    )


def refused(key: str, item: Any, reason: str, name: str) -> Unreadable:
    """Return an entry kept whole as `name`, with the reason; `key` "?…" means it has no id."""
    external_id = "" if key.startswith("?") else key
    return Unreadable(external_id, reason, [raw_part(name, item)])


def raw_part(name: str, said: Any) -> RawPart:
    """Return an entry as it is kept: each value as it came, spaces left out."""
    content = json.dumps(said, separators=(",", ":")).encode()
    return RawPart(name, content, "application/json")


def theme_names(said: Sequence[Any]) -> dict[str, str]:
    """Return the names of the themes by code. Raises WrongField."""
    themes = [table(each, "a tema") for each in said]
    return {text(each, "kode", longest=20): text(each, "navn", longest=200) for each in themes}


def local_moment(item: Mapping[str, Any], name: str) -> datetime:
    """Return a time of the archive's, which has no zone and means Oslo's, in UTC.

    Raises WrongField. Of the hour that comes twice in autumn it is the first.
    """
    value = text(item, name, longest=64)
    try:
        parsed = datetime.fromisoformat(value)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=OSLO)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise WrongField(f"{name} is not a time") from None


def _varsel_id(said: Mapping[str, Any]) -> str:
    """By `VarselIdValidator`."""
    value = text(said, "varselId", longest=64)
    if not is_varsel_id(value):
        raise WrongField("varselId is neither a UUID nor a ULID")
    return value


def _needed_truth(said: Mapping[str, Any], name: str) -> bool:
    if said.get(name) is None:
        raise WrongField(f"{name} is missing")
    return truth(said, name)


def _within(content: Mapping[str, Any], name: str) -> str:
    """The text of a varsel, at most as long as NAV lets its own write."""
    words = text(content, "tekst").strip()
    if len(words) > TEXT_MAX[name]:
        raise WrongField(f"tekst is longer than {TEXT_MAX[name]} characters")
    return words


def _link(content: Mapping[str, Any]) -> str:
    """Where a varsel leads: https at nav.no, by `validation.kt`; empty where it leads nowhere."""
    if not optional_text(content, "link").strip():
        return ""
    link = https_url(content, "link")
    host = (urlsplit(link).hostname or "").lower()
    if len(link) > LINK_MAX:
        raise WrongField(f"link is longer than {LINK_MAX} characters")
    if host != "nav.no" and not host.endswith(".nav.no"):
        raise WrongField("link leads away from nav.no")
    return link


def _title(words: str) -> str:
    """The text itself where it is short, else its first sentence, else its beginning."""
    line = " ".join(words.split())
    if len(line) <= TITLE_MAX:
        return line
    sentence = re.match(rf".{{10,{TITLE_MAX - 1}}}?[.!?](?= )", line)
    if sentence:
        return sentence[0]
    return line[: TITLE_MAX - 1].rsplit(" ", 1)[0] + "…"


def _archive_id(said: Mapping[str, Any], name: str) -> str:
    value = text(said, name, longest=64)
    if not ARCHIVE_ID.fullmatch(value):
        raise WrongField(f"{name} is not an id of the archive")
    return value


def _is_internal(said: Mapping[str, Any]) -> bool:
    """A note that is no forvaltningsnotat: its documents are refused for that reason."""
    found = [
        code
        for document in rows(said, "dokumenter")
        for variant in rows(table(document, "a document"), "dokumentvarianter")
        for code in rows(table(variant, "a variant"), "code")
    ]
    return "forvaltningsnotat" in found


def _case(said: Mapping[str, Any]) -> str:
    """The number of the case in its own system; a general case has none."""
    if said.get("sak") is None:
        return ""
    return optional_text(table(said["sak"], "sak"), "fagsakId", longest=255)


def _documents(said: Mapping[str, Any], journalpost: str) -> list[IncomingDocument]:
    listed = rows(said, "dokumenter")
    if len(listed) > DOCUMENTS_MAX:
        raise WrongField(f"dokumenter has more than {DOCUMENTS_MAX} entries")
    return [
        _document(table(each, "a document"), journalpost, is_main=position == 0)
        for position, each in enumerate(listed)
    ]


def _document(said: Mapping[str, Any], journalpost: str, *, is_main: bool) -> IncomingDocument:
    """The main document comes first; of each the first variant that she is given."""
    identifier = _archive_id(said, "dokumentInfoId")
    title = optional_text(said, "tittel", longest=1000).strip() or "Dokument"
    listed = [table(each, "a variant") for each in rows(said, "dokumentvarianter")]
    variants = {text(each, "variantformat", longest=64): each for each in listed}
    shown = [variants[name] for name in VARIANTS if name in variants]
    given = next((each for each in shown if _needed_truth(each, "brukerHarTilgang")), None)
    file_type = text(given or shown[0], "filtype", longest=64).upper() if shown else ""
    media_type = MEDIA_TYPES.get(file_type, "application/octet-stream")
    name = re.sub(r"[^\w ,.-]+", " ", title).strip()[:NAME_MAX] or identifier
    extension = file_type.lower() or "bin"
    head = IncomingDocument(f"{name}.{extension}", media_type, title, is_main)
    if given is None:
        codes = rows(shown[0], "code") if shown else []
        return replace(head, not_given=refused_because(codes))
    variant = text(given, "variantformat")
    ref = f"rest/hentdokument/{journalpost}/{identifier}/{variant}"
    return replace(head, ref=ref, size=_size(given))


def _size(variant: Mapping[str, Any]) -> int | None:
    """Bytes; 0 is a size that the archive does not know."""
    size = variant.get("filstorrelse")
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise WrongField("filstorrelse is not a number of bytes")
    return size or None


def is_varsel_id(value: str) -> bool:
    """Say whether it is a UUID or a ULID: no other entry of NAV's is named so."""
    try:
        return str(UUID(value)) == value.lower()
    except ValueError:
        return ULID.fullmatch(value) is not None


def oldest_first(said: Iterable[Any], name: str) -> list[Any]:
    """Return entries by the time in the field `name`, those without one last."""

    def at(each: Any) -> str:
        value = each.get(name) if isinstance(each, dict) else None
        return value if isinstance(value, str) else "~"

    return sorted(said, key=at)
