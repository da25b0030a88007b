"""Searching the letters."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext, ngettext
from django.views.decorators.http import require_safe
from django_htmx.http import push_url

from inbox.citizens.models import InboxState
from inbox.letters.models import Letter
from inbox.letters.naming import NAME_MAX
from inbox.sync.freshness import labels
from inbox.web import event_words
from inbox.web.searching import PAGE_HITS, Found, Search, find, read_search, saved_links
from inbox.web.sender_names import by_name
from inbox.web.sessions import citizen_required, viewer_of
from inbox.web.views.inbox import folders_of

PAGES_MAX = 10


@require_safe
@citizen_required
def page(request: HttpRequest) -> HttpResponseBase:
    """Show the form and what it finds; to htmx the hits alone."""
    asked = read_search(request.GET)
    htmx: Any = request.htmx  # type: ignore[attr-defined]
    if htmx and htmx.target == "results":
        context = _results(request, asked) | {"announced": True}
        response = push_url(render(request, "web/_hits.html", context), asked.address())
    else:
        context = _results(request, asked) | _choices(request)
        context["saved"] = saved_links(viewer_of(request))
        response = render(request, "web/search.html", context)
    patch_vary_headers(response, ["HX-Request", "HX-Target"])
    return response


def _results(request: HttpRequest, asked: Search) -> dict[str, Any]:
    context: dict[str, Any] = {"search": asked, "problem": asked.problem, "name_max": NAME_MAX}
    if asked.problem or asked.is_empty:
        return context
    given = request.GET.get("page", "")
    number = int(given) if given.isascii() and given.isdecimal() and len(given) < 4 else 1
    number = min(max(number, 1), PAGES_MAX)
    found = find(viewer_of(request), asked, number, labels(), folders_of(request))
    return context | {
        "found": found,
        "first": (number - 1) * PAGE_HITS + 1,
        "said": _said(asked, found),
    }


def _said(asked: Search, found: Found) -> str:
    """Return "7 hits for “bostøtte”", or why there are none."""
    if not found.total:
        if asked.place == "inbox":
            return gettext("No hits. Try fewer filters, or search the archive too.")
        return gettext("No hits. Try fewer filters.")
    if found.more_than_total:
        number = gettext("More than {n} hits").format(n=found.total)
    else:
        number = ngettext("{n} hit", "{n} hits", found.total).format(n=found.total)
    if not asked.q:
        return number
    return gettext("{hits} for “{text}”").format(hits=number, text=found.meant or asked.q)


def _choices(request: HttpRequest) -> dict[str, Any]:
    state = getattr(request.user, "inbox_state", None)
    senders = state.senders if isinstance(state, InboxState) else {}
    if not viewer_of(request).is_herself:
        senders = {}
    kinds = {
        Letter.Kind.LETTER: gettext("Letter"),
        Letter.Kind.DECISION: gettext("Decision"),
        Letter.Kind.TASK: gettext("Task"),
        Letter.Kind.NOTICE: gettext("Notice"),
        Letter.Kind.INVOICE: gettext("Invoice"),
    }
    folders = sorted((key, name) for key, (name, _) in folders_of(request).items())
    return {
        "choices": {
            "sender": [("", gettext("All senders")), *by_name(senders)],
            "source": [("", gettext("All sources")), *sorted(labels().items())],
            "kind": [("", gettext("All kinds")), *kinds.items()],
            "event": [("", gettext("All life events")), *event_words.choices()],
            "folder": [("", gettext("All folders")), *folders],
            "status": [
                ("", gettext("All")),
                ("unread", gettext("Unread")),
                ("action", gettext("Needs action")),
                ("handled", gettext("Done")),
                ("deadline", gettext("Has deadline")),
            ],
            "place": [
                ("both", gettext("Inbox and archive")),
                ("inbox", gettext("Inbox")),
                ("filed", gettext("Archive")),
                ("bin", gettext("Bin")),
            ],
        }
    }
