"""The contract between Samlepost and a register that says how persons may be reached.

Its errors are those of `contract.py`; `krr/` is the one that there is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class ContactStatus(StrEnum):
    """What a contact register knows of a person."""

    ACTIVE = "active"
    DELETED = "deleted"
    """As after a death."""
    UNKNOWN = "unknown"
    """Not registered, or of a status that we do not know."""


@dataclass(frozen=True, slots=True)
class ContactChannel:
    """An e-mail address or a mobile number, and until when it counts as kept up to date.

    From `fresh_until` on a decision may not be announced by it alone (eForvaltningsforskriften
    § 32); it may still be used for a word of service. All are empty where there is no such channel.
    """

    value: str = field(default="", repr=False)
    confirmed_at: datetime | None = None
    """When she last changed or confirmed it; UTC."""
    fresh_until: datetime | None = None
    """The first moment at which it is stale; UTC. None where it never was confirmed."""

    def is_fresh(self, at: datetime) -> bool:
        """Say whether a decision may be announced by it at that moment.

        What is said to have been confirmed after that moment was confirmed by nobody yet.
        """
        if not self.value or self.confirmed_at is None or self.fresh_until is None:
            return False
        return self.confirmed_at <= at < self.fresh_until


@dataclass(frozen=True, slots=True)
class Contact:
    """What a contact register says of one person."""

    national_id: str = field(repr=False)
    status: ContactStatus
    reserved: bool
    """She has said no to decisions and other important messages by digital means (§ 15a)."""
    may_be_notified: bool
    """The register's own verdict on one who is ACTIVE and not reserved; False without one."""
    email: ContactChannel
    mobile: ContactChannel
    language: str = ""
    """"nb", "nn", "en", "se", or "" where she has chosen none that we know."""
    mailbox_address: str = field(default="", repr=False)
    mailbox_supplier: str = ""
    """Organisation number of the mailbox's supplier, nine digits."""
    certificate: str = field(default="", repr=False)
    """PEM, for what is encrypted to her mailbox."""


@dataclass(frozen=True, slots=True)
class ContactAnswer:
    """A look-up's outcome. Whoever is in neither was not answered for, which says nothing."""

    contacts: Sequence[Contact] = ()
    unreadable: Mapping[str, str] = field(default_factory=dict, repr=False)
    """{national_id: reason} of those whose entry could not be read; a reason names no person."""


class ContactRegister:
    """Base of a register that says how persons may be reached."""

    persons_max: int = 1
    """Persons in one look-up."""

    def look_up(self, national_ids: Iterable[str]) -> ContactAnswer:
        """Return what is registered of up to `persons_max` persons.

        Raises ValueError for more, Untrustworthy for an answer in which one person may have
        spoilt it for all, and the contract's other errors. A failure is never an empty answer.
        """
        raise NotImplementedError

    def close(self) -> None:
        """Let go of connections."""
