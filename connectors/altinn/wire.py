"""What the simulated Dialogporten answers: its own JSON from what is stored of a letter. Pure.

Shapes: Altinn/dialogporten `openapi.v1.enduser.verified.json`; how a correspondence appears as a
dialog: Altinn/altinn-correspondence `CreateDialogRequestMapper.cs`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from connectors import clock
from connectors.world.model import SimulatedLetter

PERSON_URN = "urn:altinn:person:identifier-no:"
ORGANISATION_URN = "urn:altinn:organization:identifier-no:"
CONTENT_MEDIA_TYPE = "application/vnd.dialogporten.frontchannelembed+json;type=markdown"
PLACES = ("Default", "Bin", "Archive")
"""Labels of which a dialog has exactly one."""
UNOPENED = "MarkedAsUnopened"
HERSELF = {"actorType": "PartyRepresentative", "actorId": None, "actorName": None}
UNAUTHORISED = "urn:dialogporten:unauthorized"
EXPIRED = "urn:dialogporten:expired"
SERVICE_OWNERS = {"skatteetaten": "skd", "lanekassen": "lk"}
"""Service owners whose code is not the short name that we use."""

VERSION_FIELDS = ("language", "title", "public_title", "summary", "body")

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Stored:
    """A letter as it lies in the simulator, with the marks that have been set on it."""

    dialog: str
    correspondence: str
    party: str
    """National identity number, or an enterprise's organisation number."""
    updated: str
    """Its content."""
    changed: str
    """Anything of it but labels and who has seen it."""
    said: Mapping[str, Any]
    marks: Mapping[str, str]
    """When it was first seen, fetched, read; absent: never."""
    seen: Sequence[tuple[str, str]] = ()
    """(id, time) of each time that she got it after a change, oldest first."""
    labels: Sequence[str] = ("Default",)
    revision: int = 0
    """How often its labels have changed."""
    attachments: Sequence[Mapping[str, Any]] = ()

    def at(self, order: str) -> str:
        """Return the time by which a list in this order has it."""
        created = str(self.said.get("sent_at", self.updated))
        return {"content": self.updated, "updated": self.changed, "created": created}[order]


def stamp(moment: datetime) -> str:
    """Return a time as the simulator writes it; such texts sort as the times do."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def version7(key: str, moment: datetime) -> str:
    """Return the UUIDv7 of a letter: its time and bits that follow from its key (RFC 9562 §5.7)."""
    milliseconds = int(moment.timestamp() * 1000) & (1 << 48) - 1
    rest = uuid5(NAMESPACE_URL, f"samlepost:altinn:{key}").int & (1 << 74) - 1
    bits = milliseconds << 80 | 7 << 76 | (rest >> 62) << 64 | 2 << 62 | rest & (1 << 62) - 1
    return str(UUID(int=bits))


def part_id(key: str, part: str) -> str:
    """Return the UUID of something that belongs to a letter."""
    return str(uuid5(NAMESPACE_URL, f"samlepost:altinn:{key}:{part}"))


def said_by(letter: SimulatedLetter) -> Json:
    """Return what the simulator keeps of a letter besides its documents, as plain JSON."""
    owner = SERVICE_OWNERS.get(letter.agency.slug, letter.agency.slug)
    shared = next((key for key in letter.same_as if ":" in key), "")
    return {
        "org": owner,
        "sender": letter.agency.name,
        "org_number": letter.agency.org_number,
        "reference": shared.split(":", 1)[1] if shared.startswith(f"{owner}:") else "",
        "title": letter.title,
        "public_title": letter.public_title or f"Melding fra {letter.agency.name}",
        "summary": letter.summary,
        "body": letter.body or letter.summary or letter.title,
        "language": letter.language,
        "level": letter.security_level,
        "sent_at": stamp(letter.sent_at),
        "due_at": letter.due_at and stamp(letter.due_at),
        "expires_at": letter.expires_at and stamp(letter.expires_at),
        "handled_at": letter.handled_at and stamp(letter.handled_at),
        "case_reference": letter.case_reference,
        "action_url": letter.action_url,
        "action_label": letter.action_label,
        "needs_action": letter.needs_action,
        "needs_confirmation": letter.needs_confirmation,
        "documents": len(letter.documents),
        "services": _services(letter),
        "versions": [
            {name: getattr(each, name) for name in VERSION_FIELDS} for each in letter.versions
        ],
    }


def _services(letter: SimulatedLetter) -> Json:
    """What the service owner does at a press of a button, where a letter has a deadline."""
    if not letter.needs_action or letter.needs_confirmation or not letter.due_at:
        return {}
    said = {"title": "Be om utsatt frist", "method": "POST", "url": ""}
    return {"utsatt-frist": said | {"prompt": "Vil du be om tre uker til?"}}


def list_item(stored: Stored, level: int) -> Json:
    """Return a DialogListItem for a token of `level`."""
    said = stored.said
    if said.get("garbage"):
        return _broken(stored)
    content = {
        "title": _value(
            said,
            _title(said, level),
            authorised=level >= said["level"],
            others=_others(said, "title" if level >= said["level"] else "public_title"),
        ),
        "summary": _value(said, said["summary"], others=_others(said, "summary"))
        if level >= said["level"]
        else None,
        "senderName": _value(said, said["sender"]),
        "extendedStatus": None,
    }
    return {
        **_common(stored),
        "endUserContext": {
            "revision": revision(stored.dialog, stored.revision),
            "systemLabels": list(stored.labels),
        },
        "guiAttachmentCount": said["documents"],
        "latestActivity": next(iter(activities(stored)), None),
        "content": content,
    }


def whole_dialog(stored: Stored, level: int, base_url: str, token: str) -> Json:
    """Return a Dialog for a token of `level`; `base_url` is the simulator's own."""
    said = stored.said
    authorised = level >= said["level"]
    item = list_item(stored, level)
    del item["guiAttachmentCount"], item["latestActivity"]
    address = f"{base_url}/correspondence/api/v1/correspondence/{stored.correspondence}"
    service = f"{base_url}/service/{stored.dialog}"
    item["content"]["additionalInfo"] = None
    own = is_own(said)
    others = {each: f"{service}/text/{each}" for each in _others(said, "body")}
    text = f"{service}/text/{said['language']}" if own else f"{address}/content"
    item["content"]["mainContentReference"] = _value(
        said,
        text if authorised else UNAUTHORISED,
        media_type=CONTENT_MEDIA_TYPE,
        authorised=authorised,
        others=others if authorised else {},
    )
    return {
        **item,
        "revision": part_id(stored.dialog, "revision"),
        "expiresAt": said["expires_at"],
        "dialogToken": token,
        "attachments": [
            _dialog_attachment(
                said,
                each,
                f"{service}/file/{each['id']}"
                if own
                else f"{address}/attachment/{each['id']}/download",
            )
            for each in stored.attachments
        ],
        "transmissions": [
            {**each, "isOpened": False}
            for each in transmissions(stored, base_url, authorised=authorised)
        ],
        "guiActions": _gui_actions(stored, address, authorised),
        "apiActions": [],
        "activities": activities(stored),
    }


def dialog_problem(status: int, title: str, detail: str) -> Json:
    """Return Dialogporten's ProblemDetails."""
    section = "rfc6585#section-4" if status == 429 else f"rfc9110#section-15.5.{status - 399}"
    return {
        "type": f"https://tools.ietf.org/html/{section}",
        "title": title,
        "status": status,
        "detail": detail,
        "traceId": "00-0-0-00",
    }


def _common(stored: Stored) -> Json:
    """What DialogListItem and Dialog have in common."""
    said = stored.said
    last = stored.seen[-1:]
    since_update = [seen_entry(*each) for each in last if each[1] >= stored.changed]
    since_content = [seen_entry(*each) for each in last if each[1] >= stored.updated]
    place = next(label for label in stored.labels if label in PLACES)
    waiting = said["needs_action"] or said["needs_confirmation"]
    sent = said.get("transmissions", [])
    return {
        "id": stored.dialog,
        "org": said["org"],
        "serviceResource": f"urn:altinn:resource:{said['org']}-melding",
        # A correspondence asks for a confirmation or for nothing.
        "serviceResourceType": "GenericAccessResource"
        if is_own(said) or (said["needs_action"] and not said["needs_confirmation"])
        else "CorrespondenceService",
        "party": urn(stored.party),
        "progress": None,
        "process": None,
        "precedingProcess": None,
        "extendedStatus": None,
        "externalReference": said["reference"] or None,
        "status": _status(said, waiting),
        "dueAt": said["due_at"],
        "createdAt": said["sent_at"],
        "updatedAt": stored.changed,
        "contentUpdatedAt": stored.updated,
        "systemLabel": place,
        "isApiOnly": False,
        "hasUnopenedContent": not since_content,
        "isContentSeen": bool(since_content) and UNOPENED not in stored.labels,
        "fromPartyTransmissionsCount": sum(each["by_her"] for each in sent),
        "fromServiceOwnerTransmissionsCount": sum(not each["by_her"] for each in sent),
        "seenSinceLastUpdate": since_update,
        "seenSinceLastContentUpdate": since_content,
    }


def activities(stored: Stored) -> list[Json]:
    """Return the DialogActivity that a confirmation leaves, if it has been given."""
    said = stored.said
    if not (said["needs_confirmation"] and said["handled_at"]):
        return []
    return [
        {
            "id": part_id(stored.dialog, "confirmed"),
            "createdAt": said["handled_at"],
            "extendedType": None,
            "type": "CorrespondenceConfirmed",
            "transmissionId": None,
            "performedBy": HERSELF,
            "description": [],
        }
    ]


def transmissions(stored: Stored, base_url: str, *, authorised: bool) -> list[Json]:
    """Return what DialogTransmission and DialogTransmissionSearchItem have in common, of each."""
    service = f"{base_url}/service/{stored.dialog}"
    return [
        _transmission(stored, each, number, service, authorised=authorised)
        for number, each in enumerate(stored.said.get("transmissions", []))
    ]


def _transmission(
    stored: Stored, each: Mapping[str, Any], number: int, service: str, *, authorised: bool
) -> Json:
    said = {**stored.said, "versions": each.get("versions", [])}
    name = f"transmission-{number}"
    files = [
        (file["title"], file["name"], file["media_type"], f"{service}/file/{file['id']}", "Api")
        for file in each.get("files", [])
    ]
    files += [("Vedlegg", None, "application/pdf", url, "Gui") for url in each["urls"]]
    text = f"{service}/text/{number}-{said['language']}"
    return {
        "id": part_id(stored.dialog, name),
        "createdAt": each["at"],
        "authorizationAttribute": None,
        "isAuthorized": authorised,
        "extendedType": None,
        "externalReference": None,
        "relatedTransmissionId": None,
        "type": each["type"],
        "sender": HERSELF if each["by_her"] else {**HERSELF, "actorType": "ServiceOwner"},
        "content": {
            "title": _value(
                said, each["title"], authorised=authorised, others=_others(said, "title")
            ),
            "summary": _value(
                said, each["summary"], authorised=authorised, others=_others(said, "summary")
            ),
            "contentReference": _value(
                said,
                text if authorised else UNAUTHORISED,
                media_type=CONTENT_MEDIA_TYPE,
                authorised=authorised,
            )
            if each.get("body")
            else None,
        },
        "attachments": [
            {
                "id": part_id(stored.dialog, f"{name}-{url}"),
                "displayName": [{"languageCode": "nb", "value": title}],
                "name": file_name,
                "expiresAt": None,
                "urls": [
                    {
                        "id": part_id(stored.dialog, f"{name}-{url}-{consumer}"),
                        "url": url if authorised else UNAUTHORISED,
                        "mediaType": media_type,
                        "consumerType": consumer,
                    }
                ],
            }
            for title, file_name, media_type, url, consumer in files
        ],
        "navigationalActions": [
            {
                "title": [{"languageCode": "nb", "value": title}],
                "url": (url if not until or until > stamp(clock.now()) else EXPIRED)
                if authorised
                else UNAUTHORISED,
                "expiresAt": until or None,
            }
            for title, url, until in each.get("ways_out", [])
        ],
    }


def text_of(said: Mapping[str, Any], key: str) -> str | None:
    """Return a text that the service owner holds itself: "nb", or "0-nb" of a transmission."""
    number, dash, _ = key.partition("-")
    if dash and number.isdecimal() and int(number) < len(said.get("transmissions", [])):
        return said["transmissions"][int(number)].get("body") or None
    if key == said["language"]:
        return str(said["body"])
    return _others(said, "body").get(key)


def is_own(said: Mapping[str, Any]) -> bool:
    """Say whether it is the agency's own dialog: a correspondence has one language alone."""
    return bool(said.get("versions"))


def revision(dialog: str, count: int) -> str:
    """Return the revision of a dialog's labels after so many changes."""
    return part_id(dialog, f"context {count}")


def seen_entry(identifier: str, at: str) -> Json:
    """Return an entry of the seen log: she herself."""
    return {
        "id": identifier,
        "seenAt": at,
        "seenBy": HERSELF,
        "isViaServiceOwner": False,
        "isCurrentEndUser": True,
    }


def label_entry(at: str, action: str, label: str, by_sender: bool) -> Json:
    """Return a LabelAssignmentLog."""
    name = f"systemlabel:{label}"
    who = {**HERSELF, "actorType": "ServiceOwner"} if by_sender else HERSELF
    return {"createdAt": at, "name": name, "action": action, "performedBy": who}


def urn(number: str) -> str:
    """Return the party that an identity number or an organisation number stands for."""
    return (ORGANISATION_URN if len(number) == 9 else PERSON_URN) + number


def party(number: str, name: str = "", born: str | None = None, **said: bool) -> Json:
    """Return an AuthorizedParty; `said` is what it says of the role, False where it is absent."""
    return {
        "party": urn(number),
        "partyUuid": part_id(number, "party"),
        "partyId": 50_000_000 + int(number[:8]) % 10_000_000,
        "name": name,
        "partyType": "Organization" if len(number) == 9 else "Person",
        "dateOfBirth": born,
        "isDeleted": said.get("isDeleted", False),
        "hasKeyRole": said.get("hasKeyRole", False),
        "isCurrentEndUser": said.get("isCurrentEndUser", False),
        "isMainAdministrator": False,
        "isAccessManager": False,
        "hasOnlyAccessToSubParties": False,
        "subParties": None,
    }


def limits(most: int) -> Json:
    """Return how many values a filter takes."""
    of_end_users = {
        f"max{name}FilterValues": most
        for name in ("Party", "ServiceResource", "Org", "ExtendedStatus")
    }
    return {"endUserSearch": of_end_users, "serviceOwnerSearch": {}}


def _status(said: Mapping[str, Any], waiting: bool) -> str:
    if said["handled_at"]:
        return "NotApplicable" if said["needs_confirmation"] else "Completed"
    return "RequiresAttention" if waiting else "NotApplicable"


def _title(said: Mapping[str, Any], level: int) -> str:
    return str(said["title"] if level >= said["level"] else said["public_title"])


def _value(
    said: Mapping[str, Any],
    text: str,
    *,
    media_type: str = "text/plain",
    authorised: bool = True,
    others: Mapping[str, str] | None = None,
) -> Json:
    texts = {said["language"]: text, **(others or {})}
    value = [{"languageCode": name, "value": each} for name, each in texts.items() if each]
    return {"mediaType": media_type, "value": value, "isAuthorized": authorised}


def _others(said: Mapping[str, Any], name: str) -> dict[str, str]:
    """Return a text in the languages other than the first."""
    return {each["language"]: each[name] for each in said.get("versions", []) if each.get(name)}


def _gui_actions(stored: Stored, address: str, authorised: bool) -> list[Json]:
    said = stored.said
    actions = []
    if said["needs_confirmation"] and not said["handled_at"]:
        actions.append(("confirm", f"{address}/confirm", "Bekreft", "Primary", "POST"))
    actions += [
        ("reply", option["linkURL"], option["linkText"], "Tertiary", "GET")
        for option in reply_options(said)
    ]
    if not is_own(said):
        actions.append(("delete", f"{address}/purge", "Slett", "Tertiary", "DELETE"))
    found = [
        {
            "id": part_id(stored.dialog, f"action-{action}"),
            "action": action,
            "url": url if authorised else UNAUTHORISED,
            "authorizationAttribute": None,
            "isAuthorized": authorised,
            "isDeleteDialogAction": method == "DELETE",
            "priority": priority,
            "httpMethod": method,
            "title": [{"languageCode": "nb", "value": title}],
            "prompt": [],
        }
        for action, url, title, priority, method in actions
    ]
    return found + [
        {
            "id": part_id(stored.dialog, f"service-{name}"),
            "action": name,
            "url": service["url"]
            or f"{address.partition('/correspondence/')[0]}/service/{stored.dialog}/{name}"
            if authorised
            else UNAUTHORISED,
            "authorizationAttribute": None,
            "isAuthorized": authorised,
            "isDeleteDialogAction": False,
            "priority": "Secondary",
            "httpMethod": service["method"],
            "title": [{"languageCode": "nb", "value": service["title"]}],
            "prompt": [{"languageCode": "nb", "value": service["prompt"]}],
        }
        for name, service in said.get("services", {}).items()
    ]


def _dialog_attachment(said: Mapping[str, Any], each: Mapping[str, Any], url: str) -> Json:
    return {
        "id": part_id(each["id"], "dialog"),
        "displayName": [{"languageCode": said["language"], "value": each["title"]}],
        "name": each["name"],
        "expiresAt": each["expires_at"],
        "urls": [
            {
                "id": part_id(each["id"], consumer),
                "url": url,
                "mediaType": each["media_type"],
                "consumerType": consumer,
            }
            for consumer in ("Gui", "Api")
        ],
    }


def _broken(stored: Stored) -> Json:
    """An item that no reader can make sense of: no sender, no dates, a title of another type."""
    return {
        "id": stored.dialog,
        "party": urn(stored.party),
        "contentUpdatedAt": stored.updated,
        "createdAt": "i går",
        "content": {"title": "Hei", "summary": 7},
    }


def reply_options(said: Mapping[str, Any]) -> list[Json]:
    """Return the ReplyOptions of a correspondence; a dialog has them as GUI actions."""
    if not said["action_url"]:
        return []
    return [{"linkURL": said["action_url"], "linkText": said["action_label"] or "Svar"}]
