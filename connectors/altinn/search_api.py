"""The simulated Dialogporten's GraphQL: `searchDialogs`, by its official schema.

What is refused, and how: `DialogQueries.cs`, `SearchDialogInputValidator.cs` and
`SearchDialogQueryValidator.cs` of Altinn/dialogporten, commit 743f07f. No list leaves a mark.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, jsonify, request
from graphql import GraphQLSchema, build_schema

from connectors.altinn import wire
from connectors.altinn.access import citizen
from connectors.altinn.dialog_api import (
    FILTER_MAX,
    LIMIT_DEFAULT,
    LIMIT_MAX,
    ORDERS,
    PARTY,
    SCOPE,
    BadToken,
    list_of,
    parties_of,
)
from connectors.graphql_service import answered

if TYPE_CHECKING:
    from connectors.altinn.simulator import AltinnSimulator

Json = dict[str, Any]
SPANS = {"contentUpdated": "content", "updated": "updated", "created": "created"}
ALWAYS: Json = {
    "org": "",
    "serviceResource": "",
    "serviceResourceType": "",
    "updatedAt": "i går",
    "status": "NOT_APPLICABLE",
    "hasUnopenedContent": True,
    "isApiOnly": False,
    "fromServiceOwnerTransmissionsCount": 0,
    "fromPartyTransmissionsCount": 0,
    "seenSinceLastUpdate": [],
    "seenSinceLastContentUpdate": [],
    "isContentSeen": False,
    "endUserContext": {"revision": "00000000-0000-0000-0000-000000000000", "systemLabels": []},
}
"""What the schema wants of an item that is broken on command."""


class Refusal(Exception):
    """The list is refused: the error's type in the schema, and its message."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@cache
def schema() -> GraphQLSchema:
    """Return Dialogporten's schema."""
    said = Path(__file__).with_name("schema.graphql").read_text("utf-8-sig")
    return build_schema(said)


def add_routes(app: Flask, simulator: AltinnSimulator) -> None:
    """Put the one path on `app`."""

    @app.post("/dialogporten/graphql")
    def graphql() -> Response:
        person, level = citizen(simulator, SCOPE)
        said = request.get_json(silent=True) or {}

        def search(info: Any, input: Json) -> Json:
            try:
                return _listed(simulator, person, level, input)
            except Refusal as refusal:
                return {
                    "hasNextPage": False,
                    "orderBy": [],
                    "errors": [{"__typename": refusal.kind, "message": str(refusal)}],
                }

        return jsonify(answered(schema(), said, {"searchDialogs": search}))


def _listed(simulator: AltinnSimulator, person: str, level: int, said: Json) -> Json:
    order, sorting = _order(said)
    try:
        page, token = list_of(
            simulator,
            parties_of(simulator, person, _party(said)),
            order=order,
            between={column: _span(said, name) for name, column in SPANS.items()},
            labels=[_pascal(each) for each in said.get("systemLabel") or []],
            token=said.get("continuationToken"),
            limit=_limit(said),
        )
    except BadToken:
        raise Refusal(
            "SearchDialogContinuationTokenParsingError",
            "An error occurred while parsing the ContinuationToken parameter",
        ) from None
    return {
        "items": [_item(wire.list_item(each, level)) for each in page],
        "hasNextPage": token is not None,
        "continuationToken": token,
        "orderBy": [sorting],
        "errors": [],
    }


def _party(said: Json) -> list[str]:
    parties: list[str] = said.get("party") or []
    if not parties and not said.get("serviceResource"):
        raise _invalid("Either ServiceResource or Party must be specified.")
    if len(parties) > FILTER_MAX or any(not PARTY.fullmatch(each) for each in parties):
        raise _invalid("Party holds what is no party.")
    return parties


def _limit(said: Json) -> int:
    limit = said.get("limit")
    if limit is None:
        return LIMIT_DEFAULT
    if not 1 <= limit <= LIMIT_MAX:
        raise _invalid(f"Limit must be 1 to {LIMIT_MAX}.")
    return int(limit)


def _order(said: Json) -> tuple[str, Json]:
    """Return the column, newest first alone, and the order as the answer says it."""
    wanted = said.get("orderBy")
    if wanted is None:
        if said.get("continuationToken") is not None:
            raise _invalid("OrderBy must be set when ContinuationToken is set.")
        wanted = [{"contentUpdatedAt": "DESC"}]
    given = [(name, way) for each in wanted for name, way in each.items() if way is not None]
    if len(wanted) != 1 or len(given) != 1:
        raise _invalid("Exactly one property must be set on each OrderBy object.")
    name, way = given[0]
    if name.lower() not in ORDERS or way != "DESC":
        raise Refusal("SearchDialogOrderByParsingError", "This order is not known here")
    return ORDERS[name.lower()], {name: way}


def _span(said: Json, name: str) -> tuple[str, str]:
    after, before = (_instant(said, f"{name}{end}") for end in ("After", "Before"))
    if after and before and after > before:
        raise _invalid(f"{name}After must be at or before {name}Before.")
    return after or "0001", before or "9999"


def _instant(said: Json, name: str) -> str:
    value = said.get(name)
    if value is None:
        return ""
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValueError("no time zone")
        return wire.stamp(moment)
    except (TypeError, ValueError, OverflowError):
        raise _invalid(f"{name} must be a time with a zone.") from None


def _invalid(message: str) -> Refusal:
    return Refusal("SearchDialogValidationError", message)


def _item(item: Mapping[str, Any]) -> Json:
    """A DialogListItem of the REST with GraphQL's spelling of what is enumerated."""
    if "status" not in item:
        broken = {"title": {"value": [], "mediaType": "text/plain"}}
        return {**ALWAYS, **item, "content": broken}
    context = item["endUserContext"]
    return {
        **item,
        "status": _upper(item["status"]),
        "endUserContext": {
            **context,
            "systemLabels": [_upper(each) for each in context["systemLabels"]],
        },
        "latestActivity": item["latestActivity"]
        and {
            **item["latestActivity"],
            "type": _upper(item["latestActivity"]["type"]),
            "performedBy": _actor(item["latestActivity"]["performedBy"]),
        },
        **{
            name: [{**each, "seenBy": _actor(each["seenBy"])} for each in item[name]]
            for name in ("seenSinceLastUpdate", "seenSinceLastContentUpdate")
        },
    }


def _actor(actor: Mapping[str, Any]) -> Json:
    return {**actor, "actorType": _upper(actor["actorType"])}


def _upper(value: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", value).upper()


def _pascal(value: str) -> str:
    return "".join(part.capitalize() for part in value.split("_"))
