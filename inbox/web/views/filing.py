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

from inbox.citizens.viewer import Viewer
from inbox.letters import filing
from inbox.letters.answers import UNSENT
from inbox.letters.models import Filing, Letter, Reply
from inbox.letters.open import get_letter
from inbox.letters.presentation import row_of
from inbox.sync.emptying import Bin, bin_of, delete_now, empty_now
from inbox.web.filters import Filter, read_address
from inbox.web.letter_words import title_of
from inbox.web.paths import own_path
from inbox.web.sessions import citizen_required, herself_required, viewer_of
from inbox.web.views.inbox import folders_of
from inbox.web.views.letters import BACK_LENGTH_MAX, back_address, hers_alone, letter_address

BULK = (*Letter.Place.values, "read", "unread", "put", "take_out")
BULK_MAX = 1000
"""No more letters than this are changed at one go."""


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
            "has_draft": has_draft(viewer, letter_id),
            "back": back,
            "cancel": letter_address(letter_id, back),
        }
        return render(request, "web/letter_delete.html", context)
    if delete_now(viewer, letter_id):
        messages.success(request, gettext("The letter is deleted for good."))
    else:
        waits = gettext(
            "The letter is deleted as soon as its sender has got the answer or receipt that it is "
            "owed."
        )
        messages.info(request, waits)
    return redirect(Filter(place=Letter.Place.BIN).address())


@require_http_methods(["GET", "HEAD", "POST"])
@citizen_required
@herself_required
def empty(request: HttpRequest) -> HttpResponseBase:
    """Ask whether all in the bin is to be deleted for good, and on her word do it."""
    viewer = viewer_of(request)
    address = Filter(place=Letter.Place.BIN).address()
    found = bin_of(viewer)
    if not found.letters and not found.above:
        messages.info(request, gettext("The bin is empty."))
        return redirect(address)
    if request.method != "POST":
        return render(request, "web/bin_empty.html", {"said": _what_goes(found), "bin": found})
    gone = empty_now(viewer)
    if gone:
        text = ngettext(
            "{n} letter is deleted for good.", "{n} letters are deleted for good.", gone
        )
        messages.success(request, text.format(n=gone))
    left = found.letters - gone
    if left > 0:
        text = ngettext(
            "{n} letter follows as soon as nothing is owed to its sender.",
            "{n} letters follow, in a while or as soon as nothing is owed to their senders.",
            left,
        )
        messages.info(request, text.format(n=left))
    return redirect(address)


def _what_goes(found: Bin) -> list[str]:
    """Return in sentences what emptying the bin does."""
    said = []
    if found.letters:
        text = ngettext(
            "{n} letter is deleted, with its documents and its history here. It cannot be had "
            "back from Samlepost. The sender still has its own copy.",
            "{n} letters are deleted, with their documents and their history here. They cannot be "
            "had back from Samlepost. The senders still have their own copies.",
            found.letters,
        )
        said.append(text.format(n=found.letters))
    if found.drafts:
        text = ngettext(
            "To {n} of them you have begun an answer. It is deleted and not sent.",
            "To {n} of them you have begun answers. They are deleted and not sent.",
            found.drafts,
        )
        said.append(text.format(n=found.drafts))
    if found.waiting:
        text = ngettext(
            "{n} of them waits until its sender has got the answer or receipt that it is owed.",
            "{n} of them wait until their senders have got the answers or receipts that they are "
            "owed.",
            found.waiting,
        )
        said.append(text.format(n=found.waiting))
    if found.above:
        text = ngettext(
            "{n} letter requires a higher security level, and stays in the bin.",
            "{n} letters require a higher security level, and stay in the bin.",
            found.above,
        )
        said.append(text.format(n=found.above))
    return said


def has_draft(viewer: Viewer, letter_id: UUID) -> bool:
    """Say whether she has begun an answer to the letter and not sent it."""
    own = Reply.objects.filter(citizen_id=viewer.citizen_id, letter_id=letter_id)
    return own.filter(UNSENT).exists()


@require_POST
@citizen_required
@herself_required
def bulk(request: HttpRequest) -> HttpResponseBase:
    """Do one thing to the letters that she has chosen, or to all that her filter finds."""
    viewer = viewer_of(request)
    asked = read_address(request.POST.get("list", "")[:BACK_LENGTH_MAX])
    ids, has_more = _chosen(request, viewer, asked)
    wanted = request.POST.get("do", "")
    if wanted not in BULK:
        messages.error(request, gettext("Choose what is to be done with the letters."))
    elif not ids:
        messages.error(request, gettext("Choose one or more letters first."))
    else:
        if wanted in ("put", "take_out"):
            folder_id = _id(request.POST.get("folder", ""))
            if folder_id is None or str(folder_id) not in folders_of(request):
                messages.error(request, gettext("Choose a folder first."))
                return redirect(_back(request, asked))
            done = filing.put(viewer, ids, folder_id, into=wanted == "put")
        elif wanted in Letter.Place.values:
            done = filing.move(viewer, ids, wanted)
        else:
            done = filing.mark(viewer, ids, unread=wanted == "unread")
        _tell(request, done, filing.above_level(viewer, ids))
        if has_more:
            text = gettext("No more than {most} letters at a time: there are more that match.")
            messages.warning(request, text.format(most=BULK_MAX))
    return redirect(_back(request, asked))


def _back(request: HttpRequest, asked: Filter) -> str:
    """Return the list, or the letter's page where the form stood on it."""
    return own_path(request.POST.get("next", "")) or asked.address()


def _chosen(request: HttpRequest, viewer: Viewer, asked: Filter) -> tuple[list[UUID], bool]:
    """Return the letters chosen, and whether there are more than BULK_MAX that match."""
    if request.POST.get("all"):
        found = asked.apply(Letter.objects.visible_to(viewer), viewer).newest_first()
        ids = list(found.values_list("id", flat=True)[: BULK_MAX + 1])
    else:
        ids = [letter_id for said in request.POST.getlist("letter") if (letter_id := _id(said))]
    return ids[:BULK_MAX], len(ids) > BULK_MAX


def _id(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def _tell(request: HttpRequest, done: Filing | None, above: int) -> None:
    if done:
        messages.success(request, said(done), extra_tags=str(done.id))
    if above:
        text = ngettext(
            "{n} letter requires a higher security level, and was left as it is.",
            "{n} letters require a higher security level, and were left as they are.",
            above,
        )
        messages.info(request, text.format(n=above))
    if not done and not above:
        messages.info(request, gettext("The letters are so already. Nothing was changed."))


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
        Filing.Kind.PUT: ngettext(
            "{n} letter put into the folder.", "{n} letters put into the folder.", n
        ),
        Filing.Kind.TAKEN_OUT: ngettext(
            "{n} letter taken out of the folder.", "{n} letters taken out of the folder.", n
        ),
        Filing.Kind.READ: ngettext("{n} letter marked as read.", "{n} letters marked as read.", n),
        Filing.Kind.UNREAD: ngettext(
            "{n} letter marked as unread.", "{n} letters marked as unread.", n
        ),
    }[Filing.Kind(done.kind)]
    return text.format(n=n)
