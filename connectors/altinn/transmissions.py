"""From what Dialogporten has under a dialog (transmissions, attachments) to thread and documents.

Pure. Sources: `openapi.v1.enduser.verified.json` (DialogTransmission,
DialogTransmissionSearchItem), Altinn/dialogporten `Constants.cs`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from connectors.altinn import languages
from connectors.contract import Action, IncomingDocument, Rest, ThreadMessage
from connectors.fields import (
    WrongField,
    https_url,
    identifier,
    moment,
    optional_moment,
    optional_text,
    rows,
    table,
)

EMBEDDED = "application/vnd.dialogporten.frontchannelembed"
"""How the media type of a reference to a text begins (`MediaTypes.cs`)."""
EXPIRED = "urn:dialogporten:expired"
"""Stands for the address of what the sender shows no longer (`Constants.cs`)."""
REF = "dialog:"
REF_MAX = 512
"""Characters of a document's reference; what is longer is a link."""
NAME_MAX = 240


@dataclass(frozen=True, slots=True)
class Embedded:
    """What the address of an embedded text gave."""

    text: str = ""
    media_type: str = "text/plain"
    rest: Rest = Rest.NONE


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the reading of a dialog's parts depends on."""

    dialog: str
    """Its id."""
    first: str = ""
    """The language that she has chosen."""
    texts: Mapping[str, Embedded] = field(default_factory=dict)
    """What has been fetched, by address; what has not is had by opening alone."""
    may_be_asked: Callable[[str], bool] = lambda url: False
    """Says of an address whether we fetch from there with a dialog token."""
    opened: bool = True
    """False: the parts were listed alone, so nothing that takes a dialog token can be had."""


def references(value: Any, name: str) -> dict[str, str]:
    """Return the addresses of an embedded text by language. Raises WrongField."""
    if value is None or not optional_text(table(value, name), "mediaType").startswith(EMBEDDED):
        return {}
    return languages.texts(value, name)


def embedded_addresses(dialog: Mapping[str, Any]) -> list[str]:
    """Return where the texts lie that the dialog's transmissions embed."""
    found: dict[str, None] = {}
    for each in hers(dialog):
        try:
            content = table(each.get("content"), "content")
            found |= dict.fromkeys(
                references(content.get("contentReference"), "contentReference").values()
            )
        except WrongField:
            continue
    return list(found)


def hers(dialog: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the transmissions that she may see."""
    found = [each for each in rows(dialog, "transmissions") if isinstance(each, dict)]
    return [each for each in found if each.get("isAuthorized") is True]


def thread(
    dialog: Mapping[str, Any], around: Surroundings, taken: Iterable[str] = ()
) -> tuple[list[ThreadMessage], list[IncomingDocument]]:
    """Return the transmissions that she may see, and the documents that came with them.

    `taken` are the names of the letter's other documents. A transmission that cannot be read
    hides no other.
    """
    messages: list[ThreadMessage] = []
    documents: list[IncomingDocument] = []
    for each in hers(dialog):
        try:
            names = [*taken, *(document.name for document in documents)]
            links, files = attachments(each, around, names)
            messages.append(_message(each, around, [*links, *_ways_out(each, around)], files))
            documents += files if around.opened else []
        except (WrongField, KeyError):
            continue
    return messages, documents


def attachments(
    item: Mapping[str, Any], around: Surroundings, taken: Iterable[str] = ()
) -> tuple[list[Action], list[IncomingDocument]]:
    """Return the attachments of a dialog or transmission: as links, or as documents to fetch.

    What lies where we may ask is fetched by its `Api` address; the others have a page (`Gui`).
    """
    links: list[Action] = []
    documents: list[IncomingDocument] = []
    names = {name.casefold() for name in taken}
    for each in rows(item, "attachments"):
        attachment = table(each, "an attachment")
        label = languages.choose(rows(attachment, "displayName"), "displayName", around.first)
        label = label or optional_text(attachment, "name")
        expires_at = optional_moment(attachment, "expiresAt")
        urls = [table(url, "an url") for url in rows(attachment, "urls")]
        file = _file(around, urls)
        if file is not None:
            wanted = optional_text(attachment, "name").strip() or label or "vedlegg"
            name = _unused(wanted[:NAME_MAX].strip(), names)
            names.add(name.casefold())
            kind, ref = file
            documents.append(
                IncomingDocument(
                    name, kind, title=label or name, ref=ref, on_open=False, expires_at=expires_at
                )
            )
            continue
        gui = [url for url in urls if url.get("consumerType") == "Gui"]
        found = {link: None for url in gui if (link := _https(url))}
        links += [Action(link, label or "Åpne vedlegget", expires_at) for link in found]
    return links, documents


def _file(around: Surroundings, urls: Iterable[Mapping[str, Any]]) -> tuple[str, str] | None:
    """Return media type and reference of a file that is had; no reference where it has expired."""
    for url in urls:
        kind = optional_text(url, "mediaType") or "application/octet-stream"
        address = optional_text(url, "url")
        if address == EXPIRED:
            return kind, ""
        ref = f"{REF}{around.dialog}:{address}"
        is_file = url.get("consumerType") == "Api" and len(ref) <= REF_MAX
        if is_file and around.may_be_asked(address):
            return kind, ref
    return None


def _unused(name: str, taken: Iterable[str]) -> str:
    found, count = name, 2
    while found.casefold() in taken:
        found, count = f"{name} ({count})", count + 1
    return found


def _ways_out(transmission: Mapping[str, Any], around: Surroundings) -> Iterator[Action]:
    for each in rows(transmission, "navigationalActions"):
        action = table(each, "a navigationalAction")
        url = _https(action)
        if url:
            title = languages.choose(rows(action, "title"), "title", around.first)
            yield Action(url, title or "Gå til avsenderen", optional_moment(action, "expiresAt"))


def _https(item: Mapping[str, Any]) -> str:
    """An address that is not https is left out; the rest can be read without it."""
    try:
        return https_url(item, "url")
    except WrongField:
        return ""


def _message(
    item: Mapping[str, Any],
    around: Surroundings,
    links: list[Action],
    documents: list[IncomingDocument],
) -> ThreadMessage:
    content, sender = table(item.get("content"), "content"), table(item["sender"], "sender")
    titles = languages.texts(content.get("title"), "title")
    summaries = languages.texts(content.get("summary"), "summary")
    asked = references(content.get("contentReference"), "contentReference")
    given = {
        language: around.texts.get(url, Embedded(rest=Rest.ON_OPEN))
        for language, url in asked.items()
    }
    title, language = languages.chosen(titles, around.first)
    shown = given.get(language) or next(iter(given.values()), Embedded())
    bodies = {name: (each.text, each.media_type) for name, each in given.items() if each.text}
    waits = not around.opened and any(each.ref for each in documents)
    return ThreadMessage(
        id=identifier(item, "id"),
        at=moment(item, "createdAt"),
        title=title,
        text=languages.chosen(summaries, language)[0],
        author=optional_text(sender, "actorName"),
        kind=optional_text(item, "type"),
        from_her=sender.get("actorType") == "PartyRepresentative",
        body=shown.text,
        body_media_type=shown.media_type,
        links=links,
        documents=[each.name for each in documents] if around.opened else (),
        rest=Rest.ON_OPEN if waits else shown.rest,
        versions=languages.versions(titles, summaries, bodies, shown=language),
    )
