"""A letter before it is set: words and rules, light enough to hold a whole world in memory.

A story (see `stories/`) gives drafts; `finish` fills in what follows from rules (time of day,
how long the sender keeps it, whether it was opened) and sets the PDFs.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from zoneinfo import ZoneInfo

from connectors.contract import (
    LEVEL_SUBSTANTIAL,
    Appointment,
    Kind,
    Payment,
    Proof,
    ReplyForm,
    Signing,
)
from connectors.world.agencies import agency
from connectors.world.model import (
    STUDY_DATE,
    Channel,
    Person,
    SimulatedDocument,
    SimulatedLetter,
)
from connectors.world.pdf import Block, Heading, Items, Page, Rows, letter_pdf
from connectors.world.persons import enterprise

OSLO = ZoneInfo("Europe/Oslo")
MIN_SIDE = frozenset(channel for channel in Channel if channel.startswith("minside-"))
DPI = frozenset({Channel.DIGIPOST, Channel.EBOKS})

YEARS_KEPT = {
    Channel.NAV: 3,
    Channel.OSLO: 5,
    Channel.BERGEN: 5,
    Channel.LANEKASSEN: 4,
    Channel.SKATTEETATEN: 10,
    Channel.HELSENORGE: 10,
    Channel.PASIENTPOST: 3,
}
"""Agencies keep letters on their own pages for 1 to 5 years (seed report, section 4.2.3); for how
long Skatteetaten, Helsenorge and the general practitioners do is our guess."""

OPENED_SHARE = {
    Channel.DIGIPOST: 0.83,
    Channel.EBOKS: 0.65,
    Channel.ALTINN: 0.60,
    Channel.NAV: 0.85,
    Channel.NAV_NO: 0.0,
    Channel.OSLO: 0.75,
    Channel.BERGEN: 0.75,
    Channel.LANEKASSEN: 0.80,
    Channel.SKATTEETATEN: 0.80,
    Channel.HELSENORGE: 0.80,
    Channel.PASIENTPOST: 0.85,
    Channel.SVARUT: 0.60,
}
"""Digipost 81-84 %, e-Boks 57-73 %, Altinn near or below (section 3.4); others: our guess.
NAV keeps no mark of what is read at nav.no."""

RECENT = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Enclosure:
    """A further document of a letter; `edition` is its own date when many letters share it."""

    title: str
    blocks: tuple[Block, ...]
    edition: date | None = None
    withheld: bool = False
    """The agency lists it and does not give it to her (nav.no)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One letter as its story tells it. Dates are days in Oslo."""

    person: Person
    key: str
    """Unique within the person; lower-case ASCII."""
    agency: str
    channel: Channel
    on: date
    """Moved to Monday if it falls on a weekend, unless `clock` is given."""
    title: str
    summary: str
    blocks: tuple[Block, ...]
    clock: time | None = None
    language: str = "nb"
    level: int = LEVEL_SUBSTANTIAL
    kind: Kind = Kind.LETTER
    public_title: str = ""
    due: date | None = None
    expires: date | None = None
    visible_from: date | None = None
    case: str = ""
    theme: str = ""
    """Code of what it is about in the archive of nav.no."""
    enclosures: tuple[Enclosure, ...] = ()
    action: tuple[str, str] = ("", "")
    """Address and words of the button."""
    needs_action: bool = False
    needs_confirmation: bool = False
    opening_receipt: bool = False
    with_document: bool = True
    shared_document: Enclosure | None = None
    """Stands for the letter's own document: the same bytes go with many letters."""
    always_opened: bool = False
    handled: datetime | None = None
    reply_forms: tuple[ReplyForm, ...] = ()
    payment: Payment | None = None
    signing: Signing | None = None
    agency_task: str = ""
    """Words of the button to the agency's own page with the task."""
    same_as: tuple[str, ...] = ()
    conversation: str = ""
    processor: str = ""
    """Who sends it on the agency's behalf (DPI)."""
    appointment: Appointment | None = None
    proof: Proof | None = None
    link_of_document: bool = False
    printed: date | None = None
    returned: date | None = None
    enterprise: str = ""
    """The person's enterprise that the letter is to (Altinn); empty: to herself."""


def rng(*parts: object) -> Random:
    """Return a generator whose numbers depend on `parts` alone."""
    return Random("samlepost:" + ":".join(str(part) for part in parts))


def oslo(day: date, at: time) -> datetime:
    """Return that time of day in Oslo, in UTC."""
    return datetime.combine(day, at, OSLO).astimezone(UTC)


def sent_at(draft: Draft) -> datetime:
    """Return when the letter was sent: as told, or in working hours by rule."""
    if draft.clock is not None:
        return oslo(draft.on, draft.clock)
    day = draft.on
    while day.weekday() > 4:
        day += timedelta(days=1)
    dice = rng("time", draft.person.slug, draft.key)
    return oslo(day, time(dice.randint(7, 15), dice.randint(0, 59), dice.randint(0, 59)))


def finish(draft: Draft) -> SimulatedLetter:
    """Set the PDFs and fill in what follows from rules. Raises `typst.TypstError`."""
    sent = sent_at(draft)
    channel, expires = _kept(draft, sent)
    opened = _opened(draft, channel, sent)
    handled = draft.handled
    if handled is None and draft.needs_action and opened and sent < STUDY_DATE - RECENT:
        handled = min(opened + timedelta(hours=7), STUDY_DATE - timedelta(hours=1))
    return SimulatedLetter(
        key=f"{draft.person.slug}-{draft.key}",
        channel=channel,
        person=draft.person,
        agency=agency(draft.agency),
        title=draft.title,
        sent_at=sent,
        public_title=draft.public_title,
        summary=draft.summary,
        body=_markdown(draft) if channel is Channel.ALTINN else "",
        language=draft.language,
        security_level=draft.level,
        kind=draft.kind,
        visible_from=oslo(draft.visible_from, time(8)) if draft.visible_from else None,
        due_at=oslo(draft.due, time(23, 59)) if draft.due else None,
        expires_at=expires,
        case_reference=draft.case,
        theme=draft.theme,
        documents=_documents(draft, sent),
        action_url=draft.action[0],
        action_label=draft.action[1],
        needs_action=draft.needs_action,
        needs_confirmation=draft.needs_confirmation and channel is Channel.ALTINN,
        wants_opening_receipt=draft.opening_receipt and channel in DPI,
        documentary_value=_documentary_value(draft.kind),
        opened_at=opened,
        handled_at=handled,
        reply_forms=draft.reply_forms,
        payment=draft.payment,
        signing=draft.signing,
        agency_task=draft.agency_task,
        same_as=draft.same_as,
        conversation=draft.conversation,
        processor=agency(draft.processor) if draft.processor else None,
        appointment=draft.appointment,
        proof=draft.proof,
        link_of_document=draft.link_of_document,
        printed_at=oslo(draft.printed, time(9, 4)) if draft.printed else None,
        returned_at=oslo(draft.returned, time(13, 30)) if draft.returned else None,
        enterprise=enterprise(draft.enterprise) if draft.enterprise else None,
    )


def _kept(draft: Draft, sent: datetime) -> tuple[Channel, datetime | None]:
    """Return the channel and when the sender's page drops the letter.

    What min side would have dropped by now came to the digital mailbox instead, where it lies
    for good: a page cannot show what its agency has deleted.
    """
    if draft.channel not in MIN_SIDE:
        return draft.channel, None
    if draft.expires:
        return draft.channel, oslo(draft.expires, time(12))
    expires = sent + timedelta(days=365 * YEARS_KEPT[draft.channel])
    if expires <= STUDY_DATE + timedelta(days=60):
        return draft.person.mailbox_supplier, None
    return draft.channel, expires


def _opened(draft: Draft, channel: Channel, sent: datetime) -> datetime | None:
    dice = rng("opened", draft.person.slug, draft.key)
    wait = timedelta(
        minutes=dice.choice((25, 90, 240, 700, 1500, 3100, 7900)) + dice.randint(0, 59)
    )
    chance = dice.random()
    if draft.always_opened:
        return min(sent + wait, STUDY_DATE - timedelta(hours=2))
    if sent > STUDY_DATE - RECENT or chance > OPENED_SHARE[channel]:
        return None
    return sent + wait


def _documentary_value(kind: Kind) -> bool | None:
    """Decisions document a right, notices do not; of the rest the sender says nothing."""
    return {Kind.DECISION: True, Kind.NOTICE: False}.get(kind)


def _documents(draft: Draft, sent: datetime) -> tuple[SimulatedDocument, ...]:
    if not draft.with_document:
        return ()
    sender, day = agency(draft.agency), sent.astimezone(OSLO).date()
    shared = draft.shared_document
    main = Page(
        sender=sender,
        title=shared.title if shared else draft.title,
        on=(shared.edition if shared else None) or day,
        blocks=shared.blocks if shared else draft.blocks,
        recipient=enterprise(draft.enterprise) if draft.enterprise else draft.person,
        language=draft.language,
        reference=draft.case,
    )
    enclosed = [
        Page(sender, item.title, item.edition or day, item.blocks, language=draft.language)
        for item in draft.enclosures
    ]
    pages = [("brev.pdf", main), *((f"vedlegg-{n}.pdf", p) for n, p in enumerate(enclosed, 1))]
    withheld = [False, *(item.withheld for item in draft.enclosures)]
    return tuple(
        SimulatedDocument(
            name=name,
            title=page.title,
            media_type="application/pdf",
            content=letter_pdf(page),
            is_main=page is main,
            withheld=not_given,
        )
        for (name, page), not_given in zip(pages, withheld, strict=True)
    )


def _markdown(draft: Draft) -> str:
    """Return the letter's text as the markdown that Altinn carries beside its documents."""
    parts = [_markdown_block(block) for block in draft.blocks]
    if draft.due:
        parts.insert(1, f"**Frist: {draft.due:%d.%m.%Y}**")
    return "\n\n".join(parts)


def _markdown_block(block: Block) -> str:
    match block:
        case Heading(text):
            return f"## {text}"
        case Items(lines):
            return "\n".join(f"- {line}" for line in lines)
        case Rows(_, rows):
            return "\n".join(f"- {row[0]}: **{' / '.join(row[1:])}**" for row in rows)
        case _:
            return block
