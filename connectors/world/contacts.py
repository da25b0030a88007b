"""What the contact register has of the made-up persons, before anybody changes it.

Most have an e-mail address and a mobile number that they confirmed within the year. Mobile numbers
begin with 0, as none in Norway does.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from connectors.world.model import Channel, Person
from connectors.world.persons import PERSONS

CONFIRMED = datetime(2026, 3, 11, 9, 30, tzinfo=UTC)
STALE = datetime(2025, 2, 3, 17, 5, tzinfo=UTC)
"""More than 18 months before the day on which the demo begins."""


@dataclass(frozen=True, slots=True)
class RegisteredContact:
    """One person's entry. Empty texts and None are what is not registered."""

    email: str = ""
    email_confirmed_at: datetime | None = None
    mobile: str = ""
    mobile_confirmed_at: datetime | None = None
    mailbox_address: str = ""
    mailbox_supplier: Channel | None = None
    language: str = ""
    reserved_at: datetime | None = None
    is_registered: bool = True
    is_deleted: bool = False
    """As after a death."""


def contact_of(person: Person) -> RegisteredContact:
    """Return what is registered of a person at first."""
    number = f"+470000{PERSONS.index(person):04d}"
    email = "" if person.slug in ("olena", "ingrid") else person.email
    mobile = "" if person.slug in ("solveig", "ingrid") else number
    email_confirmed = STALE if person.slug == "jonas" else CONFIRMED
    return RegisteredContact(
        email=email,
        email_confirmed_at=email_confirmed if email else None,
        mobile=mobile,
        mobile_confirmed_at=(STALE if person.slug == "jonas" else CONFIRMED) if mobile else None,
        mailbox_address=person.mailbox_address,
        mailbox_supplier=person.mailbox_supplier,
        language=person.language,
        reserved_at=datetime(2026, 11, 10, 12, 0, tzinfo=UTC) if person.slug == "henrik" else None,
        is_registered=not person.is_at_work,
        is_deleted=person.slug == "leif",
    )
