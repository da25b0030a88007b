"""Who has seen her mail; and what a helper has seen in others'."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.translation import get_language, gettext
from django.views.decorators.http import require_safe

from connectors import clock
from inbox.citizens.viewer import Role, Viewer
from inbox.letters import access
from inbox.letters.access import AccessLine
from inbox.letters.models import Access, Letter
from inbox.web.dates import Calendar
from inbox.web.sessions import (
    citizen_required,
    person_of,
    person_required,
    viewer_of,
)

LINES_A_PAGE = 50
What = Access.What


@require_safe
@citizen_required
def page(request: HttpRequest) -> HttpResponseBase:
    """Show who has seen her mail, newest first; that of an enterprise to all who act for it."""
    viewer = viewer_of(request)
    if not viewer.is_herself and viewer.role is not Role.ENTERPRISE:
        raise Http404
    lines = access.log_of(viewer, _after(request), LINES_A_PAGE + 1)
    context = _context(lines, _there(viewer, lines))
    return render(
        request,
        "web/access_log.html",
        context | {"own": viewer.is_herself, "enterprises": not viewer.is_herself},
    )


@require_safe
@person_required
def done(request: HttpRequest) -> HttpResponseBase:
    """Show what she has seen in others' mail, as they see it too."""
    person = person_of(request)
    lines = access.done_by(person.citizen_id, _after(request), LINES_A_PAGE + 1)
    return render(request, "web/access_log.html", _context(lines, set()))


def _context(lines: list[AccessLine], there: set[UUID]) -> dict[str, Any]:
    calendar = Calendar(clock.now(), get_language())
    shown = [
        {
            "iso": line.at.isoformat(timespec="minutes"),
            "at": calendar.moment(line.at),
            "said": _said(line),
            "sender": line.sender_name,
            "letter": line.letter_id if line.letter_id in there else None,
            "owner": line.owner_name,
        }
        for line in lines[:LINES_A_PAGE]
    ]
    more = lines[LINES_A_PAGE - 1].id if len(lines) > LINES_A_PAGE else None
    return {"lines": shown, "more": more}


def _there(viewer: Viewer, lines: list[AccessLine]) -> set[UUID]:
    """Return those of the letters that are still in her mail."""
    ids = {line.letter_id for line in lines if line.letter_id}
    return set(Letter.objects.visible_to(viewer).filter(id__in=ids).values_list("id", flat=True))


def _said(line: AccessLine) -> str:
    if line.what == What.FETCHED:
        return gettext("Samlepost fetched the letter")
    if line.what == What.QUARANTINE:
        return gettext("Somebody who runs Samlepost looked at a letter that could not be read")
    if line.is_actor:
        mine = {
            What.LETTER: gettext("You opened the letter"),
            What.DOCUMENT: gettext("You opened a document"),
            What.DOWNLOAD: gettext("You downloaded a document"),
            What.DOWNLOAD_ALL: gettext("You downloaded all the documents"),
            What.SEARCH: gettext("You searched"),
            What.EXPORT: gettext("You downloaded a copy of your letters"),
            What.IMPORT: gettext("You brought in letters from a copy"),
        }
        return mine[What(line.what)]
    others = {
        What.LETTER: gettext("%(who)s opened the letter"),
        What.DOCUMENT: gettext("%(who)s opened a document"),
        What.DOWNLOAD: gettext("%(who)s downloaded a document"),
        What.DOWNLOAD_ALL: gettext("%(who)s downloaded all the documents"),
        What.SEARCH: gettext("%(who)s searched"),
        What.EXPORT: gettext("%(who)s downloaded a copy of the letters"),
        What.IMPORT: gettext("%(who)s brought in letters from a copy"),
    }
    return others[What(line.what)] % {"who": _who(line)}


def _who(line: AccessLine) -> str:
    """Return "Ola Hansen (authorised)"."""
    name = line.actor_name or gettext("A person who is no longer here")
    capacity = {
        Role.GIVEN: gettext("authorised"),
        Role.PARENT: gettext("parent"),
        Role.GUARDIAN: gettext("guardian"),
        Role.ESTATE: gettext("for the estate"),
        Role.ENTERPRISE: gettext("key role"),
        Role.MADE_UP: gettext("as a made-up person"),
        Role.LINK: gettext("by a link"),
    }
    said = capacity.get(Role(line.role)) if line.role in set(Role) else None
    return f"{name} ({said})" if said else name


def _after(request: HttpRequest) -> UUID | None:
    try:
        return UUID(request.GET.get("after", ""))
    except ValueError:
        return None
