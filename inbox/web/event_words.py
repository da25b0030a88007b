"""What the life events are called, and why a letter is proposed for one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from django.urls import reverse
from django.utils.translation import gettext

from inbox.citizens.models import InboxState
from inbox.citizens.viewer import Viewer
from inbox.letters.life_events import (
    DEATH,
    EVENTS,
    HAVING_A_CHILD,
    ILL_CHILD,
    NEW_IN_NORWAY,
    VOLUNTARY,
    WORK,
)
from inbox.letters.presentation import Row


@dataclass(frozen=True, slots=True)
class Shelf:
    """A life event as a link."""

    address: str
    name: str


def name_of(event: str) -> str:
    """Return what a life event is called. Raises KeyError for what is none."""
    return {
        HAVING_A_CHILD: gettext("Having a child"),
        ILL_CHILD: gettext("Seriously ill child"),
        WORK: gettext("Losing and finding work"),
        NEW_IN_NORWAY: gettext("New in Norway"),
        VOLUNTARY: gettext("Voluntary organisation"),
        DEATH: gettext("Death and inheritance"),
    }[event]


def told(event: str) -> str:
    """Return what a life event is about, in a sentence. Raises KeyError."""
    return {
        HAVING_A_CHILD: gettext("Pregnancy, birth, parental benefit, child benefit, kindergarten."),
        ILL_CHILD: gettext("Care benefit, hospital, and help from your municipality."),
        WORK: gettext("Unemployment benefit, employment status forms, looking for work."),
        NEW_IN_NORWAY: gettext("Residence, identity number, learning Norwegian."),
        VOLUNTARY: gettext("Starting or running one: registers and grants."),
        DEATH: gettext("The estate, the funeral, benefits for those who are left."),
    }[event]


@cache
def addresses() -> frozenset[str]:
    """Return the addresses of the life events' pages."""
    return frozenset(reverse("life_event", args=[event]) for event in EVENTS)


def choices() -> list[tuple[str, str]]:
    """Return (slug, name) of every life event."""
    return [(event, name_of(event)) for event in EVENTS]


def shelves(viewer: Viewer | None, state: InboxState | None) -> list[Shelf]:
    """Return the life events that stand in the navigation; none for who acts for somebody else."""
    if viewer is None or state is None or not viewer.is_herself or not state.life_events:
        return []
    return [
        Shelf(reverse("life_event", args=[event]), name_of(event))
        for event in EVENTS
        if viewer.may_read(state.life_events.get(event, viewer.level + 1))
    ]


def because(row: Row, reason: str) -> str:
    """Return why a letter is proposed; of one above the level of the session only its sender."""
    topic = _topics().get(reason)
    if row.locked or topic is None:
        return gettext("Suggested because it is from {sender}.").format(sender=row.sender_name)
    return gettext("Suggested because it is from {sender} and is about {topic}.").format(
        sender=row.sender_name, topic=topic
    )


def _topics() -> dict[str, str]:
    """Return what a letter is about, by the `code` of the rule that found it."""
    return {
        "parental_benefit": gettext("parental benefit"),
        "child_benefit": gettext("child benefit"),
        "kindergarten": gettext("kindergarten"),
        "health_station": gettext("pregnancy or the health station"),
        "birth": gettext("birth or parenthood"),
        "care_benefit": gettext("benefits for those who care for an ill child"),
        "childrens_ward": gettext("treatment of children"),
        "coordinator": gettext("help for families with an ill child"),
        "unemployment_benefit": gettext("unemployment benefit"),
        "job_seeking": gettext("looking for work"),
        "immigration": gettext("immigration"),
        "integration": gettext("integration"),
        "residence": gettext("residence in Norway"),
        "registration": gettext("registration in Norway"),
        "introduction_programme": gettext("the introduction programme or Norwegian lessons"),
        "driving_licence": gettext("exchanging a driving licence"),
        "registers": gettext("the registers of organisations"),
        "grants": gettext("grants to voluntary organisations"),
        "estate": gettext("settling an estate"),
        "death": gettext("a death"),
        "funeral": gettext("a funeral or a grave"),
        "survivors": gettext("pensions and benefits after a death"),
        "property": gettext("property that is inherited"),
    }
