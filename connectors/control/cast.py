"""Who there is in the made-up world, as Samlepost's own seeding asks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from connectors.world.family import RELATIONS
from connectors.world.model import Channel
from connectors.world.persons import AGENCIES, PERSONS

OWN_SERVICE = {"nav": Channel.NAV_NO.value}
"""Agencies with a source whose settings name nobody: it can be nobody else's."""


def persons() -> list[dict[str, Any]]:
    """Return every person as JSON, identity number included; for Samlepost's own seeding."""
    fields = ("slug", "name", "story", "national_id", "email", "mailbox_address", "language")
    return [
        {name: getattr(person, name) for name in fields}
        | {
            "is_operator": person.is_operator,
            "is_at_work": person.is_at_work,
            "mailbox_supplier": person.mailbox_supplier.value,
        }
        for person in PERSONS
    ]


def relations() -> list[dict[str, Any]]:
    """Return who stands in for whom, as the population register would tell Samlepost."""
    return [
        {
            "key": relation.key,
            "kind": relation.kind,
            "principal": relation.principal.national_id,
            "helper": relation.helper.national_id,
        }
        | {
            name: day.isoformat() if (day := getattr(relation, name)) else None
            for name in ("since", "until", "born", "died")
        }
        for relation in RELATIONS
    ]


def agencies(sources: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the agencies that use the portal: who works there, which of `sources` are theirs."""
    return [
        {
            "org_number": body.org_number,
            "name": body.name,
            "employees": [each.national_id for each in PERSONS if each.works_at == body.slug],
            "sources": [
                said["slug"]
                for said in sources
                if said["settings"].get("org_number") == body.org_number
                or said["slug"] == OWN_SERVICE.get(body.slug)
            ],
        }
        for body in AGENCIES
        if any(each.works_at == body.slug for each in PERSONS)
    ]
