"""All rows of the database, kept and put back: what takes long to make is made once a session."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db import connection, transaction
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


@dataclass
class Kept:
    """Rows to be put back. `inserts` are the statements that write them, once that was done."""

    rows: list[Model]
    inserts: list[tuple[str, tuple[object, ...]]] = field(default_factory=list)


def put_back(kept: Kept) -> None:
    """Write these rows as if they were made anew: each id in their keys is a fresh one.

    What the process keeps by id (sessions, limits, caches) is then of no other test. Ids that
    stand inside a text or JSON are left as they are.
    """
    if not kept.inserts:
        kept.inserts += _inserts(kept.rows)
    fresh: dict[object, object] = {}
    for row in kept.rows:
        for column in row._meta.pk_fields:
            value = getattr(row, column.attname)
            if isinstance(value, UUID) and value not in fresh:
                made = new_id()
                fresh |= {value: made, value.hex: made.hex}
    with transaction.atomic(), connection.cursor() as cursor:
        for statement, values in kept.inserts:
            cursor.execute(statement, [_replaced(value, fresh) for value in values])


def _replaced(value: object, fresh: dict[object, object]) -> object:
    """Return a value with fresh ids; on PostgreSQL it may be a list of a whole column's."""
    if isinstance(value, list):
        return [_replaced(each, fresh) for each in value]
    return fresh.get(value, value) if isinstance(value, UUID | str) else value


def _inserts(kept: Iterable[Model]) -> list[tuple[str, tuple[object, ...]]]:
    """Return what Django says to the database to write these rows; nothing is written.

    It takes ten times as long to say as the database takes to do.
    """
    said: list[tuple[str, tuple[object, ...]]] = []

    def heard(execute: Any, statement: str, values: Any, many: bool, context: Any) -> Any:
        if statement.startswith("INSERT"):
            said.append((statement, tuple(values)))
        return execute(statement, values, many, context)

    tables: dict[type[Model], list[Model]] = {}
    for row in kept:
        tables.setdefault(type(row), []).append(row)
    with transaction.atomic(), connection.execute_wrapper(heard):
        for model, some in tables.items():
            model._base_manager.bulk_create(some)
        transaction.set_rollback(True)
    return said


@contextmanager
def shared(blocker: DjangoDbBlocker) -> Iterator[None]:
    """Within this block, of a fixture of a module's, what is written stands for all its tests.

    What a test changes is rolled back to that. Not for modules with tests that commit.
    """
    with blocker.unblock(), transaction.atomic():
        yield
        transaction.set_rollback(True)
