"""The contract between Samlepost and everything that sends it letters.

A connector turns what one outside system says into the dataclasses below. It knows nothing of
Django or of `inbox`; `inbox` knows no connector by name. A connector yields or raises: it never
returns an empty list for a failure, and one letter that it cannot read is a value
(`Unreadable`, kept whole), not an exception that hides the next hundred.

Errors::

    ConnectorError
    ├─ Temporary         try again later (timeout, 5xx, an answer that is not what was promised)
    │  └─ RateLimited    … after `retry_after` seconds
    ├─ CursorExpired     forget the cursor, list everything
    ├─ NotPermitted      no consent, or no account there: show it, stop asking
    ├─ Gone              the source no longer has this letter or document
    ├─ ReplyRefused      the source takes no such answer, now or later: tell her why
    └─ Misconfigured     our fault: stop this connector, tell operations
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

CONTRACT_VERSION = 1

LEVEL_SUBSTANTIAL = 3
"""Security level 3: a session of eIDAS level substantial may see the letter."""

LEVEL_HIGH = 4
"""Security level 4: only a session of level high may. What does not say its level is level 4."""


class ConnectorError(Exception):
    """Whatever goes wrong between us and a source; the text is for the log and names no person."""


class Temporary(ConnectorError):
    """The source could not answer properly just now; the same call may work later."""


class RateLimited(Temporary):
    """The source asked us to wait `retry_after` seconds."""

    def __init__(self, message: str, retry_after: float = 60.0) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class CursorExpired(ConnectorError):
    """The source no longer knows the cursor: start again from None."""


class NotPermitted(ConnectorError):
    """The source refuses this citizen: no consent, no account. Asking again will not help."""


class Gone(ConnectorError):
    """The source has removed this letter or document for good."""


class ReplyRefused(ConnectorError):
    """The source will not take this answer; the text is for the citizen and names nobody."""


class Misconfigured(ConnectorError):
    """Our own settings or credentials are wrong; a person must mend them."""


class Scope(StrEnum):
    """Whose letters one cursor covers."""

    PER_CITIZEN = "per_citizen"
    """Each citizen is asked for by herself (Altinn, min side)."""
    SHARED_QUEUE = "shared_queue"
    """One queue holds letters for everybody (DPI: a queue for each mailbox supplier)."""


class Kind(StrEnum):
    """What sort of letter it is; `docs/glossary.md`."""

    LETTER = "letter"
    DECISION = "decision"
    TASK = "task"
    NOTICE = "notice"
    INVOICE = "invoice"


class RecipientKind(StrEnum):
    """How a letter names its recipient."""

    NATIONAL_ID = "national_id"
    MAILBOX_ADDRESS = "mailbox_address"


class ReceiptKind(StrEnum):
    """What a source may be told about a letter."""

    DELIVERED = "delivered"
    OPENED = "opened"
    CONFIRMED = "confirmed"
    HANDLED = "handled"
    """She says that she has done what the letter asks."""
    REOPENED = "reopened"
    """She takes that back."""
    NOTIFICATION_FAILED = "notification_failed"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Account:
    """Whom a connector acts for. `national_id` (11 digits) must never reach a URL or a log."""

    national_id: str = field(repr=False)
    security_level: int = LEVEL_SUBSTANTIAL
    """The level that the citizen's own session vouches for; background work is level 3."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """The recipient as the source names her."""

    kind: RecipientKind
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SenderRef:
    """Who wrote the letter. `verified` says how we know: "" (not at all), else a short code."""

    name: str
    org_number: str = ""
    """Nine digits, or empty where the source names none."""
    verified: str = ""
    """For example "certificate", "token", "source" (the source vouches for it)."""


@dataclass(frozen=True, slots=True)
class IncomingDocument:
    """One file of a letter. Exactly one of `content` and `ref` is given.

    `content` holds bytes that came with the letter; `ref` is what `Connector.download` takes.
    A document whose fetching would count as reading has `on_open=True`: it is not downloaded
    until the citizen opens the letter or asks for a copy.
    """

    name: str
    """A file name for people; never used as a path."""
    media_type: str
    title: str = ""
    is_main: bool = False
    content: bytes | None = field(default=None, repr=False)
    ref: str = ""
    size: int | None = None
    sha256: str = ""
    """Hex digest that the source declares; checked by the caller when given."""
    on_open: bool = False
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Action:
    """Something to do outside the letter: a deep link with the words of its button."""

    url: str
    label: str
    due_at: datetime | None = None
    takes_return: bool = False
    """The page there accepts `return_to` in its query and offers the way back to us."""


class ReplyKind(StrEnum):
    """How a letter can be answered."""

    CHOICE = "choice"
    """One press on one of the named choices."""
    TEXT = "text"
    """Free text, with attachments where the form allows them."""
    CLOSED = "closed"
    """It cannot, or no longer; the form's reason says why."""


@dataclass(frozen=True, slots=True)
class ReplyChoice:
    """One answer that she can give with one press."""

    code: str
    label: str


@dataclass(frozen=True, slots=True)
class ReplyForm:
    """One way to answer a letter inside the inbox."""

    code: str
    """Unique within the letter, 1 to 64 characters."""
    kind: ReplyKind
    label: str = ""
    """What is asked, in the sender's words; empty: nothing but "Reply"."""
    choices: Sequence[ReplyChoice] = ()
    text_max: int = 0
    """Characters; of a TEXT form."""
    attachments_max: int = 0
    attachment_types: Sequence[str] = ()
    """Media types that the source takes."""
    attachment_bytes_max: int = 0
    """Bytes of one attachment."""
    reason: str = ""
    """Why it is closed, in the sender's words."""
    settles: bool = True
    """An answer does what the letter asks: it is handled with it."""


@dataclass(frozen=True, slots=True)
class ThreadMessage:
    """One entry of the thread under a letter that the sender wrote."""

    id: str
    """Unique within the letter."""
    at: datetime
    text: str = field(repr=False)
    author: str = ""
    """Who wrote it there, as the sender says ("NAV Grünerløkka"); empty: the sender."""


@dataclass(frozen=True, slots=True)
class Payment:
    """What the letter asks her to pay."""

    amount: int
    """In hundredths of the currency (øre)."""
    account: str
    """Digits of the account to pay to."""
    kid: str = ""
    """The payer's reference (KID): digits, perhaps with a dash at the end; empty: none."""
    currency: str = "NOK"
    due_at: datetime | None = None


class SigningStatus(StrEnum):
    """Where a document to be signed stands."""

    WAITING = "waiting"
    SIGNED = "signed"
    REJECTED = "rejected"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Signing:
    """A document that she is asked to sign at a signing service."""

    status: SigningStatus
    url: str = ""
    """Where she signs; https."""
    at: datetime | None = None
    """When it was signed, rejected or expired."""


@dataclass(frozen=True, slots=True)
class RawPart:
    """One thing exactly as it arrived (an envelope, a package), kept byte for byte."""

    name: str
    """A file name inside the archive object: letters, digits, dot, dash, underscore."""
    content: bytes = field(repr=False)
    media_type: str = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class IncomingLetter:
    """One letter as a connector understood it. The first five fields are all that is required.

    All times are aware and UTC. `external_id` is unique at the source for this recipient.
    """

    external_id: str
    recipient: Recipient
    sender: SenderRef
    title: str
    """May be sensitive: shown only at `security_level`."""
    sent_at: datetime

    public_title: str = ""
    """Safe at any level. Empty: the screen says only that there is a letter."""
    summary: str = ""
    """One or two sentences; as sensitive as the title."""
    body: str = ""
    body_media_type: str = "text/plain"
    """text/plain or text/markdown."""
    language: str = ""
    """ISO 639-1 ("nb", "nn", "en", "se"), empty where unknown."""
    visible_from: datetime | None = None
    """Hidden until then, though delivered and receipted (DPI virkningstidspunkt)."""
    due_at: datetime | None = None
    expires_at: datetime | None = None
    """When the source stops showing it."""
    security_level: int = LEVEL_HIGH
    kind: Kind = Kind.LETTER
    documents: Sequence[IncomingDocument] = ()
    content_on_open: bool = False
    """True: body and documents are had only by `Connector.open_letter`, which counts as reading."""
    case_reference: str = ""
    same_as: Sequence[str] = ()
    """Keys of the same letter in other channels ("altinn:<uuid>", "nav:<id>")."""
    actions: Sequence[Action] = ()
    needs_action: bool = False
    """The citizen must do something (a task, a reply, a confirmation)."""
    wants_opening_receipt: bool = False
    needs_confirmation: bool = False
    documentary_value: bool | None = None
    """The sender's word on dokumentasjonsverdi; None when it said nothing."""
    opened_at: datetime | None = None
    """Already opened at the source, by the citizen, then."""
    handled_at: datetime | None = None
    """Already done at the source."""
    handled_by: str = ""
    """Who did it there, as the source says ("You, at nav.no"); empty where it does not."""
    withdrawn: bool = False
    """The source has taken it back; our copy stays and is marked."""
    reply_forms: Sequence[ReplyForm] = ()
    messages: Sequence[ThreadMessage] = ()
    """The sender's side of the thread, whole each time. Her own answers we have ourselves."""
    payment: Payment | None = None
    signing: Signing | None = None
    notification_order: Mapping[str, object] | None = None
    """The sender's own wishes for notices (DPI varsler, repetisjoner), as plain JSON."""
    provenance: Mapping[str, str] = field(default_factory=dict)
    """What was checked on the way in, as short codes for the provenance panel."""
    raw: Sequence[RawPart] = ()


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A letter that the mapping could not read, kept whole with the reason in plain words.

    It goes to quarantine and the others go on. The reason names no person.
    """

    external_id: str
    reason: str
    raw: Sequence[RawPart] = ()
    recipient: Recipient | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """Some letters, what could not be read among them, and the cursor after both.

    The cursor is opaque to everybody but the connector. It is saved in the same transaction
    as the letters. `settle_refs` is for the connector's own `settle`.
    """

    letters: Sequence[IncomingLetter] = ()
    unreadable: Sequence[Unreadable] = ()
    cursor: str | None = None
    settle_refs: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class OutgoingReceipt:
    """A receipt to send. `reference` is what the connector put in the letter's `external_id`."""

    kind: ReceiptKind
    reference: str
    at: datetime
    idempotency_key: str
    """The same for every attempt at the same receipt."""
    detail: str = ""
    raw: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """The letter's raw parts by name, so that a receipt can quote what it answers."""


@dataclass(frozen=True, slots=True)
class OutgoingAttachment:
    """A file that goes with an answer. `media_type` was found by content, not by name."""

    name: str
    media_type: str
    content: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class OutgoingReply:
    """A citizen's answer, for sources that take one."""

    reference: str
    """What the connector put in the letter's `external_id`."""
    form: str
    """The code of the form that she answered."""
    idempotency_key: str
    """The same for every attempt at the same answer."""
    at: datetime
    choice: str = ""
    text: str = field(default="", repr=False)
    attachments: Sequence[OutgoingAttachment] = ()


class Connector:
    """Base of every connector. Only `label` and `fetch` must be given.

    A connector is made anew for each run with the settings of its source (plain strings, as an
    operator wrote them) and holds no state that must survive it.
    """

    contract = CONTRACT_VERSION
    label: str = ""
    """The source's name as the citizen knows it, e.g. "Altinn"."""
    scope: Scope = Scope.PER_CITIZEN
    required_settings: tuple[str, ...] = ()
    """Names that must be present in `settings`; discovery refuses the source otherwise."""
    receipts: frozenset[ReceiptKind] = frozenset()
    """The receipts that this source takes; others are never queued."""

    def __init__(self, settings: Mapping[str, str]) -> None:
        missing = [name for name in self.required_settings if not settings.get(name)]
        if missing:
            raise Misconfigured(f"missing setting: {', '.join(missing)}")
        self.settings = settings

    def check(self) -> None:
        """Raise a `ConnectorError` if the source cannot be used as configured."""

    def fetch(self, account: Account | None, cursor: str | None) -> Iterator[Batch]:
        """Yield the letters after `cursor` (None: all), oldest batch first; never blocks for more.

        `account` is None for a shared queue. Must have no effect at the source that counts as
        reading. Raises `ConnectorError`.
        """
        raise NotImplementedError

    def download(self, account: Account | None, ref: str) -> Iterator[bytes]:
        """Stream one document's bytes in chunks; the caller checks digest and size."""
        raise Misconfigured("this source has no documents to download")

    def open_letter(self, account: Account, external_id: str) -> IncomingLetter:
        """Fetch body and documents of a letter sent with `content_on_open`. Counts as reading."""
        raise Misconfigured("this source delivers letters whole")

    def reread(self, account: Account | None, external_id: str, raw: Sequence[RawPart]) -> Batch:
        """Read once more what was quarantined as `raw`: a batch of one letter, or of why not.

        Must not ask the source for the letter again; `cursor` of the batch is ignored.
        """
        reason = "this source's letters cannot be read again"
        return Batch(unreadable=[Unreadable(external_id, reason, raw)])

    def settle(self, batch: Batch) -> None:
        """Called after our commit: take the batch off the source's queue. May be repeated."""

    def send_receipt(self, account: Account | None, receipt: OutgoingReceipt) -> None:
        """Tell the source; must be safe to repeat with the same idempotency key."""
        raise Misconfigured("this source takes no receipts")

    def reply(self, account: Account, reply: OutgoingReply) -> str:
        """Send the citizen's answer; returns the source's reference for it.

        Safe to repeat with the same idempotency key. Raises ReplyRefused for what no repetition
        will mend, the contract's other errors for the rest.
        """
        raise Misconfigured("this source takes no replies")

    def close(self) -> None:
        """Let go of connections."""
