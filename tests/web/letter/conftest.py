"""Kari, her browser, and an archive of her own for each test."""

from __future__ import annotations

import pytest
from django.test import Client

from tests.make import log_in, make_citizen


@pytest.fixture(autouse=True)
def _archive(settings, tmp_path):
    settings.ARCHIVE_DIR = tmp_path / "archive"


@pytest.fixture
def kari(db):
    return make_citizen()


@pytest.fixture
def screen(client: Client, kari) -> Client:
    """Kari's browser at level 3, with English pages."""
    log_in(client, kari)
    client.defaults["HTTP_ACCEPT_LANGUAGE"] = "en"
    client.cookies["django_language"] = "en"
    return client
