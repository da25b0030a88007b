"""What would trip a reader of a letter that an agency is about to send: the kit's warnings."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from connectors import clock
from connectors.conformance import shown
from connectors.contract import IncomingLetter, Kind, Recipient, RecipientKind, SenderRef
from inbox.agencies.letters import Terms, Wanted
from inbox.agencies.models import Agency

NOBODY = Recipient(RecipientKind.NATIONAL_ID, "")
OF_FILE = {"untagged": "W-11", "no_text": "no_text", "script": "script"}
"""What reading a PDF warns of, by the code of the caution."""
QUOTED = re.compile("«(.+?)»", re.DOTALL)
TEXT_MAX = 50_000
"""Characters of the PDF that are searched for a deadline."""
DETAIL_MAX = 100


def cautions_of(
    agency: Agency, terms: Terms, letters: Sequence[Wanted], text: str, warnings: Sequence[str]
) -> list[list[str]]:
    """Return [code, detail] of each caution, once; `text` and `warnings` are of the first PDF.

    Codes are those of `connectors.conformance.shown`, besides what only a file can have.
    """
    found: dict[tuple[str, str], None] = {}
    titles: set[str] = set()
    for letter in letters:
        if letter.title not in titles:
            titles.add(letter.title)
            said = text[:TEXT_MAX] if letter is letters[0] else ""
            found |= dict.fromkeys(_of_letter(agency, terms, letter, said))
    found |= {(OF_FILE[each], ""): None for each in warnings if each in OF_FILE}
    return [list(each) for each in list(found)[:DETAIL_MAX]]


def _of_letter(
    agency: Agency, terms: Terms, letter: Wanted, text: str
) -> Iterator[tuple[str, str]]:
    incoming = IncomingLetter(
        external_id="draft",
        recipient=NOBODY,
        sender=SenderRef(agency.name, agency.org_number),
        title=letter.title,
        sent_at=clock.now(),
        public_title=terms.public_title,
        # Nothing of the kit's but its look for a deadline reads the summary.
        summary=text,
        due_at=letter.due_at,
        security_level=terms.security_level,
        kind=terms.kind,
        needs_action=terms.kind is Kind.TASK,
        reply_forms=[terms.form] if terms.form else [],
    )
    for caution in shown.warnings(incoming):
        quoted = QUOTED.search(caution.text)
        yield caution.code, quoted.group(1)[:DETAIL_MAX] if quoted else ""
