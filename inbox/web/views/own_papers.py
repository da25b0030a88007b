"""Letters of her own: putting one in, and changing what is said about it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.core.files.uploadedfile import UploadedFile
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext, ngettext
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods

from inbox.citizens.models import InboxState
from inbox.letters import own
from inbox.letters.models import Case, Folder, Letter
from inbox.letters.own import Brought, Refused, Said
from inbox.web import own_form
from inbox.web.own_form import Filled
from inbox.web.sessions import citizen_required, herself_required, viewer_of
from inbox.web.uploading import bound, passed_over
from inbox.web.views.inbox import folders_of


@csrf_exempt
def add(request: HttpRequest) -> HttpResponseBase:
    """Put in a letter of her own, from one file or several.

    The files are bounded before anything is read, the token among it: it is looked at inside.
    """
    bound(request)
    return _add(request)


@csrf_protect
@require_http_methods(["GET", "HEAD", "POST"])
@citizen_required
@herself_required
def _add(request: HttpRequest) -> HttpResponseBase:
    if request.method != "POST":
        case = own_form.read(request.GET, viewer_of(request)).case
        return _show(request, Filled(case=case))
    viewer = viewer_of(request)
    filled = own_form.read(request.POST, viewer)
    said, files = own_form.said_of(filled), _files(request, filled)
    if files and not filled.again and "files" not in filled.errors:
        digests = [file.sha256 for file in files]
        own_form.note_known(filled, files, own.already_here(viewer, digests))
    if said is None or filled.errors:
        return _show(request, filled)
    try:
        letters = _keep(request, said, files, filled)
    except Refused as refused:
        own_form.refuse_files(filled, [refused])
        return _show(request, filled)
    except (Case.DoesNotExist, Folder.DoesNotExist):
        raise Http404 from None
    if len(letters) == 1:
        messages.success(request, gettext("The letter lies in your archive."))
        home = f"{reverse('archive')}?source={Letter.OWN}"
        address = reverse("letter", args=[letters[0].id])
        return redirect(f"{address}?{urlencode({'back': home})}")
    done = ngettext(
        "{n} letter lies in your archive.", "{n} letters lie in your archive.", len(letters)
    )
    messages.success(request, done.format(n=len(letters)))
    return redirect(f"{reverse('archive')}?source={Letter.OWN}")


@require_http_methods(["GET", "HEAD", "POST"])
@citizen_required
@herself_required
def correct(request: HttpRequest, paper_id: UUID) -> HttpResponseBase:
    """Change what is said about a letter that she has put in."""
    viewer = viewer_of(request)
    try:
        letter = own.paper_of(viewer, paper_id)
        if request.method != "POST":
            return _show(request, own_form.of_letter(letter), letter)
        filled = own_form.read(request.POST, viewer)
        said = own_form.said_of(filled)
        if said is None:
            return _show(request, filled, letter)
        own.correct(viewer, paper_id, said)
    except (Letter.DoesNotExist, Case.DoesNotExist):
        raise Http404 from None
    messages.success(request, gettext("What is said about the letter is changed."))
    return redirect("letter", paper_id)


def _files(request: HttpRequest, filled: Filled) -> list[Brought]:
    """Return the files, each once; what is wrong with them the form says."""
    refused = passed_over(request)
    if refused:
        own_form.refuse_files(filled, refused)
        return []
    files: dict[str, Brought] = {}
    for upload in request.FILES.getlist("files"):
        try:
            brought = _brought(upload)
            files.setdefault(brought.sha256, brought)
        except Refused as each:
            refused.append(each)
    if not files and not refused:
        refused.append(Refused("none"))
    left = own.room_left(viewer_of(request))
    if sum(file.size for file in files.values()) > left:
        refused.append(Refused("full", left=left))
    own_form.refuse_files(filled, refused)
    return list(files.values())


def _brought(upload: UploadedFile[Any]) -> Brought:
    return own.look_at(upload.name or "", upload.chunks)


def _keep(request: HttpRequest, said: Said, files: list[Brought], filled: Filled) -> list[Letter]:
    viewer, key = viewer_of(request), filled.key or own.new_key()
    if not filled.apart or len(files) == 1:
        title = said.title or files[0].title
        return [own.add(viewer, replace(said, title=title), files, key)]
    return [
        own.add(viewer, replace(said, title=file.title), [file], f"{key}:{number}")
        for number, file in enumerate(files, start=1)
    ]


def _show(request: HttpRequest, filled: Filled, letter: Letter | None = None) -> HttpResponseBase:
    filled.key = own.new_key()
    state = getattr(request.user, "inbox_state", None)
    senders: dict[str, Any] = state.senders if isinstance(state, InboxState) else {}
    context = own_form.choices(viewer_of(request), senders, folders_of(request), filled)
    context |= {"form": filled, "paper": letter}
    if letter is not None:
        context["back"] = reverse("letter", args=[letter.id])
    return render(request, "web/own_paper.html", context)
