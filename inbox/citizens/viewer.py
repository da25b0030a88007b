"""Who is looking, and at what level: what every read of letters asks for."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from inbox.citizens.models import SecurityLevel


@dataclass(frozen=True, slots=True)
class Viewer:
    """A logged-in citizen and the level of her session."""

    citizen_id: UUID
    level: SecurityLevel = SecurityLevel.SUBSTANTIAL

    def may_read(self, security_level: int) -> bool:
        """Say whether content of this level may be shown in this session."""
        return self.level >= security_level
