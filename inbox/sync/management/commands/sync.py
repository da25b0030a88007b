"""Fetch every mailbox and shared queue once, in the foreground."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from inbox.sync import engine
from inbox.sync.models import Mailbox, Source


class Command(BaseCommand):
    """`manage.py sync`: for a first fetch without a worker, and for looking at one by hand."""

    help = __doc__ or ""

    def handle(self, *args: Any, **options: Any) -> None:
        """Fetch all and say how each went."""
        for slug in Source.objects.filter(active=True, shared_queue=True).values_list(
            "slug", flat=True
        ):
            self.stdout.write(f"{slug}: {engine.sync_source(slug)} new")
        mailboxes = Mailbox.objects.filter(active=True, source__shared_queue=False)
        for citizen_id, mailbox_id, source in mailboxes.values_list(
            "citizen_id", "id", "source_id"
        ):
            new = engine.sync_mailbox(citizen_id, mailbox_id, waits_its_turn=False)
            self.stdout.write(f"{source} of {citizen_id}: {new} new")
