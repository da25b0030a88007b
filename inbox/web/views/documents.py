"""A document's bytes, streamed from the archive."""

from __future__ import annotations

import logging
from itertools import chain
from urllib.parse import urlencode
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotModified
from django.http.response import HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_safe

from inbox.archive.storage import Missing
from inbox.archive.store import Damaged
from inbox.letters.documents import LevelTooLow, NotOpened, find_document, stream
from inbox.letters.models import Document, Letter
from inbox.web.sessions import citizen_required, viewer_of

log = logging.getLogger(__name__)

INLINE_TYPES = {
    "application/pdf": "application/pdf",
    "image/png": "image/png",
    "image/jpeg": "image/jpeg",
    "image/gif": "image/gif",
    "text/plain": "text/plain; charset=utf-8",
}
"""What a browser shows without running anything of it; all else is only downloaded."""
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    # Chromium shows a PDF in <object> as a frame, which DENY would leave empty.
    "X-Frame-Options": "SAMEORIGIN",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'self'",
}


@require_safe
@citizen_required
def show(request: HttpRequest, letter_id: UUID, document_id: UUID) -> HttpResponseBase:
    """Show the document in the browser, where its type is safe to show."""
    return _send(request, letter_id, document_id, as_attachment=False)


@require_safe
@citizen_required
def download(request: HttpRequest, letter_id: UUID, document_id: UUID) -> HttpResponseBase:
    """Send the document as a file."""
    return _send(request, letter_id, document_id, as_attachment=True)


def _send(
    request: HttpRequest, letter_id: UUID, document_id: UUID, *, as_attachment: bool
) -> HttpResponseBase:
    try:
        document = find_document(viewer_of(request), letter_id, document_id)
    except (Letter.DoesNotExist, Document.DoesNotExist):
        raise Http404 from None
    except LevelTooLow:
        letter = reverse("letter", args=[letter_id])
        return redirect(f"{reverse('step_up')}?{urlencode({'next': letter})}")
    except NotOpened:
        return redirect("letter", letter_id)
    etag = f'"{document.blob.sha256}"'
    if request.headers.get("If-None-Match") == etag:
        return HttpResponseNotModified()
    kind = document.media_type.partition(";")[0].strip().lower()
    shown_as = INLINE_TYPES.get(kind)
    attached = as_attachment or shown_as is None
    headers = {
        "Content-Type": shown_as or "application/octet-stream",
        "Content-Length": str(document.blob.size),
        "Content-Disposition": content_disposition_header(attached, document.name) or "inline",
        "ETag": etag,
        **HEADERS,
    }
    if request.method == "HEAD":
        return HttpResponse(headers=headers)
    return _stream(request, document, headers)


def _stream(request: HttpRequest, document: Document, headers: dict[str, str]) -> HttpResponseBase:
    """Stream the bytes. The first chunk is read at once: what is not there gets a page instead."""
    try:
        chunks = stream(document)
        first = next(chunks, b"")
    except (Missing, Damaged) as error:
        log.error("document %s cannot be read: %s", document.id, type(error).__name__)
        return render(request, "web/error_document.html", status=500)
    return StreamingHttpResponse(chain([first], chunks), headers=headers)
