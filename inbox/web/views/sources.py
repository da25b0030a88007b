"""The citizen's sources and how each of them stands."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from connectors import clock
from inbox.sync.freshness import SourceState, freshness
from inbox.web.dates import Calendar
from inbox.web.sessions import citizen_required, viewer_of


@dataclass(frozen=True, slots=True)
class SourceCard:
    """One source in the citizen's words."""

    slug: str
    label: str
    color: str
    """Of the tag; what it says never hangs on the colour alone."""
    tag: str
    text: str
    last: str
    """When we last fetched, as words; empty when we never have."""


@citizen_required
@require_safe
def page(request: HttpRequest) -> HttpResponseBase:
    """Show each of the citizen's sources: whether we reach it and when we last did."""
    calendar = Calendar(clock.now(), get_language())
    states = freshness(viewer_of(request).citizen_id)
    cards = [_card(state, calendar) for state in states]
    return render(request, "web/sources.html", {"cards": cards, "sources": states})


def _card(state: SourceState, calendar: Calendar) -> SourceCard:
    color, tag, text = _words(state)
    success = state.last_success_at
    return SourceCard(
        slug=state.slug,
        label=state.label,
        color=color,
        tag=tag,
        text=text,
        last=calendar.short(success) if success else "",
    )


def _words(state: SourceState) -> tuple[str, str, str]:
    """Return the tag's colour, the tag and the sentences of a source's state."""
    if not state.active:
        text = _(
            "We do not fetch mail from %(source)s now. Letters you already have are safe here."
        )
        return "neutral", _("Not fetched"), text % {"source": state.label}
    if state.failure == "notpermitted":
        text = _(
            "%(source)s does not let us fetch your mail: you may have no inbox there, or not have "
            "agreed to it. Letters you already have are safe here."
        )
        return "warning", _("Not permitted"), text % {"source": state.label}
    if not state.ok:
        text = _(
            "We cannot fetch new mail from %(source)s right now. We keep trying. Letters you "
            "already have are safe here."
        )
        return "warning", _("Not reached"), text % {"source": state.label}
    if state.last_success_at is None:
        text = _("We are about to fetch your mail from %(source)s for the first time.")
        return "info", _("Not fetched yet"), text % {"source": state.label}
    return "success", _("Working"), ""
