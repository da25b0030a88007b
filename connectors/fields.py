"""Reading one field of somebody else's JSON: the value in the promised shape, or why not.

The text of a `WrongField` names the field and never its value, so it may stand in a log.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

URL_MAX = 2000


class WrongField(ValueError):
    """A field that is missing or not of the promised shape."""


def table(value: Any, what: str) -> Mapping[str, Any]:
    """Return `value` if it is a JSON object. Raises WrongField."""
    if not isinstance(value, dict):
        raise WrongField(f"{what} is not an object")
    return value


def rows(item: Mapping[str, Any], name: str) -> list[Any]:
    """Return an array; empty when it is absent or null. Raises WrongField."""
    value = item.get(name)
    if value is None:
        return []
    if not isinstance(value, list):
        raise WrongField(f"{name} is not a list")
    return value


def text(item: Mapping[str, Any], name: str, *, longest: int = 100_000) -> str:
    """Return a text that must be there and not be blank. Raises WrongField."""
    value = optional_text(item, name, longest=longest)
    if not value.strip():
        raise WrongField(f"{name} is missing")
    return value


def optional_text(item: Mapping[str, Any], name: str, *, longest: int = 100_000) -> str:
    """Return a text; empty when it is absent or null. Raises WrongField."""
    value = item.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise WrongField(f"{name} is not a text")
    if len(value) > longest:
        raise WrongField(f"{name} is longer than {longest} characters")
    try:
        value.encode()
    except UnicodeEncodeError:
        # JSON can spell half of a surrogate pair, which no file or database can hold.
        raise WrongField(f"{name} holds what is no character") from None
    return value


def identifier(item: Mapping[str, Any], name: str) -> str:
    """Return a UUID that must be there, in its usual form. Raises WrongField."""
    value = text(item, name, longest=64)
    try:
        return str(UUID(value))
    except ValueError:
        raise WrongField(f"{name} is not a UUID") from None


def truth(item: Mapping[str, Any], name: str, *, default: bool = False) -> bool:
    """Return true or false; `default` when it is absent or null. Raises WrongField."""
    value = item.get(name)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise WrongField(f"{name} is neither true nor false")
    return value


def moment(item: Mapping[str, Any], name: str) -> datetime:
    """Return a time that must be there, aware and in UTC. Raises WrongField."""
    value = optional_moment(item, name)
    if value is None:
        raise WrongField(f"{name} is missing")
    return value


def optional_moment(item: Mapping[str, Any], name: str) -> datetime | None:
    """Return a time (ISO 8601 with a zone) in UTC; None when absent or null. Raises WrongField."""
    value = optional_text(item, name, longest=64)
    if not value:
        return None
    try:
        parsed = datetime.fromisoformat(value)
        if parsed.tzinfo is None:
            raise WrongField(f"{name} has no time zone")
        return parsed.astimezone(UTC)
    except WrongField:
        raise
    except (ValueError, OverflowError):
        raise WrongField(f"{name} is not a time") from None


def https_url(item: Mapping[str, Any], name: str, *, also_below: str = "") -> str:
    """Return an https address that must be there. Raises WrongField.

    Below `also_below`, an address that an operator has written, plain http may stand too.
    """
    value = text(item, name, longest=URL_MAX)
    try:
        parts = urlsplit(value)
    except ValueError:
        raise WrongField(f"{name} is not an address") from None
    plain = value.isprintable() and not any(sign.isspace() for sign in value)
    known = bool(also_below) and value.startswith(also_below.rstrip("/") + "/")
    safe = parts.scheme == "https" or known
    if not safe or not parts.hostname or parts.username or not plain:
        raise WrongField(f"{name} is not an https address")
    return value
