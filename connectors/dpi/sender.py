"""What a sending agency does: package, encrypt, sign. Used by the simulator alone."""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any

from cryptography import x509

from connectors import clock
from connectors.dpi import cms, extending
from connectors.dpi.authority import SUPPLIERS, Authority
from connectors.dpi.envelope import Identity, load_certificates, sign_envelope
from connectors.dpi.manifest import Data, File, Link, Manifest, build_manifest
from connectors.dpi.package import MANIFEST, build_package
from connectors.dpi.receipts import STANDARD
from connectors.dpi.schema import AUTHORITY, SHA256
from connectors.dpi.xades import signed_files
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
    answer_by: datetime | None = None
    """Until when the sender waits for a receipt; None: for ever."""


class Sender:
    """Makes messages for both suppliers, signed by whichever agency writes."""

    def __init__(self, authority: Authority, keys_dir: Path) -> None:
        self._authority = authority
        self._keys_dir = keys_dir
        self.recipients: dict[Channel, x509.Certificate] = {}
        for channel in SUPPLIERS:
            _, certificate_file = authority.supplier(channel, "decryption")
            self.recipients[channel] = load_certificates(str(certificate_file), "certificate")[0]

    def message(self, letter: SimulatedLetter) -> Message:
        """Return the letter as its agency would send it."""
        return self.sealed(letter, self.packed(letter, package_files(letter)), message_id(letter))

    def packed(self, letter: SimulatedLetter, files: Mapping[str, bytes]) -> bytes:
        """Return the files as a package that the letter's agency has signed."""
        signed = signed_files(files, self._identity(_signer(letter)), letter.sent_at)
        return build_package(signed, letter.sent_at)

    def sealed(
        self, letter: SimulatedLetter, package: bytes, identifier: str, digest: bytes | None = None
    ) -> Message:
        """Encrypt `package`, sign for it (or for another `digest`), return the message."""
        encrypted = cms.encrypt(package, self.recipients[letter.channel])
        digest = digest or hashlib.sha256(encrypted).digest()
        conversation = letter.conversation or str(
            uuid.uuid5(NAMESPACE, f"conversation/{identifier}")
        )
        # A letter with a history was sent long ago, but put in the queue now.
        answer_by = max(letter.sent_at, clock.now()) + ANSWER_WITHIN
        header = _header(letter, identifier, conversation, answer_by)
        payload = {
            "standardBusinessDocument": {
                "standardBusinessDocumentHeader": header,
                "digital": self._body(letter, digest),
            }
        }
        return Message(
            id=identifier,
            conversation=conversation,
            channel=letter.channel,
            person=letter.person.slug,
            sender_org=_signer(letter).org_number,
            envelope=sign_envelope(payload, self._identity(_signer(letter))),
            package=encrypted,
            answer_by=answer_by,
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
            "maskinportentoken": self._token(letter),
            "sikkerhetsnivaa": letter.security_level,
            "aapningskvittering": letter.wants_opening_receipt,
            "ikkesensitivtittel": public_title[:TITLE_MAX],
            "spraak": _language(letter),
        }
        if letter.visible_from:
            body["virkningstidspunkt"] = letter.visible_from.isoformat()
        if letter.due_at:
            body["varsler"] = notices(letter)
        return body

    def _token(self, letter: SimulatedLetter) -> str:
        """The right to send, as it was then: it has expired by arrival, as real ones have."""
        signer = _signer(letter)
        supplier = f"0192:{signer.org_number}" if letter.processor else ""
        return issue_token(
            self._keys_dir,
            client_id=f"sender-{signer.slug}",
            consumer_org=f"0192:{letter.agency.org_number}",
            scope=SCOPE,
            supplier_org=supplier,
            issued_at=letter.sent_at.timestamp(),
        )


def _signer(letter: SimulatedLetter) -> Agency:
    return letter.processor or letter.agency


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
        data = _data(letter)
        main = replace(main, data=_named(data))
        return {MANIFEST: _manifest(letter, [main]), main.href: text.encode(), **data}
    files, named = [], {}
    for position, document in enumerate(documents):
        # The main document's title is the letter's own: it is what a mailbox shows.
        title = (document.title if position else letter.title) or document.name
        href = _href(position, document.name)
        files.append(File(href, document.media_type, title[:TITLE_MAX], _language(letter)))
        named[href] = document.content
    data = _data(letter)
    files[0] = replace(files[0], data=_named(data))
    return {MANIFEST: _manifest(letter, files), **named, **data}


def _data(letter: SimulatedLetter) -> dict[str, bytes]:
    """The main document's extension as a file of the package, by its name; a document has one."""
    language = _language(letter).lower()
    if letter.appointment:
        return {"arrangement.xml": extending.appointment_xml(letter.appointment, language)}
    if letter.proof:
        holder = letter.person.name
        return {"bevis.xml": extending.proof_xml(letter.proof, holder, language)}
    if letter.link_of_document:
        return {"lenke.xml": extending.link_xml(_link(letter), language)}
    return {}


def _named(data: Mapping[str, bytes]) -> Data | None:
    for href in data:
        return Data(href, extending.MEDIA_TYPE.format(href.removesuffix(".xml")))
    return None


def _link(letter: SimulatedLetter) -> Link:
    return Link(letter.action_url, "", letter.action_label[:BUTTON_MAX], letter.due_at)


def _manifest(letter: SimulatedLetter, files: list[File]) -> bytes:
    link = None
    if letter.action_url and not letter.link_of_document:
        link = _link(letter)
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


def _header(
    letter: SimulatedLetter, identifier: str, conversation: str, answer_by: datetime
) -> dict[str, Any]:
    return {
        "headerVersion": "1.0",
        "sender": [{"identifier": _organisation(_signer(letter).org_number)}],
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


def notices(letter: SimulatedLetter) -> dict[str, Any]:
    """Return the notices that the sender orders for a letter with a deadline."""
    return {
        "epostvarsel": {
            "epostadresse": letter.person.email,
            "varslingstekst": f"Du har fått et brev fra {letter.agency.name} med en frist.",
            "repetisjoner": [0, 7],
        }
    }
