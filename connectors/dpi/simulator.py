"""An access point with two mailbox suppliers' queues, and the agencies that send to them.

The endpoints are those of Digdir's OpenAPI specification for corner 2, spoken here on the
receiving side (see README.md). The queue is chosen by `kanal`: the supplier's organisation number.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from connectors import clock
from connectors.dpi import mapping, schema
from connectors.dpi.access_point import add_routes
from connectors.dpi.authority import PURPOSES, SUPPLIER_NAMES, SUPPLIERS, Authority
from connectors.dpi.envelope import open_envelope
from connectors.dpi.manifest import NAMESPACE as MANIFEST_NAMESPACE
from connectors.dpi.package import MANIFEST, build_package
from connectors.dpi.refusal import Refusal
from connectors.dpi.sender import Message, Sender, message_id, package_files
from connectors.maskinporten.simulator import CLIENT_ID, CLIENT_KEY, TokenChecker
from connectors.simulation import Simulator, State
from connectors.world.agencies import agency
from connectors.world.model import Channel, Person, SimulatedDocument, SimulatedLetter

TABLES = (
    "CREATE TABLE IF NOT EXISTS messages (position INTEGER PRIMARY KEY AUTOINCREMENT, "
    "id TEXT UNIQUE, conversation TEXT UNIQUE, channel TEXT, person TEXT, sender_org TEXT, "
    "envelope TEXT, package BLOB, is_read INTEGER DEFAULT 0, is_gone INTEGER DEFAULT 0, "
    "is_garbage INTEGER DEFAULT 0)",
    "CREATE INDEX IF NOT EXISTS unread ON messages (channel, is_read, position)",
    "CREATE TABLE IF NOT EXISTS receipts (position INTEGER PRIMARY KEY AUTOINCREMENT, "
    "id TEXT UNIQUE, message TEXT, person TEXT, type TEXT, at TEXT, envelope TEXT)",
)
INSERT = (
    "INSERT OR IGNORE INTO messages "
    "(id, conversation, channel, person, sender_org, envelope, package, is_garbage) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)


@dataclass(frozen=True, slots=True)
class ReceivedReceipt:
    """A receipt that the simulated sender took and found in order."""

    id: str
    message_id: str
    person: str
    type: str
    at: str
    envelope: str
    """The signed receipt as it came: the sender's evidence."""


class DpiSimulator(Simulator):
    """Both suppliers' queues. `receipts` and `redeliver` are for tests and the control page."""

    channels = (Channel.DIGIPOST, Channel.EBOKS)

    def __init__(self, state: State, keys_dir: Path) -> None:
        super().__init__(state)
        self.authority = Authority(keys_dir / "dpi")
        self.sender = Sender(self.authority, keys_dir)
        with state.transaction() as db:
            for table in TABLES:
                db.execute(table)
        add_routes(self.app, state, TokenChecker(keys_dir), self.take_receipt)

    def send(self, letter: SimulatedLetter) -> str:
        """Put the letter in its supplier's queue; sending the same key again changes nothing."""
        self.send_many([letter])
        return message_id(letter)

    def send_many(self, letters: Sequence[SimulatedLetter]) -> None:
        """Send several letters in one transaction."""
        unsent = [each for each in letters if not self._is_known(message_id(each))]
        self.put(self.sender.message(letter) for letter in unsent)

    def send_garbage(self, person: Person, channel: Channel) -> str:
        """Send a wrong fingerprint, a package that is no ZIP, a broken manifest, in turn."""
        count = self.state.connection().execute(
            "SELECT count(*) FROM messages WHERE is_garbage = 1"
        )
        message = self._broken(_stub(person, channel), int(count.fetchone()[0]) % 3)
        self.put([message], is_garbage=True)
        return message.id

    def put(self, messages: Iterable[Message], is_garbage: bool = False) -> None:
        """Put messages in the queue as they are; one whose identifier is known is left out."""
        rows = [
            (
                each.id,
                each.conversation,
                each.channel.value,
                each.person,
                each.sender_org,
                each.envelope,
                each.package,
                int(is_garbage),
            )
            for each in messages
        ]
        with self.state.transaction() as db:
            db.executemany(INSERT, rows)

    def forget(self, person: Person) -> None:
        """Remove the person's messages and the receipts for them."""
        with self.state.transaction() as db:
            for table in ("messages", "receipts"):
                db.execute(f"DELETE FROM {table} WHERE person = ?", (person.slug,))

    def expire_latest(self, person: Person, channel: Channel) -> bool:
        """Delete the package of the person's newest message: it answers 410 from now on."""
        with self.state.transaction() as db:
            changed = db.execute(
                "UPDATE messages SET is_gone = 1, package = x'' WHERE position = "
                "(SELECT max(position) FROM messages "
                "WHERE person = ? AND channel = ? AND is_gone = 0)",
                (person.slug, channel.value),
            )
        return changed.rowcount == 1

    def redeliver(self, identifier: str) -> None:
        """Put a message that was read back in its queue, as when the `read` was lost."""
        with self.state.transaction() as db:
            db.execute("UPDATE messages SET is_read = 0 WHERE id = ?", (identifier,))

    def receipts(self, person: Person | None = None) -> list[ReceivedReceipt]:
        """Return the receipts taken so far, oldest first; of one person, or all."""
        rows = self.state.connection().execute(
            "SELECT id, message, person, type, at, envelope FROM receipts "
            "WHERE ? IN ('', person) ORDER BY position",
            (person.slug if person else "",),
        )
        return [ReceivedReceipt(*row) for row in rows]

    def take_receipt(self, envelope: str) -> None:
        """Verify a receipt as its receiver and keep it once. Raises Refusal."""
        payload, signer = open_envelope(envelope, [self.authority.certificate], clock.now())
        kind = schema.check_receipt(payload)
        if mapping.sender_org(payload) != signer.org_number:
            raise Refusal("the sender is not the organisation of the certificate")
        header = mapping.header_of(payload)
        message = self._message_of(header)
        if message is None or SUPPLIERS[Channel(message["channel"])] != signer.org_number:
            raise Refusal("the receipt answers no message to this supplier")
        if mapping.receiver_org(payload) != message["sender_org"]:
            raise Refusal("the receipt is not addressed to the message's sender")
        body = payload["standardBusinessDocument"][kind]
        with self.state.transaction() as db:
            db.execute(
                "INSERT OR IGNORE INTO receipts (id, message, person, type, at, envelope) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                (
                    mapping.message_id(payload),
                    message["id"],
                    message["person"],
                    kind,
                    body["tidspunkt"],
                    envelope,
                ),
            )

    def _message_of(self, header: dict[str, Any]) -> Any:
        scope = next(
            each for each in header["businessScope"]["scope"] if each["type"] == "ConversationId"
        )
        return (
            self.state.connection()
            .execute(
                "SELECT id, channel, person, sender_org FROM messages WHERE conversation = ?",
                (scope["instanceIdentifier"],),
            )
            .fetchone()
        )

    def _is_known(self, identifier: str) -> bool:
        found = self.state.connection().execute(
            "SELECT 1 FROM messages WHERE id = ?", (identifier,)
        )
        return found.fetchone() is not None

    def _broken(self, letter: SimulatedLetter, variant: int) -> Message:
        identifier = str(uuid.uuid4())
        files = dict(package_files(letter))
        if variant == 0:
            package = build_package(files, letter.sent_at)
            return self.sender.sealed(letter, package, identifier, digest=b"\x00" * 32)
        if variant == 1:
            return self.sender.sealed(letter, b"This is no ZIP container.", identifier)
        files[MANIFEST] = f'<manifest xmlns="{MANIFEST_NAMESPACE}"><hoveddokument'.encode()
        return self.sender.sealed(letter, build_package(files, letter.sent_at), identifier)


def make(state_dir: Path, keys_dir: Path) -> DpiSimulator:
    """Make the simulator with its state in `state_dir` and its keys in `keys_dir`/dpi."""
    return DpiSimulator(State(state_dir / "dpi.sqlite3"), keys_dir)


def sources(base_url: str, keys_dir: Path) -> list[dict[str, Any]]:
    """Return both suppliers as sources; `base_url` is the simulators' address."""
    authority = Authority(keys_dir / "dpi")
    return [_source(base_url, keys_dir, authority, channel) for channel in SUPPLIERS]


def _source(
    base_url: str, keys_dir: Path, authority: Authority, channel: Channel
) -> dict[str, Any]:
    label = f"Digital postkasse ({SUPPLIER_NAMES[channel]})"
    settings = {
        "label": label,
        "base_url": f"{base_url}/dpi",
        "maskinporten_url": f"{base_url}/maskinporten",
        "client_id": CLIENT_ID,
        "private_key_file": str(keys_dir / CLIENT_KEY),
        "supplier_org_number": SUPPLIERS[channel],
        "trust_anchor_file": str(authority.certificate_file),
    }
    for purpose in PURPOSES:
        key_file, certificate_file = authority.supplier(channel, purpose)
        settings[f"{purpose}_key_file"] = str(key_file)
        settings[f"{purpose}_certificate_file"] = str(certificate_file)
    return {
        "slug": channel.value,
        "connector": "dpi",
        "label": label,
        "recipient_kind": "mailbox_address",
        "settings": settings,
    }


def _stub(person: Person, channel: Channel) -> SimulatedLetter:
    letter = SimulatedLetter(
        key=f"garbage-{uuid.uuid4()}",
        channel=channel,
        person=person,
        agency=agency("digdir"),
        title="Et brev som ikke kan leses",
        sent_at=clock.now(),
    )
    document = SimulatedDocument("brev.txt", letter.title, "text/plain", b"Hei", is_main=True)
    return replace(letter, documents=(document,))
