"""An access point with two mailbox suppliers' queues, and the agencies that send to them.

The endpoints are those of Digdir's OpenAPI specification for corner 2, spoken here on the
receiving side (see README.md). The queue is chosen by `kanal`: the supplier's organisation number.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from connectors import clock
from connectors.dpi import mapping, outbox, printing, schema, uploads
from connectors.dpi.access_point import add_routes
from connectors.dpi.authority import PURPOSES, SUPPLIER_NAMES, SUPPLIERS, Authority
from connectors.dpi.broken import IN_TURN, VARIANTS, Broken
from connectors.dpi.envelope import open_envelope
from connectors.dpi.refusal import Refusal
from connectors.dpi.responder import Responder
from connectors.dpi.sender import Message, Sender, message_id, package_files
from connectors.maskinporten.simulator import CLIENT_ID, CLIENT_KEY, TokenChecker
from connectors.simulation import Simulator, State
from connectors.world.agencies import agency
from connectors.world.model import Channel, Person, SimulatedDocument, SimulatedLetter
from connectors.world.persons import by_slug

TABLES = (
    "CREATE TABLE IF NOT EXISTS messages (position INTEGER PRIMARY KEY AUTOINCREMENT, "
    "id TEXT UNIQUE, conversation TEXT UNIQUE, channel TEXT, person TEXT, sender_org TEXT, "
    "envelope TEXT, package BLOB, is_read INTEGER DEFAULT 0, is_gone INTEGER DEFAULT 0, "
    "is_garbage INTEGER DEFAULT 0)",
    "CREATE INDEX IF NOT EXISTS unread ON messages (channel, is_read, position)",
    "CREATE TABLE IF NOT EXISTS receipts (position INTEGER PRIMARY KEY AUTOINCREMENT, "
    "id TEXT UNIQUE, message TEXT, person TEXT, type TEXT, at TEXT, envelope TEXT)",
    uploads.TABLE,
    outbox.TABLE,
    printing.RECEIPTS_TABLE,
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
    broken_variants: Mapping[str, str] = {name: label for name, (label, _) in VARIANTS.items()}

    def __init__(self, state: State, keys_dir: Path) -> None:
        super().__init__(state)
        self.authority = Authority(keys_dir / "dpi")
        self.sender = Sender(self.authority, keys_dir)
        self.responder = Responder(state, self.authority)
        self.printing = printing.Printing(self.authority, keys_dir)
        with state.transaction() as db:
            for table in TABLES:
                db.execute(table)
        add_routes(self.app, state, TokenChecker(keys_dir), self.take_receipt)
        self.responder.add_routes(self.app)

    def send(self, letter: SimulatedLetter) -> str:
        """Put the letter in its supplier's queue; sending the same key again changes nothing."""
        self.send_many([letter])
        return message_id(letter)

    def send_many(self, letters: Sequence[SimulatedLetter]) -> None:
        """Send several letters in one transaction."""
        unsent = [each for each in letters if not self._is_known(message_id(each))]
        self.put(self.sender.message(letter) for letter in unsent)
        for letter in unsent:
            if letter.printed_at:
                self.print_letter(message_id(letter), letter.printed_at)
            if letter.returned_at:
                self.return_letter(message_id(letter), letter.returned_at)

    def send_garbage(self, person: Person, channel: Channel) -> str:
        """Send something broken or forged: the first of `broken.VARIANTS`, in turn."""
        count = self.state.connection().execute(
            "SELECT count(*) FROM messages WHERE is_garbage = 1"
        )
        variant = list(VARIANTS)[int(count.fetchone()[0]) % IN_TURN]
        return self.send_broken(person, channel, variant)

    def send_broken(self, person: Person, channel: Channel, variant: str) -> str:
        """Send a letter that is broken in one of `broken_variants`; returns its identifier."""
        broken = Broken(self.sender, self.authority)
        message = broken.message(variant, _stub(person, channel), str(uuid.uuid4()))
        self.put([message], is_garbage=True)
        return message.id

    def put(self, messages: Iterable[Message], is_garbage: bool = False) -> None:
        """Put messages in the queue as they are; one whose identifier is known is left out."""
        messages = list(messages)
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
            outbox.note_sent(db, messages)

    def forget(self, person: Person) -> None:
        """Remove the person's messages, the receipts for them, and what she has uploaded."""
        with self.state.transaction() as db:
            for table in ("messages", "receipts", "uploads", "outbox", "print_receipts"):
                db.execute(f"DELETE FROM {table} WHERE person = ?", (person.slug,))

    def expire_latest(self, person: Person, channel: Channel) -> bool:
        """Delete the package of the person's newest message: it answers 410 from now on."""
        with self.state.transaction() as db:
            changed = db.execute(
                "UPDATE messages SET is_gone = 1, package = x'' WHERE position = "
                "(SELECT max(position) FROM messages WHERE person = ? AND channel = ? "
                "AND is_gone = 0 AND instr(conversation, '/') = 0)",
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

    def sent(self, person: Person | None = None) -> list[outbox.Sent]:
        """Return what the senders know of their latest messages, newest first."""
        self._fall_back()
        return outbox.sent(self.state.connection(), person)

    def print_letter(self, message: str, at: datetime) -> bool:
        """Let the sender of this message have it printed; False when it has already.

        The printing service takes it at once; the mailbox supplier gets a copy of both.
        """
        with self.state.transaction() as db:
            if not outbox.print_now(db, message, at):
                return False
        self._print(message, at)
        return True

    def return_letter(self, message: str, at: datetime) -> bool:
        """Let the letter on paper come back from the post; False when there is none, or it has."""
        printed = self._printed(message)
        if printed is None or self._has_come_back(message):
            return False
        self._receive_from_printer(message, printed, printing.CAME_BACK, at)
        return True

    def newest(self, person: Person, channel: Channel, *, printed: bool) -> str:
        """Return the newest message to her that has been printed, or not; "" when there is none."""
        found = self.state.connection().execute(
            "SELECT message FROM outbox WHERE person = ? AND channel = ? AND refused_at = '' "
            "AND (printed_at != '') = ? AND message NOT IN (SELECT message FROM print_receipts "
            "WHERE type = ?) ORDER BY position DESC LIMIT 1",
            (person.slug, channel.value, printed, printing.CAME_BACK),
        )
        row = found.fetchone()
        return str(row[0]) if row else ""

    def _fall_back(self) -> None:
        with self.state.transaction() as db:
            due = outbox.fall_back_due(db, clock.now())
        for message, at in due[: outbox.SHOWN]:
            self._print(message, at)

    def _print(self, message: str, at: datetime) -> None:
        db = self.state.connection()
        row = db.execute(
            "SELECT channel, person, envelope, package, is_garbage, is_gone FROM messages "
            "WHERE id = ?",
            (message,),
        ).fetchone()
        if row is None or row["is_garbage"] or row["is_gone"]:
            return  # nothing that can be printed
        if not by_slug(row["person"]).address:
            return
        sent = printing.Sent(
            Channel(row["channel"]), row["person"], row["envelope"], bytes(row["package"])
        )
        printed = self.printing.message(sent, at)
        self.put([printed])
        self._receive_from_printer(message, printed, printing.TAKEN, at + timedelta(minutes=2))
        if at + printing.POSTED_AFTER <= clock.now():
            posted_at = at + printing.POSTED_AFTER
            self._receive_from_printer(message, printed, printing.POSTED, posted_at)

    def _receive_from_printer(
        self, message: str, printed: Message, kind: str, at: datetime
    ) -> None:
        """The sender gets a receipt, and gives the mailbox supplier a copy."""
        receipt = self.printing.receipt(printed, kind, at)
        with self.state.transaction() as db:
            printing.note(db, message, receipt, kind, at)
        self.put([receipt])

    def _printed(self, message: str) -> Message | None:
        row = (
            self.state.connection()
            .execute(
                "SELECT printed.* FROM messages, messages AS printed WHERE messages.id = ? "
                "AND printed.conversation = 'utskrift/' || messages.conversation",
                (message,),
            )
            .fetchone()
        )
        if row is None:
            return None
        return Message(
            id=row["id"],
            conversation=row["conversation"],
            channel=Channel(row["channel"]),
            person=row["person"],
            sender_org=row["sender_org"],
            envelope=row["envelope"],
            package=bytes(row["package"]),
        )

    def _has_come_back(self, message: str) -> bool:
        found = self.state.connection().execute(
            "SELECT 1 FROM print_receipts WHERE message = ? AND type = ?",
            (message, printing.CAME_BACK),
        )
        return found.fetchone() is not None

    def uploaded(self, person: Person) -> list[uploads.Uploaded]:
        """Return what the person has put into her own mailbox, oldest first."""
        return uploads.uploaded(self.state.connection(), person)

    def list_upload(self, person: Person, identifier: str) -> None:
        """Put an upload in the queue as well, as a supplier that lists all of a mailbox would.

        `identifier` is its key or its reference: the one by which that supplier calls it. Raises
        StopIteration when there is none.
        """
        found = next(
            each for each in self.uploaded(person) if identifier in (each.key, each.reference)
        )
        document = SimulatedDocument("brev.txt", found.title, "text/plain", b"Hei", is_main=True)
        letter = replace(_stub(person, found.channel), title=found.title, documents=(document,))
        package = self.sender.packed(letter, package_files(letter))
        self.put([self.sender.sealed(letter, package, identifier)])

    def take_receipt(self, envelope: str) -> None:
        """Verify a receipt as its receiver and keep it once. Raises Refusal."""
        self._fall_back()
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
            outbox.note_receipt(db, message["id"], kind, clock.now())

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
        "print_supplier_org_number": printing.PRINTER.org_number,
        "revocation_hosts": urlsplit(base_url).netloc,
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
