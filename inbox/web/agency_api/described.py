"""What the OpenAPI document says beyond what ninja reads from the operations."""

from __future__ import annotations

from typing import Any

from inbox.web.agency_api.problems import MEDIA_TYPE

PROBLEMS = {
    400: ("Invalid", "What was sent is not as described: `errors` say what and where"),
    401: ("Unauthorized", "No key, or one that does not work"),
    404: ("NotFound", "Not there, or another agency's: the answers are the same"),
    409: ("Conflict", "Being done, or not possible as it stands"),
    413: ("TooLarge", "The request is too large"),
    422: ("KeyReused", "The Idempotency-Key was used with another request"),
    429: ("TooMany", "Too many requests with this key: wait as `Retry-After` says"),
    500: ("Fault", "A fault of ours"),
}
"""By status: the name of the answer in the document, and what it means."""
HEADERS: dict[int, Any] = {
    401: {"WWW-Authenticate": {"schema": {"type": "string"}}},
    429: {
        "Retry-After": {
            "description": "Seconds",
            "schema": {"type": "integer", "minimum": 1},
        }
    },
}
FORM = "multipart/form-data"
ALWAYS = (400, 401, 429, 500)
PROBLEM = {
    "type": "object",
    "description": "RFC 9457; `type` is absent, which means about:blank",
    "required": ["title", "status", "detail"],
    "properties": {
        "title": {"type": "string", "description": "The status in words"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "For a developer; repeats nothing sent"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["in", "name", "detail"],
                "properties": {
                    "in": {
                        "type": "string",
                        "description": "path, query, header, body, form or file",
                    },
                    "name": {"type": "string", "description": "Which parameter or field"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}


def says(*statuses: int, sends: str = "") -> dict[str, Any]:
    """Return ninja's `openapi_extra` of an operation that may answer with these problems.

    `sends` is the media type where it is no JSON that is sent.
    """
    names = {status: PROBLEMS[status][0] for status in sorted({*statuses, *ALWAYS})}
    answers: dict[int, Any] = {
        status: {"$ref": f"#/components/responses/{name}"} for status, name in names.items()
    }
    if sends:
        answers[200] = {"content": {sends: {"schema": {"type": "string", "format": "binary"}}}}
    return {"responses": answers}


def tidied(document: dict[str, Any]) -> dict[str, Any]:
    """Return what ninja made without what says nothing.

    Every name comes a second time as a title, and a parameter that may be left out as one that
    may be null, which no query or form can say.
    """
    for path in document["paths"].values():
        for operation in path.values():
            for parameter in operation["parameters"]:
                schema = _told(_untitled(parameter["schema"]))
                schema.pop("description", None)
                parameter["schema"] = schema
            for kind, sent in operation.get("requestBody", {}).get("content", {}).items():
                schema = sent["schema"] = _untitled(sent["schema"])
                if kind == FORM:
                    for name, said in schema["properties"].items():
                        schema["properties"][name] = _told(said)
    schemas = document["components"]["schemas"]
    document["components"]["schemas"] = _untitled(schemas, names=True)
    return document


def _told(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a parameter, or of a form's field, without null.

    Raises ValueError for one that may be of several types.
    """
    found = {name: said for name, said in schema.items() if name != "anyOf"}
    told, *others = schema.get("anyOf", [{}])
    if others not in ([], [{"type": "null"}]):
        raise ValueError(f"a parameter of several types: {schema}")
    return {**found, **told}


def _untitled(part: Any, *, names: bool = False) -> Any:
    """Leave out `title` where it is a keyword of the schema, not where it is a field's name."""
    if isinstance(part, list):
        return [_untitled(each) for each in part]
    if not isinstance(part, dict):
        return part
    return {
        name: _untitled(value, names=name == "properties" and not names)
        for name, value in part.items()
        if names or name != "title"
    }


def answers() -> dict[str, Any]:
    """Return the document's component for each problem."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    made: dict[str, Any] = {}
    for status, (name, description) in PROBLEMS.items():
        made[name] = {"description": description, "content": content}
        if status in HEADERS:
            made[name]["headers"] = HEADERS[status]
    return made
