"""An agency's webhooks: where it is told what becomes of its letters, and how that went."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from inbox.agencies import tasks, webhooks
from inbox.agencies.models import Agency, Webhook, WebhookMessage
from inbox.agencies.webhook_sending import (
    NO_ANSWER,
    NO_CONNECTION,
    NOT_PUBLIC,
    OFF_AFTER,
    SCHEDULE,
    TIMEOUT_SECONDS,
)
from inbox.sync.wake import wake
from inbox.web.agency_pages import for_agency, show
from inbox.web.cursors import row_of
from inbox.web.dates import Calendar

MESSAGES_A_PAGE = 50


@require_safe
@for_agency
def page(request: HttpRequest, agency: Agency) -> HttpResponseBase:
    """List the agency's webhooks, with the form for one more."""
    return _page(request, agency)


@require_POST
@for_agency
def create(request: HttpRequest, agency: Agency) -> HttpResponseBase:
    """Make a webhook and show its secret, this one time."""
    url, events = request.POST.get("url", ""), request.POST.getlist("events")
    try:
        made = webhooks.create(agency, url, events)
    except webhooks.NotTaken as error:
        return _page(request, agency, {"form": _form(url, events, error)})
    return _one(request, agency, made.webhook, {"secret": made.secret})


@require_safe
@for_agency
def one(request: HttpRequest, agency: Agency, webhook_id: UUID) -> HttpResponseBase:
    """Show a webhook, its latest messages and what can be done with it."""
    return _one(request, agency, _webhook(agency, webhook_id))


@require_POST
@for_agency
def change(request: HttpRequest, agency: Agency, webhook_id: UUID) -> HttpResponseBase:
    """Give it another address, or other events."""
    url, events = request.POST.get("url", ""), request.POST.getlist("events")
    with _or_404():
        try:
            webhooks.change(agency, webhook_id, url, events)
        except webhooks.NotTaken as error:
            said = {"form": _form(url, events, error)}
            return _one(request, agency, _webhook(agency, webhook_id), said)
    messages.success(request, _("The webhook is changed."))
    return _back(agency, webhook_id)


@require_POST
@for_agency
def rotate(request: HttpRequest, agency: Agency, webhook_id: UUID) -> HttpResponseBase:
    """Give it a new secret and show that, this one time."""
    with _or_404():
        made = webhooks.rotate(agency, webhook_id)
    said = {"secret": made.secret, "replaced": True}
    return _one(request, agency, made.webhook, said)


@require_POST
@for_agency
def test(request: HttpRequest, agency: Agency, webhook_id: UUID) -> HttpResponseBase:
    """Send a test message."""
    with _or_404():
        webhooks.send_test(agency, webhook_id)
    wake(tasks.send_webhooks)
    messages.success(request, _("A test message is on its way. Reload the page to see the answer."))
    return _back(agency, webhook_id)


@require_POST
@for_agency
def disable(request: HttpRequest, agency: Agency, webhook_id: UUID) -> HttpResponseBase:
    """Send it nothing more, for the time being."""
    with _or_404():
        webhooks.disable(agency, webhook_id)
    messages.success(request, _("The webhook is off."))
    return _back(agency, webhook_id)


@require_POST
@for_agency
def enable(request: HttpRequest, agency: Agency, webhook_id: UUID) -> HttpResponseBase:
    """Go on with it."""
    with _or_404():
        webhooks.enable(agency, webhook_id)
    wake(tasks.send_webhooks)
    messages.success(request, _("The webhook is on. What waited is being sent now."))
    return _back(agency, webhook_id)


@require_POST
@for_agency
def remove(request: HttpRequest, agency: Agency, webhook_id: UUID) -> HttpResponseBase:
    """Remove it with its messages."""
    with _or_404():
        webhooks.remove(agency, webhook_id)
    messages.success(request, _("The webhook is removed."))
    return redirect("agency_webhooks", agency.org_number)


@require_POST
@for_agency
def resend(request: HttpRequest, agency: Agency, message_id: UUID) -> HttpResponseBase:
    """Begin anew with a message that was given up."""
    with _or_404():
        webhook_id = webhooks.resend(agency, message_id)
    wake(tasks.send_webhooks)
    messages.success(request, _("The message is being sent again."))
    return _back(agency, webhook_id)


@require_POST
@for_agency
def resend_failed(request: HttpRequest, agency: Agency, webhook_id: UUID) -> HttpResponseBase:
    """Begin anew with every message that was given up."""
    with _or_404():
        count = webhooks.resend_failed(agency, webhook_id)
    wake(tasks.send_webhooks)
    text = ngettext(
        "%(n)d message is being sent again.", "%(n)d messages are being sent again.", count
    )
    messages.success(request, text % {"n": count})
    return _back(agency, webhook_id)


@contextmanager
def _or_404() -> Iterator[None]:
    try:
        yield
    except (Webhook.DoesNotExist, WebhookMessage.DoesNotExist):
        raise Http404 from None


def _webhook(agency: Agency, webhook_id: UUID) -> Webhook:
    with _or_404():
        return webhooks.of(agency).get(id=webhook_id)


def _back(agency: Agency, webhook_id: UUID) -> HttpResponseBase:
    return redirect("agency_webhooks_one", agency.org_number, webhook_id)


def _page(
    request: HttpRequest, agency: Agency, said: dict[str, Any] | None = None
) -> HttpResponseBase:
    context = {
        "webhooks": [_shown(each) for each in webhooks.of(agency)],
        "events": _events(),
        "form": _form("", list(webhooks.EVENTS)),
        "schedule": [_duration(each) for each in SCHEDULE[1:]],
        "timeout": int(TIMEOUT_SECONDS),
        "days": OFF_AFTER.days,
    }
    return show(request, agency, "webhooks", context | (said or {}))


def _one(
    request: HttpRequest, agency: Agency, webhook: Webhook, said: dict[str, Any] | None = None
) -> HttpResponseBase:
    rows = webhook.messages.order_by("-id")
    last = row_of(rows, request.GET.get("after", ""))
    found = list((rows.filter(id__lt=last.id) if last else rows)[: MESSAGES_A_PAGE + 1])
    calendar = Calendar(timezone.now(), get_language())
    context = {
        "webhook": _shown(webhook),
        "events": _events(),
        "form": _form(webhook.url, webhook.events),
        "messages_sent": [_line(each, calendar) for each in found[:MESSAGES_A_PAGE]],
        "more": found[MESSAGES_A_PAGE - 1].id if len(found) > MESSAGES_A_PAGE else None,
        "first": not last,
        "failed": rows.filter(state=WebhookMessage.State.FAILED).exists(),
    }
    return show(request, agency, "webhook", context | (said or {}))


def _shown(webhook: Webhook) -> dict[str, Any]:
    calendar = Calendar(timezone.now(), get_language())
    until = webhook.previous_until
    paused = webhook.paused_until
    return {
        "id": webhook.id,
        "url": webhook.url,
        "events": [name for key, name in _events() if key in webhook.events],
        "off": webhook.off,
        "why_off": _why_off(webhook),
        "failing_since": calendar.moment(webhook.failing_since) if webhook.failing_since else "",
        "paused_until": calendar.moment(paused) if paused and paused > timezone.now() else "",
        "previous_until": calendar.moment(until) if until and until > timezone.now() else "",
    }


def _why_off(webhook: Webhook) -> str:
    return {
        "": "",
        Webhook.Off.BY_AGENCY: _("You have switched it off."),
        Webhook.Off.GONE: _("It is off, as your server answered 410 Gone."),
        Webhook.Off.FAILING: _("It is off, as nothing has got through for days."),
    }[webhook.off]


def _line(message: WebhookMessage, calendar: Calendar) -> dict[str, Any]:
    waits = message.state == WebhookMessage.State.WAITING
    return {
        "id": message.id,
        "event": message.event,
        "letter": message.record_id,
        "queued": calendar.moment_short(message.queued_at),
        "state": _state(message),
        "answer": _answer(message),
        "attempts": message.attempts,
        "next": calendar.moment_short(message.due_at) if waits else "",
        "failed": message.state == WebhookMessage.State.FAILED,
    }


def _state(message: WebhookMessage) -> str:
    if message.state == WebhookMessage.State.DONE:
        return _("Got through")
    if message.state == WebhookMessage.State.FAILED:
        return _("Given up")
    return _("Did not arrive yet") if message.attempts else _("Waits")


def _answer(message: WebhookMessage) -> str:
    if message.status:
        return f"HTTP {message.status}"
    said = {
        NO_ANSWER: _("No answer in %(n)d seconds") % {"n": TIMEOUT_SECONDS},
        NO_CONNECTION: _("No connection"),
        NOT_PUBLIC: _("The host is not on the public internet"),
    }
    return said.get(message.last_error, "")


def _events() -> list[tuple[str, str]]:
    return [
        ("letter.delivered", _("The letter is with the recipient")),
        ("letter.notified", _("The recipient has been told that it is there")),
        ("letter.opened", _("The recipient has opened it, and agreed that you are told")),
        ("letter.replied", _("The recipient has answered")),
        ("letter.withdrawn", _("The letter was taken back")),
        ("letter.quarantined", _("What you sent could not be delivered")),
    ]


def _form(url: str, events: list[str], error: webhooks.NotTaken | None = None) -> dict[str, Any]:
    return {
        "url": url,
        "events": events,
        "wrong": error.reason if error else "",
        "why": _why(error),
    }


def _why(error: webhooks.NotTaken | None) -> str:
    if error is None:
        return ""
    said = {
        webhooks.Problem.NO_ADDRESS: _("Write a whole web address, without user name and #."),
        webhooks.Problem.NOT_HTTPS: _("The address must begin with https://."),
        webhooks.Problem.NOT_PUBLIC: _("The address must be on the public internet."),
        webhooks.Problem.NO_EVENTS: _("Choose at least one thing to be told."),
        webhooks.Problem.TOO_MANY: _("You can have no more than %(n)d webhooks. Remove one first."),
    }
    return said[error.reason] % {"n": webhooks.WEBHOOKS_MAX}


def _duration(wait: timedelta) -> str:
    seconds = int(wait.total_seconds())
    if seconds < 60:
        return ngettext("%(n)d second", "%(n)d seconds", seconds) % {"n": seconds}
    if seconds < 3600:
        minutes = seconds // 60
        return ngettext("%(n)d minute", "%(n)d minutes", minutes) % {"n": minutes}
    hours = seconds // 3600
    return ngettext("%(n)d hour", "%(n)d hours", hours) % {"n": hours}
