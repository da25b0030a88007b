"""Sending to her own mailbox in plain words: whether it can be done, and how it went."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext

from inbox.sync.handover import Hindrance, Way
from inbox.sync.models import Handover
from inbox.sync.quarantine import DISCONNECTED
from inbox.web.dates import Calendar


def way(found: Way, calendar: Calendar) -> dict[str, Any]:
    """Return what the page shows: how it went, and a button or why there is none."""
    source = found.source.label if found.source else ""
    shown: dict[str, Any] = {"sent": None, "why_not": "", "button": "", "about": ""}
    state = ""
    if found.handover is not None:
        shown["sent"] = entry(found.handover, calendar, label=source)
        state = found.handover.state
    if state in (Handover.State.WAITING, Handover.State.DONE):
        return shown
    if found.hindrance is not None:
        return shown | {"why_not": _why_not(found.hindrance, source)}
    about = gettext(
        "The mailbox gets a copy of the letter with all its documents, and keeps it by its own"
        " rules. Your letter here stays as it is, and the sender is told nothing."
    )
    button = gettext("Try again") if state else gettext("Send to %(source)s") % {"source": source}
    return shown | {"about": about, "button": button}


def _why_not(hindrance: Hindrance, source: str) -> str:
    words = {
        Hindrance.NO_MAILBOX: gettext(
            "You have no digital mailbox that we know of. You choose one, Digipost or e-Boks,"
            " at norge.no. After that you can send letters there from here."
        ),
        Hindrance.DISCONNECTED: gettext(
            "You have disconnected %(source)s. Connect it again on the page of your sources"
            " to send letters there."
        ),
        Hindrance.THERE_ALREADY: gettext(
            "The letter came by %(source)s, so you have it there already."
        ),
        Hindrance.NOT_KEPT: gettext(
            "We have not fetched all of the letter yet. When we have a copy of everything,"
            " you can send it."
        ),
        Hindrance.EMPTY: gettext("There is no text and no document in the letter to send."),
        Hindrance.TOO_LARGE: gettext("The letter's documents are too large to be sent there."),
    }
    return words[hindrance] % {"source": source}


def entry(
    handover: Handover, calendar: Calendar, *, label: str = "", locked: bool = False
) -> dict[str, Any]:
    """Return how one sending went. `locked`: without what the supplier said of it."""
    source = label or handover.source.label
    at = calendar.moment(handover.received_at or handover.asked_at)
    shown = {"source": source, "moment": at}
    color = "info"
    if handover.state == Handover.State.DONE:
        color, said = "success", gettext("%(source)s received it %(moment)s.")
    elif handover.state == Handover.State.FAILED:
        color, said = "danger", _failed(handover)
    elif handover.last_error:
        color = "warning"
        said = gettext(
            "%(source)s does not answer right now. We keep trying; you need not do anything."
        )
    else:
        said = gettext("On its way to %(source)s. You asked for it %(moment)s.")
    return {
        "source": source,
        "color": color,
        "said": said % shown,
        "reason": "" if locked else handover.refusal,
        "reference": "" if locked else handover.reference,
    }


def _failed(handover: Handover) -> str:
    if handover.refusal:
        return gettext("Not sent. %(source)s says:")
    if handover.last_error == DISCONNECTED:
        return gettext("Not sent, as you disconnected %(source)s.")
    return gettext("Not sent: %(source)s did not take it.")
