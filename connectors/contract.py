"""The contract between Samlepost and everything that sends it letters.

A connector turns what one outside system says into the dataclasses below. It knows nothing of
Django or of `inbox`; `inbox` knows no connector by name. A connector yields or raises: it never
returns an empty list for a failure, and one letter that it cannot read is a value
(`Unreadable`, kept whole), not an exception that hides the next hundred.

Errors::

    ConnectorError
    ├─ Temporary         try again later (timeout, 5xx, an answer that is not what was promised)
    │  ├─ RateLimited    … after `retry_after` seconds
    │  └─ Untrustworthy  a register answered, but what it says of somebody spoils the whole answer
    ├─ CursorExpired     forget the cursor, list everything
    ├─ NotPermitted      no consent, or no account there: show it, stop asking
    ├─ Unproven          a ping carries no proof that it is from the source
    ├─ Gone              the source no longer has this letter or document
    ├─ NotGiven          the source has this document and does not give it to her: tell her why
    ├─ ReplyRefused      the source takes no such answer, now or later: tell her why
    ├─ CopyRefused       the source takes no such copy into her mailbox: tell her why
    ├─ ActRefused        what she asked for at the sender's was not done: tell her why
    ├─ Uncertain         … or nobody knows whether it was: tell her, and do not repeat it
    └─ Misconfigured     our fault: stop this connector, tell operations
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from uuid import UUID

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


class Untrustworthy(Temporary):
    """A register answered for several persons at once, and the answer cannot be trusted.

    What it says of one may be the cause: asking for fewer may spare the others.
    """


class CursorExpired(ConnectorError):
    """The source no longer knows the cursor: start again from None."""


class NotPermitted(ConnectorError):
    """The source refuses this citizen: no consent, no account. Asking again will not help."""


class Unproven(ConnectorError):
    """A ping proves not that it is from this source; one that proves another's is NotPermitted."""


class Gone(ConnectorError):
    """The source has removed this letter or document for good."""


class NotGiven(ConnectorError):
    """The source does not give her this document; the text is for the citizen and names nobody."""


class ReplyRefused(ConnectorError):
    """The source will not take this answer; the text is for the citizen and names nobody."""


class CopyRefused(ConnectorError):
    """The source will not take this copy; the text is for the citizen and names nobody."""


class ActRefused(ConnectorError):
    """It was not done. `code`: "changed", "host" or "refused"; the text is the host's, or empty."""

    def __init__(self, code: str, said: str = "") -> None:
        super().__init__(said)
        self.code = code


class Uncertain(ConnectorError):
    """It was asked for and no proper answer came: it may have been done."""


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
    ORGANISATION = "organisation"
    """An enterprise's organisation number."""


class ReceiptKind(StrEnum):
    """What a source may be told about a letter."""

    DELIVERED = "delivered"
    OPENED = "opened"
    CONFIRMED = "confirmed"
    HANDLED = "handled"
    """She says that she has done what the letter asks."""
    REOPENED = "reopened"
    """She takes that back."""
    ACTED = "acted"
    """She has something done at the sender's (`Connector.act`); no `send_receipt` sees it."""
    NOTIFICATION_FAILED = "notification_failed"
    REJECTED = "rejected"
    """A message went to quarantine: whose fault it is, and the reason."""


class Fault(StrEnum):
    """Whose fault it is that a message could not be received."""

    CLIENT = "client"
    """The sender's: what it sent is not what it must be."""
    SERVER = "server"
    """Ours: a key that we lack, an error within."""


@dataclass(frozen=True, slots=True)
class Account:
    """Whom a connector acts for. `national_id` (11 digits) must never reach a URL or a log."""

    national_id: str = field(repr=False)
    security_level: int = LEVEL_SUBSTANTIAL
    """The level that the citizen's own session vouches for; background work is level 3."""
    organisation: str = ""
    """Nine digits: the enterprise whose letters are meant, for which she acts; empty: her own."""
    language: str = ""
    """The language that she reads first ("nb", "nn", "en", "se"); empty where we do not know."""

    @property
    def recipient(self) -> Recipient:
        """Whose letters are meant, as a letter names its recipient."""
        if self.organisation:
            return Recipient(RecipientKind.ORGANISATION, self.organisation)
        return Recipient(RecipientKind.NATIONAL_ID, self.national_id)


class PartyKind(StrEnum):
    """What somebody is for whom a citizen may act."""

    PERSON = "person"
    ORGANISATION = "organisation"


@dataclass(frozen=True, slots=True)
class Party:
    """Another than herself for whom a citizen may act at a source, as the source says."""

    key: str
    """The source's own name for the party; no number that means anything elsewhere."""
    kind: PartyKind
    number: str = field(repr=False)
    """National identity number or organisation number."""
    name: str = field(repr=False)
    has_key_role: bool = False
    """Of an enterprise: she is its owner, manager, partner or head of its board."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """The recipient as the source names her."""

    kind: RecipientKind
    value: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class SenderRef:
    """Who wrote the letter. `verified` says how we know: "" (not at all), else a short code."""

    name: str
    """Empty where the source has only the number: the inbox finds the name that it knows."""
    org_number: str = ""
    """Nine digits, or empty where the source names none."""
    verified: str = ""
    """For example "certificate", "token", "source" (the source vouches for it)."""


@dataclass(frozen=True, slots=True)
class IncomingDocument:
    """One file of a letter. Exactly one of `content`, `ref` and `not_given` is given.

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
    not_given: str = ""
    """Why the source does not give it to her, in words for the citizen."""


@dataclass(frozen=True, slots=True)
class Action:
    """Something to do outside the letter: a deep link with the words of its button."""

    url: str
    label: str
    due_at: datetime | None = None
    takes_return: bool = False
    """The page there accepts `return_to` in its query and offers the way back to us."""
    method: str = "GET"
    """A link is GET; POST and DELETE are done by `Connector.act`, when she has said yes."""
    id: UUID | None = None
    """Of what is done by `Connector.act`."""
    prompt: str = ""
    """What the sender wants her to be asked before it is done."""

    def agreed(self) -> str:
        """Return the sha256 (hex) of all that she is shown before she says yes."""
        said = [self.method, self.url, self.label, self.prompt]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()


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
class Version:
    """What a letter, or a message of its thread, says in another language than the one chosen.

    Empty is what is not said in this language.
    """

    language: str
    """As in `IncomingLetter.language`."""
    title: str = field(default="", repr=False)
    public_title: str = ""
    summary: str = field(default="", repr=False)
    """Of a message its `text`."""
    body: str = field(default="", repr=False)
    body_media_type: str = "text/plain"


class Rest(StrEnum):
    """Where the rest of a message is that has more than is here."""

    NONE = ""
    ON_OPEN = "on_open"
    """With the source, which counts fetching it as reading: it comes when she opens the letter."""
    AT_SENDER = "at_sender"
    """With the sender, and we do not get it."""


@dataclass(frozen=True, slots=True)
class ThreadMessage:
    """One entry of the thread under a letter that the sender wrote."""

    id: str
    """Unique within the letter."""
    at: datetime
    text: str = field(repr=False)
    author: str = ""
    """Who wrote it there, as the sender says ("NAV Grünerløkka"); empty: the sender."""
    title: str = field(default="", repr=False)
    kind: str = ""
    """What sort of message it is, in the source's own code; one that is not known says nothing."""
    from_her: bool = False
    """She wrote it, or somebody for her, at the source."""
    body: str = field(default="", repr=False)
    """What it has to say at length, below `text`."""
    body_media_type: str = "text/plain"
    """As of a letter."""
    links: Sequence[Action] = ()
    """Ways to the sender that came with it; `due_at` is until when they lead somewhere."""
    documents: Sequence[str] = ()
    """Names of the letter's documents that came with it."""
    rest: Rest = Rest.NONE
    versions: Sequence[Version] = ()


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


@dataclass(frozen=True, slots=True)
class Appointment:
    """Something that takes place: what, where, and when: from, until, or either alone."""

    title: str
    place: str = ""
    times: Sequence[tuple[datetime | None, datetime | None]] = ()
    note: str = ""
    """How to attend, in the sender's words."""


@dataclass(frozen=True, slots=True)
class Proof:
    """A document that proves something (a card, a certificate), and when it is valid."""

    title: str
    issuer: str = ""
    valid_from: datetime | None = None
    valid_until: datetime | None = None


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


EVIDENCE_PREFIX = "evidence-"
"""So begin the names of parts that did not arrive: what was asked of others about what did."""


@dataclass(frozen=True, slots=True)
class RawPart:
    """One thing exactly as it arrived (an envelope, a package), kept byte for byte."""

    name: str
    """A file name inside the archive object: letters, digits, dot, dash, underscore."""
    content: bytes = field(repr=False)
    media_type: str = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class Thread:
    """What has been written under a letter, whole, as it was listed."""

    messages: Sequence[ThreadMessage]
    raw: Sequence[RawPart] = ()


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
    opened_again_at: datetime | None = None
    """… and once more there, the last time then; None where there is no word of that."""
    handled_at: datetime | None = None
    """Already done at the source."""
    handled_by: str = ""
    """Who did it there, as the source says ("You, at nav.no"); empty where it does not."""
    withdrawn: bool = False
    """The source has taken it back; our copy stays and is marked."""
    on_paper_at: datetime | None = None
    """It went to her by post then, and this is the sender's copy: no delivery is confirmed."""
    reply_forms: Sequence[ReplyForm] = ()
    messages: Sequence[ThreadMessage] = ()
    """The sender's side of the thread, whole each time. Her own answers we have ourselves."""
    messages_count: int = 0
    """How many messages of the sender's there are, where a list says that and gives none: of a
    letter that she has opened the others are asked for (`Connector.thread`)."""
    versions: Sequence[Version] = ()
    """What it says in other languages than `language`."""
    payment: Payment | None = None
    signing: Signing | None = None
    appointments: Sequence[Appointment] = ()
    proofs: Sequence[Proof] = ()
    notification_order: Mapping[str, Sequence[int]] | None = None
    """The sender's own wishes for notices: "email" and "sms", each with the days after the
    letter can be seen on which one is sent, 0 at once. A notice so ordered that fails is told."""
    provenance: Mapping[str, str] = field(default_factory=dict)
    """What was checked on the way in, as short codes for the provenance panel. Of these the inbox
    goes by "closes" (any value): the source closes the letter when she says that it is done,
    though it asks nothing of her."""
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
    fault: Fault = Fault.CLIENT
    answerable: bool = True
    """The source can be sent a REJECTED receipt: what arrived says whom to answer."""
    message_id: str = ""
    """What the message calls itself, believed or not, where `external_id` may be another name."""


class PaperStep(StrEnum):
    """How far a letter has come that its sender had printed and sent by post."""

    SENT = "sent"
    """The sender gave it to a printing service."""
    ACCEPTED = "accepted"
    """The printing service has taken it, to be printed."""
    POSTED = "posted"
    """It is printed and with the post."""
    RETURNED = "returned"
    """The post could not deliver it."""


@dataclass(frozen=True, slots=True)
class PaperNotice:
    """Word of a letter on paper: that its sender had it printed, or what became of that.

    It tells of the letter that one of `about` names, as `IncomingLetter.same_as` does, if that was
    sent by `org_number`. Where there is no such letter, `otherwise` is what came.
    """

    external_id: str
    step: PaperStep
    at: datetime
    about: Sequence[str]
    org_number: str
    """Nine digits: who wrote the letter, or sent it on the writer's behalf."""
    otherwise: IncomingLetter | Unreadable = field(repr=False)
    raw: Sequence[RawPart] = ()
    """What is kept with the letter: what was signed."""


class Happening(StrEnum):
    """What can have happened to a letter at its source."""

    HANDLED = "handled"
    """What it asks is done."""
    WITHDRAWN = "withdrawn"
    """The sender has taken it back."""
    DELETED = "deleted"
    """The source has it no longer."""


@dataclass(frozen=True, slots=True)
class LetterNote:
    """Word of one thing that has happened to a letter, sent without the letter itself."""

    external_id: str
    """The letter's."""
    what: Happening
    at: datetime
    otherwise: Unreadable = field(repr=False)
    """What is put aside where there is no such letter."""
    by: str = ""
    """Who did it, as the source says."""


class Place(StrEnum):
    """Where a letter lies in an inbox: in one place at a time."""

    INBOX = "inbox"
    ARCHIVE = "archive"
    BIN = "bin"


@dataclass(frozen=True, slots=True)
class LetterState:
    """Where a letter lies in the source's own inbox, and whether she has set it aside unread."""

    external_id: str
    place: Place
    unread: bool
    """She has marked it as unread there, after it was opened."""
    revision: str
    """The source's own name for this state; empty where it has none."""
    changed_at: datetime
    """When the letter itself last changed there: what its sender does may move it, too."""
    as_of: datetime
    """It was so at that moment at the earliest: real time, by our clock."""


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
    paper: Sequence[PaperNotice] = ()
    """Taken in after the letters, of which it may tell."""
    states: Sequence[LetterState] = ()
    """Of letters, here or taken in before, at a source whose inbox she may use as well."""
    notes: Sequence[LetterNote] = ()
    """Taken in with the letters and after them. Of one citizen's letters alone."""


@dataclass(frozen=True, slots=True)
class OutgoingReceipt:
    """A receipt to send. `reference` is what the connector put in the letter's `external_id`."""

    kind: ReceiptKind
    reference: str
    at: datetime
    idempotency_key: str
    """The same for every attempt at the same receipt."""
    detail: str = ""
    """Of NOTIFICATION_FAILED the channel, perhaps with ": reason"; of REJECTED the reason."""
    fault: Fault = Fault.CLIENT
    """Of REJECTED alone."""
    raw: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    """The letter's raw parts by name, so that a receipt can quote what it answers."""
    signed: bytes = field(default=b"", repr=False)
    """What `Connector.sign_receipt` made of it, where the source's receipts are evidence."""


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


@dataclass(frozen=True, slots=True)
class OutgoingAct:
    """Something that she wants done at the sender's: an action of a letter, not a link."""

    reference: str
    """What the connector put in the letter's `external_id`."""
    action: UUID
    agreed: str
    """What she said yes to (`Action.agreed`): it is done only if it is still that."""


@dataclass(frozen=True, slots=True)
class OutgoingState:
    """What she has changed here of a letter that she sees in the source's own inbox as well."""

    reference: str
    """What the connector put in the letter's `external_id`."""
    sent_at: datetime
    """The letter's own `sent_at`."""
    known: LetterState | None
    """What the source said last; None: nothing is known."""
    place: Place | None = None
    """None: as it is."""
    unread: bool | None = None
    """None: as it is."""


@dataclass(frozen=True, slots=True)
class OutgoingCopy:
    """A letter that a citizen puts into her own mailbox at a source."""

    recipient: Recipient
    """Her mailbox, as the source names it."""
    title: str = field(repr=False)
    sender_name: str = field(repr=False)
    """Who wrote the letter."""
    sent_at: datetime
    security_level: int
    """The source shows the copy at this level only."""
    idempotency_key: str
    """The same for every attempt at the same copy. Should the source list what lies in her
    mailbox, the copy's `external_id` is this, or the reference of its receipt."""
    documents: Sequence[OutgoingAttachment] = ()
    """What there is to read, in order; at least one."""


@dataclass(frozen=True, slots=True)
class CopyReceipt:
    """A source's word that a copy lies in her mailbox."""

    reference: str
    at: datetime


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
    acts: bool = False
    """It does what a letter's actions of other methods than GET ask for."""
    lists_parties: bool = False
    """It says for whom else a citizen may act (`parties`)."""
    takes_states: bool = False
    """Its own inbox follows where she puts letters here."""
    withholds: bool = False
    """Body and documents are had by `open_letter` alone, as fetching them counts as reading."""
    takes_copies: bool = False
    """Citizens have mailboxes there, into which they may put letters from elsewhere."""
    proves_pings: bool = False
    """Its pings say whom they are from (`check_ping`); one that does not is refused."""
    size_rule: str = ""
    digest_rule: str = ""
    """What the source's own specification calls the rules that a document has the size and the
    digest that were declared; named where one is broken."""

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

    def keep_letter(self, account: Account, external_id: str) -> IncomingLetter:
        """As `open_letter`, for a copy of a letter that she has not opened.

        Whatever mark can be left out is; those that cannot count as her own act.
        """
        return self.open_letter(account, external_id)

    def thread(self, account: Account, external_id: str) -> Thread:
        """List what has been written under a letter that she has opened before.

        Must have no effect at the source that counts as reading.
        """
        raise Misconfigured("this source has no thread of its own")

    def reread(self, account: Account | None, external_id: str, raw: Sequence[RawPart]) -> Batch:
        """Read once more what was quarantined as `raw`: a batch of one letter, or of why not.

        Must not ask the source for the letter again; `cursor` of the batch is ignored.
        """
        reason = "this source's letters cannot be read again"
        return Batch(unreadable=[Unreadable(external_id, reason, raw)])

    def settle(self, batch: Batch) -> None:
        """Called after our commit: take the batch off the source's queue. May be repeated."""

    def sign_receipt(self, receipt: OutgoingReceipt) -> bytes:
        """Return the receipt as it will be sent, where it is evidence; empty where it is not.

        The caller keeps these bytes before they leave, and gives the very same to every attempt.
        """
        return b""

    def send_receipt(self, account: Account | None, receipt: OutgoingReceipt) -> None:
        """Tell the source; must be safe to repeat with the same idempotency key."""
        raise Misconfigured("this source takes no receipts")

    def reply(self, account: Account, reply: OutgoingReply) -> str:
        """Send the citizen's answer; returns the source's reference for it.

        Safe to repeat with the same idempotency key. Raises ReplyRefused for what no repetition
        will mend, the contract's other errors for the rest.
        """
        raise Misconfigured("this source takes no replies")

    def act(self, account: Account, act: OutgoingAct) -> None:
        """Do what she asks for, once: the caller never repeats what may have been done.

        Raises ActRefused or Uncertain once the sender has been asked; the contract's other
        errors only as long as nothing has been done.
        """
        raise Misconfigured("this source does nothing for her")

    def parties(self, account: Account) -> Sequence[Party]:
        """Return for whom else she may act now, at once all of them; counts as reading nothing.

        Raises `ConnectorError`, also where one of them cannot be read: who is absent from the
        answer may be acted for no longer.
        """
        raise Misconfigured("this source does not say for whom she may act")

    def set_state(self, account: Account, state: OutgoingState) -> LetterState:
        """Let the source's inbox show a letter as she has it here; returns how it is there then.

        What she changed there meanwhile gives way to what is asked for and stays otherwise. Must
        have no effect that counts as reading. Raises Gone where the letter is there no longer.
        """
        raise Misconfigured("this source's inbox follows nothing")

    def put_copy(self, account: Account, copy: OutgoingCopy) -> CopyReceipt:
        """Put a letter into the citizen's mailbox; returns the source's receipt.

        Safe to repeat with the same idempotency key: the receipt is that of the first time.
        Raises CopyRefused for what no repetition will mend, the contract's other errors for the
        rest.
        """
        raise Misconfigured("this source takes no copies")

    def check_ping(self, authorization: str, address: str) -> None:
        """Check that a ping sent to `address` is from this source, by its Authorization header.

        Raises Unproven, NotPermitted where it is another's, Temporary where nobody can tell now.
        """

    def close(self) -> None:
        """Let go of connections."""
