"""Giving others access to her mail, and taking it back."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import get_language, gettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from connectors import clock
from inbox.citizens import representation
from inbox.citizens.identity import national_id_of
from inbox.citizens.models import Identifier, Representation
from inbox.citizens.viewer import Viewer
from inbox.letters import case_list
from inbox.notifications import invitations
from inbox.web import sharing_form, sharing_words
from inbox.web.acting import part_of
from inbox.web.dates import Calendar
from inbox.web.sessions import citizen_required, herself_required, viewer_of
from inbox.web.views.forwarding import handed_over, sent_on


@require_safe
@citizen_required
@herself_required
def page(request: HttpRequest) -> HttpResponseBase:
    """Show who may look into her mail, how far and how long, and who has been asked."""
    viewer = viewer_of(request)
    live = representation.live(viewer.citizen_id).select_related("helper")
    rows = list(live.order_by("-created_at")[: representation.SHOWN_MAX])
    calendar = Calendar(clock.now(), get_language())
    senders = part_of(request, viewer).state.senders
    references = case_list.references(sharing_words.case_keys(rows), viewer.level)
    given = sharing_words.by_helper(rows, senders, references, calendar)
    context = {"helpers": given, "links": sent_on(viewer), "handovers": handed_over(viewer)}
    return render(request, "web/sharing.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@citizen_required
@herself_required
def give(request: HttpRequest) -> HttpResponseBase:
    """Ask whom to give access, to what and how long; then invite that person."""
    viewer = viewer_of(request)
    said = request.POST if request.method == "POST" else request.GET
    choices = sharing_form.choices_of(
        viewer,
        part_of(request, viewer).state,
        said.get("letter", ""),
        request.GET.get("case", ""),
    )
    if request.method != "POST":
        filled = sharing_form.empty(choices, request.GET)
        return _form(request, choices, filled)
    filled, offer = sharing_form.read(request.POST, choices, _own_number(viewer))
    if offer is None:
        return _form(request, choices, filled)
    try:
        with transaction.atomic():
            made, code = representation.give(viewer.citizen_id, offer)
            if not code:
                invitations.queue(made)
    except representation.TooMany:
        text = gettext("You have given access %(n)d times already. Withdraw one of them first.")
        filled.errors["form"] = text % {"n": representation.LIVE_MAX}
        return _form(request, choices, filled)
    messages.success(request, _said(filled.name, code))
    return redirect("sharing")


@require_POST
@citizen_required
@herself_required
def withdraw(request: HttpRequest, representation_id: UUID) -> HttpResponseBase:
    """Take access back, at once."""
    citizen_id = viewer_of(request).citizen_id
    if representation.withdraw(citizen_id, representation_id):
        messages.success(request, gettext("Access is withdrawn. It ended at once."))
    elif not Representation.objects.filter(citizen_id=citizen_id, id=representation_id).exists():
        raise Http404
    return redirect("sharing")


def _form(
    request: HttpRequest, choices: sharing_form.Choices, filled: sharing_form.Filled
) -> HttpResponseBase:
    context: dict[str, Any] = {"choices": choices, "form": filled}
    return render(request, "web/sharing_give.html", context)


def _said(name: str, code: str) -> str:
    if not code:
        text = gettext(
            "%(name)s is invited, and sees nothing before saying yes here in Samlepost. "
            "The invitation lasts 30 days."
        )
        return text % {"name": name}
    grouped = "-".join(code[start : start + 4] for start in range(0, len(code), 4))
    text = gettext(
        "Give this code to %(name)s: %(code)s. It is shown only now, works once and lasts 30 days."
    )
    return text % {"name": name, "code": grouped}


def _own_number(viewer: Viewer) -> str:
    try:
        return national_id_of(viewer.citizen_id)
    except Identifier.DoesNotExist:
        return ""
