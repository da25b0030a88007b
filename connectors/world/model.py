"""What a made-up person, sender and letter are, before any channel has put them on the wire."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from connectors.contract import (
    LEVEL_SUBSTANTIAL,
    Appointment,
    Kind,
    Payment,
    Proof,
    ReplyForm,
    Signing,
    Version,
)

STUDY_DATE = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
"""The moment at which the seeded world stands: 23 November 2026, 09.00 in Oslo."""


class Channel(StrEnum):
    """The simulator that delivers a letter; the value is the source's slug in Samlepost."""

    DIGIPOST = "dpi-digipost"
    EBOKS = "dpi-eboks"
    ALTINN = "altinn"
    NAV = "minside-nav"
    NAV_NO = "nav-no"
    OSLO = "minside-oslo"
    BERGEN = "minside-bergen"
    LANEKASSEN = "minside-lanekassen"
    SKATTEETATEN = "minside-skatteetaten"
    HELSENORGE = "minside-helsenorge"
    PASIENTPOST = "minside-pasientpost"
    SVARUT = "svarut"


@dataclass(frozen=True, slots=True)
class Person:
    """A made-up citizen, or somebody who is here for her work: nobody writes to her."""

    slug: str
    """Short ASCII name used in URLs of the control page: "kari"."""
    name: str
    national_id: str = field(repr=False)
    email: str
    mailbox_address: str
    """DPI mailbox address, e.g. "kari.nordmann#1A2B"."""
    mailbox_supplier: Channel
    """DIGIPOST or EBOKS."""
    language: str
    story: str
    """One sentence for the researcher: who she is and what lies in her mail (Norwegian)."""
    is_operator: bool = False
    """She runs Samlepost."""
    works_at: str = ""
    """Slug of the agency for which she uses the portal."""
    address: tuple[str, ...] = ()
    """Postal address in lines, as it stands in the head of a letter."""

    @property
    def is_at_work(self) -> bool:
        """She is here for her work, and gets no letters."""
        return self.is_operator or bool(self.works_at)


@dataclass(frozen=True, slots=True)
class Enterprise:
    """A made-up enterprise, and who may act for all of it."""

    slug: str
    name: str
    """As registers have it: in capitals."""
    org_number: str
    holders: tuple[Person, ...]
    """Persons with a key role; the first one's letters and the enterprise's are reset together."""
    address: tuple[str, ...] = ()
    """Postal address in lines, as it stands in the head of a letter."""


@dataclass(frozen=True, slots=True)
class Agency:
    """A made-up letter's sender; names and organisation numbers are those of public bodies."""

    slug: str
    name: str
    org_number: str
    address: tuple[str, ...] = ()
    """Postal address in lines, as it stands in the head of a letter."""
    website: str = ""
    """Front page, without a scheme: "nav.no"."""


@dataclass(frozen=True, slots=True)
class SimulatedDocument:
    """A file of a letter. `content` is made on first use where it is costly (see `pdf.py`)."""

    name: str
    title: str
    media_type: str
    content: bytes = field(repr=False)
    is_main: bool = False
    withheld: bool = False
    """Its sender lists it and does not give it to her (nav.no)."""


@dataclass(frozen=True, slots=True)
class SimulatedLetter:
    """A letter as its sender means it. Each simulator turns it into its own wire format."""

    key: str
    """Stable identity: the same seed gives the same key. A channel derives its own id from it."""
    channel: Channel
    person: Person
    agency: Agency
    title: str
    sent_at: datetime
    processor: Agency | None = None
    """Who sends it on the agency's behalf (databehandler), in DPI."""
    public_title: str = ""
    summary: str = ""
    body: str = ""
    """Text in markdown, for channels that carry text (Altinn)."""
    language: str = "nb"
    versions: Sequence[Version] = ()
    """What it says in other languages, too: then it is the agency's own dialog in Altinn."""
    security_level: int = LEVEL_SUBSTANTIAL
    kind: Kind = Kind.LETTER
    visible_from: datetime | None = None
    due_at: datetime | None = None
    expires_at: datetime | None = None
    case_reference: str = ""
    documents: Sequence[SimulatedDocument] = ()
    action_url: str = ""
    action_label: str = ""
    needs_action: bool = False
    needs_confirmation: bool = False
    wants_opening_receipt: bool = False
    documentary_value: bool | None = None
    opened_at: datetime | None = None
    handled_at: datetime | None = None
    reply_forms: Sequence[ReplyForm] = ()
    """How it can be answered where the channel takes answers (min side)."""
    payment: Payment | None = None
    signing: Signing | None = None
    agency_task: str = ""
    """Words of the button to the agency's own page with the task, where the channel has one."""
    same_as: Sequence[str] = ()
    """Keys that the other channel's copy of the same letter carries."""
    conversation: str = ""
    """The id of a DPI message's conversation, where a copy in another channel names it."""
    appointment: Appointment | None = None
    """What takes place, in a form that calendars read (DPI, min side)."""
    proof: Proof | None = None
    """What the main document proves, and until when (DPI)."""
    link_of_document: bool = False
    """`action_url` goes with the main document, not with the letter (DPI)."""
    printed_at: datetime | None = None
    """When the sender had it printed as well (DPI)."""
    returned_at: datetime | None = None
    """When the letter on paper had come back from the post."""
    theme: str = ""
    """The code of what it is about in the archive of nav.no: "PEN"."""
    enterprise: Enterprise | None = None
    """The letter is to this enterprise of the person's, not to herself (Altinn)."""

    @property
    def recipient_number(self) -> str:
        """Identity number of the person, or the enterprise's organisation number."""
        return self.enterprise.org_number if self.enterprise else self.person.national_id
