"""How a source stands, in the words that a citizen is told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest
from django.utils.translation import get_language, gettext

from connectors import clock
from inbox.agencies.connector import NAME as PORTAL
from inbox.citizens.viewer import Viewer
from inbox.sync.freshness import SourceState, freshness
from inbox.sync.keeping import withholds
from inbox.web.dates import Calendar

FOUND = "samlepost.sources"


@dataclass(slots=True)
class Standing:
    """One source of hers."""

    slug: str
    label: str
    problem: str
    """What is wrong, in one sentence; empty when all is well."""
    advice: str
    """What happens now; empty when all is well."""
    tag: str
    """The problem in a word."""
    last_success_at: datetime | None
    connected: bool
    """She has not disconnected it."""
    keeps_since: datetime | None
    """By the shared clock: since when she lets us keep copies by ourselves."""
    connector: str
    shared: bool
    """A supplier's queue that holds many citizens' letters."""
    consent: tuple[str, ...]
    """What we fetch from it and keep, in a few sentences."""
    calendar: Calendar

    @property
    def withholds(self) -> bool:
        """Its letters are had by opening alone: copies are made by her word."""
        return withholds(self.connector)

    @property
    def fetched(self) -> str:
        """When we last fetched from it."""
        if self.connector == PORTAL:
            return gettext("Letters come at once: nothing has to be fetched.")
        if self.last_success_at is None:
            return gettext("Nothing has been fetched yet.")
        when = self.calendar.short(self.last_success_at)
        return gettext("Last fetched %(when)s.") % {"when": when}


def sources_of(request: HttpRequest, viewer: Viewer) -> list[Standing]:
    """Return the sources of whom the viewer looks at, asked for once a request.

    None to a helper who sees a part of the mail: it would tell who else writes to her.
    """
    if viewer.scopes is not None:
        return []
    if FOUND not in request.META:
        request.META[FOUND] = standings(freshness(viewer.citizen_id))
    found: list[Standing] = request.META[FOUND]
    return found


def standings(states: Sequence[SourceState]) -> list[Standing]:
    """Return each source in words."""
    calendar = Calendar(clock.now(), get_language())
    return [_standing(state, calendar) for state in states]


def _standing(state: SourceState, calendar: Calendar) -> Standing:
    problem, advice, tag = _trouble(state)
    return Standing(
        slug=state.slug,
        label=state.label,
        problem=problem,
        advice=advice,
        tag=tag,
        last_success_at=state.last_success_at,
        connected=state.connected,
        keeps_since=state.keeps_since,
        connector=state.connector,
        shared=state.shared,
        consent=_consent(state),
        calendar=calendar,
    )


def _consent(state: SourceState) -> tuple[str, ...]:
    """Say what is fetched and kept, by how the source is read (`sync/engine.py`)."""
    kept = gettext("We keep each letter with its attachments, just as it arrived.")
    if state.connector == PORTAL:
        return (gettext("%(source)s sends you letters from here.") % {"source": state.label}, kept)
    if state.shared:
        return (
            gettext("%(source)s receives the letters that are sent to your digital mailbox.")
            % {"source": state.label},
            kept,
            gettext("The sender is told that the letter has arrived."),
        )
    return (
        gettext("We ask %(source)s for the letters that lie there for you.")
        % {"source": state.label},
        gettext(
            "What counts as reading there, we fetch only when you open the letter or ask us to."
        ),
        kept,
    )


def _trouble(state: SourceState) -> tuple[str, str, str]:
    """Return what is wrong, what happens now, and a word for it; all empty when well."""
    source = {"source": state.label}
    if not state.connected:
        return (
            gettext("Something may be missing: %(source)s is not connected.") % source,
            gettext("Letters you have got stay here."),
            gettext("Not connected"),
        )
    if not state.active:
        return (
            gettext("We no longer fetch mail from %(source)s.") % source,
            gettext("Letters you have got stay here."),
            gettext("Off"),
        )
    if state.ok:
        return "", "", ""
    if state.failure == "notpermitted":
        return (
            gettext("%(source)s does not let us fetch your mail.") % source,
            gettext("You may not be a user there, or you have not agreed to it."),
            gettext("No access"),
        )
    problem = gettext("We cannot fetch new mail from %(source)s right now.") % source
    if state.failure == "misconfigured":
        return problem, gettext("The fault is ours, and we have to mend it."), gettext("Down")
    return problem, gettext("We try again by ourselves."), gettext("Down")
