"""Dataclasses of the contract as JSON and back, for what must be read in decades.

A field that is at its default is left out, bytes always are; what a reader does not know it passes
over. So fields may be added to the contract, and records from before still read.
"""

from __future__ import annotations

import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints
from uuid import UUID

T = TypeVar("T")


def to_plain(value: Any) -> Any:
    """Return a dataclass, or what one may hold, as what `json` writes."""
    if is_dataclass(value) and not isinstance(value, type):
        return {
            each.name: to_plain(said)
            for each in fields(value)
            if not isinstance(said := getattr(value, each.name), bytes) and said != _default(each)
        }
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Mapping):
        return {str(name): to_plain(said) for name, said in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(each) for each in value]
    return value


def from_plain(kind: type[T], said: Any) -> T:
    """Return what `to_plain` was given, of the dataclass `kind`; bytes come back empty.

    Raises ValueError for what is no such thing.
    """
    try:
        made: T = _read(kind, said)
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"not a {kind.__name__}: {error}") from error
    return made


def _default(field: Field[Any]) -> Any:
    if field.default is not MISSING:
        return field.default
    return field.default_factory() if field.default_factory is not MISSING else MISSING


@cache
def _hints(kind: type) -> dict[str, Any]:
    return get_type_hints(kind)


def _read(kind: Any, said: Any) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        if said is None:
            return None
        (kind,) = (each for each in arguments if each is not types.NoneType)
        return _read(kind, said)
    if origin is tuple:
        return tuple(_read(each, part) for each, part in zip(arguments, said, strict=True))
    if origin in (Sequence, list):
        if not isinstance(said, list):
            raise TypeError("a list is wanted")
        return [_read(arguments[0], each) for each in said]
    if origin in (Mapping, dict):
        return {name: _read(arguments[1], each) for name, each in said.items()}
    if is_dataclass(kind):
        return _read_dataclass(kind, said)
    if kind is datetime:
        return datetime.fromisoformat(said)
    if isinstance(kind, type) and issubclass(kind, (Enum, UUID)):
        return kind(said)
    if isinstance(kind, type) and not isinstance(said, kind):
        raise TypeError(f"{kind.__name__} is wanted")
    return said


def _read_dataclass(kind: Any, said: Mapping[str, Any]) -> Any:
    hints, given = _hints(kind), {}
    for each in fields(kind):
        if each.name in said:
            given[each.name] = _read(hints[each.name], said[each.name])
        elif hints[each.name] is bytes:
            given[each.name] = b""
    return kind(**given)
