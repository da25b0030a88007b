"""What a sending agency does: package, encrypt, sign. Used by the simulator alone."""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any

from cryptography import x509

from connectors.dpi import cms
from connectors.dpi.authority import SUPPLIERS, Authority
from connectors.dpi.envelope import Identity, load_certificates, sign_envelope
from connectors.dpi.manifest import File, Link, Manifest, build_manifest
from connectors.dpi.package import MANIFEST, build_package
from connectors.dpi.receipts import STANDARD
from connectors.dpi.schema import AUTHORITY, SHA256
from connectors.maskinporten.simulator import issue_token
from connectors.world.model import Agency, Channel, SimulatedLetter

SCOPE = "digitalpostinnbygger:send"
PROCESS = "urn:fdc:digdir.no:2020:profile:egovernment:innbyggerpost:digital:ver1.0"
NAMESPACE = uuid.UUID("0f8a54d2-4b1c-5c0e-8b57-0a6b5a1e6d11")
"""Our own, for the identifiers of simulated messages."""
LANGUAGES = {"nb": "NO"}
ANSWER_WITHIN = timedelta(hours=24)
TITLE_MAX = 255
BUTTON_MAX = 30


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it lies in a supplier's queue."""

    id: str
    conversation: str
    channel: Channel
    person: str
    """The recipient's slug."""
    sender_org: str
    envelope: str
    package: bytes


class Sender:
    """Makes messages for both suppliers, signed by whichever agency writes."""

    def __init__(self, authority: Authority, keys_dir: Path) -> None:
        self._authority = authority
        self._keys_dir = keys_dir
        self._tokens: dict[str, str] = {}
        self._recipients: dict[Channel, x509.Certificate] = {}
        for channel in SUPPLIERS:
            _, certificate_file = authority.supplier(channel, "decryption")
            self._recipients[channel] = load_certificates(str(certificate_file), "certificate")[0]

    def message(self, letter: SimulatedLetter) -> Message:
        """Return the letter as its agency would send it."""
        files = package_files(letter)
        return self.sealed(letter, build_package(files, letter.sent_at), message_id(letter))

    def sealed(
        self, letter: SimulatedLetter, package: bytes, identifier: str, digest: bytes | None = None
    ) -> Message:
        """Encrypt `package`, sign for it (or for another `digest`), return the message."""
        encrypted = cms.encrypt(package, self._recipients[letter.channel])
        digest = digest or hashlib.sha256(encrypted).digest()
        conversation = letter.conversation or str(
            uuid.uuid5(NAMESPACE, f"conversation/{identifier}")
        )
        payload = {
            "standardBusinessDocument": {
                "standardBusinessDocumentHeader": _header(letter, identifier, conversation),
                "digital": self._body(letter, digest),
            }
        }
        return Message(
            id=identifier,
            conversation=conversation,
            channel=letter.channel,
            person=letter.person.slug,
            sender_org=letter.agency.org_number,
            envelope=sign_envelope(payload, self._identity(letter.agency)),
            package=encrypted,
        )

    def _identity(self, agency: Agency) -> Identity:
        return self._authority.agency(agency)

    def _body(self, letter: SimulatedLetter, digest: bytes) -> dict[str, Any]:
        public_title = letter.public_title or f"Brev fra {letter.agency.name}"
        body: dict[str, Any] = {
            "avsender": {"virksomhetsidentifikator": _organisation(letter.agency.org_number)},
            "mottaker": {"postkasseadresse": letter.person.mailbox_address},
            "dokumentpakkefingeravtrykk": {
                "digestMethod": SHA256,
                "digestValue": base64.b64encode(digest).decode(),
            },
            "maskinportentoken": self._token(letter.agency),
            "sikkerhetsnivaa": letter.security_level,
            "aapningskvittering": letter.wants_opening_receipt,
            "ikkesensitivtittel": public_title[:TITLE_MAX],
            "spraak": _language(letter),
        }
        if letter.visible_from:
            body["virkningstidspunkt"] = letter.visible_from.isoformat()
        if letter.due_at:
            body["varsler"] = {"epostvarsel": _notice(letter)}
        return body

    def _token(self, agency: Agency) -> str:
        """The agency's right to send. It has expired by arrival, as real ones have."""
        if agency.slug not in self._tokens:
            self._tokens[agency.slug] = issue_token(
                self._keys_dir,
                client_id=f"sender-{agency.slug}",
                consumer_org=f"0192:{agency.org_number}",
                scope=SCOPE,
            )
        return self._tokens[agency.slug]


def message_id(letter: SimulatedLetter) -> str:
    """Return the letter's instance identifier: the same for the same key."""
    name = f"{letter.channel.value}/{letter.person.slug}/{letter.key}"
    return str(uuid.uuid5(NAMESPACE, name))


def package_files(letter: SimulatedLetter) -> Mapping[str, bytes]:
    """Return the files of the letter's package, the manifest first."""
    documents = sorted(letter.documents, key=lambda document: not document.is_main)
    if not documents:
        text = letter.body or letter.summary or letter.title
        main = File("brev.txt", "text/plain", letter.title[:TITLE_MAX], _language(letter))
        return {MANIFEST: _manifest(letter, [main]), main.href: text.encode()}
    files, named = [], {}
    for position, document in enumerate(documents):
        # The main document's title is the letter's own: it is what a mailbox shows.
        title = (document.title if position else letter.title) or document.name
        href = _href(position, document.name)
        files.append(File(href, document.media_type, title[:TITLE_MAX], _language(letter)))
        named[href] = document.content
    return {MANIFEST: _manifest(letter, files), **named}


def _manifest(letter: SimulatedLetter, files: list[File]) -> bytes:
    link = None
    if letter.action_url:
        link = Link(letter.action_url, "", letter.action_label[:BUTTON_MAX], letter.due_at)
    return build_manifest(
        Manifest(
            sender=f"0192:{letter.agency.org_number}",
            main=files[0],
            attachments=tuple(files[1:]),
            link=link,
            mailbox_address=letter.person.mailbox_address,
        )
    )


def _href(position: int, name: str) -> str:
    """A file name of 4 to 100 characters that no other document of the letter has."""
    plain = PurePosixPath(name.replace("\\", "/").replace(":", "-")).name
    return plain[-96:] if position == 0 else f"{position:02d}-{plain[-96:]}"


def _header(letter: SimulatedLetter, identifier: str, conversation: str) -> dict[str, Any]:
    answer_by = letter.sent_at + ANSWER_WITHIN
    return {
        "headerVersion": "1.0",
        "sender": [{"identifier": _organisation(letter.agency.org_number)}],
        "receiver": [{"identifier": _organisation(SUPPLIERS[letter.channel])}],
        "documentIdentification": {
            "standard": STANDARD.format("digital"),
            "typeVersion": "1.0",
            "instanceIdentifier": identifier,
            "type": "digital",
            "creationDateAndTime": _moment(letter.sent_at),
        },
        "businessScope": {
            "scope": [
                {
                    "type": "ConversationId",
                    "instanceIdentifier": conversation,
                    "identifier": PROCESS,
                    "scopeInformation": [{"expectedResponseDateTime": _moment(answer_by)}],
                }
            ]
        },
    }


def _organisation(number: str) -> dict[str, str]:
    return {"authority": AUTHORITY, "value": f"0192:{number}"}


def _language(letter: SimulatedLetter) -> str:
    return LANGUAGES.get(letter.language, letter.language.upper())


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds")


def _notice(letter: SimulatedLetter) -> dict[str, Any]:
    return {
        "epostadresse": letter.person.email,
        "varslingstekst": f"Du har fått et brev fra {letter.agency.name} med en frist.",
        "repetisjoner": [0, 7],
    }
