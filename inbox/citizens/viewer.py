"""Who is looking, and at what level: what every read of letters asks for."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from inbox.citizens.models import SecurityLevel


@dataclass(frozen=True, slots=True)
class Viewer:
    """Whose letters are looked at, by whom, and at what level of session."""

    citizen_id: UUID
    """Whose letters they are."""
    level: SecurityLevel = SecurityLevel.SUBSTANTIAL
    helper_id: UUID | None = None
    """Who looks on her behalf; None when she looks herself."""

    @property
    def actor_id(self) -> UUID:
        """Who is at the screen, for events: the helper, or the citizen herself."""
        return self.helper_id or self.citizen_id

    @property
    def is_herself(self) -> bool:
        """Nobody acts for her."""
        return self.helper_id is None

    def may_read(self, security_level: int) -> bool:
        """Say whether content of this level may be shown in this session."""
        return self.level >= security_level
