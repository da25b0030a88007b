"""Holds a GraphQL request and its answer against a service's own schema."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLScalarType,
    GraphQLSchema,
    OperationDefinitionNode,
    build_schema,
    execute,
)
from graphql.execution.values import get_variable_values

from connectors.graphql_service import checked


def strict(sdl: str, *, zone: bool) -> GraphQLSchema:
    """Return the schema with strict UUID and DateTime, the latter perhaps with a `zone` needed."""

    def moment(value: Any) -> Any:
        found = datetime.fromisoformat(value)
        if zone and found.tzinfo is None:
            raise GraphQLError(f"{value} has no zone")
        return value

    def identity(value: Any) -> Any:
        uuid.UUID(value)
        return value

    schema = build_schema(sdl)
    for name, check in (("DateTime", moment), ("UUID", identity)):
        scalar = schema.type_map.get(name)
        if isinstance(scalar, GraphQLScalarType):
            scalar.serialize = scalar.parse_value = check  # type: ignore[method-assign]
    return schema


def judged(schema: GraphQLSchema, asked: Mapping[str, Any], answer: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a request and its answer.

    The answer is executed as if it were what the service resolves: what the schema does not allow
    there is an error, and what the query did not ask for is missing from the result.
    """
    if answer.get("data") is None:  # what is refused need not be right
        return [] if answer.get("errors") else ["neither data nor errors"]
    document = checked(schema, asked["query"])
    if not isinstance(document, DocumentNode):
        return [error.message for error in document]
    operation = next(d for d in document.definitions if isinstance(d, OperationDefinitionNode))
    given = get_variable_values(
        schema, operation.variable_definitions or (), asked.get("variables") or {}
    )
    if isinstance(given, list):
        return [error.message for error in given]
    again = execute(schema, document, answer["data"], variable_values=asked.get("variables"))
    found = [error.message for error in again.errors or ()]  # type: ignore[union-attr]
    if not found and again.data != answer["data"]:  # type: ignore[union-attr]
        found = ["the answer has what was not asked for"]
    return found
