"""Wake-ups of the log's work: the row, or the newest head, says what there is to do."""

from __future__ import annotations

import logging

from celery import shared_task

from connectors.contract import ConnectorError
from inbox.archive.proof import sequencer, timestamps, witness
from inbox.archive.proof.failures import SEQUENCER, Untrusted, noted

log = logging.getLogger("samlepost.archive.proof")


@shared_task
def sequence() -> None:
    """Give leaves that wait their places in the log, and show its head to the witness."""
    with noted(SEQUENCER):
        sequencer.sequence()
    try:
        witness.cosign()
    except (ConnectorError, Untrusted) as error:
        log.warning("the witness has not signed: %s", error)


@shared_task
def stamp() -> None:
    """Have the log's head stamped with the time, once a day."""
    try:
        timestamps.stamp()
    except (ConnectorError, Untrusted) as error:
        log.warning("the log has no time stamp of today: %s", error)
