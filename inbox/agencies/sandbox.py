"""Letters that are ready to be sent to an agency's made-up persons."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from uuid import UUID

from connectors import clock
from connectors.contract import LEVEL_HIGH, LEVEL_SUBSTANTIAL, Kind
from inbox.agencies import outgoing
from inbox.agencies.letters import Terms, Wanted, choice_form, closed_form, text_form
from inbox.agencies.made_up import number_of
from inbox.agencies.models import Agency, Dispatch

PDF = Path(__file__).parent / "samples" / "prove.pdf"
DUE_IN = timedelta(days=14)


class Sample(StrEnum):
    """Letters that are ready to be sent."""

    LETTER = "letter"
    QUESTION = "question"
    """Answered with one press, by a day."""
    TASK = "task"
    """Answered in writing with files, by a day."""
    DECISION = "decision"
    """Of the high level, to be kept as proof; cannot be answered."""


TITLES = {
    Sample.LETTER: "Prøvebrev",
    Sample.QUESTION: "Prøvebrev: Vil du ha plassen?",
    Sample.TASK: "Prøvebrev: Send dokumentasjon",
    Sample.DECISION: "Prøvebrev: Vedtak",
}
TERMS = {
    Sample.LETTER: Terms(security_level=LEVEL_SUBSTANTIAL, wants_receipt=True),
    Sample.QUESTION: Terms(
        security_level=LEVEL_SUBSTANTIAL,
        wants_receipt=True,
        form=choice_form("Vil du ha plassen?", ["Ja, takk", "Nei, takk"]),
    ),
    Sample.TASK: Terms(
        security_level=LEVEL_SUBSTANTIAL,
        kind=Kind.TASK,
        form=text_form("Skriv til oss", takes_files=True),
    ),
    Sample.DECISION: Terms(
        public_title="Svar på søknad",
        security_level=LEVEL_HIGH,
        kind=Kind.DECISION,
        documentary_value=True,
        wants_receipt=True,
        form=closed_form("Du kan ikke svare på et prøvebrev med vedtak."),
    ),
}
HURRIES = (Sample.QUESTION, Sample.TASK)


def send_sample(
    agency: Agency, person_id: UUID, sample: Sample, *, title: str = "", by: UUID | None = None
) -> Dispatch:
    """Send a made-up person one of the samples; returns the dispatch.

    Raises SandboxPerson.DoesNotExist, and Refused for a title that cannot be sent.
    """
    person = agency.made_up.get(id=person_id)
    due_at = clock.now() + DUE_IN if sample in HURRIES else None
    letter = Wanted(number_of(person), title or TITLES[sample], due_at)
    pdf = PDF.read_bytes()
    return outgoing.submit(agency, TERMS[sample], [letter], pdf, name="prøvebrev.pdf", by=by)
