"""manifest.xml: what the files of a package are called (`sdp-manifest.xsd`, `sdp-felles.xsd`)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from lxml import etree

from connectors.dpi.refusal import Refusal

NAMESPACE = "http://begrep.difi.no/sdp/schema_v10"
MANIFEST_MAX_BYTES = 1_000_000
ATTACHMENTS_MAX = 200
TITLE_MAX = 255
OSLO = ZoneInfo("Europe/Oslo")
MEDIA_TYPE = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]*")


@dataclass(frozen=True, slots=True)
class File:
    """A document of the package as the manifest names it."""

    href: str
    media_type: str
    title: str = ""
    language: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """`lenke`: something to do outside the letter."""

    url: str
    description: str = ""
    button: str = ""
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """What manifest.xml says; the recipient's identity number, if any, is not read."""

    sender: str
    main: File
    attachments: tuple[File, ...] = ()
    link: Link | None = None
    mailbox_address: str = ""


def parse_manifest(xml: bytes) -> Manifest:
    """Read a manifest strictly: no document type, no entities, no network. Raises Refusal."""
    root = _root(xml)
    attachments = tuple(_file(element) for element in root.findall(_name("vedlegg")))
    if len(attachments) > ATTACHMENTS_MAX:
        raise Refusal(f"the manifest names more than {ATTACHMENTS_MAX} attachments")
    link = root.find(_name("lenke"))
    return Manifest(
        sender=_text(_one(_one(root, "avsender"), "organisasjon")),
        main=_file(_one(root, "hoveddokument")),
        attachments=attachments,
        link=None if link is None else _link(link),
        mailbox_address=(
            root.findtext(f"{_name('mottaker')}/{_name('person')}/{_name('postkasseadresse')}")
            or ""
        ).strip(),
    )


def build_manifest(manifest: Manifest) -> bytes:
    """Return the manifest as XML, its elements in the order of the schema."""
    root = etree.fromstring(f'<manifest xmlns="{NAMESPACE}"/>')
    if manifest.mailbox_address:
        person = etree.SubElement(etree.SubElement(root, _name("mottaker")), _name("person"))
        etree.SubElement(person, _name("postkasseadresse")).text = manifest.mailbox_address
    sender = etree.SubElement(root, _name("avsender"))
    organisation = etree.SubElement(sender, _name("organisasjon"), authority="iso6523-actorid-upis")
    organisation.text = manifest.sender
    _add_file(root, "hoveddokument", manifest.main)
    for attachment in manifest.attachments:
        _add_file(root, "vedlegg", attachment)
    if manifest.link:
        _add_link(root, manifest.link, manifest.main.language)
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8", standalone=True))


def _root(xml: bytes) -> etree._Element:
    if len(xml) > MANIFEST_MAX_BYTES:
        raise Refusal("the manifest is too large")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(xml, parser)
    except (etree.XMLSyntaxError, ValueError):
        raise Refusal("the manifest is not well-formed XML") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise Refusal("the manifest has a document type declaration")
    if root.tag != _name("manifest"):
        raise Refusal("the manifest is not a manifest")
    return root


def _name(local: str) -> str:
    return f"{{{NAMESPACE}}}{local}"


def _one(parent: etree._Element, local: str) -> etree._Element:
    found = parent.findall(_name(local))
    if len(found) != 1:
        raise Refusal(f"the manifest must have exactly one {local}")
    return found[0]


def _text(element: etree._Element) -> str:
    return (element.text or "").strip()


def _file(element: etree._Element) -> File:
    href, media_type = element.get("href", ""), element.get("mime", "")
    if not 4 <= len(href) <= 100:
        raise Refusal("a document in the manifest has no proper href")
    if not MEDIA_TYPE.fullmatch(media_type) or len(media_type) > 100:
        raise Refusal("a document in the manifest has no proper mime")
    title = element.find(_name("tittel"))
    if title is None:
        return File(href, media_type.lower())
    if not 1 <= len(_text(title)) <= TITLE_MAX:
        raise Refusal(f"a title in the manifest is not of 1 to {TITLE_MAX} characters")
    return File(href, media_type.lower(), _text(title), title.get("lang", "").lower())


def _link(element: etree._Element) -> Link:
    url = _text(_one(element, "url"))
    if not re.fullmatch(r"https?://\S+", url):
        raise Refusal("the link in the manifest is not a web address")
    due = (element.findtext(_name("frist")) or "").strip()
    return Link(
        url=url,
        description=(element.findtext(_name("beskrivelse")) or "").strip(),
        button=(element.findtext(_name("knappTekst")) or "").strip(),
        due_at=_moment(due) if due else None,
    )


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Refusal("the link's deadline is not a time") from None
    # xsd:dateTime leaves the zone out where the sender means the time in Norway.
    return moment if moment.tzinfo else moment.replace(tzinfo=OSLO)


def _add_file(root: etree._Element, local: str, file: File) -> None:
    element = etree.SubElement(root, _name(local), href=file.href, mime=file.media_type)
    if file.title:
        title = etree.SubElement(element, _name("tittel"), lang=file.language or "NO")
        title.text = file.title


def _add_link(root: etree._Element, link: Link, language: str) -> None:
    element = etree.SubElement(root, _name("lenke"))
    etree.SubElement(element, _name("url")).text = link.url
    for local, text in (("beskrivelse", link.description), ("knappTekst", link.button)):
        if text:
            etree.SubElement(element, _name(local), lang=language or "NO").text = text
    if link.due_at:
        etree.SubElement(element, _name("frist")).text = link.due_at.isoformat()
