"""Bringing letters in from a copy that was taken out before."""

from __future__ import annotations

from typing import Any, BinaryIO, cast
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext, ngettext
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods, require_POST

from inbox.archive.bag.reading import BadBag
from inbox.citizens.models import SecurityLevel
from inbox.citizens.viewer import Viewer
from inbox.letters import bring_in, imports, tasks
from inbox.letters.bring_in import NotEmpty
from inbox.letters.imports import InHand
from inbox.letters.models import Import
from inbox.sync.wake import wake
from inbox.web.letter_words import size_of
from inbox.web.sessions import citizen_required, herself_required, viewer_of
from inbox.web.uploading import Most, bound, passed_over


@csrf_exempt
def page(request: HttpRequest) -> HttpResponseBase:
    """Say how far a copy that she has brought is; posted, let one be taken in.

    The file is bounded before anything is read, the token among it: it is looked at inside.
    """
    most = settings.IMPORT_ZIP_MAX_BYTES
    bound(request, Most(1, most, most))
    return _page(request)


@csrf_protect
@require_http_methods(["GET", "HEAD", "POST"])
@citizen_required
@herself_required
def _page(request: HttpRequest) -> HttpResponseBase:
    viewer = viewer_of(request)
    problem = ""
    if request.method == "POST":
        if viewer.level != SecurityLevel.HIGH:
            return redirect(f"{reverse('step_up')}?{urlencode({'next': reverse('import')})}")
        problem = _ask(request, viewer)
        if not problem:
            wake(tasks.take_imports)
            return redirect("import")
    context = {
        "problem": problem,
        "is_empty": bring_in.is_empty(viewer),
        "is_high": viewer.level == SecurityLevel.HIGH,
        "most": size_of(settings.IMPORT_ZIP_MAX_BYTES),
        **_state(imports.find(viewer.citizen_id)),
    }
    htmx: Any = getattr(request, "htmx", None)
    return render(request, "web/_import_state.html" if htmx else "web/import.html", context)


@require_POST
@citizen_required
@herself_required
def cancel(request: HttpRequest) -> HttpResponseBase:
    """Cancel what is being taken in."""
    if imports.cancel(viewer_of(request).citizen_id):
        messages.success(request, gettext("It is cancelled, and the file is deleted here."))
    return redirect("import")


def _ask(request: HttpRequest, viewer: Viewer) -> str:
    """Let the file be taken in; return why it is not."""
    if passed_over(request):
        return _why("too_large")
    upload: Any = request.FILES.get("copy")
    if upload is None:
        return gettext("Choose the zip file of the copy.")
    try:
        imports.ask(viewer, cast(BinaryIO, upload.file))
    except InHand:
        pass  # Another tab was faster: the page says how far that is.
    except NotEmpty:
        return _why("not_empty")
    except BadBag as error:
        return _why(error.code, error.name)
    return ""


def _state(brought: Import | None) -> dict[str, Any]:
    if brought is None:
        return {"brought": None}
    said = ngettext("{n} letter is here now.", "{n} letters are here now.", brought.total)
    return {
        "brought": brought,
        "is_open": brought.state in imports.OPEN,
        "said": said.format(n=brought.total) if brought.state == Import.State.DONE else "",
        "refused": _why(brought.problem, brought.problem_name) if brought.problem else "",
    }


def _why(code: str, name: str = "") -> str:
    words = {
        "no_zip": gettext("The file is not a zip file, or it is broken."),
        "no_bag": gettext("The zip file is not a copy from Samlepost."),
        "no_letters": gettext("There are no letters in the copy."),
        "too_large": gettext("The copy is too large to be brought in here. Write to us."),
        "too_many": gettext("The copy is too large to be brought in here. Write to us."),
        "twice": gettext("The zip file has the same file twice: {name}"),
        "bad_name": gettext("The zip file has a file with a name that is not allowed: {name}"),
        "locked": gettext("The zip file is locked with a password: {name}"),
        "bomb": gettext("A file in the zip file would become far too large: {name}"),
        "damaged": gettext("The copy is damaged, or has been changed: {name}"),
        "missing": gettext("A file is missing from the copy: {name}"),
        "not_empty": gettext("You have letters here already. A copy is taken into an empty inbox."),
        "broken": gettext("Something went wrong here, several times. We have been told."),
        "bad_letter": gettext("A letter in the copy cannot be read: {name}"),
    }
    return " ".join([gettext("Nothing was taken in."), words[code].format(name=name)])
