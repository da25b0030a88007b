"""One letter: reading it, agreeing to a receipt, asking for what the source withholds."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_POST, require_safe

from inbox.letters.models import Letter
from inbox.letters.open import get_letter
from inbox.letters.presentation import LetterPage, page_of
from inbox.sync.freshness import labels
from inbox.sync.opening import ask_for_content, open_letter
from inbox.web.paths import own_path
from inbox.web.reading import content_context, letter_context, title_of
from inbox.web.sessions import citizen_required, viewer_of


@require_safe
@citizen_required
def page(request: HttpRequest, letter_id: UUID) -> HttpResponseBase:
    """Open the letter. Reading ahead by the browser, or a HEAD, does not count as opening."""
    viewer = viewer_of(request)
    ahead = request.headers.get("Sec-Purpose", "").startswith("prefetch")
    try:
        if ahead or request.method == "HEAD":
            get_letter(viewer, letter_id)
            return HttpResponse(status=503 if ahead else 200)
        letter = open_letter(viewer, letter_id)
    except Letter.DoesNotExist:
        raise Http404 from None
    return _show(request, letter)


@require_POST
@citizen_required
def agree(request: HttpRequest, letter_id: UUID) -> HttpResponseBase:
    """She agrees that the sender is told: open the letter."""
    try:
        open_letter(viewer_of(request), letter_id, agreed=True)
    except Letter.DoesNotExist:
        raise Http404 from None
    return redirect(_address(letter_id, request.POST.get("back", "")))


@require_POST
@citizen_required
def fetch(request: HttpRequest, letter_id: UUID) -> HttpResponseBase:
    """She asks for content that the source withholds until the letter is opened."""
    try:
        ask_for_content(viewer_of(request), letter_id)
    except Letter.DoesNotExist:
        raise Http404 from None
    return redirect(_address(letter_id, request.POST.get("back", "")))


@require_safe
@citizen_required
def content(request: HttpRequest, letter_id: UUID) -> HttpResponseBase:
    """Show body and documents alone, as an open page asks while they are being fetched."""
    viewer = viewer_of(request)
    try:
        letter = page_of(get_letter(viewer, letter_id), viewer)
    except Letter.DoesNotExist:
        raise Http404 from None
    htmx: Any = request.htmx  # type: ignore[attr-defined]
    if not htmx or letter.row.locked or letter.awaiting_consent:
        return redirect("letter", letter_id)
    context = content_context(letter, labels())
    context["back"] = _back(request.GET.get("back", ""))
    response = render(request, "web/_content.html", context | {"refreshed": True})
    patch_vary_headers(response, ["HX-Request"])
    return response


def _show(request: HttpRequest, letter: LetterPage) -> HttpResponse:
    back = _back(request.GET.get("back", ""))
    if letter.row.locked:
        here = request.get_full_path()
        context = {"letter": letter.row, "next": here, "back": back, "title": title_of(letter)}
        return render(request, "web/step_up.html", context)
    context = letter_context(letter, labels(), back)
    template = "web/consent.html" if letter.awaiting_consent else "web/letter.html"
    return render(request, template, context)


def _address(letter_id: UUID, back: str) -> str:
    address = reverse("letter", args=[letter_id])
    kept = _back(back)
    return f"{address}?{urlencode({'back': kept})}" if kept != reverse("inbox") else address


def _back(wanted: str) -> str:
    """Return the list that she came from, so that its filter is kept."""
    return own_path(wanted) or reverse("inbox")
