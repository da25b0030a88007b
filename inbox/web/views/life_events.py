"""Life events: which there are, the folder of each, and what she puts in or leaves out.

For the citizen herself: it is her own view of her mail, and says more than each letter does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import get_language, gettext, ngettext
from django.views.decorators.http import require_POST, require_safe

from connectors import clock
from inbox.citizens.models import SecurityLevel
from inbox.citizens.viewer import Viewer
from inbox.letters import presentation, proposals
from inbox.letters.life_events import EVENTS
from inbox.letters.models import Letter, LifeEventLetter
from inbox.letters.open import get_letter
from inbox.letters.presentation import Row
from inbox.sync.freshness import labels
from inbox.web.cursors import row_of
from inbox.web.dates import Calendar
from inbox.web.event_words import because, name_of, told
from inbox.web.listing import PAGE_ROWS, say_count
from inbox.web.rows import PrintedRow, Printer
from inbox.web.sessions import citizen_required, herself_required, viewer_of
from inbox.web.views.inbox import folders_of
from inbox.web.views.letters import hers_alone, letter_address

State = LifeEventLetter.State


@dataclass(frozen=True, slots=True)
class Line:
    """A letter in a life event."""

    row: PrintedRow
    why: str
    locked: bool
    """She may not decide about what she may not read."""


@require_safe
@citizen_required
@herself_required
def overview(request: HttpRequest) -> HttpResponseBase:
    """List every life event, with what there is for it."""
    viewer = viewer_of(request)
    numbers = proposals.numbers(viewer)
    context = {
        "events": [
            {
                "address": reverse("life_event", args=[event]),
                "name": name_of(event),
                "told": told(event),
                "holds": _holds(numbers, event),
            }
            for event in EVENTS
        ]
    }
    return render(request, "web/life_events.html", _frame(viewer) | context)


@require_safe
@citizen_required
@herself_required
def page(request: HttpRequest, event: str) -> HttpResponseBase:
    """Show the letters of a life event: proposed, to be done, accepted; 404 for what is none.

    `after` names the last accepted letter that was shown.
    """
    viewer = viewer_of(request)
    _check(event)
    home = reverse("life_event", args=[event])
    after = request.GET.get("after", "")
    printer = Printer(
        Calendar(clock.now(), get_language()),
        labels(),
        home,
        Letter.Place.INBOX,
        folders_of(request),
    )
    proposed = _read(viewer, event, State.PROPOSED, "")
    shown = proposed[:PAGE_ROWS]
    accepted = _read(viewer, event, State.ACCEPTED, after)
    done, total = proposals.progress(viewer, event)
    left = proposals.left(viewer, event) if done < total else []
    more = len(accepted) > PAGE_ROWS
    context = {
        "event": event,
        "name": name_of(event),
        "told": told(event),
        "home": home,
        "share": f"{reverse('sharing_give')}?{urlencode({'life_event': event})}",
        "proposed": _lines(shown, printer, proposals.reasons(viewer, event, shown)),
        "more_proposed": len(proposed) > PAGE_ROWS,
        "accepted": _lines(accepted[:PAGE_ROWS], printer, {}),
        "more": f"{home}?after={accepted[PAGE_ROWS - 1].id}" if more else "",
        "after": after,
        "progress": _progress(done, total),
        "left": [printer.row(row) for row in left],
    }
    return render(request, "web/life_event.html", _frame(viewer) | context)


@require_POST
@citizen_required
@herself_required
@hers_alone
def decide(request: HttpRequest, event: str) -> HttpResponseBase:
    """Accept or reject a letter (`letter`, `do`), or take one out; back to the life event."""
    _check(event)
    wanted = request.POST.get("do", "")
    if wanted not in ("accept", "reject", "remove"):
        messages.error(request, gettext("Choose whether the letter belongs here."))
        return redirect("life_event", event)
    try:
        letter_id = UUID(request.POST.get("letter", ""))
        proposals.decide(viewer_of(request), letter_id, event, accept=wanted == "accept")
    except ValueError:
        raise Http404 from None
    except LifeEventLetter.DoesNotExist:
        messages.info(request, gettext("The letter is not here any more. Nothing was changed."))
        return redirect("life_event", event)
    said = {
        "accept": gettext("The letter is kept under “{event}”."),
        "reject": gettext("The letter will not be suggested for “{event}” again."),
        "remove": gettext("The letter is taken out of “{event}”. It lies where it lay."),
    }[wanted]
    messages.success(request, said.format(event=name_of(event)))
    return redirect("life_event", event)


@require_POST
@citizen_required
@herself_required
@hers_alone
def add(request: HttpRequest, letter_id: UUID) -> HttpResponseBase:
    """Put a letter into the life event that she has chosen (`event`); back to the letter."""
    viewer, event = viewer_of(request), request.POST.get("event", "")
    letter = get_letter(viewer, letter_id)
    if event not in EVENTS:
        messages.error(request, gettext("Choose a life event."))
    elif not viewer.may_read(letter.security_level):
        messages.error(request, gettext("Log in with a higher security level to move the letter."))
    else:
        _add(request, viewer, letter_id, event)
    return redirect(letter_address(letter_id, request.POST.get("back", "")))


def _add(request: HttpRequest, viewer: Viewer, letter_id: UUID, event: str) -> None:
    name = name_of(event)
    try:
        added = proposals.add(viewer, letter_id, event)
    except proposals.Full:
        text = gettext("“{event}” holds {most} letters already. Take some out first.")
        messages.error(request, text.format(event=name, most=proposals.EVENT_MAX))
        return
    if added:
        said = gettext("The letter is kept under “{event}”.")
        messages.success(request, said.format(event=name))
    else:
        messages.info(request, gettext("The letter is under “{event}” already.").format(event=name))


def _check(event: str) -> None:
    if event not in EVENTS:
        raise Http404


def _frame(viewer: Viewer) -> dict[str, Any]:
    return {"higher": viewer.level < SecurityLevel.HIGH}


def _read(viewer: Viewer, event: str, state: str, after: str) -> list[Row]:
    """Return a page of rows and one more, if there is one."""
    letters = presentation.ROWS.visible_to(viewer).outside_bin()
    letters = letters.in_life_event(viewer, event, state)
    last = row_of(Letter.objects.visible_to(viewer), after)
    letters = letters.after(last.received_at, last.id) if last else letters
    return presentation.rows(letters.newest_first(), viewer, PAGE_ROWS + 1)


def _lines(rows: Iterable[Row], printer: Printer, reasons: Mapping[UUID, str]) -> list[Line]:
    return [
        Line(
            printer.row(row),
            because(row, reasons[row.id]) if row.id in reasons else "",
            row.locked,
        )
        for row in rows
    ]


def _holds(numbers: Mapping[tuple[str, str], int], event: str) -> str:
    """Return "3 letters, 2 suggested", or that there is nothing."""
    accepted, proposed = numbers[event, State.ACCEPTED], numbers[event, State.PROPOSED]
    said = [say_count(accepted)] if accepted else []
    if proposed:
        said.append(ngettext("{n} suggested", "{n} suggested", proposed).format(n=proposed))
    return ", ".join(said) or gettext("No letters yet")


def _progress(done: int, total: int) -> str:
    if not total:
        return ""
    return gettext("{done} of {total} done").format(done=done, total=total)
