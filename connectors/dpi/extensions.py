"""What a sender says of a document in a form that machines read: `data` in the manifest.

Sources: docs.digdir.no DPI `utvidelser` (types and media types) and the schemas of the three in
`xsd/`. A supplier that does not know an extension drops it without telling anybody, it says there;
so one that cannot be read never holds up the letter: it is kept in the package, and the letter
says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from lxml import etree

from connectors.contract import Appointment, Proof
from connectors.dpi.manifest import File, Link, link_from, moment
from connectors.dpi.refusal import Refusal
from connectors.dpi.xml_schemas import check, parse

KINDS = {f"application/vnd.difi.dpi.{kind}+xml": kind for kind in ("lenke", "bevis", "arrangement")}


@dataclass(frozen=True, slots=True)
class Extensions:
    """What the extensions of a letter's documents say, in the documents' order."""

    links: tuple[Link, ...] = ()
    appointments: tuple[Appointment, ...] = ()
    proofs: tuple[Proof, ...] = ()
    unread: tuple[str, ...] = ()
    """Why some could not be read."""


def read_extensions(documents: Iterable[File], files: Mapping[str, bytes]) -> Extensions:
    """Read the extensions of all documents; one that cannot be read is named in `unread`."""
    links: list[Link] = []
    appointments: list[Appointment] = []
    proofs: list[Proof] = []
    unread: list[str] = []
    for document in documents:
        if document.data is None:
            continue
        try:
            kind, root = _read(document.data.media_type, files.get(document.data.href))
            if kind == "lenke":
                links.append(link_from(root, lambda local: _name("lenke", local)))
            elif kind == "bevis":
                proofs.append(_proof(root))
            else:
                appointments.append(_appointment(root))
                links += _event_links(root)
        except Refusal as refusal:
            unread.append(str(refusal))
    return Extensions(tuple(links), tuple(appointments), tuple(proofs), tuple(unread))


def _read(media_type: str, content: bytes | None) -> tuple[str, etree._Element]:
    kind = KINDS.get(media_type)
    if kind is None:
        raise Refusal("an extension is of an unknown kind")
    if content is None:
        raise Refusal("an extension is not in the package")
    root = parse(content, "an extension")
    if root.tag != _name(kind, kind):
        raise Refusal("an extension is not of the kind that the manifest names")
    check(root, kind, "an extension")
    return kind, root


def _appointment(root: etree._Element) -> Appointment:
    def text(*path: str) -> str:
        return _text(root, "arrangement", *path)

    town = " ".join(filter(None, (text("møteplass", "postnummer"), text("møteplass", "sted"))))
    place = (
        text("møteplass", "navn"),
        text("møteplass", "gateadresse"),
        town,
        text("møteplass", "land"),
    )
    times = tuple(
        (_moment(each, "arrangement", "fra"), _moment(each, "arrangement", "til"))
        for each in root.findall(_name("arrangement", "tidsrom"))
    )
    return Appointment(
        title=text("tittel"),
        place=", ".join(filter(None, place)),
        times=times,
        note=text("oppmøte-informasjon"),
    )


def _event_links(root: etree._Element) -> list[Link]:
    return [
        Link(_text(each, "arrangement", "url"), button=_text(each, "arrangement", "navn"))
        for each in root.iter(_name("arrangement", "lenke"))
    ]


def _proof(root: etree._Element) -> Proof:
    period = root.find("/".join(_name("bevis", part) for part in ("gyldighetsperiode", "periode")))
    return Proof(
        title=_text(root, "bevis", "tittel"),
        issuer=_text(root, "bevis", "utsteder-visningsnavn"),
        valid_from=None if period is None else _moment(period, "bevis", "fra"),
        valid_until=None if period is None else _moment(period, "bevis", "til"),
    )


def _name(kind: str, local: str) -> str:
    return f"{{http://begrep.difi.no/sdp/utvidelser/{kind}}}{local}"


def _text(element: etree._Element, kind: str, *path: str) -> str:
    return (element.findtext("/".join(_name(kind, part) for part in path)) or "").strip()


def _moment(element: etree._Element, kind: str, local: str) -> datetime | None:
    text = _text(element, kind, local)
    return moment(text).astimezone(UTC) if text else None
