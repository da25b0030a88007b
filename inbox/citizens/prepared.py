"""Reads that are compiled once and run many times.

Django compiles a queryset anew for each request. For a page's few reads by index that takes
three times as long as running them, and it is most of what the page waits for.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Expression, Field, QuerySet
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
    """A `values_list` queryset with slots, made by `build` at the first run."""

    def __init__(self, build: Callable[[], QuerySet[Any, Any]]) -> None:
        self._build = build

    def run(self, **values: object) -> list[list[Any]]:
        """Return the rows for these values of the slots, in one query. Raises KeyError."""
        sql, params, converters = self._compiled
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

    @cached_property
    def _compiled(self) -> tuple[str, tuple[Any, ...], list[tuple[int, Any, Any]]]:
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
        return sql, tuple(params), converters
