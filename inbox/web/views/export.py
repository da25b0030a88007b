"""A copy of her letters: asking for it, seeing how far it is, fetching and deleting it."""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.utils.translation import get_language, gettext
from django.views.decorators.http import require_http_methods, require_POST

from connectors import clock
from inbox.citizens.models import SecurityLevel
from inbox.citizens.viewer import Viewer
from inbox.letters import access, exports
from inbox.letters.case_list import case_row
from inbox.letters.export import Part
from inbox.letters.exports import InHand
from inbox.letters.models import Access, Case, Export, Folder
from inbox.sync.wake import wake
from inbox.web import tasks
from inbox.web.dates import OSLO, Calendar
from inbox.web.letter_words import size_of
from inbox.web.sessions import citizen_required, herself_required, is_fresh, viewer_of
from inbox.web.views.inbox import folders_of

log = logging.getLogger("samlepost.export")
State = Export.State


@require_http_methods(["GET", "HEAD", "POST"])
@citizen_required
@herself_required
def page(request: HttpRequest) -> HttpResponseBase:
    """Say what she gets, or how far it is; posted, ask for it at the highest level."""
    viewer = viewer_of(request)
    asked = request.POST if request.method == "POST" else request.GET
    case_id, folder_id = _id(asked.get("case", "")), _id(asked.get("folder", ""))
    if request.method == "POST":
        if viewer.level != SecurityLevel.HIGH:
            return _step_up(reverse("export"))
        try:
            exports.ask(viewer, Part(case_id, folder_id), get_language() or settings.LANGUAGE_CODE)
        except (Case.DoesNotExist, Folder.DoesNotExist):
            raise Http404 from None
        except InHand:
            pass  # Another tab was faster: the page says how far that is.
        wake(tasks.make_exports)
        return redirect("export")
    export = exports.find(viewer.citizen_id)
    context = _context(export) | {
        "is_high": viewer.level == SecurityLevel.HIGH,
        "folders_of_hers": folders_of(request),
        "folder": str(folder_id or ""),
        "case": _case(viewer, case_id),
    }
    htmx: Any = getattr(request, "htmx", None)
    return render(request, "web/_export_state.html" if htmx else "web/export.html", context)


@require_POST
@citizen_required
@herself_required
def download(request: HttpRequest) -> HttpResponseBase:
    """Give her the copy, if she has identified herself at the highest level just now."""
    viewer = viewer_of(request)
    if not is_fresh(request):
        return _step_up(reverse("export"), fresh=True)
    export = exports.find(viewer.citizen_id)
    try:
        chunks = exports.read(export) if export and export.state == State.READY else None
    except OSError:
        log.exception("a ready copy has no file")
        chunks = None
    if export is None or chunks is None:
        messages.info(request, gettext("The copy is not there any more. You can make a new one."))
        return redirect("export")
    response = StreamingHttpResponse(chunks)
    access.note(viewer, Access.What.EXPORT)
    Export.objects.filter(citizen_id=viewer.citizen_id, id=export.id).update(fetched_at=clock.now())
    response["Content-Type"] = "application/zip"
    response["Content-Length"] = str(export.size)
    file = f"Samlepost {export.asked_at.astimezone(OSLO):%Y-%m-%d}.zip"
    response["Content-Disposition"] = content_disposition_header(True, file) or "attachment"
    response["X-Content-Type-Options"] = "nosniff"
    return response


@require_POST
@citizen_required
@herself_required
def cancel(request: HttpRequest) -> HttpResponseBase:
    """Cancel what is being made, or delete what is ready."""
    if exports.forget(viewer_of(request).citizen_id):
        messages.success(request, gettext("The copy is deleted. Your letters are not."))
    return redirect("export")


def _context(export: Export | None) -> dict[str, Any]:
    if export is None:
        return {"export": None}
    calendar = Calendar(clock.now(), get_language())
    return {
        "export": export,
        "is_open": export.state in (State.WAITING, State.MAKING),
        "is_ready": export.state == State.READY,
        "is_part": bool(export.case_id or export.folder_id),
        "asked_moment": calendar.moment(export.asked_at),
        "size": size_of(export.size),
        "until": calendar.moment(export.expires_at) if export.expires_at else "",
    }


def _case(viewer: Viewer, case_id: UUID | None) -> dict[str, str] | None:
    """Return the case that she came from, as far as this session may know it."""
    if case_id is None:
        return None
    try:
        row = case_row(viewer, case_id)
    except Case.DoesNotExist:
        raise Http404 from None
    return {"id": str(row.id), "title": row.title or row.sender_name}


def _id(text: str) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError:
        raise Http404 from None


def _step_up(next_page: str, *, fresh: bool = False) -> HttpResponseBase:
    query = {"next": next_page} | ({"fresh": "1"} if fresh else {})
    return redirect(f"{reverse('step_up')}?{urlencode(query)}")
