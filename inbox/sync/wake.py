"""Waking a worker. The row is the queue: a wake-up that is lost costs seconds, never a letter."""

from __future__ import annotations

import logging
from typing import Any

from django.db import transaction
from kombu.exceptions import OperationalError

log = logging.getLogger("samlepost.sync.wake")


def wake(task: Any, *ids: object) -> None:
    """Send a wake-up after the running transaction's commit, if there is a broker to take it."""

    def send() -> None:
        try:
            task.apply_async(args=[str(value) for value in ids], ignore_result=True)
        except (OperationalError, OSError) as error:
            log.warning("no broker to wake %s: %s", task.name, type(error).__name__)

    transaction.on_commit(send)
