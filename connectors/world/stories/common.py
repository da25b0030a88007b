"""What every story needs: a short way to write a letter, and enclosures that many share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from connectors.world.agencies import agency
from connectors.world.drafts import Draft, Enclosure
from connectors.world.model import Channel, Person
from connectors.world.pdf import Block, Heading, Items


def letter(
    person: Person,
    key: str,
    sender: str,
    channel: Channel,
    on: date,
    title: str,
    summary: str,
    *blocks: Block,
    **more: Any,
) -> Draft:
    """Return a draft; `more` are its optional fields. The summary opens the letter itself."""
    return Draft(
        person=person,
        key=key,
        agency=sender,
        channel=channel,
        on=on,
        title=title,
        summary=summary,
        blocks=(summary, *blocks),
        **more,
    )


def by_channels(drafts: Iterable[Draft], key: str, *others: Channel) -> Iterator[Draft]:
    """Yield the drafts; the one named also comes by other channels, each naming the rest.

    Altinn and min side carry the sender's own reference, min side also DPI's conversation.
    """
    for draft in drafts:
        if draft.key != key:
            yield draft
            continue
        name = f"{draft.person.slug}-{key}"
        conversation = str(uuid5(NAMESPACE_URL, f"samlepost:conversation:{name}"))
        keys = (f"{draft.agency}:{name}", f"dpi:{conversation}")
        named = replace(draft, same_as=keys, conversation=conversation)
        yield named
        for number, other in enumerate(others, 1):
            copied = f"{key}-kopi" if number == 1 else f"{key}-kopi-{number}"
            yield replace(named, key=copied, channel=other, expires=None)


def complaint_guide(sender: str, year: int, language: str = "nb") -> Enclosure:
    """Return the leaflet on how to complain, one edition a year and sender."""
    name = agency(sender).name
    if language == "en":
        return Enclosure(
            "How to appeal",
            (
                f"You can appeal if you think {name} has made a mistake.",
                Items(
                    (
                        "Send the appeal within the time limit given in the letter.",
                        "Say which decision you appeal against and what you want changed.",
                        "Enclose documents that we have not seen.",
                    )
                ),
            ),
            date(year, 1, 2),
        )
    return Enclosure(
        "Slik klager du",
        (
            f"Du kan klage hvis du mener at {name} har gjort en feil.",
            Heading("Dette må stå i klagen"),
            Items(
                (
                    "hvilket vedtak du klager på",
                    "hva du mener er feil, og hva du vil ha endret",
                    "dokumenter som vi ikke har sett før",
                )
            ),
            "Send klagen innen fristen i brevet. Du trenger ikke advokat for å klage, og du kan få "
            "hjelp til å skrive klagen.",
            Heading("Hva skjer med klagen?"),
            "Vi vurderer saken på nytt. Hvis vi ikke endrer vedtaket, sender vi klagen til "
            "klageinstansen. Du får beskjed når det skjer.",
        ),
        date(year, 1, 2),
    )


def weeks_after(day: date, weeks: int) -> date:
    """Return the day that many weeks later."""
    return day + timedelta(weeks=weeks)
