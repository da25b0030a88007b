from __future__ import annotations

from django.apps import AppConfig


class AgenciesConfig(AppConfig):
    name = "inbox.agencies"
    label = "agencies"

    def ready(self) -> None:
        """Offer the portal's own connector to the sources that agencies send from."""
        from inbox.agencies.connector import NAME, PortalConnector  # noqa: PLC0415 - needs models
        from inbox.sync.sources import offer  # noqa: PLC0415

        offer(NAME, PortalConnector)
