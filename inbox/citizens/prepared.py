"""Reads that are compiled once and run many times.

Django compiles a queryset anew for each request. For a page's few reads by index that takes
three times as long as running them, and it is most of what the page waits for.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Expression, Field, Model, QuerySet
from django.db.models.query import get_related_populators
from django.db.models.sql.compiler import SQLCompiler


class Slot(Expression):
    """Stands in a queryset for a value that is given at each run; `field` is the value's kind."""

    def __init__(self, name: str, field: Field[Any, Any]) -> None:
        super().__init__(field)
        self.name = name

    def as_sql(self, compiler: SQLCompiler, connection: Any) -> tuple[str, Any]:
        """Leave the slot itself among the query's parameters."""
        return "%s", (self,)


class Prepared:
    """A queryset with slots, made by `build` at the first run."""

    def __init__(self, build: Callable[[], QuerySet[Any, Any]]) -> None:
        self._build = build

    def run(self, **values: object) -> list[list[Any]]:
        """Return the rows of a `values_list` for these values of the slots, in one query.

        Raises KeyError.
        """
        sql, params, converters, _ = self._compiled
        connection = connections[DEFAULT_DB_ALIAS]
        ready = [
            param.output_field.get_db_prep_value(values[param.name], connection)
            if isinstance(param, Slot)
            else param
            for param in params
        ]
        with connection.cursor() as cursor:
            cursor.execute(sql, ready)
            rows = [list(row) for row in cursor.fetchall()]
        for row in rows:
            for position, convert, column in converters:
                row[position] = convert(row[position], column, connection)
        return rows

    def objects(self, **values: object) -> list[Any]:
        """Return the objects of a queryset of whole rows, with what it selects beside them.

        Raises KeyError.
        """
        model, first, end, names, beside = self._whole
        found = []
        for row in self.run(**values):
            made = model.from_db(DEFAULT_DB_ALIAS, names, row[first:end])
            for each in beside:
                each.populate(row, made)
            found.append(made)
        return found

    @cached_property
    def _compiled(self) -> tuple[str, tuple[Any, ...], list[tuple[int, Any, Any]], SQLCompiler]:
        connection = connections[DEFAULT_DB_ALIAS]
        compiler = self._build().query.get_compiler(connection=connection)
        sql, params = compiler.as_sql()
        columns = [selected[0] for selected in compiler.select]
        found = compiler.get_converters(columns)
        converters = [
            (position, convert, column)
            for position, (converts, column) in found.items()
            for convert in converts
        ]
        return sql, tuple(params), converters, compiler

    @cached_property
    def _whole(self) -> tuple[type[Model], int, int, list[str], list[Any]]:
        compiler = self._compiled[3]
        # As Django's ModelIterable does it.
        info: dict[str, Any] = compiler.klass_info or {}
        first, end = info["select_fields"][0], info["select_fields"][-1] + 1
        names = [column[0].target.attname for column in compiler.select[first:end]]
        # The stubs are of a later Django, where it takes one more.
        beside = get_related_populators(info, compiler.select, DEFAULT_DB_ALIAS)  # type: ignore[call-arg]
        return info["model"], first, end, names, beside
