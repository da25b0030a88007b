"""The portal as a source: what agencies send from it, and where citizens' answers to that go."""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from django.db import transaction

from connectors.contract import (
    Account,
    Batch,
    Connector,
    Gone,
    OutgoingReceipt,
    OutgoingReply,
    ReceiptKind,
    Scope,
)
from inbox.agencies.letters import form_of
from inbox.agencies.models import Answer, Outgoing
from inbox.archive import store
from inbox.letters.uploads import EXTENSIONS

NAME = "portal"


class PortalConnector(Connector):
    """Needs no wire: letters are taken in as they are sent (`sending.py`)."""

    label = "Samlepost"
    scope = Scope.SHARED_QUEUE
    required_settings = ("org_number",)
    receipts = frozenset({ReceiptKind.DELIVERED, ReceiptKind.OPENED, ReceiptKind.CONFIRMED})

    def fetch(self, account: Account | None, cursor: str | None) -> Iterator[Batch]:
        """Yield nothing: there is no queue but our own."""
        return iter(())

    def send_receipt(self, account: Account | None, receipt: OutgoingReceipt) -> None:
        """Do nothing: the agency sees in the portal what is written down here."""

    def reply(self, account: Account, reply: OutgoingReply) -> str:
        """Give the agency her answer; repeated, it is there once. Raises Gone."""
        answer_id = UUID(reply.idempotency_key)
        letter = (
            Outgoing.objects.select_related("dispatch")
            .filter(id=reply.reference, agency__org_number=self.settings["org_number"])
            .first()
        )
        if letter is None:
            raise Gone("the agency has no such letter")
        form = form_of(letter.dispatch.form)
        labels = {each.code: each.label for each in form.choices} if form else {}
        files = [
            {
                "name": each.name,
                "media_type": each.media_type,
                "size": len(each.content),
                "path": f"files/{number:04d}.{EXTENSIONS.get(each.media_type, 'bin')}",
            }
            for number, each in enumerate(reply.attachments, 1)
        ]
        contents = [each.content for each in reply.attachments]
        if files:
            store.put(
                letter.agency_id,
                answer_id,
                {str(said["path"]): part for said, part in zip(files, contents, strict=True)},
                note="files of an answer",
                media_types={str(said["path"]): str(said["media_type"]) for said in files},
            )
        with transaction.atomic():
            Answer.objects.get_or_create(
                id=answer_id,
                defaults={
                    "outgoing": letter,
                    "at": reply.at,
                    "choice": labels.get(reply.choice, reply.choice),
                    "text": reply.text,
                    "files": files,
                },
            )
            Outgoing.objects.filter(id=letter.id).update(answered_at=reply.at)
        return str(answer_id)
