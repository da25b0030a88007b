"""Acting on a letter: answering it, following its links, saying that it is done or paid."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.http import content_disposition_header
from django.utils.translation import get_language, gettext
from django.views.decorators.http import (
    require_GET,
    require_http_methods,
    require_POST,
    require_safe,
)

from connectors import clock
from inbox.archive import store
from inbox.letters.documents import LevelTooLow, NotOpened
from inbox.letters.handle import readable_letter
from inbox.letters.models import Letter, Reply
from inbox.letters.presentation import page_of, row_of
from inbox.sync import acts, handling, replies
from inbox.sync.freshness import labels
from inbox.sync.opening import open_letter
from inbox.sync.replies import CannotReply, Conflict, Written
from inbox.web import kept, replying
from inbox.web.cursors import row_of as place_of
from inbox.web.dates import Calendar
from inbox.web.sessions import P, View, citizen_required, find_viewer, viewer_of
from inbox.web.views.letters import has_opened, hers_alone

PAGE_SIZE = 50


def within_reach(view: View[P]) -> View[P]:
    """Lead back to the letter's page when it must be opened, or seen at a higher level, first."""

    @wraps(view)
    def checked(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        try:
            return view(request, *args, **kwargs)
        except (LevelTooLow, NotOpened):
            return redirect("letter", kwargs["letter_id"])

    return checked


def text_survives(view: View[P]) -> View[P]:
    """Keep what she has written when her session has ended meanwhile, before she logs in again."""

    @wraps(view)
    def checked(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
        ended = request.method == "POST" and find_viewer(request) is None
        letter_id = kwargs["letter_id"]
        response = view(request, *args, **kwargs)
        if ended and isinstance(letter_id, UUID):
            kept.keep(request, response, letter_id)
            target = f"{reverse('letter', args=[letter_id])}#reply"
            address = f"{reverse('login')}?{urlencode({'next': target})}"
            response["HX-Redirect" if "HX-Redirect" in response else "Location"] = address
        return response

    return checked


@require_http_methods(["GET", "HEAD", "POST"])
@text_survives
@citizen_required
@hers_alone
@within_reach
def reply(request: HttpRequest, letter_id: UUID) -> HttpResponseBase:
    """Write an answer: keep it, put files beside it, look it over, send it."""
    if request.method != "POST":
        return _look_over(request, letter_id)
    letter_id = readable_letter(viewer_of(request), letter_id).id
    doing, _, named = request.POST.get("do", "save").partition(":")
    form = request.POST.get("form", "")[:64]
    todo: dict[str, Callable[[], HttpResponseBase]] = {
        "choose": lambda: _choose(request, letter_id, form, named),
        "discard": lambda: _discard(request, letter_id, form),
        "send": lambda: _send(request, letter_id, form),
        "edit": lambda: _edit(request, letter_id, named),
    }
    try:
        if doing in todo:
            return todo[doing]()
        return _save(request, letter_id, form, doing, named)
    except CannotReply as problem:
        messages.error(request, replying.why_not(problem), extra_tags="reply")
        return _to_letter(letter_id, "#reply-said")
    except Conflict as conflict:
        return _show_conflict(request, letter_id, conflict.reply)


@require_safe
@citizen_required
@hers_alone
@within_reach
def thread(request: HttpRequest, letter_id: UUID) -> HttpResponseBase:
    """Show her answers and the sender's alone, as an open page asks while one is on its way."""
    htmx: Any = request.htmx  # type: ignore[attr-defined]
    viewer = viewer_of(request)
    page = page_of(readable_letter(viewer, letter_id), viewer)
    if not htmx or not has_opened(page):
        return _to_letter(letter_id)
    asked, mark = request.GET.get("asked", ""), request.GET.get("mark", "")
    polls = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 4 else 0
    if page.row.unread:
        page = open_letter(viewer, letter_id)  # she sees it as it comes
    calendar = Calendar(clock.now(), get_language())
    own = replies.replies_to(letter_id, viewer.citizen_id)
    source = labels().get(page.row.source, page.row.source)
    context = replying.thread_context(page, own, source, calendar, polls)
    context["news"] = mark != str(context["thread_mark"])
    response = render(request, "web/_thread.html", context)
    patch_vary_headers(response, ["HX-Request"])
    return response


@require_safe
@citizen_required
@hers_alone
@within_reach
def file(request: HttpRequest, letter_id: UUID, attachment_id: UUID) -> HttpResponseBase:
    """Give back a file that she has put beside an answer."""
    viewer = viewer_of(request)
    found = replies.find_attachment(viewer, letter_id, attachment_id)
    if found is None:
        raise Http404
    response = StreamingHttpResponse(
        store.read_chunks(viewer.citizen_id, attachment_id, found["path"]),
        content_type=found["media_type"],
    )
    response["Content-Disposition"] = content_disposition_header(True, found["name"])
    response["Content-Length"] = str(found["size"])
    response["X-Content-Type-Options"] = "nosniff"
    return response


@require_POST
@citizen_required
@hers_alone
@within_reach
def confirm(request: HttpRequest, letter_id: UUID) -> HttpResponseBase:
    """She confirms to the sender that she has got the letter."""
    handling.confirm(viewer_of(request), letter_id)
    messages.success(request, gettext("You have confirmed. The sender is told."))
    return _to_letter(letter_id, "")


@require_POST
@citizen_required
@hers_alone
@within_reach
def done(request: HttpRequest, letter_id: UUID) -> HttpResponseBase:
    """She says that it is done or paid, or takes that back."""
    if request.POST.get("undo"):
        handling.take_back(viewer_of(request), letter_id)
        messages.success(request, gettext("The letter waits for you again."))
    else:
        handling.mark_done(viewer_of(request), letter_id)
        messages.success(request, gettext("The letter is marked as done."))
    return _to_letter(letter_id, "")


@require_http_methods(["GET", "HEAD", "POST"])
@citizen_required
@hers_alone
@within_reach
def act(request: HttpRequest, letter_id: UUID) -> HttpResponseBase:
    """Say what the sender would do for her and where, and have it done when she says yes.

    To ask is to read it at the source: that is for the recipient, or who stands in for her by law.
    """
    viewer = viewer_of(request)
    page = page_of(readable_letter(viewer, letter_id), viewer)
    asked = acts.asked_of(viewer.citizen_id, page.row.id)
    wanted = (request.POST if request.method == "POST" else request.GET).get("do", "")
    line = next((each for each in replying.act_lines(page, asked) if each["id"] == wanted), None)
    if line is None or not viewer.stands_in or not has_opened(page):
        return _to_letter(page.row.id, "")
    if request.method != "POST":
        back = reverse("letter", args=[page.row.id])
        return render(request, "web/act.html", {"line": line, "letter": page.row, "back": back})
    try:
        if handling.act(viewer, page.row.id, wanted, request.POST.get("agreed", "")):
            messages.success(request, gettext("We are asking the sender to do it."))
        else:
            messages.info(request, gettext("You have asked for this already. It is done once."))
    except KeyError:
        messages.error(request, gettext("Nothing was done: the sender offers something else."))
    return _to_letter(page.row.id, "")


@require_GET
@citizen_required
@hers_alone
@within_reach
def leave(request: HttpRequest, letter_id: UUID) -> HttpResponseBase:
    """Say where a link out of the letter leads before she follows it."""
    viewer = viewer_of(request)
    page = page_of(readable_letter(viewer, letter_id), viewer)
    wanted = request.GET.get("to", "")
    link = next((each for each in replying.links_out(page) if each["key"] == wanted), None)
    if link is None:
        return _to_letter(letter_id, "")
    url = link["url"]
    if link["takes_return"]:
        back = request.build_absolute_uri(reverse("letter", args=[letter_id]))
        url += ("&" if "?" in url else "?") + urlencode({"return_to": back})
    context = {
        "link": link,
        "target": url,
        "back": reverse("letter", args=[letter_id]),
        "back_words": gettext("Back to the letter"),
    }
    return render(request, "web/leave.html", context)


@require_safe
@citizen_required
def sent(request: HttpRequest) -> HttpResponseBase:
    """List her drafts, and what she has sent, newest first."""
    viewer = viewer_of(request)
    hers = Letter.objects.visible_to(viewer)
    own = Reply.objects.filter(citizen_id=viewer.citizen_id).order_by("-updated_at", "-id")
    after = place_of(own, request.GET.get("after", ""))
    gone = own.exclude(state=Reply.State.DRAFT)
    if after is not None:
        gone = gone.filter(updated_at__lte=after.updated_at).exclude(
            updated_at=after.updated_at, id__gte=after.id
        )
    found = list(gone[: PAGE_SIZE + 1])
    drafts = (
        []
        if after or not viewer.may_answer
        else list(own.filter(state=Reply.State.DRAFT)[:PAGE_SIZE])
    )
    wanted = {reply.letter_id for reply in (*drafts, *found)}
    rows = {letter.id: row_of(letter, viewer) for letter in hers.filter(id__in=wanted)}
    calendar = Calendar(clock.now(), get_language())
    lines = {
        name: [
            replying.sent_line(reply, rows[reply.letter_id], calendar)
            for reply in some
            if reply.letter_id in rows
        ]
        for name, some in (("drafts", drafts), ("sent", found[:PAGE_SIZE]))
    }
    more = f"?after={found[PAGE_SIZE - 1].id}" if len(found) > PAGE_SIZE else ""
    return render(request, "web/sent.html", {**lines, "more": more})


def _choose(request: HttpRequest, letter_id: UUID, form: str, choice: str) -> HttpResponseBase:
    replies.choose(viewer_of(request), letter_id, form, choice)
    messages.success(request, gettext("We are sending your answer."))
    return _to_letter(letter_id, "#thread-title")


def _discard(request: HttpRequest, letter_id: UUID, form: str) -> HttpResponseBase:
    replies.discard(viewer_of(request), letter_id, form)
    messages.success(request, gettext("The draft is discarded."), extra_tags="reply")
    return _to_letter(letter_id, "#reply-said")


def _edit(request: HttpRequest, letter_id: UUID, reply_id: str) -> HttpResponseBase:
    try:
        replies.edit_again(viewer_of(request), letter_id, UUID(reply_id))
    except (Reply.DoesNotExist, ValueError):
        raise CannotReply("no_draft") from None
    return _to_letter(letter_id)


def _send(request: HttpRequest, letter_id: UUID, form: str) -> HttpResponseBase:
    try:
        reply_id = UUID(request.POST.get("id", ""))
    except ValueError:
        raise CannotReply("no_draft") from None
    made = replies.send_draft(viewer_of(request), letter_id, form, reply_id)
    if made.state == Reply.State.DONE:
        messages.info(request, gettext("The answer has been sent already. It is sent once."))
    else:
        messages.success(request, gettext("We are sending your answer."))
    return _to_letter(letter_id, "#thread-title")


def _save(
    request: HttpRequest, letter_id: UUID, form: str, doing: str, named: str
) -> HttpResponseBase:
    viewer = viewer_of(request)
    version = request.POST.get("version", "")
    number = int(version) if version.isascii() and version.isdigit() and len(version) < 9 else 0
    text, tab = request.POST.get("text", ""), request.POST.get("tab", "")
    draft = replies.save_draft(viewer, letter_id, Written(form, text, number, tab))
    htmx: Any = request.htmx  # type: ignore[attr-defined]
    if htmx:
        calendar = Calendar(clock.now(), get_language())
        made = replying.draft_context(letter_id, {"code": form}, draft, 0, calendar)
        response = render(request, "web/_saved.html", {"form": made})
        patch_vary_headers(response, ["HX-Request"])
        return response
    for upload in request.FILES.getlist("files"):
        replies.attach(viewer, letter_id, form, upload.name or "", upload.chunks())
    if doing == "remove":
        replies.detach(viewer, letter_id, form, named)
    if doing == "preview":
        address = f"{reverse('letter_reply', args=[letter_id])}?{urlencode({'form': form})}"
        response = redirect(address)
    else:
        messages.success(request, gettext("The draft is saved."), extra_tags="reply")
        response = _to_letter(letter_id, "#reply-said")
    kept.forget(request, response)
    return response


def _look_over(request: HttpRequest, letter_id: UUID) -> HttpResponseBase:
    viewer = viewer_of(request)
    letter = readable_letter(viewer, letter_id)
    code = request.GET.get("form", "")
    form = next((each for each in letter.reply_forms if each["code"] == code), None)
    own = replies.replies_to(letter_id, viewer.citizen_id)
    draft = next((each for each in own if each.form == code and each.state == "draft"), None)
    if form is None or draft is None:
        return _to_letter(letter_id)
    calendar = Calendar(clock.now(), get_language())
    context = {
        "letter": row_of(letter, viewer),
        "form": replying.draft_context(letter_id, form, draft, 0, calendar),
        "ready": bool(draft.text.strip()) and len(draft.text) <= form["text_max"],
        "problem": ""
        if len(draft.text) <= form["text_max"]
        else replying.why_not(CannotReply("too_long", form["text_max"])),
    }
    return render(request, "web/reply_preview.html", context)


def _show_conflict(request: HttpRequest, letter_id: UUID, stored: Reply) -> HttpResponseBase:
    """Show both texts; which one stays is for her to say."""
    htmx: Any = request.htmx  # type: ignore[attr-defined]
    context = {
        "letter_id": letter_id,
        "form": request.POST.get("form", ""),
        "text": request.POST.get("text", ""),
        "other": stored.text,
        "version": stored.version,
        "tab": request.POST.get("tab", ""),
    }
    if htmx:
        response = render(request, "web/_saved.html", {"conflict": True, "form": context})
        patch_vary_headers(response, ["HX-Request"])
        return response
    return render(request, "web/reply_conflict.html", context, status=409)


def _to_letter(letter_id: UUID, part: str = "#reply") -> HttpResponse:
    return redirect(reverse("letter", args=[letter_id]) + part)
