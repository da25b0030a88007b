"""A document's bytes, streamed from the archive."""

from __future__ import annotations

import logging
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

from connectors import clock
from inbox.archive import store
from inbox.archive.store import Damaged, Missing
from inbox.citizens.viewer import Viewer
from inbox.letters.documents import (
    LevelTooLow,
    NotOpened,
    Reader,
    find_appointment,
    find_copy,
    find_document,
    find_letter_with_documents,
    stream,
)
from inbox.letters.models import AccessCopy, Document, Letter
from inbox.letters.presentation import row_of
from inbox.web.calendar_file import MEDIA_TYPE, calendar_file, has_time
from inbox.web.dates import OSLO
from inbox.web.files import file_name, file_name_of, media_type_of
from inbox.web.seen import note_all_documents, note_document, note_letter
from inbox.web.sessions import citizen_required, viewer_of
from inbox.web.zipped import unique_names, zip_stream

INLINE_TYPES = {
    "application/pdf": "application/pdf",
    "image/png": "image/png",
    "image/jpeg": "image/jpeg",
    "image/gif": "image/gif",
    "text/plain": "text/plain; charset=utf-8",
}
"""What a browser shows without running anything of it; all else is only downloaded."""
OTHER_TYPE = "application/octet-stream"
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


@require_safe
@csp(POLICY)  # type: ignore[arg-type]  # its types know of views without arguments only
@citizen_required
def download_all(request: HttpRequest, letter_id: UUID) -> HttpResponseBase:
    """Give all of a letter's documents that we have as one zip, streamed."""
    viewer = viewer_of(request)
    try:
        letter, documents = find_letter_with_documents(viewer, letter_id)
        if not documents:
            raise Http404
        reader = Reader()
        for document in documents:
            # A failure can still be told on a page; few files are open at a time.
            _begun(document, reader.stream(document))
    except (LevelTooLow, NotOpened, Letter.DoesNotExist) as error:
        return refused(error, letter_id)
    except (Missing, Damaged, OSError) as error:
        return _unreadable(request, letter_id, error, reverse("letter", args=[letter_id]))
    note_all_documents(request, viewer, letter_id)
    names = unique_names(file_name_of(document) for document in documents)
    moment = letter.received_at.astimezone(OSLO)
    parts = ((document, reader.stream(document)) for document in documents)
    chunks = zip_stream(
        (name, moment, _rest(document, part))
        for name, (document, part) in zip(names, parts, strict=True)
    )
    response = _body(request, chunks)
    response["Content-Type"] = "application/zip"
    title = file_name(f"{moment:%Y-%m-%d} {letter.sender_name}.zip", "")
    response["Content-Disposition"] = content_disposition_header(True, title) or "attachment"
    response["X-Content-Type-Options"] = "nosniff"
    return response


@require_safe
@csp(POLICY)  # type: ignore[arg-type]  # its types know of views without arguments only
@citizen_required
def calendar(request: HttpRequest, letter_id: UUID, number: int) -> HttpResponseBase:
    """Give an appointment as a file for her calendar. Whatever she may not read is not there."""
    viewer = viewer_of(request)
    try:
        letter, appointment = find_appointment(viewer, letter_id, number)
    except (LevelTooLow, NotOpened, Letter.DoesNotExist, IndexError):
        raise Http404 from None
    if not has_time(appointment):
        raise Http404
    note_letter(request, viewer, row_of(letter, viewer))
    page = request.build_absolute_uri(reverse("letter", args=[letter_id]))
    content = calendar_file(appointment, letter_id, number, page, clock.now())
    name = file_name(f"{appointment['title']}.ics", "")
    response = HttpResponse(b"" if request.method == "HEAD" else content, MEDIA_TYPE)
    response["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
    response["X-Content-Type-Options"] = "nosniff"
    return response


@require_safe
@csp(POLICY)  # type: ignore[arg-type]  # its types know of views without arguments only
@citizen_required
def as_pdf(
    request: HttpRequest, letter_id: UUID, document_id: UUID | None = None
) -> HttpResponseBase:
    """Give the PDF that we have made of a letter's text, or of a document that is text."""
    viewer = viewer_of(request)
    try:
        letter, title, blob = find_copy(viewer, letter_id, document_id)
        chunks = store.read_chunks(
            blob.citizen_id, blob.package_id, blob.path, version=blob.version
        )
        chunks = chain([next(chunks, b"")], chunks)
    except (LevelTooLow, NotOpened, Letter.DoesNotExist, AccessCopy.DoesNotExist) as error:
        return refused(error, letter_id)
    except (Missing, Damaged, OSError) as error:
        return _unreadable(request, letter_id, error, reverse("letter", args=[letter_id]))
    if document_id is None:
        note_letter(request, viewer, row_of(letter, viewer))
    else:
        note_document(request, viewer, letter_id, document_id, kept=True)
    response = _body(request, chunks)
    response["Content-Type"] = "application/pdf"
    name = file_name(title, "application/pdf")
    response["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _answer(
    request: HttpRequest, letter_id: UUID, document_id: UUID, *, as_attachment: bool
) -> HttpResponseBase:
    viewer, back = viewer_of(request), reverse("letter", args=[letter_id])
    return answer_document(
        request, viewer, letter_id, document_id, as_attachment=as_attachment, back=back
    )


def answer_document(
    request: HttpRequest,
    viewer: Viewer,
    letter_id: UUID,
    document_id: UUID,
    *,
    as_attachment: bool,
    back: str,
) -> HttpResponseBase:
    """Give `viewer` a document, noted in the access log; `back` is where a failure leads back to.

    Raises Http404 where there is nothing for her.
    """
    try:
        document = find_document(viewer, letter_id, document_id)
        chunks = _begun(document, stream(document))
    except (LevelTooLow, NotOpened, Letter.DoesNotExist, Document.DoesNotExist) as error:
        return refused(error, letter_id)
    except (Missing, Damaged, OSError) as error:
        return _unreadable(request, letter_id, error, back)
    note_document(request, viewer, letter_id, document_id, kept=as_attachment)
    return _with_headers(_body(request, chunks), document, as_attachment)


def refused(error: Exception, letter_id: UUID) -> HttpResponseBase:
    """Lead to where she may go on from; raises Http404 where there is nothing of hers."""
    letter_page = reverse("letter", args=[letter_id])
    if isinstance(error, LevelTooLow):
        return redirect(f"{reverse('step_up')}?{urlencode({'next': letter_page})}")
    if isinstance(error, NotOpened):
        return redirect(letter_page)
    raise Http404 from None


def _unreadable(
    request: HttpRequest, letter_id: UUID, error: Exception, back: str
) -> HttpResponseBase:
    log.error("a document of letter %s cannot be read: %s", letter_id, type(error).__name__)
    return render(request, "web/document_error.html", {"back": back}, status=503)


def _begun(document: Document, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Read the first chunk here, where a failure can still be told on a page."""
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
    inline = INLINE_TYPES.get(media_type_of(document))
    disposition = content_disposition_header(
        as_attachment or inline is None, file_name_of(document)
    )
    response["Content-Type"] = inline or OTHER_TYPE
    response["Content-Length"] = str(document.blob.size)
    response["Content-Disposition"] = disposition or "attachment"
    response["X-Content-Type-Options"] = "nosniff"
    response["ETag"] = f'"{document.blob.sha256}"'
    return response
