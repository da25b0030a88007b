"""manifest.xml: what the files of a package are called (`xsd/sdp-manifest.xsd`)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from lxml import etree

from connectors.dpi.refusal import Refusal
from connectors.dpi.xml_schemas import check, parse

NAMESPACE = "http://begrep.difi.no/sdp/schema_v10"
ATTACHMENTS_MAX = 200
OSLO = ZoneInfo("Europe/Oslo")
_OPEN_DOCUMENT = "application/vnd.oasis.opendocument."
_OFFICE = "application/vnd.openxmlformats-officedocument."
MEDIA_TYPES = frozenset(
    {
        "application/pdf",
        "text/html",
        "text/plain",
        "application/ehf+xml",
        "image/gif",
        "image/jpeg",
        "image/png",
        "application/msword",
        _OFFICE + "wordprocessingml.document",
        _OFFICE + "spreadsheetml.sheet",
        _OFFICE + "presentationml.presentation",
        "application/octet-stream",
    }
) | {
    _OPEN_DOCUMENT + kind + flat
    for kind in ("formula", "text", "spreadsheet", "presentation", "graphics")
    for flat in ("", "-flat-xml")
}
"""What may be sent (DPI `dokumentpakke`, MIME types); a ZIP is sent as octet-stream."""


@dataclass(frozen=True, slots=True)
class Data:
    """`data`: a file of the package that says more of a document (an extension)."""

    href: str
    media_type: str


@dataclass(frozen=True, slots=True)
class File:
    """A document of the package as the manifest names it."""

    href: str
    media_type: str
    title: str = ""
    language: str = ""
    data: Data | None = None


@dataclass(frozen=True, slots=True)
class Link:
    """`lenke`: something to do outside the letter."""

    url: str
    description: str = ""
    button: str = ""
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Manifest:
    """What manifest.xml says."""

    sender: str
    main: File
    attachments: tuple[File, ...] = ()
    link: Link | None = None
    mailbox_address: str = ""
    national_id: str = field(default="", repr=False)
    """The recipient's; of use for letters to be printed alone, which name no mailbox."""


def parse_manifest(xml: bytes) -> Manifest:
    """Read a manifest strictly: no document type, no entities, no network. Raises Refusal."""
    root = parse(xml, "the manifest")
    if root.tag != _name("manifest"):
        raise Refusal("the manifest is not a manifest")
    attachments = root.findall(_name("vedlegg"))
    if len(attachments) > ATTACHMENTS_MAX:
        raise Refusal(f"the manifest names more than {ATTACHMENTS_MAX} attachments")
    check(root, "sdp-manifest", "the manifest")
    main, link = root.find(_name("hoveddokument")), root.find(_name("lenke"))
    assert main is not None, "the schema has seen to it"
    return Manifest(
        sender=_text(root, "avsender/organisasjon"),
        main=_file(main),
        attachments=tuple(map(_file, attachments)),
        link=None if link is None else link_from(link, _name),
        mailbox_address=_text(root, "mottaker/person/postkasseadresse"),
        national_id=_text(root, "mottaker/person/personidentifikator"),
    )


def build_manifest(manifest: Manifest) -> bytes:
    """Return the manifest as XML, its elements in the order of the schema."""
    root = etree.fromstring(f'<manifest xmlns="{NAMESPACE}"/>')
    if manifest.mailbox_address:
        person = etree.SubElement(etree.SubElement(root, _name("mottaker")), _name("person"))
        if manifest.national_id:
            etree.SubElement(person, _name("personidentifikator")).text = manifest.national_id
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


def _name(local: str) -> str:
    return f"{{{NAMESPACE}}}{local}"


def _text(parent: etree._Element, path: str) -> str:
    found = parent.findtext("/".join(map(_name, path.split("/"))))
    return (found or "").strip()


def _file(element: etree._Element) -> File:
    media_type = element.get("mime", "").lower()
    if media_type not in MEDIA_TYPES:
        raise Refusal("a document in the manifest is of a type that may not be sent")
    title, data = element.find(_name("tittel")), element.find(_name("data"))
    return File(
        href=element.get("href", ""),
        media_type=media_type,
        title=_text(element, "tittel"),
        language="" if title is None else title.get("lang", "").lower(),
        data=None if data is None else Data(data.get("href", ""), data.get("mime", "").lower()),
    )


def link_from(element: etree._Element, name: Callable[[str], str]) -> Link:
    """Read a valid `lenke`, whose parts `name` puts into its namespace. Raises Refusal."""

    def text(local: str) -> str:
        return (element.findtext(name(local)) or "").strip()

    url, due = text("url"), text("frist")
    if not re.fullmatch(r"https?://\S+", url):
        raise Refusal("the link is not a web address")
    return Link(url, text("beskrivelse"), text("knappTekst"), moment(due) if due else None)


def moment(text: str) -> datetime:
    """Return an xsd:dateTime as a moment. Raises Refusal for one that is none."""
    try:
        moment = datetime.fromisoformat(text)
        # xsd:dateTime leaves the zone out where the sender means the time in Norway.
        moment = moment if moment.tzinfo else moment.replace(tzinfo=OSLO)
        moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Refusal("a time is none that there is") from None
    return moment


def _add_file(root: etree._Element, local: str, file: File) -> None:
    element = etree.SubElement(root, _name(local), href=file.href, mime=file.media_type)
    if file.title:
        title = etree.SubElement(element, _name("tittel"), lang=file.language or "NO")
        title.text = file.title
    if file.data:
        etree.SubElement(element, _name("data"), href=file.data.href, mime=file.data.media_type)


def _add_link(root: etree._Element, link: Link, language: str) -> None:
    element = etree.SubElement(root, _name("lenke"))
    etree.SubElement(element, _name("url")).text = link.url
    for local, text in (("beskrivelse", link.description), ("knappTekst", link.button)):
        if text:
            etree.SubElement(element, _name(local), lang=language or "NO").text = text
    if link.due_at:
        etree.SubElement(element, _name("frist")).text = link.due_at.isoformat()
