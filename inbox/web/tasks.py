"""Wake-ups for copies of letters."""

from __future__ import annotations

from celery import shared_task

from inbox.letters import exports, imports
from inbox.web import export_making

HOURS = 3600


@shared_task(time_limit=12 * HOURS, soft_time_limit=11 * HOURS)
def make_exports() -> None:
    """Make the copies of letters that citizens have asked for."""
    export_making.make_due()


@shared_task
def sweep_exports() -> None:
    """Remove copies whose time is over, taken out or brought in."""
    exports.sweep()
    imports.sweep()
