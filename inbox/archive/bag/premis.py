"""PREMIS 3.0 (Library of Congress, Data Dictionary 3.0): what is said of files and events.

Of the standard no more is used than can be known: files with digest, size and format, the letter
that they are parts of, what has happened, and the program that did it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from lxml import etree

NAMESPACE = "http://www.loc.gov/premis/v3"
INSTANCE = "http://www.w3.org/2001/XMLSchema-instance"
AGENT = ("software", "Samlepost")


@dataclass(frozen=True, slots=True)
class File:
    """A file as PREMIS tells of it."""

    path: str
    sha256: str
    """Hex digest."""
    size: int
    """Bytes."""
    media_type: str
    name: str = ""
    """What its sender called it."""


@dataclass(frozen=True, slots=True)
class Happened:
    """An event."""

    id: str
    type: str
    at: str
    """ISO 8601."""
    detail: str = ""
    outcome: str = ""


def document(entity: str, title: str, files: Iterable[File], events: Iterable[Happened]) -> bytes:
    """Return the XML about one letter, whose id is `entity`."""
    root = etree.Element(
        _name("premis"), {"version": "3.0"}, nsmap={"premis": NAMESPACE, "xsi": INSTANCE}
    )
    whole = _object(root, "intellectualEntity")
    _identifier(whole, "object", "UUID", entity)
    _text(whole, "originalName", title)
    for each in files:
        _file(root, each, entity)
    for happened in events:
        _event(root, happened, entity)
    agent = etree.SubElement(root, _name("agent"))
    _identifier(agent, "agent", "local", AGENT[1])
    _text(agent, "agentName", AGENT[1])
    _text(agent, "agentType", AGENT[0])
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _file(root: etree._Element, file: File, entity: str) -> None:
    made = _object(root, "file")
    _identifier(made, "object", "local", file.path)
    traits = etree.SubElement(made, _name("objectCharacteristics"))
    fixity = etree.SubElement(traits, _name("fixity"))
    _text(fixity, "messageDigestAlgorithm", "SHA-256")
    _text(fixity, "messageDigest", file.sha256)
    _text(traits, "size", str(file.size))
    designation = etree.SubElement(
        etree.SubElement(traits, _name("format")), _name("formatDesignation")
    )
    _text(designation, "formatName", file.media_type)
    if file.name:
        _text(made, "originalName", file.name)
    relation = etree.SubElement(made, _name("relationship"))
    _text(relation, "relationshipType", "structural")
    _text(relation, "relationshipSubType", "is part of")
    related = etree.SubElement(relation, _name("relatedObjectIdentifier"))
    _text(related, "relatedObjectIdentifierType", "UUID")
    _text(related, "relatedObjectIdentifierValue", entity)


def _event(root: etree._Element, happened: Happened, entity: str) -> None:
    made = etree.SubElement(root, _name("event"))
    _identifier(made, "event", "local", happened.id)
    _text(made, "eventType", happened.type)
    _text(made, "eventDateTime", happened.at)
    if happened.detail:
        more = etree.SubElement(made, _name("eventDetailInformation"))
        _text(more, "eventDetail", happened.detail)
    if happened.outcome:
        more = etree.SubElement(made, _name("eventOutcomeInformation"))
        _text(more, "eventOutcome", happened.outcome)
    agent = etree.SubElement(made, _name("linkingAgentIdentifier"))
    _text(agent, "linkingAgentIdentifierType", "local")
    _text(agent, "linkingAgentIdentifierValue", AGENT[1])
    of = etree.SubElement(made, _name("linkingObjectIdentifier"))
    _text(of, "linkingObjectIdentifierType", "UUID")
    _text(of, "linkingObjectIdentifierValue", entity)


def _object(root: etree._Element, kind: str) -> etree._Element:
    return etree.SubElement(root, _name("object"), {f"{{{INSTANCE}}}type": f"premis:{kind}"})


def _identifier(parent: etree._Element, what: str, kind: str, value: str) -> None:
    made = etree.SubElement(parent, _name(f"{what}Identifier"))
    _text(made, f"{what}IdentifierType", kind)
    _text(made, f"{what}IdentifierValue", value)


def _text(parent: etree._Element, name: str, value: str) -> None:
    # XML 1.0 has no control characters but these three.
    kept = "".join(sign for sign in value if sign >= " " or sign in "\t\n\r")
    etree.SubElement(parent, _name(name)).text = kept.translate({0xFFFE: None, 0xFFFF: None})


def _name(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


def iso(at: datetime) -> str:
    """Return a moment as PREMIS takes it."""
    return at.isoformat()
