"""The whole made-up world's letters, and new ones at will."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import uuid4

from connectors.contract import LEVEL_HIGH, Kind
from connectors.world.agencies import agency as agency_by_slug
from connectors.world.drafts import OSLO, Draft, finish, sent_at
from connectors.world.model import Agency, Channel, Person, SimulatedDocument, SimulatedLetter
from connectors.world.pdf import Page, letter_pdf
from connectors.world.persons import PERSONS
from connectors.world.stories.cast import STORIES
from connectors.world.words import long_date

USUAL_SENDER = {
    Channel.DIGIPOST: "oslo",
    Channel.EBOKS: "trondheim",
    Channel.ALTINN: "skatteetaten",
    Channel.NAV: "nav",
    Channel.NAV_NO: "nav",
    Channel.OSLO: "oslo",
    Channel.BERGEN: "bergen",
    Channel.LANEKASSEN: "lanekassen",
    Channel.SKATTEETATEN: "skatteetaten",
    Channel.HELSENORGE: "helsenorge",
    Channel.PASIENTPOST: "pasientpost",
    Channel.SVARUT: "stavanger",
}
"""Who writes by a channel when nobody says otherwise."""


def letters(person: Person | None = None) -> Iterator[SimulatedLetter]:
    """Yield everybody's letters (or one person's), oldest first.

    Documents are set as the iteration goes, so that only the letter at hand holds its bytes.
    Raises `typst.TypstError`.
    """
    for draft in drafts(person):
        yield finish(draft)


def drafts(person: Person | None = None) -> list[Draft]:
    """Return the letters before they are set, sorted by the time of sending."""
    chosen = PERSONS if person is None else (person,)
    found = [draft for one in chosen if (story := STORIES.get(one.slug)) for draft in story(one)]
    return sorted(found, key=lambda draft: (sent_at(draft), draft.person.slug, draft.key))


def new_letter(
    person: Person,
    channel: Channel,
    *,
    at: datetime,
    agency: Agency | None = None,
    title: str = "Du har fått et nytt brev",
    body: str = "Dette brevet er sendt fra kontrollsiden.",
    due_in_days: int | None = None,
    level: int = 3,
    needs_action: bool = False,
    with_document: bool = True,
) -> SimulatedLetter:
    """Return one letter sent at `at` (aware), with a key that no other letter has.

    Raises ValueError when `at` has no time zone, when the title is empty or above 255
    characters, or when a DPI channel is not the person's own supplier.
    """
    if at.tzinfo is None:
        raise ValueError("the letter needs a time with a time zone")
    if not 1 <= len(title) <= 255:
        raise ValueError("a title has 1 to 255 characters")
    if channel in (Channel.DIGIPOST, Channel.EBOKS) and channel is not person.mailbox_supplier:
        raise ValueError(f"{person.slug} does not have a mailbox with {channel}")
    sender = agency or agency_by_slug(USUAL_SENDER[channel])
    due = at + timedelta(days=due_in_days) if due_in_days is not None else None
    paragraphs = tuple(part.strip() for part in body.split("\n\n") if part.strip())
    last = (f"Fristen er {long_date(due.astimezone(OSLO).date())}.",) if due else ()
    page = Page(sender, title, at.astimezone(OSLO).date(), paragraphs + last, recipient=person)
    main = "brev.pdf", title, "application/pdf"
    return SimulatedLetter(
        key=f"{person.slug}-{uuid4()}",
        channel=channel,
        person=person,
        agency=sender,
        title=title,
        sent_at=at.astimezone(UTC),
        public_title=f"Brev fra {sender.name}" if level >= LEVEL_HIGH else "",
        summary=paragraphs[0][:255] if paragraphs else "",
        body=body,
        security_level=level,
        kind=Kind.TASK if needs_action else Kind.LETTER,
        due_at=due,
        documents=(SimulatedDocument(*main, letter_pdf(page), is_main=True),)
        if with_document
        else (),
        needs_action=needs_action,
        action_url=f"https://www.{sender.website}/" if needs_action else "",
        action_label="Gå til avsenderen" if needs_action else "",
    )
