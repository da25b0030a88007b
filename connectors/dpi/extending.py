"""Extensions as a sending agency writes them (`data` in the manifest); for the simulator alone."""

from __future__ import annotations

from datetime import datetime

from lxml import etree

from connectors.contract import Appointment, Proof
from connectors.dpi.manifest import OSLO, Link

NAMESPACE = "http://begrep.difi.no/sdp/utvidelser/{}"
MEDIA_TYPE = "application/vnd.difi.dpi.{}+xml"


def link_xml(link: Link, language: str) -> bytes:
    """Return a link as `lenke`."""
    root = _root("lenke")
    _add(root, "url", link.url)
    for local, text in (("beskrivelse", link.description), ("knappTekst", link.button)):
        if text:
            _add(root, local, text, lang=language)
    if link.due_at:
        _add(root, "frist", _moment(link.due_at))
    return _written(root)


def appointment_xml(appointment: Appointment, language: str) -> bytes:
    """Return what takes place as `arrangement`; `place` is "name, street, postcode town"."""
    root = _root("arrangement")
    _add(root, "tittel", appointment.title, lang=language)
    for start, end in appointment.times:
        period = _add(root, "tidsrom")
        for local, moment in (("fra", start), ("til", end)):
            if moment:
                _add(period, local, _moment(moment))
    if appointment.note:
        _add(root, "oppmøte-informasjon", appointment.note, lang=language)
    place = _add(root, "møteplass")
    name, street, town = appointment.place.split(", ")
    postcode, _, post_town = town.partition(" ")
    _add(place, "tittel", appointment.title, lang=language)
    for local, text in (
        ("navn", name),
        ("gateadresse", street),
        ("postnummer", postcode),
        ("sted", post_town),
    ):
        _add(place, local, text)
    return _written(root)


def proof_xml(proof: Proof, holder: str, language: str) -> bytes:
    """Return what a document proves as `bevis`; `holder` is her name, first names first."""
    root = _root("bevis")
    _add(root, "utsteder-visningsnavn", proof.issuer, lang=language)
    period = _add(_add(root, "gyldighetsperiode"), "periode")
    for local, moment in (("fra", proof.valid_from), ("til", proof.valid_until)):
        if moment:
            _add(period, local, _moment(moment))
    person = _add(root, "bevisholder")
    first_names, _, surname = holder.rpartition(" ")
    _add(person, "fornavn", first_names)
    _add(person, "etternavn", surname)
    _add(root, "tittel", proof.title, lang=language)
    return _written(root)


def _root(kind: str) -> etree._Element:
    return etree.fromstring(f'<{kind} xmlns="{NAMESPACE.format(kind)}"/>')


def _add(parent: etree._Element, local: str, text: str = "", **attributes: str) -> etree._Element:
    namespace = etree.QName(parent).namespace
    element = etree.SubElement(parent, f"{{{namespace}}}{local}", attrib=attributes)
    element.text = text or None
    return element


def _moment(moment: datetime) -> str:
    return moment.astimezone(OSLO).isoformat(timespec="seconds")


def _written(root: etree._Element) -> bytes:
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))
