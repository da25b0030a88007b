"""For those who run Samlepost: what could not be read, and which sources do not answer."""

from __future__ import annotations

import math
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.db.models import Q
from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.http import content_disposition_header
from django.utils.translation import get_language, ngettext
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from connectors import clock
from connectors.contract import Fault
from inbox.citizens.masking import masked
from inbox.letters import access
from inbox.sync import addresses, health
from inbox.sync import quarantine as kept
from inbox.sync import replay as replaying
from inbox.sync.models import Quarantined
from inbox.web.cursors import row_of
from inbox.web.dates import Calendar
from inbox.web.letter_words import size_of
from inbox.web.sessions import person_of, staff_required
from inbox.web.source_words import failure_words

ITEMS_A_PAGE = 100


@staff_required
@require_safe
def quarantine(request: HttpRequest) -> HttpResponseBase:
    """List what waits in quarantine, newest first, under what fails at the sources."""
    waiting = kept.waiting()
    last = row_of(kept.waiting(), request.GET.get("after", ""))
    if last:
        waiting = waiting.filter(
            Q(arrived_at__lt=last.arrived_at) | Q(arrived_at=last.arrived_at, id__lt=last.id)
        )
    found = list(waiting[: ITEMS_A_PAGE + 1])
    calendar = Calendar(clock.now(), get_language())
    page: dict[str, Any] = {
        "items": [_item(item, calendar) for item in found[:ITEMS_A_PAGE]],
        "more": found[ITEMS_A_PAGE - 1].id if len(found) > ITEMS_A_PAGE else None,
        "first": not last,
        "failing": [_failing(each, calendar) for each in health.failing()],
        "waiting": [
            {"source": each.source, "time": _time(each.until - timezone.now())}
            for each in health.waiting()
        ],
        "contested": addresses.contested(),
        "contacts": [_failing_contacts(each, calendar) for each in health.failing_contacts()],
    }
    return render(request, "web/quarantine.html", page)


@staff_required
@require_POST
def replay(request: HttpRequest, item_id: UUID) -> HttpResponseBase:
    """Try once more to make a letter of it."""
    try:
        became_letter = replaying.replay(kept.waiting().get(id=item_id).id)
    except Quarantined.DoesNotExist:
        raise Http404 from None
    if became_letter:
        messages.success(request, _("It could be read now: the letter is with the citizen."))
    else:
        messages.warning(request, _("It still cannot be read. The new reason stands below."))
    return redirect("quarantine")


@staff_required
@require_safe
def file(request: HttpRequest, item_id: UUID, number: int) -> HttpResponseBase:
    """Send one of an item's files as it arrived; never to be shown by the browser."""
    try:
        item = kept.waiting().get(id=item_id)
        said = item.files[number]
        chunks = kept.read_file(item, said["path"])
    except (Quarantined.DoesNotExist, LookupError):
        raise Http404 from None
    if item.citizen_id:
        access.note_operator(item.citizen_id, person_of(request).citizen_id)
    answer = StreamingHttpResponse(chunks, content_type="application/octet-stream")
    answer["Content-Length"] = str(said["size"])
    answer["Content-Disposition"] = content_disposition_header(True, _file_name(said["path"]))
    answer["X-Content-Type-Options"] = "nosniff"
    return answer


def _item(item: Quarantined, calendar: Calendar) -> dict[str, Any]:
    return {
        "id": item.id,
        "source": item.source.label,
        "external_id": masked(item.external_id),
        "reason": masked(item.reason),
        "arrived_at": item.arrived_at,
        "arrived": calendar.moment(item.arrived_at),
        "replays": item.replays,
        "answer": _answer(item, calendar),
        "files": [(_file_name(file["path"]), size_of(file["size"])) for file in item.files],
    }


def _answer(item: Quarantined, calendar: Calendar) -> str:
    """Say what its sender has been told, and when."""
    rejection = getattr(item, "rejection", None)
    if rejection is None:
        return _("Its sender gets no answer from us.")
    if rejection.sent_at:
        words = _("Error receipt sent %(when)s: the sender's fault.")
        if rejection.fault == Fault.SERVER:
            words = _("Error receipt sent %(when)s: our fault.")
        return words % {"when": calendar.moment(rejection.sent_at)}
    if rejection.state == "failed":
        return _("The error receipt could not be sent: %(error)s") % {
            "error": masked(rejection.last_error)
        }
    if rejection.attempts == 0 and rejection.due_at > timezone.now():
        words = _(
            "If it is not mended within %(time)s, the sender gets an error receipt: our fault."
        )
        if rejection.fault == Fault.CLIENT:
            words = _(
                "If its owner is not found within %(time)s, the sender gets an error receipt: the"
                " sender's fault."
            )
        # Waiting is counted in real time, whatever the shared clock says.
        return words % {"time": _time(rejection.due_at - timezone.now())}
    return _("The error receipt to the sender is about to be sent.")


def _time(left: timedelta) -> str:
    """Say how much time is left, in whole minutes or hours, rounded up."""
    if left <= timedelta(hours=1):
        minutes = math.ceil(left / timedelta(minutes=1))
        return ngettext("%(n)d minute", "%(n)d minutes", minutes) % {"n": minutes}
    hours = math.ceil(left / timedelta(hours=1))
    return ngettext("%(n)d hour", "%(n)d hours", hours) % {"n": hours}


def _failing(found: health.Failing, calendar: Calendar) -> dict[str, Any]:
    success = found.last_success_at
    return {
        "source": found.source,
        "kind": failure_words(found.failure),
        "mailboxes": found.mailboxes,
        "runs": found.runs,
        "last_success": calendar.short(success) if success else "",
        "detail": masked(found.detail),
    }


def _failing_contacts(found: health.FailingRegister, calendar: Calendar) -> dict[str, Any]:
    success = found.last_success_at
    return {
        "kind": failure_words(found.failure),
        "persons": found.persons,
        "runs": found.runs,
        "last_success": calendar.short(success) if success else "",
        "detail": masked(found.detail),
    }


def _file_name(path: str) -> str:
    return masked(path.rsplit("/", 1)[-1])
