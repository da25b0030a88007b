"""DPI's XML against its official schemas: no network, no document type, no entities.

The schemas in `xsd/` are Digdir's, unchanged; `xsd/SOURCE.txt` says where from.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

from lxml import etree

from connectors.dpi.refusal import Refusal

FOLDER = Path(__file__).parent / "xsd"
XML_MAX_BYTES = 1_000_000
NAMED = re.compile(r"Element '(?:\{[^}]*\})?([A-Za-zÆØÅæøå-]{1,40})'")


def parse(xml: bytes, what: str) -> etree._Element:
    """Return the root of an XML file that `what` names in reasons. Raises Refusal."""
    if len(xml) > XML_MAX_BYTES:
        raise Refusal(f"{what} is too large")
    try:
        root = etree.fromstring(xml, _parser())
    except (etree.XMLSyntaxError, ValueError):
        raise Refusal(f"{what} is not well-formed XML") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise Refusal(f"{what} has a document type declaration")
    return root


def check(root: etree._Element, name: str, what: str) -> None:
    """Hold the XML against the schema `name`.xsd.

    Raises Refusal with the element's name alone: the parser's own words quote what stands there.
    """
    try:
        _schema(name).assertValid(root)
    except etree.DocumentInvalid as error:
        found = NAMED.match(str(error))
        where = f" in {found[1]}" if found else ""
        raise Refusal(f"{what} is not valid by its schema{where}") from None


def _parser() -> etree.XMLParser:
    return etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)


@cache
def _schema(name: str) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(FOLDER / f"{name}.xsd"), _parser()))
