"""What the simulated Correspondence answers: its own JSON from what is stored of a letter. Pure.

Shapes: Altinn/altinn-correspondence `altinn-correspondence-v1.json` and `Errors.cs`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.altinn import wire


def overview(stored: wire.Stored) -> wire.Json:
    """Return a CorrespondenceOverviewExt."""
    said = stored.said
    status = "Read" if "read" in stored.marks else "Fetched"
    references = [{"referenceType": "DialogportenDialogId", "referenceValue": stored.dialog}]
    if said["case_reference"]:
        references.append({"referenceType": "Generic", "referenceValue": said["case_reference"]})
    return {
        "resourceId": f"{said['org']}-melding",
        "sender": f"0192:{said['org_number']}",
        "sendersReference": said["reference"] or stored.correspondence,
        "messageSender": said["sender"],
        "recipient": wire.urn(stored.party),
        "correspondenceId": stored.correspondence,
        "created": said["sent_at"],
        "requestedPublishTime": said["sent_at"],
        "published": said["sent_at"],
        **_given(dueDateTime=said["due_at"]),
        "status": status,
        "statusText": status,
        "statusChanged": stored.marks.get("read") or stored.marks.get("fetched"),
        "content": {
            "language": said["language"],
            "messageTitle": said["title"],
            "messageSummary": said["summary"],
            "messageBody": said["body"],
            "attachments": [_attachment(each) for each in stored.attachments],
        },
        "externalReferences": references,
        "propertyList": {},
        "replyOptions": wire.reply_options(said),
        "ignoreReservation": False,
        "isConfirmationNeeded": said["needs_confirmation"],
        "isConfidential": False,
        "notifications": [],
    }


def problem(status: int, code: int, detail: str) -> wire.Json:
    """Return Correspondence's ProblemDetails with its error code."""
    return {
        **wire.dialog_problem(status, "Unauthorized" if status == 401 else "Error", detail),
        "code": f"CORR-0{code}",
        "errorCode": code,
    }


def _attachment(each: Mapping[str, Any]) -> wire.Json:
    return {
        "id": each["id"],
        "fileName": each["name"],
        "displayName": each["title"],
        "isEncrypted": False,
        "checksum": each["md5"],
        "sendersReference": each["id"],
        "dataType": each["media_type"],
        "dataLocationType": "AltinnCorrespondenceAttachment",
        "status": "Published",
        "statusText": "Published",
        "statusChanged": each["created"],
        "created": each["created"],
        **_given(expirationTime=each["expires_at"]),
    }


def _given(**said: Any) -> wire.Json:
    """What there is: Correspondence leaves out what has no value."""
    return {name: value for name, value in said.items() if value is not None}
