"""From a consignment of SvarInn, with its files, to our letter. Pure; README.md has the table.

Sources: KS `svarut-sak-mottak` (`SvarUtForsendelse.json`, the listing), KS `fiks-svarut-klient`
(`forsendelse-send-api-v2.json` for the fields that a sender writes,
`forsendelse-metadata-api-v2.json` for digests and signing), docs `Fiks edialog` for answers.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from connectors.contract import (
    LEVEL_HIGH,
    LEVEL_SUBSTANTIAL,
    Action,
    IncomingDocument,
    IncomingLetter,
    Kind,
    RawPart,
    Recipient,
    RecipientKind,
    SenderRef,
    Signing,
    SigningStatus,
)
from connectors.fields import (
    WrongField,
    https_url,
    identifier,
    moment,
    optional_moment,
    optional_text,
    rows,
    table,
    text,
    truth,
)

EDIALOG_URL = "https://svarut.ks.no/edialog/mottaker"
"""Below it each receiver of answers by its organisation number (docs `Fiks edialog`)."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TITLE_MAX = 1000
NAME_MAX = 226
REFERENCE_MAX = 100
FILES_MAX = 200
LINKS_MAX = 5
NATIONAL_ID = re.compile(r"[0-9]{11}")
ORG_NUMBER = re.compile(r"[0-9]{9}")
NO_FILE_NAME = re.compile(r'[*:"\\/<>|?\x00-\x1f\x7f]')
"""Signs that no file's name may hold (`Dokument.filnavn`); nor is one "." or ".."."""
REPLY_LABEL = "Svar avsenderen"
LINK_LABEL = "Gå til avsenderen"
UNKNOWN_TYPE = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Listed:
    """A file as the listing names it."""

    name: str
    media_type: str


def listed_files(said: Mapping[str, Any]) -> list[Listed]:
    """Return the files that a consignment says it has, at least one. Raises WrongField."""
    found = [_listed(table(each, "a file")) for each in rows(said, "filmetadata")]
    if not found:
        raise WrongField("it has no files")
    if len(found) > FILES_MAX:
        raise WrongField(f"it has more than {FILES_MAX} files")
    if len({each.name for each in found}) < len(found):
        raise WrongField("two of its files have the same name")
    return found


def is_encrypted(said: Mapping[str, Any]) -> bool:
    """Say whether what is downloaded is encrypted to us. Raises WrongField."""
    return truth(said, "kryptert")


def letter_from(
    said: Mapping[str, Any],
    files: Mapping[str, bytes],
    metadata: Mapping[str, Any] | None,
    raw: Sequence[RawPart],
    *,
    edialog_url: str = EDIALOG_URL,
    base_url: str = "",
) -> IncomingLetter:
    """Map a consignment whose files have been opened. Raises WrongField.

    `files` holds the bytes by name; `metadata` is SvarUt's own word of them, None where it could
    not be had. Below `base_url` a signing page need not be https.
    """
    described = _described(metadata)
    documents = _documents(listed_files(said), files, described)
    links, links_left_out = _links(said)
    signing = _signing(described, base_url)
    answers = optional_text(said, "svarPaForsendelse", longest=REFERENCE_MAX)
    verified = bool(described) and all(each.sha256 for each in documents)
    own = identifier(said, "id")
    return IncomingLetter(
        external_id=own,
        recipient=Recipient(RecipientKind.NATIONAL_ID, national_id(said)),
        # The name stands on the sender's cover page; SvarInn gives no number that would prove it.
        sender=SenderRef(text(table(said.get("avsender"), "avsender"), "navn", longest=255)),
        title=text(said, "tittel", longest=TITLE_MAX),
        sent_at=_sent_at(said),
        due_at=optional_moment(said, "signeringUtloper"),
        security_level=_level(said),
        kind=Kind.TASK if signing else Kind.LETTER,
        documents=documents,
        case_reference=_case_reference(said) or answers,
        same_as=(f"svarut:{own}",),
        actions=(*_reply_link(said, edialog_url), *links),
        needs_action=signing is not None,
        wants_opening_receipt=True,
        signing=signing,
        provenance={
            "transport": "svarut",
            "sender_number": "not given",
            "encryption": "verified" if is_encrypted(said) else "none",
            "package_fingerprint": "verified" if verified else "not verified",
            **_given("consignment_type", optional_text(said, "forsendelsestype", longest=100)),
            **_given("answers", answers),
            **_given("links", f"{links_left_out} not shown" if links_left_out else ""),
        },
        raw=raw,
    )


def national_id(said: Mapping[str, Any]) -> str:
    """Return the number of the person whom it is to. Raises WrongField where it names none."""
    receiver = table(said.get("mottaker"), "mottaker")
    number = optional_text(receiver, "fnr", longest=20)
    if not number:
        raise WrongField("mottaker has no fnr: it is not addressed to a person")
    if not NATIONAL_ID.fullmatch(number):
        raise WrongField("fnr is not a national identity number")
    return number


def _listed(said: Mapping[str, Any]) -> Listed:
    name = text(said, "filnavn", longest=NAME_MAX)
    if NO_FILE_NAME.search(name) or name.strip(". ") == "":
        raise WrongField("a file's name holds what no file's name may")
    # "mimetype" in SvarInn's first version, "mimeType" everywhere else at KS.
    field = "mimetype" if "mimetype" in said else "mimeType"
    return Listed(name, optional_text(said, field, longest=127) or UNKNOWN_TYPE)


def _sent_at(said: Mapping[str, Any]) -> datetime:
    """`date` is in milliseconds since 1970 in the first version, ISO 8601 in the second."""
    value = said.get("date")
    if not isinstance(value, int) or isinstance(value, bool):
        return moment(said, "date")
    try:
        return EPOCH + timedelta(milliseconds=value)
    except OverflowError:
        raise WrongField("date is not a time") from None


def _level(said: Mapping[str, Any]) -> int:
    """Level 3 only where the sender has said that it will do, and not called it confidential."""
    high = truth(said, "krevNiva4Innlogging", default=True) or truth(said, "taushetsbelagtPost")
    return LEVEL_HIGH if high else LEVEL_SUBSTANTIAL


def _case_reference(said: Mapping[str, Any]) -> str:
    """The sender's own, else its archive's case number (Noark: year and sequence)."""
    reference = optional_text(said, "korrelasjonsid", longest=REFERENCE_MAX)
    archive = said.get("metadataFraAvleverendeSystem")
    if reference or archive is None:
        return reference
    archive = table(archive, "metadataFraAvleverendeSystem")
    year, number = archive.get("saksaar"), archive.get("sakssekvensnummer")
    if isinstance(year, int) and isinstance(number, int) and year > 0 and number > 0:
        return f"{year}/{number}"
    return optional_text(archive, "mappeId", longest=REFERENCE_MAX)


def _links(said: Mapping[str, Any]) -> tuple[list[Action], int]:
    """Return the links that can be shown, and how many cannot."""
    found, left_out = [], 0
    for each in rows(said, "lenker"):
        link = table(each, "a link")
        label = optional_text(link, "tekst", longest=255)
        label = label or optional_text(link, "ledetekst", longest=255) or LINK_LABEL
        try:
            url = https_url(link, "url")
        except WrongField:
            left_out += 1
            continue
        found.append(Action(url, label))
    return found[:LINKS_MAX], left_out + max(0, len(found) - LINKS_MAX)


def _reply_link(said: Mapping[str, Any], edialog_url: str) -> list[Action]:
    """Where she can answer: SvarUt's form, to whom the sender has named for that."""
    if not truth(said, "svarPaForsendelseLink") or said.get("svarSendesTil") is None:
        return []
    receiver = table(said["svarSendesTil"], "svarSendesTil")
    for name in ("orgnr", "digitalId"):
        number = optional_text(receiver, name, longest=20)
        if ORG_NUMBER.fullmatch(number):
            return [Action(f"{edialog_url.rstrip('/')}/{number}", REPLY_LABEL)]
    return []


def _described(metadata: Mapping[str, Any] | None) -> dict[str, Mapping[str, Any]]:
    """SvarUt's word of each file by name; what is not of the promised shape says nothing."""
    found = metadata.get("dokumenter") if metadata else None
    listed = found if isinstance(found, list) else []
    return {str(each.get("filnavn")): each for each in listed if isinstance(each, dict)}


def _documents(
    listed: Sequence[Listed],
    files: Mapping[str, bytes],
    described: Mapping[str, Mapping[str, Any]],
) -> list[IncomingDocument]:
    """The files in the sender's order; one that the listing does not name stands behind them."""
    known = {each.name for each in listed}
    unlisted = [Listed(name, UNKNOWN_TYPE) for name in files if name not in known]
    return [
        _document(each, files, described.get(each.name, {}), number == 0)
        for number, each in enumerate([*listed, *unlisted])
    ]


def _document(
    listed: Listed, files: Mapping[str, bytes], described: Mapping[str, Any], is_main: bool
) -> IncomingDocument:
    content = files.get(listed.name)
    if content is None:
        raise WrongField("it lists a file that did not come with it")
    expected = _digest(described.get("sha256Hash"))
    if expected and hashlib.sha256(content).digest() != expected:
        raise WrongField("a document is not the one that SvarUt has: its digest is another")
    return IncomingDocument(
        name=listed.name,
        media_type=listed.media_type,
        is_main=is_main,
        content=content,
        size=len(content),
        sha256=expected.hex(),
    )


def _digest(said: Any) -> bytes:
    """Return the 32 bytes of a digest; it is not said whether it is in hex or base64.

    Empty where it is neither.
    """
    for read in (bytes.fromhex, lambda given: base64.b64decode(given, validate=True)):
        try:
            digest = read(said)
        except (ValueError, TypeError):
            continue
        if len(digest) == 32:
            return bytes(digest)
    return b""


def _signing(described: Mapping[str, Mapping[str, Any]], base_url: str) -> Signing | None:
    """One document of a consignment can be signed (`Dokument.skalSigneres`)."""
    for each in described.values():
        if each.get("kanSigneres") is True and each.get("signeringUrl"):
            return Signing(
                SigningStatus.WAITING, https_url(each, "signeringUrl", also_below=base_url)
            )
    return None


def _given(name: str, value: str) -> dict[str, str]:
    return {name: value} if value else {}
