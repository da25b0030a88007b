"""The simulated printing service, and what a sender lets the mailbox supplier know of it.

A sender that falls back to print sends an `utskrift` message of the same conversation to the
printing service, which answers it: taken (`mottakskvittering`), given to the post
(`leveringskvittering`), came back (`returpostkvittering`, when it was shredded). Sources:
docs.digdir.no DPI `forretningsmeldinger` and the schemas of these. That the sender then gives the
mailbox supplier a copy of each is our stand-in: README.md.
"""

from __future__ import annotations

import base64
import hashlib
import sqlite3
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from connectors.dpi import cms, schema
from connectors.dpi.authority import Authority
from connectors.dpi.envelope import load_identity, peek, sign_envelope
from connectors.dpi.mapping import author_org, conversation_id, header_of, message_id, sender_org
from connectors.dpi.receipts import STANDARD, receipt_document
from connectors.dpi.schema import SHA256
from connectors.dpi.sender import NAMESPACE, SCOPE, Message
from connectors.maskinporten.simulator import issue_token
from connectors.world.agencies import AGENCIES
from connectors.world.model import Agency, Channel
from connectors.world.persons import by_slug

PRINTER = Agency("utskrift", "Utskriftstjenesten", "310091103", ("Postboks 999", "0001 Oslo"))
"""Made up, with a number as synthetic organisations have."""
PROCESS = "urn:fdc:digdir.no:2020:profile:egovernment:innbyggerpost:utskrift:ver1.0"
ANSWER_WITHIN = timedelta(hours=24)
POSTED_AFTER = timedelta(days=1)
"""How long printing takes (`returpostkvittering.md`)."""
TAKEN, POSTED, CAME_BACK = "mottakskvittering", "leveringskvittering", "returpostkvittering"
RECEIPTS_TABLE = (
    "CREATE TABLE IF NOT EXISTS print_receipts (position INTEGER PRIMARY KEY AUTOINCREMENT, "
    "message TEXT, person TEXT, type TEXT, at TEXT, envelope TEXT, UNIQUE (message, type))"
)
"""What the senders have from the printing service, by the message that they had printed."""


@dataclass(frozen=True, slots=True)
class Sent:
    """A message as it lies in a mailbox supplier's queue."""

    channel: Channel
    person: str
    envelope: str
    package: bytes


class Printing:
    """What senders have printed, and the printing service's answers."""

    def __init__(self, authority: Authority, keys_dir: Path) -> None:
        self._authority = authority
        self._keys_dir = keys_dir

    def message(self, sent: Sent, at: datetime) -> Message:
        """Return the letter as its sender gives it to the printing service at `at`.

        Raises Refusal when the package that was sent cannot be opened.
        """
        payload = peek(sent.envelope)
        printer = self._authority.agency(PRINTER)
        encrypted = cms.encrypt(self._package(sent), printer.certificate)
        header = header_of(payload)
        identifier = str(uuid.uuid5(NAMESPACE, f"utskrift/{message_id(payload)}"))
        document = {
            "standardBusinessDocumentHeader": _header(header, identifier, at),
            "utskrift": self._body(payload, sent, encrypted, at),
        }
        signer = self._authority.agency(_agency(sender_org(payload)))
        return Message(
            id=identifier,
            conversation=f"utskrift/{conversation_id(payload)}",
            channel=sent.channel,
            person=sent.person,
            sender_org=sender_org(payload),
            envelope=sign_envelope({"standardBusinessDocument": document}, signer),
            package=encrypted,
        )

    def receipt(self, printed: Message, kind: str, at: datetime) -> Message:
        """Return the printing service's receipt for a message that it was given."""
        payload = peek(printed.envelope)
        identifier = str(uuid.uuid5(NAMESPACE, f"{kind}/{printed.id}"))
        document = receipt_document(
            kind, header_of(payload), PRINTER.org_number, identifier, at.astimezone(UTC), {}
        )
        schema.check_receipt(document)
        return Message(
            id=identifier,
            conversation=f"{kind}/{conversation_id(payload)}",
            channel=printed.channel,
            person=printed.person,
            sender_org=PRINTER.org_number,
            envelope=sign_envelope(document, self._authority.agency(PRINTER)),
            package=b"",
        )

    def _package(self, sent: Sent) -> bytes:
        """What the sender has in clear, and we in a mailbox supplier's queue alone."""
        key_file, certificate_file = self._authority.supplier(sent.channel, "decryption")
        identity = load_identity(str(key_file), str(certificate_file), "decryption")
        return cms.decrypt(sent.package, [identity])

    def _body(
        self, payload: dict[str, Any], sent: Sent, encrypted: bytes, at: datetime
    ) -> dict[str, Any]:
        author, signer = author_org(payload), sender_org(payload)
        person = by_slug(sent.person)
        sender = _agency(author)
        token = issue_token(
            self._keys_dir,
            client_id=f"sender-{signer}",
            consumer_org=f"0192:{author}",
            scope=SCOPE,
            supplier_org=f"0192:{signer}" if signer != author else "",
            issued_at=at.timestamp(),
        )
        digest = base64.b64encode(hashlib.sha256(encrypted).digest()).decode()
        return {
            "avsender": payload["standardBusinessDocument"]["digital"]["avsender"],
            "mottaker": _address(person.name, person.address),
            "dokumentpakkefingeravtrykk": {"digestMethod": SHA256, "digestValue": digest},
            "maskinportentoken": token,
            "utskriftstype": "SORT_HVIT",
            "posttype": "B",
            "retur": {
                "mottaker": _address(sender.name, sender.address),
                "returposthaandtering": "MAKULERING_MED_MELDING",
            },
        }


def note(db: sqlite3.Connection, message: str, receipt: Message, kind: str, at: datetime) -> None:
    """Keep a receipt of the printing service's as the sender's evidence, once."""
    db.execute(
        "INSERT OR IGNORE INTO print_receipts (message, person, type, at, envelope) "
        "VALUES (?, ?, ?, ?, ?)",
        (message, receipt.person, kind, at.astimezone(UTC).isoformat(), receipt.envelope),
    )


def _header(header: dict[str, Any], identifier: str, at: datetime) -> dict[str, Any]:
    conversation = next(
        scope for scope in header["businessScope"]["scope"] if scope["type"] == "ConversationId"
    )
    answer_by = (at + ANSWER_WITHIN).astimezone(UTC).isoformat(timespec="milliseconds")
    printer = {"authority": schema.AUTHORITY, "value": f"0192:{PRINTER.org_number}"}
    return {
        "headerVersion": "1.0",
        "sender": header["sender"],
        "receiver": [{"identifier": printer}],
        "documentIdentification": {
            "standard": STANDARD.format("utskrift"),
            "typeVersion": "1.0",
            "instanceIdentifier": identifier,
            "type": "utskrift",
            "creationDateAndTime": at.astimezone(UTC).isoformat(timespec="milliseconds"),
        },
        "businessScope": {
            "scope": [
                {
                    "type": "ConversationId",
                    "instanceIdentifier": conversation["instanceIdentifier"],
                    "identifier": PROCESS,
                    "scopeInformation": [{"expectedResponseDateTime": answer_by}],
                }
            ]
        },
    }


def _agency(org_number: str) -> Agency:
    return next(each for each in AGENCIES if each.org_number == org_number)


def _address(name: str, lines: tuple[str, ...]) -> dict[str, str]:
    """A postal address in Norway, of lines that end with postcode and town."""
    *first, last = lines
    postcode, _, town = last.partition(" ")
    named = {f"adresselinje{number}": line for number, line in enumerate(first, 1)}
    return {"navn": name, **named, "postnummer": postcode, "poststed": town}
