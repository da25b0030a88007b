"""Her own folders: the page where she makes, renames and deletes them."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST

from inbox.letters import folders
from inbox.letters.folders import COLORS, FOLDERS_MAX
from inbox.letters.models import Folder
from inbox.letters.naming import NAME_MAX, NotDone, Refused
from inbox.web.sessions import citizen_required, herself_required, viewer_of
from inbox.web.views.inbox import folders_of


@require_http_methods(["GET", "HEAD", "POST"])
@citizen_required
@herself_required
def page(request: HttpRequest) -> HttpResponseBase:
    """List her folders, and make a new one."""
    wrong, name = "", request.POST.get("name", "")
    if request.method == "POST":
        try:
            folders.create(viewer_of(request), name, request.POST.get("color", ""))
            messages.success(request, gettext("The folder is made."))
            return redirect("folders")
        except NotDone as error:
            wrong = _why(error)
    return render(request, "web/folders.html", _context(request) | {"wrong": wrong, "name": name})


@require_POST
@citizen_required
@herself_required
def change(request: HttpRequest, folder_id: UUID) -> HttpResponseBase:
    """Give a folder another name or colour."""
    viewer, name = viewer_of(request), request.POST.get("name", "")
    try:
        folders.change(viewer, folder_id, name, request.POST.get("color", ""))
    except Folder.DoesNotExist:
        raise Http404 from None
    except NotDone as error:
        tried = {"wrong_id": str(folder_id), "wrong": _why(error), "tried": name}
        return render(request, "web/folders.html", _context(request) | tried)
    messages.success(request, gettext("The folder is changed."))
    return redirect("folders")


@require_http_methods(["GET", "HEAD", "POST"])
@citizen_required
@herself_required
def delete(request: HttpRequest, folder_id: UUID) -> HttpResponseBase:
    """Ask whether a folder is to be deleted, and on her word do it."""
    found = folders_of(request).get(str(folder_id))
    if found is None:
        raise Http404
    if request.method != "POST":
        context = {"folder_id": folder_id, "name": found[0]}
        return render(request, "web/folder_delete.html", context)
    try:
        folders.delete(viewer_of(request), folder_id)
    except Folder.DoesNotExist:
        raise Http404 from None
    messages.success(request, gettext("The folder is deleted. Its letters are where they were."))
    return redirect("folders")


def _context(request: HttpRequest) -> dict[str, object]:
    names = {
        "neutral": gettext("Grey"),
        "accent": gettext("Blue"),
        "brand1": gettext("Red"),
        "brand2": gettext("Sand"),
        "brand3": gettext("Turquoise"),
        "success": gettext("Green"),
        "warning": gettext("Yellow"),
    }
    return {
        "folders": [(key, *said) for key, said in folders_of(request).items()],
        "colors": [(color, names[color]) for color in COLORS],
        "name_max": NAME_MAX,
    }


def _why(error: NotDone) -> str:
    said = {
        Refused.NO_NAME: gettext("Give the folder a name."),
        Refused.TOO_LONG: gettext("The name can have no more than {most} characters."),
        Refused.TAKEN: gettext("You have a folder of that name already."),
        Refused.TOO_MANY: gettext("You can have no more than {folders} folders."),
    }[error.reason]
    return said.format(most=NAME_MAX, folders=FOLDERS_MAX)
