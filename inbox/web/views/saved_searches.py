"""Her saved searches: the page where she opens, renames and deletes them. Hers alone to see."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpRequest, QueryDict
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST

from inbox.letters import saved_searches
from inbox.letters.models import SavedSearch
from inbox.letters.naming import NAME_MAX, NotDone, Refused
from inbox.letters.saved_searches import SEARCHES_MAX
from inbox.web.searching import read_search, saved_links
from inbox.web.sessions import citizen_required, herself_required, viewer_of

DELETED = "deleted_search"
"""In the session: name and query of what she deleted last, so that she can put it back."""


@require_http_methods(["GET", "HEAD", "POST"])
@citizen_required
@herself_required
def page(request: HttpRequest) -> HttpResponseBase:
    """List her saved searches, and save one more."""
    if request.method != "POST":
        return render(request, "web/saved_searches.html", _context(request))
    name = request.POST.get("name", "")
    asked = read_search(QueryDict(request.POST.get("query", "")))
    tried = {"new": asked, "tried": name}
    if asked.is_empty or asked.problem:
        wrong = asked.problem or gettext("Search for something first: there is nothing to save.")
        return render(request, "web/saved_searches.html", _context(request) | {"wrong": wrong})
    try:
        saved_searches.save(viewer_of(request), name, asked.query)
    except NotDone as error:
        said = _context(request) | tried | {"wrong": _why(error)}
        return render(request, "web/saved_searches.html", said)
    if "restore" in request.POST:
        request.session.pop(DELETED, None)
        messages.success(request, gettext("The search is put back."))
        return redirect("saved_searches")
    messages.success(request, gettext("The search is saved."))
    return redirect(asked.address())


@require_POST
@citizen_required
@herself_required
def rename(request: HttpRequest, search_id: UUID) -> HttpResponseBase:
    """Give a saved search another name."""
    name = request.POST.get("name", "")
    try:
        saved_searches.rename(viewer_of(request), search_id, name)
    except SavedSearch.DoesNotExist:
        raise Http404 from None
    except NotDone as error:
        tried = {"wrong_id": str(search_id), "wrong": _why(error), "tried": name}
        return render(request, "web/saved_searches.html", _context(request) | tried)
    messages.success(request, gettext("The search has a new name."))
    return redirect("saved_searches")


@require_POST
@citizen_required
@herself_required
def delete(request: HttpRequest, search_id: UUID) -> HttpResponseBase:
    """Delete a saved search; as long as the session lasts the latest one can be put back."""
    try:
        gone = saved_searches.delete(viewer_of(request), search_id)
    except SavedSearch.DoesNotExist:
        raise Http404 from None
    request.session[DELETED] = {"name": gone.name, "query": gone.query}
    return redirect("saved_searches")


def _context(request: HttpRequest) -> dict[str, object]:
    return {
        "searches": saved_links(viewer_of(request)),
        "deleted": request.session.get(DELETED),
        "name_max": NAME_MAX,
    }


def _why(error: NotDone) -> str:
    said = {
        Refused.NO_NAME: gettext("Give the search a name."),
        Refused.TOO_LONG: gettext("The name can have no more than {most} characters."),
        Refused.TAKEN: gettext("You have a saved search of that name already."),
        Refused.TOO_MANY: gettext(
            "You can have no more than {searches} saved searches. Delete one to save another."
        ),
    }[error.reason]
    return said.format(most=NAME_MAX, searches=SEARCHES_MAX)
