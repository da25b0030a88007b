"""Putting letters away: archive, bin, deleting for good, and undoing it.

For the citizen herself: who acts for her reads and answers, and tidies nothing.
"""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_http_methods, require_POST

from inbox.letters import filing
from inbox.letters.models import Filing, Letter
from inbox.letters.open import get_letter
from inbox.letters.presentation import row_of
from inbox.sync.emptying import delete_now
from inbox.web.filters import Filter
from inbox.web.letter_words import title_of
from inbox.web.paths import own_path
from inbox.web.sessions import citizen_required, herself_required, viewer_of
from inbox.web.views.letters import back_address, hers_alone, letter_address


@require_POST
@citizen_required
@herself_required
@hers_alone
def move(request: HttpRequest, letter_id: UUID) -> HttpResponseBase:
    """Move a letter to another place, and go back to the list."""
    viewer = viewer_of(request)
    letter, place = get_letter(viewer, letter_id), request.POST.get("to", "")
    if place not in Letter.Place.values:
        messages.error(request, gettext("Choose where the letter is to be moved."))
    elif not viewer.may_read(letter.security_level):
        messages.error(request, gettext("Log in with a higher security level to move the letter."))
    else:
        done = filing.move(viewer, [letter_id], place)
        if done:
            messages.success(request, said(done), extra_tags=str(done.id))
    return redirect(back_address(request.POST))


@require_http_methods(["GET", "HEAD", "POST"])
@citizen_required
@herself_required
@hers_alone
def delete(request: HttpRequest, letter_id: UUID) -> HttpResponseBase:
    """Ask whether a letter in the bin is to be deleted for good, and on her word do it."""
    viewer = viewer_of(request)
    letter = get_letter(viewer, letter_id)
    given = request.POST if request.method == "POST" else request.GET
    back = back_address(given)
    if letter.place != Letter.Place.BIN or not viewer.may_read(letter.security_level):
        messages.error(request, gettext("Only a letter in the bin can be deleted for good."))
        return redirect(letter_address(letter_id, back))
    if request.method != "POST":
        row = row_of(letter, viewer)
        context = {
            "letter": row,
            "title": title_of(row),
            "back": back,
            "cancel": letter_address(letter_id, back),
        }
        return render(request, "web/letter_delete.html", context)
    if delete_now(viewer, letter_id):
        messages.success(request, gettext("The letter is deleted for good."))
    else:
        waits = gettext(
            "The letter is deleted as soon as its sender has got the receipt that it is owed."
        )
        messages.info(request, waits)
    return redirect(Filter(place=Letter.Place.BIN).address())


@require_POST
@citizen_required
@herself_required
def undo(request: HttpRequest, filing_id: UUID) -> HttpResponseBase:
    """Put letters back as they were before she moved them."""
    try:
        undone = filing.undo(viewer_of(request), filing_id)
    except Filing.DoesNotExist:
        raise Http404 from None
    if undone.restored:
        text = ngettext(
            "{n} letter is as it was before.",
            "{n} letters are as they were before.",
            undone.restored,
        )
        messages.success(request, text.format(n=undone.restored))
    if undone.left:
        text = ngettext(
            "{n} letter has changed since, and was left as it is.",
            "{n} letters have changed since, and were left as they are.",
            undone.left,
        )
        messages.info(request, text.format(n=undone.left))
    if not undone.restored and not undone.left:
        messages.info(request, gettext("This has been undone already."))
    return redirect(own_path(request.POST.get("next", "")) or Filter().address())


def said(done: Filing) -> str:
    """Return what was done, and to how many letters."""
    n = len(done.changes)
    text = {
        Filing.Kind.TO_INBOX: ngettext(
            "{n} letter moved to the inbox.", "{n} letters moved to the inbox.", n
        ),
        Filing.Kind.TO_ARCHIVE: ngettext(
            "{n} letter moved to the archive.", "{n} letters moved to the archive.", n
        ),
        Filing.Kind.TO_BIN: ngettext(
            "{n} letter moved to the bin.", "{n} letters moved to the bin.", n
        ),
    }[Filing.Kind(done.kind)]
    return text.format(n=n)
