"""A letter without its looks: one document as text, and the whole letter to print."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_safe

from inbox.letters.documents import LevelTooLow, NotOpened, find_text, find_texts
from inbox.letters.models import Document, DocumentText, Letter
from inbox.letters.open import get_letter
from inbox.letters.presentation import LetterPage, page_of
from inbox.sync.freshness import labels
from inbox.web import letter_words
from inbox.web.as_text import pages_of
from inbox.web.languages import in_language
from inbox.web.reading import can_be_text, letter_context, plain_type
from inbox.web.seen import note_document, note_letter
from inbox.web.sessions import citizen_required, viewer_of
from inbox.web.views.documents import refused
from inbox.web.views.letters import has_opened, hers_alone

PRINTED_MAX = 20
"""So many documents are set as text on paper; the others are named."""
PRINTED_LENGTH_MAX = 300_000
"""Characters of all of them together: some hundred sheets."""


@require_safe
@citizen_required
def page(request: HttpRequest, letter_id: UUID, document_id: UUID) -> HttpResponseBase:
    """Show a document as text, for screen readers, narrow screens and large letters."""
    viewer = viewer_of(request)
    try:
        letter, document, text = find_text(viewer, letter_id, document_id)
    except (LevelTooLow, NotOpened, Letter.DoesNotExist, Document.DoesNotExist) as error:
        return refused(error, letter_id)
    note_document(request, viewer, letter_id, document_id, kept=False)
    own = [letter_id, document_id]
    language = letter_words.other_language(letter.language)
    context = {
        "letter_id": letter_id,
        "title": document.title or document.name,
        "sender": letter.sender_name,
        "lang": language,
        "address": reverse("document", args=own),
        "download": reverse("document_download", args=own),
        "here": reverse("document_text", args=own),
        **_state(document, text),
    }
    return render(request, "web/document_text.html", context)


@require_safe
@citizen_required
@hers_alone
def printed(request: HttpRequest, letter_id: UUID) -> HttpResponseBase:
    """Show an opened letter as it goes onto paper. Never opens one."""
    viewer = viewer_of(request)
    letter = page_of(get_letter(viewer, letter_id), viewer)
    letter = in_language(letter, request.GET.get("lang", "")[:8])
    address = reverse("letter", args=[letter_id])
    if letter.row.locked:
        return redirect(f"{reverse('step_up')}?{urlencode({'next': address})}")
    if not has_opened(letter):
        return redirect(address)
    note_letter(request, viewer, letter.row)
    texts = find_texts(viewer, letter_id, PRINTED_MAX)
    context = letter_context(letter, labels(), "", whole=True)
    context |= {"address": address, "documents": _printed(letter, texts)}
    return render(request, "web/letter_print.html", context)


def _state(document: Document, text: DocumentText | None) -> dict[str, Any]:
    """Return the document's pages, or why there are none, and what she should know of them."""
    if not can_be_text(plain_type(document.media_type)):
        why = gettext("A file of this kind has no text that we can read. Open or download it.")
        return {"why": why}
    if text is None or text.state == DocumentText.State.WAITING:
        why = gettext("We have not read the text of this document yet. It takes a few minutes.")
        return {"why": why, "waiting": True}
    told = letter_words.unusual(text.warnings)
    if text.state == DocumentText.State.FAILED:
        why = gettext("We could not read the text of this document.")
        if "too_large" in text.warnings:
            why = gettext("The document is too large for us to read its text.")
        return {"why": why, "told": told}
    if not text.text.strip():
        why = gettext(
            "The document is a picture (a scan), and there is no text in it that we can read. "
            "Ask the sender for a version with text if you need one."
        )
        return {"why": why, "told": told}
    if "untagged" in text.warnings:
        told.append(
            gettext(
                "The sender has not marked headings and order in the document. "
                "The text may stand in another order here."
            )
        )
    pages = pages_of(text.text)
    if "cut" in text.warnings:
        told.append(
            gettext("Only the first %(read)d of %(pages)d pages are shown as text.")
            % {"read": len(pages), "pages": text.pages}
        )
    return {"told": told, "pages": pages, "pages_count": max(text.pages, len(pages))}


def _printed(letter: LetterPage, texts: Mapping[UUID, str]) -> list[dict[str, Any]]:
    """Return each document with its pages, as far as they fit."""
    made, room = [], PRINTED_LENGTH_MAX
    for line in letter.documents:
        text = texts.get(line.id, "")
        room -= len(text)
        made.append(
            {
                "title": line.title,
                "kept": line.kept,
                "described": ", ".join(
                    filter(
                        None,
                        (
                            letter_words.type_of(plain_type(line.media_type)),
                            letter_words.size_of(line.size),
                        ),
                    )
                ),
                "address": reverse("document", args=[letter.row.id, line.id]),
                "pages": pages_of(text) if text and room >= 0 else [],
            }
        )
    return made
