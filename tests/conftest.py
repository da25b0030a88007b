"""What tests of more than one folder share: the simulated world, and the clock at its day."""

from __future__ import annotations

import gc
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path

import httpx
import pytest
from django.db import connection
from httpx._transports import default
from pytest_django import DjangoDbBlocker
from werkzeug.routing import Rule

from connectors import clock, http, tokens
from connectors.dpi import revocation
from connectors.simulate import World, create_world
from connectors.world.model import STUDY_DATE, Channel
from inbox.citizens.models import Citizen
from inbox.sync import demo
from inbox.sync.models import Source
from inbox.sync.sources import forget_labels
from tests import beforehand
from tests.connectors import altinn_judge, minside_judge, nav_judge
from tests.rows import Kept, put_back, rows

SIMULATORS = "http://127.0.0.1:8010"


def _compiled_on_use(rule: Rule, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
    def build(rule: Rule, **values: object) -> tuple[str, str]:
        return _compile_builder(rule, append_unknown).__get__(rule, None)(**values)

    return build


# For each route of each simulator of each test Werkzeug would compile two functions that make its
# address, which takes most of the time that a world does, and which hardly any test asks for.
_compile_builder = Rule._compile_builder
Rule._compile_builder = _compiled_on_use

# Whom to trust on the network is read anew for each request that a test makes by itself.
default.create_ssl_context = cache(default.create_ssl_context)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what needs the servers where a developer runs pytest without them.

    `make test` selects by the marker, so there nothing is skipped.
    """
    if connection.vendor == "sqlite":
        for item in items:
            if item.get_closest_marker("servers"):
                item.add_marker(pytest.mark.skip("runs on PostgreSQL and Redis alone"))


def pytest_collection_finish() -> None:
    """Leave what lasts as long as the tests out of each search for garbage, and search less often.

    Thousands of tests and all of Django are looked through anew otherwise, a tenth of the time.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


@pytest.fixture(scope="session")
def django_db_use_migrations() -> bool:
    """Say whether the tests' database is made by the migrations: not if it is copied from one."""
    return connection.vendor != "sqlite"


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> None:
    """Put the migrated database, made once, in the place of the empty one."""
    if connection.vendor == "sqlite":
        with django_db_blocker.unblock(), closing(sqlite3.connect(beforehand.migrated())) as made:
            connection.ensure_connection()
            made.backup(connection.connection)


@pytest.fixture(autouse=True)
def _labels_of_no_other_test() -> None:
    """Names of sources are kept for a while by the process, which outlives a test's database."""
    forget_labels()


@pytest.fixture(autouse=True)
def _tokens_of_no_other_test() -> None:
    """Nor those that sources gave, which another test's keys may have signed."""
    tokens.kept.clear()


@pytest.fixture(autouse=True)
def _answers_of_no_other_test() -> None:
    """Nor what authorities said of certificates, which outlasts a test's world."""
    revocation.kept.clear()


@pytest.fixture
def frozen_clock() -> Iterator[None]:
    """Stop the shared clock at the study date."""
    clock.freeze(STUDY_DATE)
    yield
    clock.reset()


@pytest.fixture(scope="session")
def _keys(tmp_path_factory: pytest.TempPathFactory):
    return tmp_path_factory.mktemp("keys")


@pytest.fixture
def world(tmp_path, _keys, monkeypatch) -> Iterator[World]:
    """Every simulator, empty, reached in-process by whatever speaks HTTP to the demo's address."""
    with reached(tmp_path / "simulators", _keys, monkeypatch) as made:
        yield made


@contextmanager
def reached(folder: Path, keys: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    """Within this block, the world whose state lies in the folder is what is asked."""
    made = create_world(folder, keys)
    wrong: list[str] = []
    altinn_judge.judge(made.control.by_channel[Channel.ALTINN], wrong)
    minside_judge.judge(made.control.by_channel[Channel.NAV], wrong)
    nav_judge.judge(made.control.by_channel[Channel.NAV_NO], wrong)

    def transport(_base_url: str) -> httpx.BaseTransport:
        return httpx.WSGITransport(app=made.wsgi, raise_app_exceptions=False)

    monkeypatch.setattr(http, "transport_for", transport)
    yield made
    assert wrong == []


@pytest.fixture(scope="session")
def _configured() -> Kept:
    """The rows of the demo's citizens, sources and mailboxes, once a test has made them."""
    return Kept([])


@pytest.fixture
def demo_citizens(world, _keys, _configured, db, settings, tmp_path, frozen_clock) -> World:
    """The world with its citizens, sources and mailboxes in our database; no letters yet."""
    settings.ARCHIVE_DIR = tmp_path / "archive"
    settings.KRR_PRIVATE_KEY_FILE = str(_keys / "maskinporten-client.pem")
    configure(world, _configured)
    return world


def configure(world: World, kept: Kept) -> None:
    """Write the rows of the demo's citizens, sources and mailboxes; `kept` are those of before."""
    is_empty = not (Citizen.objects.exists() or Source.objects.exists())
    if kept.rows and is_empty:
        put_back(kept)
        return
    demo.configure(f"{SIMULATORS}/control/api/", httpx.WSGITransport(app=world.wsgi))
    altinn = Source.objects.get(slug="altinn")
    del altinn.settings["look_again_seconds"]  # as in production
    altinn.save()
    if is_empty:
        kept.rows += rows()
