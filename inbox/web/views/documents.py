"""A document's bytes, streamed from the archive."""

from __future__ import annotations

import logging
import mimetypes
import re
import unicodedata
from collections.abc import Iterator
from itertools import chain
from urllib.parse import urlencode
from uuid import UUID

from csp.constants import NONE, SELF
from csp.decorators import csp
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_safe

from inbox.archive.store import Damaged, Missing
from inbox.letters.documents import LevelTooLow, NotOpened, find_document, stream
from inbox.letters.models import Document, Letter
from inbox.web.sessions import citizen_required, viewer_of

INLINE_TYPES = {
    "application/pdf": "application/pdf",
    "image/png": "image/png",
    "image/jpeg": "image/jpeg",
    "image/gif": "image/gif",
    "text/plain": "text/plain; charset=utf-8",
}
"""What a browser shows without running anything of it; all else is only downloaded."""
OTHER_TYPE = "application/octet-stream"
EXTENSIONS = {
    "application/pdf": ".pdf",
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/gif": ".gif",
    "text/plain": ".txt",
}
NAME_LENGTH_MAX = 150
SUFFIX_LENGTH_MAX = 10
# `sandbox` is left out: Chromium's PDF viewer does not run in it.
POLICY = {
    "default-src": [NONE],
    "base-uri": [NONE],
    "form-action": [NONE],
    "frame-ancestors": [SELF],
}

log = logging.getLogger("samlepost.documents")


@require_safe
@xframe_options_sameorigin
@csp(POLICY)  # type: ignore[arg-type]  # its types know of views without arguments only
@citizen_required
def show(request: HttpRequest, letter_id: UUID, document_id: UUID) -> HttpResponseBase:
    """Show a document in the browser, or inside the letter's page."""
    return _answer(request, letter_id, document_id, as_attachment=False)


@require_safe
@csp(POLICY)  # type: ignore[arg-type]  # its types know of views without arguments only
@citizen_required
def download(request: HttpRequest, letter_id: UUID, document_id: UUID) -> HttpResponseBase:
    """Give a document to keep as a file."""
    return _answer(request, letter_id, document_id, as_attachment=True)


def _answer(
    request: HttpRequest, letter_id: UUID, document_id: UUID, *, as_attachment: bool
) -> HttpResponseBase:
    letter_page = reverse("letter", args=[letter_id])
    try:
        document = find_document(viewer_of(request), letter_id, document_id)
    except LevelTooLow:
        return redirect(f"{reverse('step_up')}?{urlencode({'next': letter_page})}")
    except NotOpened:
        return redirect(letter_page)
    except (Letter.DoesNotExist, Document.DoesNotExist):
        raise Http404 from None
    try:
        chunks = _begun(document)
    except (Missing, Damaged, OSError) as error:
        log.error("document %s cannot be read: %s", document.id, type(error).__name__)
        return render(request, "web/document_error.html", {"letter_id": letter_id}, status=503)
    return _with_headers(_body(request, chunks), document, as_attachment)


def _begun(document: Document) -> Iterator[bytes]:
    """Read the first chunk here, where a failure can still be told on a page."""
    chunks = stream(document)
    return chain([next(chunks, b"")], _rest(document, chunks))


def _rest(document: Document, chunks: Iterator[bytes]) -> Iterator[bytes]:
    try:
        yield from chunks
    except (Damaged, OSError) as error:
        log.error("document %s broke off: %s", document.id, type(error).__name__)
        raise  # The server drops the connection: half a document must not look whole.


def _body(request: HttpRequest, chunks: Iterator[bytes]) -> HttpResponseBase:
    return HttpResponse() if request.method == "HEAD" else StreamingHttpResponse(chunks)


def _with_headers(
    response: HttpResponseBase, document: Document, as_attachment: bool
) -> HttpResponseBase:
    media_type = document.media_type.partition(";")[0].strip().lower()
    inline = INLINE_TYPES.get(media_type)
    disposition = content_disposition_header(
        as_attachment or inline is None, file_name(document.title or document.name, media_type)
    )
    response["Content-Type"] = inline or OTHER_TYPE
    response["Content-Length"] = str(document.blob.size)
    response["Content-Disposition"] = disposition or "attachment"
    response["X-Content-Type-Options"] = "nosniff"
    response["ETag"] = f'"{document.blob.sha256}"'
    return response


def file_name(name: str, media_type: str) -> str:
    """Return `name` as a file name: no folders, no invisible characters, an extension that fits.

    Characters that change the direction of writing could hide an extension from the eye.
    """
    shown = "".join(c for c in name if unicodedata.category(c)[0] != "C")
    last = re.split(r"[/\\]", shown)[-1]
    cleaned = re.sub(r'[<>:"|?*]', "_", last).strip(" .") or "document"
    stem, dot, suffix = cleaned.rpartition(".")
    own = dot + suffix if stem and len(suffix) <= SUFFIX_LENGTH_MAX else ""
    wanted = EXTENSIONS.get(media_type, own)
    fits = own and (wanted == own or mimetypes.guess_type(cleaned)[0] == media_type)
    kept = (stem if fits else cleaned)[:NAME_LENGTH_MAX].rstrip(" .")
    return kept + (own if fits else wanted)
