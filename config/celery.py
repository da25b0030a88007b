"""The Celery application and every periodic job, on one screen.

Celery carries wake-ups, never work: what must happen is a row with a state and a `due_at`, and
the jobs below find the rows that are due. The broker may lose everything and nothing is lost.
"""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging
from kombu.transport import TRANSPORT_ALIASES

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

TRANSPORT_ALIASES["filesystem"] = "config.broker:Transport"

app = Celery("samlepost")
app.config_from_object("django.conf:settings", namespace="CELERY")

BEAT = {
    # name: (task, seconds between runs)
    "mailboxes due": ("inbox.sync.tasks.sync_due", 2),
    "letters asked for by citizens": ("inbox.sync.tasks.retrieve_due", 5),
    "letters that soon disappear": ("inbox.sync.tasks.keep_due", 30),
    "answers of citizens": ("inbox.sync.tasks.send_replies", 5),
    "letters to citizens' own mailboxes": ("inbox.sync.tasks.hand_over_due", 5),
    "receipts owed": ("inbox.sync.tasks.send_receipts", 5),
    "where citizens have put letters": ("inbox.sync.tasks.tell_sources", 5),
    "how citizens may be reached": ("inbox.sync.tasks.ask_contact_register", 5),
    "for whom citizens may act": ("inbox.sync.tasks.ask_for_parties", 5),
    "news to agencies": ("inbox.agencies.tasks.send_webhooks", 5),
    "accounts to close": ("inbox.sync.tasks.close_accounts", 60),
    "letters of agencies": ("inbox.agencies.tasks.send_letters", 10),
    "drafts of agencies": ("inbox.agencies.tasks.discard_drafts", 3600),
    "letters put aside": ("inbox.sync.tasks.release_put_aside", 60),
    "notifications due": ("inbox.notifications.tasks.send_due", 3),
    "what has become of agencies' letters": ("inbox.agencies.tasks.collect_due", 10),
    "letters whose day has come": ("inbox.letters.tasks.reveal_due", 5),
    "documents to be read": ("inbox.letters.tasks.read_documents", 2),
    "PDFs of what came as text": ("inbox.letters.tasks.make_access_copies", 5),
    "corrections that broke off": ("inbox.letters.tasks.finish_corrections", 30),
    "copies to be taken in": ("inbox.letters.tasks.take_imports", 5),
    "letters of life events": ("inbox.letters.tasks.propose_for_life_events", 60),
    "copies of letters": ("inbox.web.tasks.make_exports", 5),
    "copies of letters that are over": ("inbox.web.tasks.sweep_exports", 300),
    "letters to delete for good": ("inbox.sync.tasks.empty_bins", 60),
    "access to be erased": ("inbox.citizens.tasks.erase_representations", 300),
    "old keys of what agencies sent": ("inbox.agencies.tasks.forget_submissions", 3600),
    "news of what lies in quarantine": ("inbox.agencies.tasks.tell_of_quarantine", 30),
    "old news to agencies": ("inbox.agencies.tasks.forget_old_webhook_messages", 3600),
    "conformance runs of agencies": ("inbox.agencies.tasks.conformance_due", 30),
    "what is to come into the archive's log": ("inbox.archive.proof.tasks.sequence", 60),
    "the day of the archive's log": ("inbox.archive.proof.tasks.stamp", 600),
    "what the archive's second copy lacks": ("inbox.archive.tasks.copy", 10),
    "what the archive has not read for long": ("inbox.archive.tasks.scan_some", 300),
    "leftovers in the archive": ("inbox.archive.tasks.sweep", 6 * 3600),
}

# Long work of a kind that may wait has a queue and a worker of its own, and holds up no fetching.
ROUTES = {
    "inbox.archive.tasks.scan_some": {"queue": "texts"},
    "inbox.letters.tasks.read_documents": {"queue": "texts"},
    "inbox.letters.tasks.make_access_copies": {"queue": "texts"},
    "inbox.agencies.tasks.run_conformance": {"queue": "texts"},
    "inbox.web.tasks.make_exports": {"queue": "texts"},
    "inbox.letters.tasks.take_imports": {"queue": "texts"},
}

app.conf.update(
    task_routes=ROUTES,
    beat_schedule={
        name: {"task": task, "schedule": seconds, "options": {"expires": max(seconds, 5) * 5}}
        for name, (task, seconds) in BEAT.items()
    },
    accept_content=["json"],
    task_ignore_result=True,
    task_acks_late=True,
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    task_time_limit=600,
    task_soft_time_limit=540,
    broker_connection_retry_on_startup=True,
    # A page that wakes a worker never waits for a broker that is away: the sweepers find the row.
    task_publish_retry=False,
    worker_send_task_events=False,
    timezone="UTC",
)

app.autodiscover_tasks()


@setup_logging.connect
def keep_our_logging(**_kwargs: Any) -> None:
    """Stop Celery from replacing the logging that settings.py configured."""
