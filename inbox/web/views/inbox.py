"""The inbox: the list of letters, and what is new in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.utils.translation import get_language, gettext, ngettext
from django.views.decorators.http import require_safe
from django_htmx.http import push_url

from inbox.citizens.models import InboxState
from inbox.letters.filing import BIN_LASTS
from inbox.letters.models import Letter
from inbox.sync.freshness import labels
from inbox.web.acting import part_of
from inbox.web.filters import Filter, Position, read_filter, read_position
from inbox.web.listing import Listing, read_list, say_count
from inbox.web.seen import note_search
from inbox.web.sender_names import by_name
from inbox.web.sessions import citizen_required, herself_required, viewer_of
from inbox.web.standing import sources_of


@require_safe
@citizen_required
def page(request: HttpRequest) -> HttpResponseBase:
    """Show the inbox."""
    return _page(request, "")


@require_safe
@citizen_required
def archive(request: HttpRequest) -> HttpResponseBase:
    """Show what she has put away to keep."""
    return _page(request, Letter.Place.FILED)


@require_safe
@citizen_required
@herself_required
def thrown_away(request: HttpRequest) -> HttpResponseBase:
    """Show what she has thrown away, until it is deleted for good."""
    return _page(request, Letter.Place.BIN)


@require_safe
@citizen_required
def changes(request: HttpRequest) -> HttpResponseBase:
    """Tell a page that stands open what is new; one query while there is nothing.

    `v` and `n` are the version that the page shows and how many letters had come by then. With
    `keep` it shows more than the first letters: it is told, but its list is left as it is.
    """
    state = _state_of(request)
    etag = f'"{state.version}-{get_language()}"'
    response: HttpResponse
    if request.headers.get("If-None-Match") == etag:
        response = HttpResponseNotModified()
    elif request.GET.get("v") == str(state.version):
        response = HttpResponse(status=204)
    else:
        response = render(request, "web/_changes.html", _news(request, state))
    response["ETag"] = etag
    return response


def _page(request: HttpRequest, place: str) -> HttpResponseBase:
    """Show a list; to htmx the list alone, or what follows the rows that it has."""
    asked = read_filter(request.GET, place)
    position = read_position(request.GET.get("after", ""))
    htmx: Any = request.htmx  # type: ignore[attr-defined]
    if htmx and htmx.target == "pager" and position:
        response = render(request, "web/_more.html", _more(request, asked, position))
    elif htmx and htmx.target == "results":
        context = _list(request, asked, position) | {"announced": True}
        response = push_url(render(request, "web/_list.html", context), asked.address())
    else:
        response = render(request, "web/inbox.html", _whole(request, asked, position))
    patch_vary_headers(response, ["HX-Request", "HX-Target"])
    return response


def _whole(request: HttpRequest, asked: Filter, position: Position | None) -> dict[str, Any]:
    viewer = viewer_of(request)
    sources = sources_of(request, viewer)
    chosen = next((source for source in sources if source.slug == asked.source), None)
    if asked.is_separate and not chosen:
        title = gettext("Your inboxes")
        return {"asked": Filter(view=asked.view), "title": title}
    shown = [chosen] if asked.is_separate and chosen else sources
    return _list(request, asked, position) | {
        "failing": [source for source in shown if source.problem],
        "title": chosen.label if chosen and asked.is_separate else _title(request, asked),
        "explained": _explained(asked.place),
        "senders": _senders(request, asked),
    }


def _list(request: HttpRequest, asked: Filter, position: Position | None) -> dict[str, Any]:
    viewer = viewer_of(request)
    part = part_of(request, viewer)
    state = part.state
    note_search(request, viewer, asked.q)
    listing = read_list(viewer, asked, position, labels(), folders_of(request))
    return {
        **_bulk(request, asked, position),
        "asked": asked,
        "list": listing,
        "polls": asked.is_whole and not position,
        "seen_version": state.version,
        "seen_letters": state.arrived,
        "counted": _counted(state) if part.whole and asked.is_counted else "",
        "found": _found(asked, listing, position, state, folders_of(request)),
        "empty": "" if listing.shown else _why_empty(asked, position),
    }


def _more(request: HttpRequest, asked: Filter, position: Position) -> dict[str, Any]:
    """What follows; the page goes on from the version that it shows, not from the present one."""
    return {
        "picks": _picks(request),
        "asked": asked,
        "list": read_list(viewer_of(request), asked, position, labels(), folders_of(request)),
        "polls": asked.is_whole,
        "keep": True,
        "seen_version": _number(request.GET.get("v", "")),
        "seen_letters": _number(request.GET.get("n", "")),
    }


def _picks(request: HttpRequest) -> str:
    """Say whether rows have boxes ("some"), and whether they are ticked ("all").

    Who acts for her tidies nothing: no boxes.
    """
    if not viewer_of(request).is_herself:
        return ""
    return "all" if request.GET.get("pick") == "all" else "some"


def _bulk(request: HttpRequest, asked: Filter, position: Position | None) -> dict[str, Any]:
    """Return what the form for several letters shows."""
    places = [
        ("inbox", gettext("Move to the inbox"), "Inbox", ""),
        ("filed", gettext("Move to the archive"), "Archive", "e"),
        ("bin", gettext("Move to the bin"), "Trash", "#"),
    ]
    here = asked.address()
    query = f"after={position.cursor()}&pick=all" if position else "pick=all"
    return {
        "picks": _picks(request),
        "picked": request.GET.get("pick") == "all",
        "pick_address": f"{here}{'&' if '?' in here else '?'}{query}",
        "bulk_actions": [
            *(place for place in places if place[0] != (asked.place or Letter.Place.INBOX)),
            ("read", gettext("Mark as read"), "EnvelopeOpen", ""),
            ("unread", gettext("Mark as unread"), "EnvelopeClosed", "u"),
        ],
    }


def _news(request: HttpRequest, state: InboxState) -> dict[str, Any]:
    seen = request.GET.get("n", "")
    new = state.arrived - _number(seen) if seen else 0
    said = ngettext("You have {n} new letter", "You have {n} new letters", new).format(n=new)
    context: dict[str, Any] = {"said": said if new > 0 else ""}
    if "keep" in request.GET:
        return context | {
            "keep": True,
            "seen_version": state.version,
            "seen_letters": _number(seen),
            "counted": _counted(state) if part_of(request, viewer_of(request)).whole else "",
        }
    return context | _list(request, Filter(), None)


def place_name(place: str) -> str:
    """Return what a place (one of PLACES) is called."""
    if place == Letter.Place.FILED:
        return gettext("Archive")
    return gettext("Bin") if place == Letter.Place.BIN else gettext("Inbox")


def _title(request: HttpRequest, asked: Filter) -> str:
    folder = folders_of(request).get(asked.folder)
    return folder[0] if folder and not asked.place else place_name(asked.place)


def _explained(place: str) -> str:
    """Return what becomes of letters in a place; nothing where it goes without saying."""
    if place == Letter.Place.FILED:
        return gettext("Your archive keeps a letter until you delete it yourself.")
    if place == Letter.Place.BIN:
        return gettext(
            "Letters are deleted for good {days} days after you put them here. "
            "The sender still has its own copy."
        ).format(days=BIN_LASTS.days)
    return ""


def _state_of(request: HttpRequest) -> InboxState:
    return part_of(request, viewer_of(request)).state


def folders_of(request: HttpRequest) -> dict[str, tuple[str, str]]:
    """Return her folders, by name: {id: (name, colour)}; they are hers alone to see."""
    if not viewer_of(request).is_herself:
        return {}
    found: dict[str, tuple[str, str]] = _state_of(request).folders
    return dict(sorted(found.items(), key=lambda item: item[1][0].casefold()))


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 10 else 0


def _senders(request: HttpRequest, asked: Filter) -> list[tuple[str, str]]:
    """Return (id, name) of her senders in this place, by name.

    None in a separate inbox, as those of all would count; in the bin all whom she may look for.
    """
    if asked.is_separate:
        return []
    senders = _state_of(request).senders
    if asked.place == Letter.Place.BIN:
        return by_name(senders)
    number = 2 if asked.place == Letter.Place.FILED else 1
    return by_name(senders, {key for key, said in senders.items() if said[number]})


def _counted(state: InboxState) -> str:
    """Return "4 unread of 27 letters from 9 senders"."""
    if not state.letters:
        return say_count(0)
    number = len({name for name, inbox, _ in state.senders.values() if inbox > 0})
    senders = ngettext("{n} sender", "{n} senders", number).format(n=number)
    counted = ngettext(
        "{unread} unread of {letters} from {senders}",
        "{unread} unread of {letters} from {senders}",
        state.unread,
    )
    return counted.format(unread=state.unread, letters=say_count(state.letters), senders=senders)


def _found(
    asked: Filter,
    listing: Listing,
    position: Position | None,
    state: InboxState,
    folders: Mapping[str, Sequence[str]],
) -> str:
    """Return what is shown and by which filters, with a number where that is known."""
    if not asked.is_narrowed:
        return ""
    whole = not position and not listing.more
    said = [say_count(listing.shown) if whole else gettext("The newest letters first")]
    shown = {
        "unread": gettext("Unread"),
        "action": gettext("Needs action"),
        "deadline": gettext("Has deadline"),
    }
    if asked.show:
        said.append(shown[asked.show])
    if asked.folder:
        name = folders.get(asked.folder, (gettext("another folder"),))[0]
        said.append(gettext("in the folder {folder}").format(folder=name))
    if asked.case:
        said.append(gettext("in one case"))
    if asked.sender:
        name = state.senders.get(asked.sender, [gettext("another sender")])[0]
        said.append(gettext("from {sender}").format(sender=name))
    if asked.source and not asked.is_separate:
        label = labels().get(asked.source, asked.source)
        fetched = gettext("fetched from {source}").format(source=label)
        texts = {
            Letter.OWN: gettext("own papers"),
            Letter.BROUGHT: gettext("brought in from a copy"),
        }
        said.append(texts.get(asked.source, fetched))
    if asked.proof:
        said.append(gettext("Value as documentation"))
    if asked.q:
        said.append(gettext("hits for “{text}”").format(text=asked.q))
    return " · ".join(said)


def _why_empty(asked: Filter, position: Position | None) -> str:
    if position:
        return gettext("There are no more letters.")
    if asked.is_narrowed:
        return gettext("No hits. Try fewer filters.")
    if asked.place == Letter.Place.FILED:
        return gettext("Your archive is empty. Letters that you put away lie here.")
    if asked.place == Letter.Place.BIN:
        return gettext("The bin is empty.")
    return gettext("No letters yet. When someone writes to you, you will see it here.")
