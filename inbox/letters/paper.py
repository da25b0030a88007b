"""Letters whose sender had them printed: found by what the sender calls them, and marked.

Word of a letter on paper names a conversation and its parties, and nobody to whom the letter is: a
name and a postal address are no key. So it is believed of a letter that is here already and was
sent by the very organisation that the word is from, and of no other.
"""

from __future__ import annotations

import copy

from connectors.contract import PaperNotice, PaperStep
from inbox.archive.models import Blob, Package
from inbox.letters import copies, counters, matching
from inbox.letters.change import save_package
from inbox.letters.models import Delivery, DeliveryKey, Event, Letter


def find(notice: PaperNotice) -> Delivery | None:
    """Return the delivery that the notice is about, None where there is none, or several letters.

    Looks among all citizens, by an index of its own (1 query).
    """
    keys = DeliveryKey.objects.select_related("delivery__letter__sender")
    found = {
        row.delivery.id: row.delivery
        for row in keys.filter(key__in=matching.reference_keys(notice.about))
        if _is_sender(notice.org_number, row.delivery)
    }
    letters = {(each.citizen_id, each.letter_id) for each in found.values()}
    # A sender that calls two letters the same has not said which of them it means.
    return min(found.values(), key=lambda each: each.id) if len(letters) == 1 else None


def note(
    notice: PaperNotice, delivery: Delivery, source: str, package: Package, blobs: list[Blob]
) -> bool:
    """Mark the letter and write its event; False for what is known already, or gone.

    `package` and `blobs` are the rows of the archived notice. In a transaction that holds the
    citizen's lock (`join.lock`).
    """
    own = {"citizen_id": delivery.citizen_id}
    fresh = Delivery.objects.filter(**own, id=delivery.id).first()
    if fresh is None:
        return False  # deleted for good meanwhile
    letter = Letter.objects.select_for_update().get(**own, id=fresh.letter_id)
    told = Event.objects.filter(**own, letter_id=letter.id, kind=Event.Kind.ON_PAPER)
    if any(event.detail.get("message") == notice.external_id for event in told):
        return False
    before = copy.copy(letter)
    with copies.editing(letter, fresh) as said:
        if notice.step is PaperStep.RETURNED:
            said.returned_at = said.returned_at or notice.at
        else:
            said.on_paper_at = min(filter(None, (said.on_paper_at, notice.at)))
    letter.save()
    save_package(package, blobs)
    Event.objects.create(
        **own,
        letter_id=letter.id,
        kind=Event.Kind.ON_PAPER,
        at=notice.at,
        detail={"source": source, "step": notice.step.value, "message": notice.external_id},
    )
    if letter.revealed:
        with counters.changing(letter.citizen_id) as state:
            counters.replace(state, before, letter)
    return True


def _is_sender(org_number: str, delivery: Delivery) -> bool:
    """Say whether this organisation wrote the letter, or sent it for who did."""
    if not org_number:
        return False
    return org_number in (
        delivery.letter.sender.org_number,
        delivery.provenance.get("signer_org_number"),
    )
