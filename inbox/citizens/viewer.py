"""Who is looking, and at what level: what every read of letters asks for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from inbox.citizens.models import SecurityLevel


class Role(StrEnum):
    """In what capacity somebody looks. The values also stand in the access log."""

    HERSELF = "herself"
    GIVEN = "given"
    PARENT = "parent"
    GUARDIAN = "guardian"
    ESTATE = "estate"
    ENTERPRISE = "enterprise"
    MADE_UP = "made_up"
    LINK = "link"
    """She was sent a link to one letter."""


STANDS_IN = frozenset(set(Role) - {Role.GIVEN, Role.LINK})
"""Whose opening is the recipient's own: she herself, and who by law acts in her place, or in that
of an enterprise or of a made-up person, who act by others alone."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which letters somebody may know of; every condition that is set must hold."""

    senders: tuple[UUID, ...] = ()
    case_id: UUID | None = None
    life_event: str = ""
    """Letters that the citizen has put into, or accepted for, this life event."""
    letter_id: UUID | None = None
    high_hidden_from: datetime | None = None
    """Letters of level 4 from this day on are the recipient's alone."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Whose letters are looked at, by whom, and at what level of session."""

    citizen_id: UUID
    """Whose letters they are."""
    level: SecurityLevel = SecurityLevel.SUBSTANTIAL
    helper_id: UUID | None = None
    """Who looks on her behalf; None when she looks herself."""
    role: Role = Role.HERSELF
    scopes: tuple[Scope, ...] | None = None
    """A letter in any of these may be known of; None: every letter."""
    may_answer: bool = True
    """Whether anything may be changed, or only looked at."""

    @property
    def actor_id(self) -> UUID:
        """Who is at the screen, for events: the helper, or the citizen herself."""
        return self.helper_id or self.citizen_id

    @property
    def asks_as(self) -> UUID | None:
        """Who asks a source, where the recipient is an enterprise; None: the recipient."""
        return self.helper_id if self.role is Role.ENTERPRISE else None

    @property
    def is_herself(self) -> bool:
        """Nobody acts for her."""
        return self.helper_id is None

    @property
    def stands_in(self) -> bool:
        """What the viewer opens counts as opened by the recipient, for her and for the sender."""
        return self.role in STANDS_IN

    def may_read(self, security_level: int) -> bool:
        """Say whether content of this level may be shown in this session."""
        return self.level >= security_level
