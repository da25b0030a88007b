from __future__ import annotations

from django.apps import AppConfig


class CitizensConfig(AppConfig):
    name = "inbox.citizens"
    label = "citizens"
