"""Wake-ups for the work on letters."""

from __future__ import annotations

from celery import shared_task

from inbox.letters import access_copies, imports, indexing, own, proposals, reveal, texts


@shared_task
def reveal_due() -> None:
    """Count letters whose day has come."""
    reveal.reveal_due()


@shared_task
def read_documents() -> None:
    """Make the texts of documents that wait for it, and index what waits for that."""
    texts.read_due()
    indexing.write_stale()


@shared_task
def make_access_copies() -> None:
    """Make PDFs of letters that came as text."""
    access_copies.make_due()


@shared_task
def finish_corrections() -> None:
    """Finish corrections of papers that broke off."""
    own.finish_corrections()


@shared_task
def take_imports() -> None:
    """Take in the copies of letters that citizens have brought."""
    imports.take_due()


@shared_task
def propose_for_life_events() -> None:
    """Hold letters that came before the present rules against them."""
    proposals.catch_up()
