"""Looking at somebody else's mail: whose, from when, and back to her own."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import get_language, gettext
from django.views.decorators.http import require_POST, require_safe

from connectors import clock
from inbox.citizens import representation
from inbox.letters import case_list
from inbox.sync import parties
from inbox.sync.models import PartyList
from inbox.web import acting, sharing_words, throttle
from inbox.web.dates import Calendar
from inbox.web.sessions import person_of, person_required

TRIES_MAX = 10


@require_safe
@person_required
def page(request: HttpRequest) -> HttpResponseBase:
    """Show whose mail she may see, and who has asked her to."""
    person = person_of(request)
    calendar = Calendar(clock.now(), get_language())
    held = list(representation.held(person.citizen_id)[: representation.SHOWN_MAX])
    asked = list(representation.invitations(person.citizen_id)[: representation.SHOWN_MAX])
    # Not before she has said yes: a case number is a part of the mail.
    references = case_list.references(sharing_words.case_keys(held), person.level)
    context = {
        "persons": sharing_words.by_principal(held, references, calendar),
        "invitations": sharing_words.by_principal(asked, {}, calendar),
        "lists": [_standing(each, calendar) for each in parties.lists_of(person.citizen_id)],
    }
    return render(request, "web/acting.html", context)


def _standing(asked: PartyList, calendar: Calendar) -> dict[str, Any]:
    answered = asked.last_success_at
    return {
        "source": asked.source.label,
        "failure": asked.failure,
        "answered": calendar.moment(answered) if answered else "",
        "elsewhere": asked.persons_elsewhere,
    }


@require_POST
@person_required
def start(request: HttpRequest) -> HttpResponseBase:
    """Look at the chosen person's mail."""
    person = person_of(request)
    chosen = _id(request, "citizen")
    if not acting.begin(request, person.citizen_id, person.level, chosen):
        raise Http404
    return redirect("inbox")


@require_POST
@person_required
def stop(request: HttpRequest) -> HttpResponseBase:
    """Go back to her own mail."""
    acting.stop(request)
    return redirect("inbox")


@require_POST
@person_required
def accept(request: HttpRequest) -> HttpResponseBase:
    """Say yes to an invitation that names her."""
    accepted = representation.accept(person_of(request).citizen_id, _id(request, "invitation"))
    if accepted is None:
        raise Http404
    return _accepted(request, accepted.citizen.name)


@require_POST
@person_required
def decline(request: HttpRequest) -> HttpResponseBase:
    """Say no to an invitation, or give up what she has."""
    person = person_of(request)
    if not representation.decline(person.citizen_id, _id(request, "invitation")):
        raise Http404
    messages.success(request, gettext("Done. You have no such access any more."))
    return redirect("acting")


@require_POST
@person_required
def code(request: HttpRequest) -> HttpResponseBase:
    """Say yes to the invitation whose code she was given."""
    helper_id = person_of(request).citizen_id
    if throttle.is_over("code", helper_id, TRIES_MAX):
        messages.error(request, gettext("Too many wrong codes. Try again in an hour."))
        return redirect("acting")
    accepted = representation.accept_code(helper_id, request.POST.get("code", "")[:40])
    if accepted is None:
        throttle.failed("code", helper_id)
        text = gettext("This code opens nothing. It may be mistyped, used, withdrawn or too old.")
        messages.error(request, text)
        return redirect("acting")
    return _accepted(request, accepted.citizen.name)


def _accepted(request: HttpRequest, name: str) -> HttpResponseBase:
    text = gettext("You can now see mail of %(name)s.")
    messages.success(request, text % {"name": name})
    return redirect("acting")


def _id(request: HttpRequest, name: str) -> UUID:
    try:
        return UUID(request.POST.get(name, ""))
    except ValueError:
        raise Http404 from None
