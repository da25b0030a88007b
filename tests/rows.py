"""All rows of the database, kept and put back: what takes long to make is made once a session."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from django.apps import apps
from django.db import transaction
from django.db.models import Model
from pytest_django import DjangoDbBlocker

from inbox.citizens.owned import new_id

OURS = "inbox."


def rows() -> list[Model]:
    """Return every row of our tables, table by table, the oldest first."""
    return [
        row
        for model in apps.get_models()
        if model.__module__.startswith(OURS)
        for row in model._base_manager.order_by("pk")
    ]


def put_back(kept: Sequence[Model]) -> None:
    """Write these rows as if they were made anew: each id in their keys is a fresh one.

    What the process keeps by id (sessions, limits, caches) is then of no other test. Ids that
    stand inside a text or JSON are left as they are.
    """
    fresh: dict[object, UUID] = {}
    for row in kept:
        for field in row._meta.pk_fields:
            value = getattr(row, field.attname)
            if isinstance(value, UUID) and value not in fresh:
                fresh[value] = new_id()
    tables: dict[type[Model], list[Model]] = {}
    for row in kept:
        made = copy.copy(row)
        made._state = copy.copy(row._state)
        for field in made._meta.concrete_fields:
            if field.attname in made.__dict__:
                value = made.__dict__[field.attname]
                made.__dict__[field.attname] = (
                    fresh.get(value, value) if isinstance(value, UUID) else copy.deepcopy(value)
                )
        tables.setdefault(type(row), []).append(made)
    with transaction.atomic():
        for model, some in tables.items():
            model._base_manager.bulk_create(some)


@contextmanager
def shared(blocker: DjangoDbBlocker) -> Iterator[None]:
    """Within this block, of a fixture of a module's, what is written stands for all its tests.

    What a test changes is rolled back to that. Not for modules with tests that commit.
    """
    with blocker.unblock(), transaction.atomic():
        yield
        transaction.set_rollback(True)
