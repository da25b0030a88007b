"""The demo's e-mail backend: what would leave by SMTP lands in a table that a page shows."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.core.mail import EmailMessage
from django.core.mail.backends.base import BaseEmailBackend

from connectors import clock
from inbox.notifications.models import OutboxEmail


class Notice(EmailMessage):
    """An e-mail that knows which citizen it is for; nothing of that leaves by SMTP."""

    citizen_id: UUID | None = None


class OutboxBackend(BaseEmailBackend):
    """Writes each message as an `OutboxEmail`."""

    def send_messages(self, email_messages: Sequence[EmailMessage]) -> int:
        """Keep the messages; returns how many."""
        rows = [
            OutboxEmail(
                citizen_id=message.citizen_id if isinstance(message, Notice) else None,
                sent_at=clock.now(),
                to=", ".join(message.to)[:255],
                subject=str(message.subject)[:255],
                text=str(message.body),
            )
            for message in email_messages
        ]
        OutboxEmail.objects.bulk_create(rows)
        return len(rows)
