"""What an inbox amounts to for a helper who sees a part of it.

`InboxState` counts all of the citizen's letters and would tell of those that a helper must not
know of. Her own is counted from the newest rows within her scopes, however many there are
besides: the cost is bounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

from inbox.citizens.models import InboxState
from inbox.citizens.viewer import Viewer
from inbox.letters.counters import add
from inbox.letters.models import Letter

COUNTED_MAX = 500
COUNTED_FIELDS = (
    *("citizen_id", "sender_id", "sender_name", "place", "unread", "updated", "needs_action"),
    *("handled_at", "revealed", "received_at"),
)


@dataclass(frozen=True, slots=True)
class Part:
    """The state of a part of an inbox; `whole` is False where not everything was counted."""

    state: InboxState
    whole: bool


def state_within(viewer: Viewer) -> Part:
    """Count the viewer's letters, in one query. The state is never saved.

    Its version changes with what is counted, not with anything beside it.
    """
    letters = list(
        Letter.objects.visible_to(viewer)
        .newest_first()
        .only("id", *COUNTED_FIELDS)[: COUNTED_MAX + 1]
    )
    shown = [[letter.id, *(getattr(letter, name) for name in COUNTED_FIELDS)] for letter in letters]
    state = InboxState(citizen_id=viewer.citizen_id, version=crc32(repr(shown).encode()))
    add(state, letters[:COUNTED_MAX])
    return Part(state, whole=len(letters) <= COUNTED_MAX)
