"""One letter: reading it, agreeing to a receipt, asking for what the source withholds."""

from __future__ import annotations

import math
from functools import wraps
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.translation import get_language, gettext
from django.views.decorators.http import require_POST, require_safe

from connectors import clock
from inbox.citizens.viewer import Viewer
from inbox.letters import join
from inbox.letters.models import Delivery, Event, Letter, Reply
from inbox.letters.open import get_letter
from inbox.letters.presentation import LetterPage, page_of
from inbox.sync import acts, keeping, pauses
from inbox.sync.freshness import disconnected, labels
from inbox.sync.opening import ask_for_content, mark_unread, open_letter
from inbox.sync.replies import replies_to
from inbox.web import event_words, kept, languages
from inbox.web.dates import Calendar
from inbox.web.filters import read_address
from inbox.web.languages import in_language
from inbox.web.letter_words import other_language, title_of, vanishing
from inbox.web.paths import address_of
from inbox.web.reading import content_context, is_waiting, letter_context, row_is_own
from inbox.web.replying import may_have_replies
from inbox.web.rows import join_names
from inbox.web.searching import read_search
from inbox.web.seen import note_letter
from inbox.web.sessions import P, View, citizen_required, herself_required, viewer_of

BACK_LENGTH_MAX = 1000


def hers_alone(view: View[P]) -> View[P]:
    """Answer 404 for a letter that is not there or not hers: nobody can tell which."""

    @wraps(view)
    def checked(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except Letter.DoesNotExist:
            raise Http404 from None

    return checked


@require_safe
@citizen_required
@hers_alone
def page(request: HttpRequest, letter_id: UUID) -> HttpResponseBase:
    """Open the letter. Reading ahead by the browser, or a HEAD, does not count as opening."""
    viewer = viewer_of(request)
    ahead = request.headers.get("Sec-Purpose", "").startswith("prefetch")
    if ahead or request.method == "HEAD":
        get_letter(viewer, letter_id)
        return HttpResponse(status=503 if ahead else 200)
    try:
        letter = open_letter(viewer, letter_id)
    except Letter.DoesNotExist:
        current = join.current_id(viewer, letter_id)
        if current == letter_id:
            raise
        get_letter(viewer, current)  # a helper learns of no letter outside her scopes
        return redirect(letter_address(current, request.GET.get("back", "")))
    if not letter.row.locked and not letter.awaiting_consent:
        note_letter(request, viewer, letter.row)
    return _show(request, letter)


@require_POST
@citizen_required
@hers_alone
def agree(request: HttpRequest, letter_id: UUID) -> HttpResponseBase:
    """She agrees that the sender is told: open the letter."""
    open_letter(viewer_of(request), letter_id, agreed=True)
    return redirect(letter_address(letter_id, request.POST.get("back", "")))


@require_POST
@citizen_required
@hers_alone
def fetch(request: HttpRequest, letter_id: UUID) -> HttpResponseBase:
    """She asks for content that the source withholds until the letter is opened."""
    ask_for_content(viewer_of(request), letter_id)
    return redirect(letter_address(letter_id, request.POST.get("back", "")))


@require_POST
@citizen_required
@herself_required
@hers_alone
def keep(request: HttpRequest, letter_id: UUID) -> HttpResponseBase:
    """She asks for a copy of a letter that she has not opened: back to the source's copies."""
    if keeping.keep(viewer_of(request), letter_id):
        messages.success(request, gettext("We are fetching a copy. The letter stays unread here."))
    else:
        messages.error(request, gettext("Open the letter itself to fetch this one."))
    try:
        return redirect("source_copies", request.POST.get("source", ""))
    except NoReverseMatch:
        return redirect("sources")


@require_POST
@citizen_required
@hers_alone
def unread(request: HttpRequest, letter_id: UUID) -> HttpResponseBase:
    """She sets the letter aside to read again: back to the list, where it is unread."""
    mark_unread(viewer_of(request), letter_id)
    messages.success(request, gettext("The letter is marked as unread."))
    return redirect(back_address(request.POST))


@require_POST
@citizen_required
@herself_required
@hers_alone
def split(request: HttpRequest, letter_id: UUID) -> HttpResponseBase:
    """She shows a copy of the letter as a letter of its own: to the letter, which is fewer now."""
    viewer = viewer_of(request)
    with transaction.atomic():
        get_letter(viewer, letter_id)
        try:
            join.split(viewer, letter_id, _delivery_of(request), clock.now())
        except Delivery.DoesNotExist:
            messages.error(request, gettext("The letter could not be shown as two."))
        else:
            messages.success(request, gettext("Shown as two letters from now on."))
    return redirect(letter_address(letter_id, request.POST.get("back", "")))


@require_POST
@citizen_required
@herself_required
@hers_alone
def unsplit(request: HttpRequest, letter_id: UUID) -> HttpResponseBase:
    """She puts a copy back that she had made a letter of its own: to the letter of both."""
    viewer = viewer_of(request)
    with transaction.atomic():
        get_letter(viewer, letter_id)
        try:
            whole = join.unsplit(viewer, _delivery_of(request), clock.now())
        except Delivery.DoesNotExist:
            messages.error(request, gettext("The letters could not be shown as one."))
        else:
            letter_id = whole.id
            messages.success(request, gettext("Shown as one letter from now on."))
    return redirect(letter_address(letter_id, request.POST.get("back", "")))


def _delivery_of(request: HttpRequest) -> UUID:
    """Return the copy that a form names. Raises Delivery.DoesNotExist for nonsense."""
    try:
        return UUID(request.POST.get("delivery", ""))
    except ValueError:
        raise Delivery.DoesNotExist from None


@require_safe
@citizen_required
@hers_alone
def content(request: HttpRequest, letter_id: UUID) -> HttpResponseBase:
    """Show body and documents alone, as an open page asks while they are being fetched.

    Never opens a letter: of one that she has not opened here, only a link is shown.
    """
    viewer = viewer_of(request)
    chosen = request.GET.get("lang", "")[:8]
    letter = in_language(page_of(get_letter(viewer, letter_id), viewer), chosen)
    htmx: Any = request.htmx  # type: ignore[attr-defined]
    if not htmx:
        return redirect(letter_address(letter_id, request.GET.get("back", "")))
    context: dict[str, Any] = {"closed": True, "letter": letter.row}
    if has_opened(letter):
        asked = request.GET.get("asked", "")
        polls = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 4 else 0
        back = back_address(request.GET)
        context = content_context(letter, labels(), back, polls, chosen=chosen)
        context["not_asked"] = _not_asked(viewer, letter)
        context["wait"] = _wait(letter)
        if not is_waiting(letter):
            # With its content come what she is asked to do and what is known of its origin.
            own = _replies(viewer, letter)
            context |= letter_context(
                letter, labels(), back, own, asked=_asked(viewer, letter), chosen=chosen
            )
            context["arrived"] = True
    response = render(request, "web/_content.html", context)
    patch_vary_headers(response, ["HX-Request"])
    return response


def back_address(said: QueryDict | dict[str, str]) -> str:
    """Return the address of the list that `back` names; whatever else it holds is left out."""
    wanted = said.get("back", "")[:BACK_LENGTH_MAX]
    papers = address_of("papers")
    own = (address_of("deadlines"), papers, f"{papers}?by=sender", *event_words.addresses())
    if wanted in own or _is_case(wanted):
        return wanted
    home, _, query = wanted.partition("?")
    if home == address_of("search"):
        return read_search(QueryDict(query)).address()
    return read_address(wanted).address()


def _is_case(wanted: str) -> bool:
    """Say whether this is the address of a case's page."""
    try:
        return wanted == reverse("case", args=[UUID(wanted.removeprefix(reverse("cases"))[:-1])])
    except ValueError:
        return False


def has_opened(letter: LetterPage) -> bool:
    """Say whether she has opened the letter here, and may read it now."""
    if letter.row.locked or letter.awaiting_consent:
        return False
    return any(event.kind == Event.Kind.OPENED and event.by_viewer for event in letter.events)


def _not_asked(viewer: Viewer, letter: LetterPage) -> str:
    """Return the names of sources that hold more of the letter and that she has disconnected.

    No query where nothing is lacking.
    """
    lacks = letter.row.content == Letter.Content.ON_OPEN or any(
        document.lacking for document in letter.documents
    )
    if not lacks:
        return ""
    found = disconnected(viewer.citizen_id, (line.source for line in letter.deliveries))
    names = labels()
    return join_names([names.get(slug, slug) for slug in found])


def _wait(letter: LetterPage) -> int:
    """Return for how many minutes a source has asked us to wait with a letter that she waits for.

    No query where she does not.
    """
    if not is_waiting(letter):
        return 0
    until = pauses.paused_until(line.source for line in letter.deliveries)
    # Real time, whatever the shared clock says.
    return max(1, math.ceil((until - timezone.now()).total_seconds() / 60)) if until else 0


def _asked(viewer: Viewer, letter: LetterPage) -> dict[str, acts.Asked]:
    """Return where what she asked for stands; no query where the sender does nothing for her."""
    offers = any(each.get("method", "GET") != "GET" for each in letter.actions)
    return acts.asked_of(viewer.citizen_id, letter.row.id) if offers else {}


def _replies(viewer: Viewer, letter: LetterPage) -> list[Reply]:
    return replies_to(letter.row.id, viewer.citizen_id) if may_have_replies(letter) else []


def _show(request: HttpRequest, letter: LetterPage) -> HttpResponse:
    back = back_address(request.GET)
    said, wanted = letter, request.GET.get("lang", "")[:8]
    letter = in_language(said, wanted)
    query = {"back": back} if back != reverse("inbox") else {}
    own_address = reverse("letter", args=[letter.row.id])
    also_in = languages.others(said, letter.row.language, own_address, query)
    if letter.row.locked or letter.awaiting_consent:
        context = {
            "letter": letter.row,
            "title": title_of(letter.row),
            "own": row_is_own(letter.row),
            "vanishing": vanishing(letter, labels(), Calendar(clock.now(), get_language())),
            "next": request.get_full_path(),
            "back": back,
            "also_in": also_in,
            "lang": other_language(letter.row.language),
        }
        locked = letter.row.locked
        template = "web/letter_locked.html" if locked else "web/letter_consent.html"
        return render(request, template, context)
    own = _replies(viewer_of(request), letter)
    text = kept.find(request, viewer_of(request), letter.row.id)
    whole = request.GET.get("attachments") == "all"
    asked = _asked(viewer_of(request), letter)
    chosen = wanted if letter is not said else ""
    context = letter_context(
        letter, labels(), back, own, text, whole=whole, asked=asked, chosen=chosen
    )
    context["also_in"] = also_in
    context["not_asked"] = _not_asked(viewer_of(request), letter)
    context["wait"] = _wait(letter)
    return render(request, "web/letter.html", context)


def letter_address(letter_id: UUID, back: str) -> str:
    """Return the address of a letter's page that leads back to the list `back`."""
    address = reverse("letter", args=[letter_id])
    kept = back_address({"back": back})
    return f"{address}?{urlencode({'back': kept})}" if kept != reverse("inbox") else address
