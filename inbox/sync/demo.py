"""The demo's citizens, sources and mailboxes, as the simulators' control API names them."""

from __future__ import annotations

from datetime import date
from typing import Any

import httpx
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from connectors import clock
from inbox.citizens import register
from inbox.citizens.identity import find_citizen, identify
from inbox.citizens.models import Citizen, Identifier, InboxState
from inbox.sync import contacts, parties
from inbox.sync.models import Mailbox, Source
from inbox.sync.sources import forget_labels

TIMEOUT_SECONDS = 30.0


def configure(control_url: str, transport: httpx.BaseTransport | None = None) -> tuple[int, int]:
    """Make what the control API at `control_url` names; returns (new citizens, new sources).

    What is there already is left as it is, but for a source's settings. Raises httpx.HTTPError.
    """
    with httpx.Client(
        base_url=control_url, transport=transport, timeout=TIMEOUT_SECONDS, trust_env=False
    ) as client:
        persons = client.get("persons").raise_for_status().json()
        relations = client.get("relations").raise_for_status().json()
        sources = client.get("sources").raise_for_status().json()
    with transaction.atomic():
        new_sources = sum(_source(said) for said in sources)
        suppliers = {said["slug"]: said["settings"].get("supplier_org_number") for said in sources}
        new_citizens = sum(_citizen(said, suppliers) for said in persons)
        for said in persons:
            if not said["is_at_work"]:
                _mailboxes(said, sources)
        for said in relations:
            _relation(said)
    forget_labels()
    return new_citizens, new_sources


def _source(said: dict[str, Any]) -> bool:
    shared = _is_shared(said)
    _, new = Source.objects.update_or_create(
        slug=said["slug"],
        defaults={
            "label": said["label"],
            "connector": said["connector"],
            "settings": said["settings"],
            "shared_queue": shared,
        },
        create_defaults={
            "label": said["label"],
            "connector": said["connector"],
            "settings": said["settings"],
            "shared_queue": shared,
            "due_at": timezone.now() if shared else None,
        },
    )
    return new


def _is_shared(said: dict[str, Any]) -> bool:
    """Whether one queue holds everybody's letters: each mailbox supplier's, and what says so."""
    by_address = said["recipient_kind"] == Identifier.Kind.MAILBOX_ADDRESS
    return bool(said.get("shared_queue", by_address))


def _citizen(said: dict[str, Any], suppliers: dict[str, str | None]) -> bool:
    if find_citizen(Identifier.Kind.NATIONAL_ID, said["national_id"]):
        return False
    citizen = Citizen(
        name=said["name"],
        email=said["email"],
        language=said["language"] if said["language"] in dict(settings.LANGUAGES) else "nb",
        is_staff=said["is_operator"],
    )
    citizen.set_unusable_password()
    citizen.save()
    identify(citizen, Identifier.Kind.NATIONAL_ID, said["national_id"])
    if said["mailbox_address"]:
        supplier = suppliers.get(said["mailbox_supplier"]) or ""
        identify(citizen, Identifier.Kind.MAILBOX_ADDRESS, said["mailbox_address"], supplier)
    InboxState.objects.create(citizen=citizen)
    contacts.ask(citizen.pk)
    return True


def _relation(said: dict[str, Any]) -> None:
    """Record what the register says of two who both have an inbox here."""
    principal, helper = (
        find_citizen(Identifier.Kind.NATIONAL_ID, said[name]) for name in ("principal", "helper")
    )
    if principal is None or helper is None:
        return
    since, until, born = (
        date.fromisoformat(said[name]) if said[name] else None
        for name in ("since", "until", "born")
    )
    if said["died"]:
        register.death(principal)
    if said["kind"] == "parent" and born:
        register.parent(principal, helper, said["key"], born)
    elif said["kind"] == "guardian" and since:
        register.guardian(principal, helper, said["key"], since, until)
    elif said["kind"] == "estate" and since:
        register.estate(principal, helper, said["key"], since)


def _mailboxes(said: dict[str, Any], sources: list[dict[str, Any]]) -> None:
    citizen = find_citizen(Identifier.Kind.NATIONAL_ID, said["national_id"])
    if citizen is None:
        return
    is_new = False
    for source in sources:
        shared = _is_shared(source)
        by_address = source["recipient_kind"] == Identifier.Kind.MAILBOX_ADDRESS
        if by_address and source["slug"] != said["mailbox_supplier"]:
            continue  # a citizen has one mailbox supplier
        _, new = Mailbox.objects.get_or_create(
            citizen=citizen,
            source_id=source["slug"],
            defaults={
                "connected_at": clock.now(),
                "due_at": None if shared else timezone.now(),
            },
        )
        is_new |= new
    if is_new:
        parties.ask(citizen.pk)
