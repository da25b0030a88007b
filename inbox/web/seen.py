"""Noting in the access log what is looked at, once a session however often it is looked at.

A page that refreshes itself, a reload and the way back are one viewing: so is what the session
says was noted already. Two tabs at once may note the same twice; nothing is left out.
"""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest

from inbox.citizens.viewer import Viewer
from inbox.letters import access
from inbox.letters.models import Access
from inbox.letters.presentation import Row

SESSION_NAME = "seen"
REMEMBERED_MAX = 200


def note_letter(request: HttpRequest, viewer: Viewer, letter: Row) -> None:
    """Note that the letter's content is shown."""
    _note(request, viewer, Access.What.LETTER, letter.id, sender_name=letter.sender_name)


def note_document(
    request: HttpRequest, viewer: Viewer, letter_id: UUID, document_id: UUID, *, kept: bool
) -> None:
    """Note that a document is shown, or with `kept` given as a file."""
    what = Access.What.DOWNLOAD if kept else Access.What.DOCUMENT
    _note(request, viewer, what, letter_id, document_id.hex)


def note_all_documents(request: HttpRequest, viewer: Viewer, letter_id: UUID) -> None:
    """Note that all of a letter's documents are given as files."""
    _note(request, viewer, Access.What.DOWNLOAD_ALL, letter_id)


def note_search(request: HttpRequest, viewer: Viewer, text: str) -> None:
    """Note that a helper searches; for what is not kept. Her own searches are her own."""
    if text and not viewer.is_herself:
        _note(request, viewer, Access.What.SEARCH, None)


def _note(
    request: HttpRequest,
    viewer: Viewer,
    what: str,
    letter_id: UUID | None,
    part: str = "",
    sender_name: str | None = None,
) -> None:
    if request.method == "HEAD":
        return
    thing = part or (letter_id.hex if letter_id else viewer.citizen_id.hex)
    key = f"{viewer.role}:{what}:{thing}"
    noted: list[str] = request.session.get(SESSION_NAME, [])
    if key in noted:
        return
    access.note(viewer, what, letter_id, sender_name)
    request.session[SESSION_NAME] = [*noted, key][-REMEMBERED_MAX:]
