"""How a simulator answers GraphQL by a service's own schema."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from graphql import (
    DocumentNode,
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    execute_sync,
    parse,
    validate,
)


def answered(
    schema: GraphQLSchema, asked: Mapping[str, Any], resolvers: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the answer to a request's body (`query`, `variables`) as it goes out.

    `resolvers` are the fields of the schema's query. What the schema does not allow comes back
    as `errors`.
    """
    document = checked(schema, str(asked.get("query", "")))
    if not isinstance(document, DocumentNode):
        return dict(ExecutionResult(None, list(document)).formatted)
    result = execute_sync(schema, document, resolvers, variable_values=asked.get("variables"))
    return dict(result.formatted)


@lru_cache(maxsize=100)
def checked(schema: GraphQLSchema, query: str) -> DocumentNode | tuple[GraphQLError, ...]:
    """Return a query read, or what is wrong with it.

    Remembered: clients ask the same few, and holding one against a schema of thousands of lines
    takes ten times as long as to answer it.
    """
    try:
        document = parse(query)
    except GraphQLError as error:
        return (error,)
    return tuple(validate(schema, document)) or document
