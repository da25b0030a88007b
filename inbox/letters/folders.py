"""Her own folders: making, renaming and deleting them. Deleting one leaves its letters alone."""

from __future__ import annotations

from collections import defaultdict
from uuid import UUID

from django.db import transaction

from inbox.citizens.models import InboxState
from inbox.citizens.viewer import Viewer
from inbox.letters import counters
from inbox.letters.models import Folder, Letter
from inbox.letters.naming import NotDone, Refused, named

FOLDERS_MAX = 100
COLORS = ("neutral", "accent", "brand1", "brand2", "brand3", "success", "warning")


def create(viewer: Viewer, name: str, color: str = "") -> Folder:
    """Make a folder. Raises NotDone."""
    with transaction.atomic(), counters.changing(viewer.citizen_id) as state:
        if len(state.folders) >= FOLDERS_MAX:
            raise NotDone(Refused.TOO_MANY)
        folder = Folder(citizen_id=viewer.citizen_id)
        _name(folder, name, color, state)
        folder.save(force_insert=True)
    return folder


def change(viewer: Viewer, folder_id: UUID, name: str, color: str = "") -> Folder:
    """Give a folder another name or colour. Raises NotDone or Folder.DoesNotExist."""
    with transaction.atomic(), counters.changing(viewer.citizen_id) as state:
        folder = Folder.objects.get(citizen_id=viewer.citizen_id, id=folder_id)
        _name(folder, name, color, state)
        folder.save()
    return folder


def delete(viewer: Viewer, folder_id: UUID) -> None:
    """Delete a folder; its letters lie where they lie. Raises Folder.DoesNotExist."""
    own = {"citizen_id": viewer.citizen_id}
    with transaction.atomic():
        folder = Folder.objects.get(**own, id=folder_id)
        letters = Letter.objects.filter(**own, placements__folder_id=folder.id)
        held = letters.select_for_update(of=("self",)).order_by("id")
        alike: dict[tuple[str, ...], list[UUID]] = defaultdict(list)
        for letter_id, folders in held.values_list("id", "folders"):
            alike[tuple(folders)].append(letter_id)
        for folders, ids in alike.items():
            left = [one for one in folders if one != str(folder.id)]
            Letter.objects.filter(**own, id__in=ids).update(folders=left)
        folder.delete()
        with counters.changing(viewer.citizen_id) as state:
            state.folders.pop(str(folder_id), None)


def _name(folder: Folder, name: str, color: str, state: InboxState) -> None:
    """Name the folder, in her state too. Raises NotDone."""
    others = {key: value for key, value in state.folders.items() if key != str(folder.id)}
    folder.name, folder.name_key = named(name, (other[0] for other in others.values()))
    folder.color = color if color in COLORS else folder.color or COLORS[0]
    others[str(folder.id)] = [folder.name, folder.color]
    state.folders = others
