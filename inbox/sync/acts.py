"""What she has done at a sender's by pressing a button of the letter's: asked for once.

The row is an OutboundReceipt of kind ACTED; which action it is stands in `occurrence`. Of what may
have been done already, nothing is ever repeated by itself.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from connectors import clock, discovery
from connectors.contract import (
    ActRefused,
    Connector,
    ConnectorError,
    Gone,
    NotPermitted,
    OutgoingAct,
    ReceiptKind,
    Uncertain,
)
from inbox.citizens.viewer import Viewer
from inbox.letters import join
from inbox.letters.handle import readable_letter
from inbox.letters.models import Delivery, Event, Letter
from inbox.letters.receive import clean
from inbox.sync import lease
from inbox.sync.models import OutboundReceipt, Source
from inbox.sync.sources import account_of

log = logging.getLogger("samlepost.sync.acts")

ATTEMPTS_MAX = 5


@dataclass(frozen=True, slots=True)
class Asked:
    """Where something that she asked for stands."""

    state: str
    """waiting, done or failed."""
    problem: str
    """Of what failed: "changed", "host", "refused", "gone", "uncertain" or "unreached"."""
    said: str
    """The host's own words, where it has any."""


def of_letter(letter: Letter) -> list[dict[str, Any]]:
    """Return the letter's actions that are no links."""
    return [each for each in letter.actions if each.get("method", "GET") != "GET"]


def asked_of(citizen_id: UUID, letter_id: UUID) -> dict[str, Asked]:
    """Return where what she has asked for on a letter stands, by the action's id (1 query)."""
    found = OutboundReceipt.objects.filter(
        citizen_id=citizen_id, delivery__letter_id=letter_id, kind=ReceiptKind.ACTED
    )
    asked = {}
    for row in found:
        problem, _, said = row.last_error.partition(" ") if row.state == "failed" else ("", "", "")
        asked[row.occurrence] = Asked(row.state, problem, said)
    return asked


def ask(viewer: Viewer, letter_id: UUID, action_id: str, agreed: str) -> bool:
    """Have an action of a letter done; False when it is, or is being, done already.

    `agreed` is what her page showed. What failed may be asked for again. Raises KeyError when the
    letter has no such action, or another one by now; Letter.DoesNotExist, LevelTooLow, NotOpened.
    """
    letter = readable_letter(viewer, letter_id)
    action = {each["id"]: each for each in of_letter(letter)}[action_id]
    if action["agreed"] != agreed:
        raise KeyError(action_id)
    now = clock.now()
    with transaction.atomic():
        join.lock([letter.citizen_id])
        delivery = _delivery_of(letter)
        own = OutboundReceipt.objects.select_for_update().filter(
            citizen_id=letter.citizen_id,
            delivery_id=delivery.id,
            kind=ReceiptKind.ACTED,
            occurrence=action_id,
        )
        if own.exclude(state="failed").exists():
            return False
        own.delete()
        OutboundReceipt.objects.create(
            citizen_id=letter.citizen_id,
            delivery_id=delivery.id,
            kind=ReceiptKind.ACTED,
            occurrence=action_id,
            detail=agreed,
            asked_by=viewer.asks_as,
            at=now,
            due_at=timezone.now(),
        )
        _note(letter.citizen_id, letter.id, "act_asked", action, delivery, viewer.actor_id)
    return True


def carry_out(connector: Connector, receipt: OutboundReceipt) -> bool:
    """Have done what a claimed receipt of kind ACTED stands for; False when it was not."""
    own = OutboundReceipt.objects.filter(citizen_id=receipt.citizen_id, id=receipt.id)
    delivery = receipt.delivery
    if receipt.attempts > 1 and not receipt.last_error:
        _end(receipt, "uncertain", "")  # a worker died with it: it may have been done
        return False
    own.update(last_error="")
    # She could press the button only in a session of the letter's own level.
    level = delivery.letter.security_level
    act = OutgoingAct(delivery.external_id, UUID(receipt.occurrence), receipt.detail)
    try:
        account = account_of(receipt.citizen_id, level, receipt.asked_by)
        connector.act(account, act)
    except ActRefused as refusal:
        _end(receipt, refusal.code, str(refusal))
    except Uncertain as error:
        log.warning("act %s: %s", receipt.id, error)
        _end(receipt, "uncertain", "")
    except (Gone, NotPermitted):
        _end(receipt, "gone", "")
    except ConnectorError as error:
        log.warning("act %s: %s: %s", receipt.id, type(error).__name__, error)
        changes = lease.after_failure(delivery.source, receipt.attempts, error, ATTEMPTS_MAX)
        if changes["state"] == "failed":
            _end(receipt, "unreached", "")
        else:
            own.update(**changes)
    else:
        _end(receipt, "", "")
        return True
    return False


def _end(receipt: OutboundReceipt, problem: str, said: str) -> None:
    with transaction.atomic():
        join.lock([receipt.citizen_id])
        own = OutboundReceipt.objects.filter(citizen_id=receipt.citizen_id, id=receipt.id)
        changed = own.update(
            state="failed" if problem else "done",
            sent_at=None if problem else timezone.now(),
            lease_until=None,
            last_error=f"{problem} {clean(said)}".strip()[:255],
        )
        if not changed:
            return  # called off together with its letter
        delivery = Delivery.objects.select_related("letter").get(
            citizen_id=receipt.citizen_id, id=receipt.delivery_id
        )
        known = {each["id"]: each for each in of_letter(delivery.letter)}
        action = known.get(receipt.occurrence, {})
        how = {"": "acted", "uncertain": "act_uncertain"}.get(problem, "act_refused")
        _note(receipt.citizen_id, delivery.letter_id, how, action, delivery, None)


def _note(
    citizen_id: UUID,
    letter_id: UUID,
    how: str,
    action: Mapping[str, Any],
    delivery: Delivery,
    actor_id: UUID | None,
) -> None:
    Event.objects.create(
        citizen_id=citizen_id,
        letter_id=letter_id,
        kind=Event.Kind.RECEIPT_SENT,
        at=clock.now(),
        actor_id=actor_id,
        detail={
            "source": delivery.source,
            "receipt": how,
            "what": action.get("label", ""),
            "host": urlsplit(action.get("url", "")).netloc,
        },
    )


def _delivery_of(letter: Letter) -> Delivery:
    """Return the copy whose source does what she asks for. Raises KeyError when none does."""
    deliveries = Delivery.objects.filter(citizen_id=letter.citizen_id, letter_id=letter.id)
    connector_of = dict(
        Source.objects.filter(slug__in=[each.source for each in deliveries]).values_list(
            "slug", "connector"
        )
    )
    found = discovery.find()
    for each in deliveries:
        known = found.get(connector_of.get(each.source, ""))
        if known and known.connector_class and known.connector_class.acts:
            return each
    raise KeyError(letter.id)
