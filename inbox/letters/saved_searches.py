"""Searches that she has named and saved: words and filters as the search page's address has them.

What they find is never kept: opening one searches anew, within what the session may see.
"""

from __future__ import annotations

from uuid import UUID

from django.db import transaction
from django.utils import timezone

from inbox.citizens.models import Citizen
from inbox.citizens.viewer import Viewer
from inbox.letters.models import SavedSearch
from inbox.letters.naming import NotDone, Refused, named

SEARCHES_MAX = 50


def of(viewer: Viewer) -> list[SavedSearch]:
    """Return her saved searches by name; none to who looks at somebody else's mail."""
    if not viewer.is_herself:
        return []
    return list(SavedSearch.objects.filter(citizen_id=viewer.citizen_id).order_by("name_key"))


def save(viewer: Viewer, name: str, query: str) -> SavedSearch:
    """Save a search; `query` is its normalised query string. Raises NotDone."""
    with transaction.atomic():
        others = _held(viewer.citizen_id)
        if len(others) >= SEARCHES_MAX:
            raise NotDone(Refused.TOO_MANY)
        said, key = named(name, others.values())
        return SavedSearch.objects.create(
            citizen_id=viewer.citizen_id,
            name=said,
            name_key=key,
            query=query,
            saved_at=timezone.now(),
        )


def rename(viewer: Viewer, search_id: UUID, name: str) -> None:
    """Give a saved search another name. Raises NotDone or SavedSearch.DoesNotExist."""
    with transaction.atomic():
        others = _held(viewer.citizen_id)
        if others.pop(search_id, None) is None:
            raise SavedSearch.DoesNotExist
        said, key = named(name, others.values())
        own = SavedSearch.objects.filter(citizen_id=viewer.citizen_id, id=search_id)
        own.update(name=said, name_key=key)


def delete(viewer: Viewer, search_id: UUID) -> SavedSearch:
    """Delete a saved search, and return what it was. Raises SavedSearch.DoesNotExist."""
    with transaction.atomic():
        found = SavedSearch.objects.get(citizen_id=viewer.citizen_id, id=search_id)
        found.delete()
    return found


def _held(citizen_id: UUID) -> dict[UUID, str]:
    """Return her names, while nobody else adds one."""
    Citizen.objects.select_for_update().get(pk=citizen_id)
    rows = SavedSearch.objects.filter(citizen_id=citizen_id)
    return dict(rows.values_list("id", "name"))
