"""From Dialogporten's and Correspondence's JSON to our letters. Pure; README.md has the table.

Sources: Altinn/dialogporten `openapi.v1.enduser.verified.json` (DialogListItem, Dialog) and
Altinn/altinn-correspondence `CorrespondenceOverviewExt`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from connectors.altinn import languages, search, transmissions
from connectors.altinn.languages import localised
from connectors.altinn.transmissions import Surroundings
from connectors.contract import (
    LEVEL_HIGH,
    LEVEL_SUBSTANTIAL,
    Action,
    IncomingDocument,
    IncomingLetter,
    Party,
    PartyKind,
    RawPart,
    Recipient,
    RecipientKind,
    Rest,
    SenderRef,
    Unreadable,
    Version,
)
from connectors.fields import (
    WrongField,
    https_url,
    identifier,
    moment,
    optional_moment,
    optional_text,
    rows,
    table,
    text,
    truth,
)

PERSON_URN = "urn:altinn:person:identifier-no:"
ORGANISATION_URN = "urn:altinn:organization:identifier-no:"
PARTY_KINDS = {
    "Person": (PartyKind.PERSON, PERSON_URN, 11),
    "Organization": (PartyKind.ORGANISATION, ORGANISATION_URN, 9),
}
"""By `partyType`: what the party is, how its `party` begins, and how many digits follow."""
SPOKEN = ("", "nb", "nn", "en", "se")
"""Languages that she may have chosen."""
CORRESPONDENCE_SERVICE = "CorrespondenceService"
WRITING = ("POST", "DELETE")
CONFIRMED = "CorrespondenceConfirmed"
"""Type of the activity that a confirmation leaves, here or at Altinn itself."""
CORRESPONDENCE = re.compile(r"/correspondence/api/v1/correspondence/([0-9a-fA-F-]{36})(?:/|$)")
ORGANISATION = re.compile(r"(?:0192:|urn:altinn:organization:identifier-no:)([0-9]{9})")
MD5_HEX = re.compile(r"[0-9a-fA-F]{32}")
PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")


def urn(recipient: Recipient) -> str:
    """Return the party that stands for a recipient. That of a person belongs in no address."""
    if recipient.kind is RecipientKind.ORGANISATION:
        return ORGANISATION_URN + recipient.value
    return PERSON_URN + recipient.value


def parties(answer: Any) -> list[Party]:
    """Read whom a `Parties` lists besides herself, sub-units among them, each once.

    Left out are parties that are deleted, that stand there for their sub-units alone, or that are
    neither persons nor enterprises. Raises WrongField for one that cannot be read.
    """
    found: dict[str, Party] = {}
    for item in rows(table(answer, "the parties"), "authorizedParties"):
        _add_party(found, table(item, "a party"))
    return list(found.values())


def _add_party(found: dict[str, Party], item: Mapping[str, Any]) -> None:
    for each in rows(item, "subParties"):
        _add_party(found, table(each, "a sub-party"))
    known = PARTY_KINDS.get(text(item, "partyType", longest=64))
    left_out = ("isDeleted", "isCurrentEndUser", "hasOnlyAccessToSubParties")
    if known is None or any(truth(item, name) for name in left_out):
        return
    kind, prefix, digits = known
    named = text(item, "party", longest=255)
    number = named.removeprefix(prefix)
    if named == number or len(number) != digits or not (number.isascii() and number.isdecimal()):
        raise WrongField("a party is not what its type says")
    party = Party(
        key=identifier(item, "partyUuid"),
        kind=kind,
        number=number,
        name=text(item, "name", longest=255),
        has_key_role=truth(item, "hasKeyRole"),
    )
    before = found.get(number)
    found[number] = party if before is None or party.has_key_role else before


def read_items(
    items: Iterable[Any], recipient: Recipient, first: str = ""
) -> tuple[list[IncomingLetter], list[Unreadable]]:
    """Read the items of a list answer one by one: the letters, and what could not be read.

    `first` is the language that she reads first.
    """
    letters: list[IncomingLetter] = []
    unreadable: list[Unreadable] = []
    for item in items:
        try:
            letters.append(listed(item, recipient, first))
        except WrongField as error:
            unreadable.append(refused(item, str(error)))
    return letters, unreadable


def refused(item: Any, reason: str) -> Unreadable:
    """Return an item kept whole with the reason; `external_id` is empty where it has none."""
    try:
        external_id = identifier(table(item, "the item"), "id")
    except WrongField:
        external_id = ""
    return Unreadable(external_id, f"dialog: {reason}", [raw_part("dialog.json", item)])


def raw_part(name: str, value: Any) -> RawPart:
    """Return JSON as it is kept: each value as it came, spaces left out.

    A dialog token is a key to the content, good for ten minutes; keys are not kept.
    """
    if isinstance(value, dict):
        value = {key: each for key, each in value.items() if key != "dialogToken"}
    content = json.dumps(value, separators=(",", ":")).encode()
    return RawPart(name, content, "application/json")


def listed(item: Any, recipient: Recipient, first: str = "") -> IncomingLetter:
    """Map a DialogListItem (or a whole Dialog, which has the same fields and more).

    Body and documents are had by opening alone. Raises WrongField, also for another's party.
    """
    dialog = table(search.as_rest(item), "the item")
    external_id = identifier(dialog, "id")
    if text(dialog, "party", longest=255) != urn(recipient):
        raise WrongField("party is not the one who was asked for")
    content = table(dialog.get("content"), "content")
    title, language = localised(content.get("title"), "title", first)
    if not title:
        raise WrongField("title is missing")
    level, readable = level_of(content["title"])
    summary, _ = localised(content.get("summary"), "summary", language)
    status = optional_text(dialog, "status")
    waits = status == "RequiresAttention"
    org = text(dialog, "org", longest=255)
    sender_name, _ = localised(content.get("senderName"), "senderName")
    reference = optional_text(dialog, "externalReference")
    seen = _seen_at(dialog)
    return IncomingLetter(
        external_id=external_id,
        recipient=recipient,
        sender=SenderRef(sender_name.strip() or org, verified="source"),
        title=title,
        sent_at=moment(dialog, "createdAt"),
        public_title="" if readable else title,
        summary=summary,
        language=language,
        due_at=optional_moment(dialog, "dueAt"),
        security_level=level,
        content_on_open=True,
        versions=_versions(content, language, {}, readable=readable),
        messages_count=_count(dialog, "fromServiceOwnerTransmissionsCount"),
        same_as=(f"{org}:{reference}",) if reference else (),
        needs_action=waits,
        # CreateDialogRequestMapper.cs: a correspondence waits for nothing but its confirmation.
        needs_confirmation=waits and dialog.get("serviceResourceType") == CORRESPONDENCE_SERVICE,
        opened_at=min(seen, default=None),
        opened_again_at=max(seen) if len(set(seen)) > 1 else None,
        handled_at=_handled_at(dialog, status),
        provenance={"transport": "dialogporten"},
        raw=[raw_part("dialog.json", item)],
    )


def opened(
    letter: IncomingLetter, dialog: Any, correspondence: Any, body: str, around: Surroundings
) -> IncomingLetter:
    """Add to a listed letter what opening its correspondence gave. Raises WrongField."""
    overview = table(correspondence, "the correspondence")
    content = table(overview.get("content"), "content")
    own_id = identifier(overview, "correspondenceId")
    organisation = ORGANISATION.fullmatch(optional_text(overview, "sender"))
    confidential = truth(overview, "isConfidential")
    language = optional_text(content, "language") or letter.language
    documents = _documents(rows(content, "attachments"), own_id)
    dialog = table(dialog, "the dialog")
    messages, transmitted = transmissions.thread(dialog, around, [each.name for each in documents])
    return replace(
        letter,
        sender=replace(
            letter.sender,
            name=optional_text(overview, "messageSender").strip() or letter.sender.name,
            org_number=organisation[1] if organisation else "",
        ),
        title=text(content, "messageTitle"),
        summary=optional_text(content, "messageSummary"),
        body=body,
        body_media_type="text/markdown",
        language=language,
        versions=_with_public(letter, _versions(table(dialog["content"], "content"), language, {})),
        due_at=optional_moment(overview, "dueDateTime") or letter.due_at,
        expires_at=optional_moment(dialog, "expiresAt"),
        security_level=LEVEL_HIGH if confidential else letter.security_level,
        documents=[*documents, *transmitted],
        content_on_open=False,
        case_reference=_case_reference(overview),
        same_as=(*letter.same_as, f"altinn:{own_id}"),
        actions=_actions(dialog, overview, around.first),
        messages=messages,
        needs_confirmation=truth(overview, "isConfirmationNeeded"),
        raw=[raw_part("dialog.json", dialog), raw_part("correspondence.json", correspondence)],
    )


def opened_without_correspondence(
    letter: IncomingLetter, dialog: Any, around: Surroundings
) -> IncomingLetter:
    """Add what a dialog holds itself: its texts, attachments and thread. Raises WrongField.

    The text that `mainContentReference` leads to stands below `additionalInfo`. Where it could
    not be had, `provenance` says so: "text": "at_sender".
    """
    content = table(dialog["content"], "content")
    bodies, rest = _bodies(content, around)
    body, media_type = bodies.get(letter.language) or next(iter(bodies.values()), ("", ""))
    links, documents = transmissions.attachments(dialog, around)
    names = [each.name for each in documents]
    messages, transmitted = transmissions.thread(dialog, around, names)
    return replace(
        letter,
        body=body,
        body_media_type=media_type or "text/plain",
        versions=_with_public(letter, _versions(content, letter.language, bodies)),
        expires_at=optional_moment(dialog, "expiresAt"),
        content_on_open=False,
        documents=[*documents, *transmitted],
        messages=messages,
        actions=[*_actions(dialog, {}, around.first), *links],
        provenance={**letter.provenance, **({"text": rest.value} if rest else {})},
        raw=[raw_part("dialog.json", dialog)],
    )


def main_references(dialog: Any) -> dict[str, str]:
    """Return the addresses of a dialog's own embedded text by language. Raises WrongField."""
    content = table(table(dialog, "the dialog").get("content"), "content")
    value = content.get("mainContentReference")
    if isinstance(value, dict) and value.get("isAuthorized") is False:
        return {}
    return transmissions.references(value, "mainContentReference")


def _bodies(
    content: Mapping[str, Any], around: Surroundings
) -> tuple[dict[str, tuple[str, str]], Rest]:
    """Return (text, media type) by language, and where what is lacking of the text is."""
    infos = languages.texts(content.get("additionalInfo"), "additionalInfo")
    kind = ""
    if infos:
        kind = optional_text(table(content["additionalInfo"], "additionalInfo"), "mediaType")
    markdown = "text/markdown"
    found = {
        language: (info, markdown if kind == markdown else "text/plain")
        for language, info in infos.items()
    }
    rest = Rest.NONE
    for language, url in main_references({"content": content}).items():
        embedded = around.texts.get(url)
        if embedded is None or not embedded.text:
            rest = (embedded and embedded.rest) or Rest.AT_SENDER
            continue
        info, info_type = found.get(language, ("", embedded.media_type))
        if not info:
            found[language] = embedded.text, embedded.media_type
        elif info_type == embedded.media_type:
            found[language] = f"{info}\n\n{embedded.text}", info_type
        else:
            both = [(info, info_type), (embedded.text, embedded.media_type)]
            found[language] = "\n\n".join(_as_markdown(*each) for each in both), markdown
    return found, rest


def _as_markdown(said: str, media_type: str) -> str:
    """Every sign that means something to Markdown may have a backslash (CommonMark §2.4)."""
    return said if media_type == "text/markdown" else PUNCTUATION.sub(r"\\\g<0>", said)


def _versions(
    content: Mapping[str, Any],
    shown: str,
    bodies: Mapping[str, tuple[str, str]],
    *,
    readable: bool = True,
) -> Sequence[Version]:
    titles = languages.texts(content.get("title"), "title")
    summaries = languages.texts(content.get("summary"), "summary")
    return languages.versions(titles, summaries, bodies, shown=shown, readable=readable)


def _with_public(letter: IncomingLetter, found: Sequence[Version]) -> list[Version]:
    """Return `found` with the public titles that the list gave."""
    public = {each.language: each.public_title for each in letter.versions}
    return [replace(each, public_title=public.get(each.language, "")) for each in found]


def _count(item: Mapping[str, Any], name: str) -> int:
    value = item.get(name)
    return value if isinstance(value, int) and value > 0 else 0


def correspondence_id(dialog: Any) -> str:
    """Return the id of the correspondence that a whole dialog shows, empty if it is none.

    It stands in `mainContentReference`, else in the address of a GUI action.
    """
    content = table(table(dialog, "the dialog").get("content"), "content")
    reference, _ = localised(content.get("mainContentReference"), "mainContentReference")
    actions = [table(action, "a guiAction") for action in rows(dialog, "guiActions")]
    for address in (reference, *(optional_text(action, "url") for action in actions)):
        found = CORRESPONDENCE.search(address)
        if found:
            return found[1].lower()
    return ""


def is_withheld(dialog: Any) -> bool:
    """Say whether the content is refused to a token of this level (`isAuthorized` is false)."""
    content = table(table(dialog, "the dialog").get("content"), "content")
    values = (content.get("mainContentReference"), content.get("title"))
    return any(isinstance(value, dict) and value.get("isAuthorized") is False for value in values)


def level_of(title: Any) -> tuple[int, bool]:
    """Return a letter's level and whether a level-3 token was given its real title.

    Below the level that a dialog needs, Dialogporten gives the non-sensitive title and says
    `isAuthorized: false`. A title that does not say is taken to be of level 4.
    """
    authorised = table(title, "title").get("isAuthorized")
    if authorised is True:
        return LEVEL_SUBSTANTIAL, True
    return LEVEL_HIGH, authorised is not False


def _seen_at(dialog: Mapping[str, Any]) -> list[datetime]:
    """When the citizen herself saw the present content; others who saw it do not count."""
    entries = [table(each, "a seen entry") for each in rows(dialog, "seenSinceLastContentUpdate")]
    return [moment(each, "seenAt") for each in entries if truth(each, "isCurrentEndUser")]


def _handled_at(dialog: Mapping[str, Any], status: str) -> datetime | None:
    """When it was done: the sender says so, or it was confirmed and waits for nothing else.

    A confirmation leaves an activity, and a status that says nothing (`DialogportenService.cs`,
    PatchCorrespondenceDialogToConfirmed). The list holds the latest activity, a dialog all.
    """
    if status == "Completed":
        return optional_moment(dialog, "updatedAt")
    if status == "RequiresAttention":
        return None
    latest = dialog.get("latestActivity")
    activities = rows(dialog, "activities") if latest is None else [latest]
    found = [table(each, "an activity") for each in activities]
    times = [optional_moment(each, "createdAt") for each in found if each.get("type") == CONFIRMED]
    return min((each for each in times if each), default=None)


def _documents(attachments: list[Any], correspondence: str) -> list[IncomingDocument]:
    """The first attachment is the main document where there is no other sign."""
    documents = []
    for position, each in enumerate(attachments):
        attachment = table(each, "an attachment")
        name = optional_text(attachment, "fileName") or f"vedlegg-{position + 1}"
        documents.append(
            IncomingDocument(
                name=name,
                media_type=optional_text(attachment, "dataType") or "application/octet-stream",
                title=optional_text(attachment, "displayName") or name,
                is_main=position == 0,
                ref=_ref(correspondence, attachment),
                expires_at=optional_moment(attachment, "expirationTime"),
            )
        )
    return documents


def _ref(correspondence: str, attachment: Mapping[str, Any]) -> str:
    """The download path, with the checksum (MD5) that Altinn declares as its fragment."""
    path = (
        f"correspondence/api/v1/correspondence/{correspondence}"
        f"/attachment/{identifier(attachment, 'id')}/download"
    )
    checksum = optional_text(attachment, "checksum")
    return f"{path}#{checksum.lower()}" if MD5_HEX.fullmatch(checksum) else path


def _actions(
    dialog: Mapping[str, Any], overview: Mapping[str, Any], first: str = ""
) -> list[Action]:
    """Links alone: a GUI action of another method changes something at the agency."""
    due_at = optional_moment(dialog, "dueAt")
    found: dict[str, str] = {}
    for each in rows(dialog, "guiActions"):
        action = table(each, "a guiAction")
        if action.get("httpMethod") == "GET" and action.get("isAuthorized") is True:
            label = languages.choose(rows(action, "title"), "title", first)
            _add_link(found, action, "url", label)
    for each in rows(overview, "replyOptions"):
        option = table(each, "a replyOption")
        _add_link(found, option, "linkURL", optional_text(option, "linkText"))
    links = [Action(url, label or "Gå til avsenderen", due_at) for url, label in found.items()]
    return [*links, *_acts(dialog, first)]


def _acts(dialog: Mapping[str, Any], first: str) -> Iterator[Action]:
    """What changes something at the sender's, but for confirming and deleting.

    A confirmation has a way of its own, and what she has got is hers to keep or delete here.
    """
    for each in rows(dialog, "guiActions"):
        method, url = each.get("httpMethod"), optional_text(each, "url")
        if method not in WRITING or each.get("isAuthorized") is not True:
            continue
        if each.get("isDeleteDialogAction") is not False or CORRESPONDENCE.search(url):
            continue
        title = languages.choose(rows(each, "title"), "title", first)
        prompt = languages.choose(rows(each, "prompt"), "prompt", first)
        if title and urlsplit(url).scheme in ("http", "https"):
            yield Action(url, title, method=method, id=UUID(identifier(each, "id")), prompt=prompt)


def acts_of(dialog: Any, action: UUID) -> list[Action]:
    """Return what a whole dialog says of one such action today, in each language that she may
    have read it in. Raises WrongField."""
    item = table(dialog, "the dialog")
    found = [act for first in SPOKEN for act in _acts(item, first) if act.id == action]
    return list(dict.fromkeys(found))


def _add_link(found: dict[str, str], item: Mapping[str, Any], name: str, label: str) -> None:
    """A link that is not https is left out; the rest of the letter can be read without it."""
    try:
        found.setdefault(https_url(item, name), label)
    except WrongField:
        return


def _case_reference(overview: Mapping[str, Any]) -> str:
    for each in rows(overview, "externalReferences"):
        reference = table(each, "an externalReference")
        if reference.get("referenceType") == "Generic":
            return optional_text(reference, "referenceValue")
    return ""
