"""Senders as a citizen sees them: one for each name.

A source that names its sender without an organisation number makes a sender of its own
(`letters.models.Sender`): to her it is the same one.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence


def by_name(
    senders: Mapping[str, Sequence[object]], only: Collection[str] | None = None
) -> list[tuple[str, str]]:
    """Return (id, name) of her senders, one id for each name, by name.

    `senders` are those of `InboxState`, {id: (name, …)}; `only` are the ids that count, all
    when it is None.
    """
    found: dict[str, str] = {}
    for key, said in senders.items():
        if only is None or key in only:
            found.setdefault(str(said[0]), key)
    return sorted(((key, name) for name, key in found.items()), key=lambda one: one[1].casefold())


def of_same_name(senders: Mapping[str, Sequence[object]], chosen: Collection[str]) -> list[str]:
    """Return the ids of all senders that bear the name of one that was chosen, in order."""
    names = {senders[key][0] for key in chosen if key in senders}
    return sorted(key for key, said in senders.items() if said[0] in names)
