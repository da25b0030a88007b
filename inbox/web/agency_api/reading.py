"""The OpenAPI document as people read it: each operation with what it takes and answers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from inbox.web.agency_api.described import ALWAYS, PROBLEMS

DEEP = 4
"""How far a field's own fields are followed."""


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter, or a field of what is sent or answered."""

    name: str
    """With its place: `items[].id`."""
    kind: str
    """What it holds: "string", "integer, 1 to 100", …"""
    text: Markup
    required: bool


@dataclass(frozen=True, slots=True)
class Operation:
    """One call."""

    anchor: str
    method: str
    path: str
    summary: Markup
    text: Markup
    example: str
    """A command for a shell."""
    parameters: list[Field]
    sent: list[Field]
    answered: list[Field]
    status: str
    problems: list[tuple[int, Markup]]
    """Beside those of every call."""


@dataclass(frozen=True, slots=True)
class Section:
    """Operations about one thing."""

    name: str
    operations: list[Operation]


def sections(document: dict[str, Any]) -> list[Section]:
    """Return the operations of the document by their tags, in its order."""
    found: dict[str, list[Operation]] = {}
    for path, methods in document["paths"].items():
        for method, said in methods.items():
            operation = _operation(document, path, method, said)
            found.setdefault(said["tags"][0], []).append(operation)
    return [Section(name, operations) for name, operations in found.items()]


def _operation(document: dict[str, Any], path: str, method: str, said: dict[str, Any]) -> Operation:
    answers = {int(status): answer for status, answer in said["responses"].items()}
    good = min(answers)
    return Operation(
        anchor=said["operationId"],
        method=method.upper(),
        path=path,
        summary=_text(said["summary"]),
        text=_text(said.get("description", "")),
        example=_example(path, method, said),
        parameters=[
            Field(
                each["name"],
                _kind(document, each["schema"]),
                _text(each.get("description", "")),
                each["required"],
            )
            for each in said["parameters"]
        ],
        sent=_content(document, said.get("requestBody", {})),
        answered=_content(document, answers[good]),
        status=f"{good} {answers[good]['description']}",
        problems=_problems(status for status in answers if status >= 400 and status not in ALWAYS),
    )


def problems_of_all() -> list[tuple[int, Markup]]:
    """Return the problems that every call may answer with, by status."""
    return _problems(ALWAYS)


def _problems(statuses: Iterable[int]) -> list[tuple[int, Markup]]:
    return [(status, _text(PROBLEMS[status][1])) for status in sorted(statuses)]


def _text(text: str) -> Markup:
    """Return a text of the document with what stands in backticks as code."""
    parts = [escape(part) for part in text.split("`")]
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else part
        for place, part in enumerate(parts)
    )


def _example(path: str, method: str, said: dict[str, Any]) -> str:
    """Return the example that the document has, or else a plain call."""
    for each in said.get("x-codeSamples", []):
        return str(each["source"])
    words = ["curl"] if method == "get" else ["curl", "-X", method.upper()]
    shown = path.replace("{", "<").replace("}", ">")
    return " ".join([*words, '-H "Authorization: Bearer $SAMLEPOST_KEY"', f'"$SAMLEPOST{shown}"'])


def _content(document: dict[str, Any], part: dict[str, Any]) -> list[Field]:
    return [
        field
        for content in part.get("content", {}).values()
        if "schema" in content
        for field in _fields(document, content["schema"])
    ]


def _fields(
    document: dict[str, Any], schema: Any, at: str = "", deep: int = DEEP
) -> Iterator[Field]:
    schema = _resolved(document, schema)
    if schema.get("type") == "array":
        yield from _fields(document, schema["items"], f"{at}[]", deep)
        return
    for name, said in schema.get("properties", {}).items():
        full = f"{at}.{name}" if at else name
        required = name in schema.get("required", ())
        text = said.get("description", _resolved(document, said).get("description", ""))
        yield Field(full, _kind(document, said), _text(text), required)
        if deep:
            yield from _fields(document, _some(document, said), full, deep - 1)


def _kind(document: dict[str, Any], schema: dict[str, Any]) -> str:
    """Say in words what a value may be."""
    if "anyOf" in schema:
        return " or ".join(_kind(document, each) for each in schema["anyOf"])
    schema = _resolved(document, schema)
    if schema.get("type") == "array":
        return f"list of {_kind(document, schema['items'])}"
    kind = str(schema.get("format") or schema.get("type", "anything"))
    if "enum" in schema:
        kind = ", ".join(str(each) for each in schema["enum"])
    if "minimum" in schema and "maximum" in schema:
        kind += f", {schema['minimum']} to {schema['maximum']}"
    if schema.get("default"):
        kind += f"; otherwise {schema['default']}"
    return kind


def _some(document: dict[str, Any], schema: dict[str, Any]) -> Any:
    """Return what a value is where it is not null."""
    for each in schema.get("anyOf", []):
        if each.get("type") != "null":
            return each
    return schema


def _resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    if "allOf" in schema:
        schema = schema["allOf"][0]
    if "$ref" in schema:
        found: dict[str, Any] = document
        for step in schema["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        return found
    return schema
