"""The demo's own pages: who is made up, what was sent, and back to the start."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.db.models import Q
from django.http import Http404, HttpRequest, HttpResponseNotAllowed, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.crypto import constant_time_compare
from django.utils.translation import get_language
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from connectors import clock
from inbox.citizens.models import Citizen, InboxState
from inbox.notifications.models import OutboxEmail
from inbox.sync import reset
from inbox.web.cursors import row_of
from inbox.web.dates import Calendar

EMAILS_A_PAGE = 50
PERSONS_MAX = 100


def demo_only(view: Callable[[HttpRequest], HttpResponseBase]) -> Callable[..., HttpResponseBase]:
    """Outside the demo the page does not exist."""

    @wraps(view)
    def checked(request: HttpRequest) -> HttpResponseBase:
        if not settings.DEMO:
            raise Http404
        return view(request)

    return checked


@demo_only
@never_cache
@require_safe
def welcome(request: HttpRequest) -> HttpResponseBase:
    """Name the made-up persons and tell what can be tried."""
    inboxes = InboxState.objects.select_related("citizen").filter(citizen__is_active=True)
    ordered = list(inboxes.order_by("citizen__is_staff", "citizen__name")[:PERSONS_MAX])
    return render(request, "web/demo.html", {"inboxes": ordered})


@demo_only
@never_cache
@require_safe
def outbox(request: HttpRequest) -> HttpResponseBase:
    """Show the e-mail that would have been sent, newest first."""
    emails = OutboxEmail.objects.order_by("-sent_at", "-id")
    last = row_of(OutboxEmail.objects.all(), request.GET.get("after", ""))
    if last:
        emails = emails.filter(
            Q(sent_at__lt=last.sent_at) | Q(sent_at=last.sent_at, id__lt=last.id)
        )
    found = list(emails[: EMAILS_A_PAGE + 1])
    calendar = Calendar(clock.now(), get_language())
    shown = [(email, calendar.moment(email.sent_at)) for email in found[:EMAILS_A_PAGE]]
    more = shown[-1][0].id if len(found) > EMAILS_A_PAGE else None
    return render(request, "web/outbox.html", {"emails": shown, "more": more, "first": not last})


@csrf_exempt
@demo_only
@never_cache
def forget(request: HttpRequest) -> HttpResponseBase:
    """Forget one person's letters, before the simulators are brought back to her start."""
    return _step_of_reset(request, lambda who: {"letters": reset.forget(who)})


@csrf_exempt
@demo_only
@never_cache
def fetch(request: HttpRequest) -> HttpResponseBase:
    """Fetch one person's letters anew, after that."""

    def fetched(who: str) -> dict[str, Any]:
        letters, failing = reset.fetch(who)
        return {"letters": letters, "not_fetched": failing}

    return _step_of_reset(request, fetched)


def _step_of_reset(request: HttpRequest, step: Callable[[str], dict[str, Any]]) -> HttpResponseBase:
    """Take the control page's request, which names a person; answers with what `step` returns."""
    token = request.headers.get("X-Demo-Token", "")
    if not token or not constant_time_compare(token, settings.DEMO_TOKEN):
        raise Http404
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    try:
        national_id = json.loads(request.body)["national_id"]
        if not isinstance(national_id, str):
            raise TypeError
    except (ValueError, TypeError, KeyError, RecursionError):
        return JsonResponse({"error": 'the body must be {"national_id": "…"}'}, status=400)
    try:
        return JsonResponse(step(national_id))
    except Citizen.DoesNotExist:
        return JsonResponse({"error": "no such person"}, status=404)
