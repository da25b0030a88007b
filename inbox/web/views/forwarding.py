"""Sending a letter on: to her own mailbox, or by a link, with what it shows who brings it."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from uuid import UUID

from csp.decorators import csp
from django.contrib import messages
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import get_language, gettext
from django.views.decorators.clickjacking import xframe_options_sameorigin
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from connectors import clock
from inbox.citizens.identity import seal, unseal
from inbox.citizens.viewer import Viewer
from inbox.letters import forward
from inbox.letters.body import render_body
from inbox.letters.handle import readable_letter
from inbox.letters.models import Forwarding, Letter
from inbox.letters.open import get_letter
from inbox.letters.presentation import LetterPage, page_of, row_of
from inbox.sync import handover
from inbox.web import handover_words, letter_words, throttle
from inbox.web.dates import Calendar
from inbox.web.reading import plain_type
from inbox.web.seen import note_letter
from inbox.web.sessions import (
    citizen_required,
    herself_required,
    person_of,
    person_required,
    viewer_of,
)
from inbox.web.views.answering import within_reach
from inbox.web.views.documents import POLICY, answer_document
from inbox.web.views.letters import hers_alone, letter_address

LABEL_LENGTH_MAX = 100
TRIES_MAX = 10
MADE = "made_link"
"""In the session, sealed, from the press of the button until the next page has shown it."""


@require_http_methods(["GET", "HEAD", "POST"])
@citizen_required
@herself_required
@hers_alone
@within_reach
def send_on(request: HttpRequest, letter_id: UUID) -> HttpResponseBase:
    """Ask whom a letter is to be sent on to and for how long, and show the link, once.

    The page also says whether the letter can go to her own mailbox, and how it fared.
    """
    viewer = viewer_of(request)
    letter = readable_letter(viewer, letter_id)
    if letter.place == Letter.Place.BIN:
        raise Http404
    context: dict[str, Any] = {
        "letter_id": letter_id,
        "title": letter_words.title_of(row_of(letter, viewer)),
        "days": forward.LASTS_DAYS,
        "chosen": forward.LASTS_DAYS[0],
        "label": "",
        "errors": {},
        "mailbox": handover_words.way(handover.way_of(letter), _calendar()),
    }
    if request.method != "POST":
        return render(request, "web/forward.html", context | {"made": _made(request, letter_id)})
    label = " ".join(request.POST.get("label", "").replace("\x00", "").split())
    said = request.POST.get("days", "")
    chosen = next((days for days in forward.LASTS_DAYS if str(days) == said), None)
    errors = _errors(label, chosen)
    if chosen is not None and not errors:
        try:
            made, token = forward.send_on(viewer, letter_id, label, chosen)
        except forward.TooMany:
            text = gettext("You have %(n)d links in force already. Withdraw one of them first.")
            errors["form"] = text % {"n": forward.LIVE_MAX}
        else:
            request.session[MADE] = seal(MADE, f"{made.id} {token}")
            return redirect("letter_forward", letter_id)
    context |= {"label": label, "chosen": chosen, "errors": errors}
    return render(request, "web/forward.html", context)


@require_POST
@citizen_required
@herself_required
@hers_alone
@within_reach
def to_mailbox(request: HttpRequest, letter_id: UUID) -> HttpResponseBase:
    """Send the letter to her own mailbox; pressed twice, it goes once."""
    with suppress(handover.CannotHandOver):  # the page says why
        handover.ask(viewer_of(request), letter_id)
    return redirect("letter_forward", letter_id)


@require_POST
@citizen_required
@herself_required
def withdraw(request: HttpRequest, forwarding_id: UUID) -> HttpResponseBase:
    """Let the link open nothing, at once."""
    citizen_id = viewer_of(request).citizen_id
    if forward.withdraw(citizen_id, forwarding_id):
        messages.success(request, gettext("The link is withdrawn. It opens nothing any more."))
    elif not Forwarding.objects.filter(citizen_id=citizen_id, id=forwarding_id).exists():
        raise Http404
    return redirect("sharing")


@require_safe
@person_required
def link(request: HttpRequest, token: str) -> HttpResponseBase:
    """Show the letter that a link leads to; below its level, only that there is one."""
    viewer = _by_link(request, token)
    if isinstance(viewer, str):
        return render(request, "web/link_dead.html", {"why": viewer}, status=404)
    letter_id = _letter_of(viewer)
    if viewer.citizen_id == viewer.helper_id:
        return redirect(letter_address(letter_id, ""))
    letter = page_of(get_letter(viewer, letter_id), viewer)
    if letter.row.locked:
        return render(request, "web/link_locked.html", {"next": request.get_full_path()})
    if letter.awaiting_consent:
        raise Http404
    note_letter(request, viewer, letter.row)
    return render(request, "web/link.html", _shown(letter, token))


@require_safe
@xframe_options_sameorigin
@csp(POLICY)  # type: ignore[arg-type]  # its types know of views without arguments only
@person_required
def link_file(request: HttpRequest, token: str, number: int) -> HttpResponseBase:
    """Give one document of the letter that a link leads to, by its place among them."""
    viewer = _by_link(request, token)
    if isinstance(viewer, str):
        raise Http404
    letter_id = _letter_of(viewer)
    letter = page_of(get_letter(viewer, letter_id), viewer)
    address = reverse("link", args=[token])
    if letter.row.locked:
        return redirect(address)
    if number >= len(letter.documents):
        raise Http404
    keep = request.GET.get("keep") == "1"
    document_id = letter.documents[number].id
    return answer_document(
        request, viewer, letter_id, document_id, as_attachment=keep, back=address
    )


def sent_on(viewer: Viewer) -> list[dict[str, Any]]:
    """Return her links that are in force, ready to be listed."""
    found = list(forward.live(viewer.citizen_id))
    wanted = {row.letter_id for row in found}
    letters = Letter.objects.visible_to(viewer).filter(id__in=wanted) if wanted else ()
    titles = {letter.id: letter_words.title_of(row_of(letter, viewer)) for letter in letters}
    calendar = _calendar()
    return [
        {
            "id": row.id,
            "label": row.label,
            "letter_id": row.letter_id,
            "title": titles.get(row.letter_id, ""),
            "until": calendar.moment(row.expires_at),
        }
        for row in found
    ]


def handed_over(viewer: Viewer) -> list[dict[str, Any]]:
    """Return what she has sent to her own mailbox, ready to be listed.

    Of a letter above the level of the session, the supplier's words are left out.
    """
    found = handover.listed(viewer.citizen_id)
    wanted = {row.letter_id for row in found}
    letters = Letter.objects.visible_to(viewer).filter(id__in=wanted) if wanted else ()
    shown = {letter.id: row_of(letter, viewer) for letter in letters}
    calendar = _calendar()
    return [
        handover_words.entry(row, calendar, locked=shown[row.letter_id].locked)
        | {"letter_id": row.letter_id, "title": letter_words.title_of(shown[row.letter_id])}
        for row in found
        if row.letter_id in shown
    ]


def _by_link(request: HttpRequest, token: str) -> Viewer | str:
    """Return the viewer that the link makes of who is logged in, or why it opens nothing."""
    person = person_of(request)
    if throttle.is_over("link", person.citizen_id, TRIES_MAX):
        return gettext("Too many links that open nothing. Try again in an hour.")
    viewer = forward.find(person, token)
    if viewer is None:
        throttle.failed("link", person.citizen_id)
        return gettext("It may be mistyped, withdrawn or too old. Ask for a new one.")
    return viewer


def _letter_of(viewer: Viewer) -> UUID:
    """Return the one letter that a viewer by a link may know of."""
    if not viewer.scopes or viewer.scopes[0].letter_id is None:
        raise Http404
    return viewer.scopes[0].letter_id


def _shown(letter: LetterPage, token: str) -> dict[str, Any]:
    row = letter.row
    calendar = _calendar()
    documents = [
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
            "unusual": letter_words.unusual(line.warnings),
            "address": reverse("link_file", args=[token, number]),
        }
        for number, line in enumerate(letter.documents)
    ]
    return {
        "title": letter_words.title_of(row),
        "sender": row.sender_name,
        "lang": letter_words.other_language(row.language),
        "received": calendar.full_day(row.received_at),
        "withdrawn": row.withdrawn,
        "body": render_body(letter.body, letter.body_media_type),
        "documents": documents,
    }


def _calendar() -> Calendar:
    return Calendar(clock.now(), get_language())


def _made(request: HttpRequest, letter_id: UUID) -> dict[str, str] | None:
    """Return the link that was made just now, to be shown this once."""
    sealed = request.session.pop(MADE, None) if request.method == "GET" else None
    if sealed is None:
        return None
    forwarding_id, _, token = unseal(MADE, sealed).partition(" ")
    viewer = viewer_of(request)
    row = forward.live(viewer.citizen_id).filter(id=UUID(forwarding_id)).first()
    if row is None or row.letter_id != letter_id:
        return None
    return {
        "label": row.label,
        "address": request.build_absolute_uri(reverse("link", args=[token])),
        "until": _calendar().moment(row.expires_at),
    }


def _errors(label: str, days: int | None) -> dict[str, str]:
    errors = {}
    if not label:
        errors["label"] = gettext("Write whom you send the letter to.")
    elif len(label) > LABEL_LENGTH_MAX:
        text = gettext("Write a shorter name, at most %(n)d characters.")
        errors["label"] = text % {"n": LABEL_LENGTH_MAX}
    if days is None:
        errors["days"] = gettext("Choose how long the link is to work.")
    return errors
