"""A demo of processes on each kind of database that this machine has."""

from __future__ import annotations

import os
from collections.abc import Iterator
from urllib.parse import urlsplit
from uuid import uuid4

import psycopg
import pytest
from django.db import connections


@pytest.fixture
def servers(request: pytest.FixtureRequest) -> Iterator[dict[str, str]]:
    """The environment of a demo: of files alone, or of a fresh PostgreSQL database and Redis.

    The database is a copy of the tests' own, in which every migration has been run: to run them
    all again takes ten seconds of a core.
    """
    database, redis = os.environ.get("TEST_DATABASE_URL"), os.environ.get("TEST_REDIS_URL")
    if not (database and redis):
        yield {}
        return
    request.getfixturevalue("django_db_setup")
    connections.close_all()  # none may be open to what is copied
    migrated = connections["default"].settings_dict["NAME"]
    parts = urlsplit(database)
    admin = parts._replace(scheme="postgresql", path="/postgres").geturl()
    name = f"samlepost_journey_{uuid4().hex[:8]}"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{migrated}"')
        # Our processes die here, never the database's machine.
        connection.execute(f'ALTER DATABASE "{name}" SET synchronous_commit = off')
    try:
        yield {
            "DATABASE_URL": parts._replace(path=f"/{name}").geturl(),
            "REDIS_URL": beside(redis),
        }
    finally:
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def beside(redis: str) -> str:
    """Another of Redis' sixteen databases than the tests in this process use."""
    parts = urlsplit(redis)
    return parts._replace(path=f"/{(int(parts.path.strip('/') or 0) + 1) % 16}").geturl()
