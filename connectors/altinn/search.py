"""The list of dialogs, asked of Dialogporten's GraphQL. Pure.

The list of its REST names the party in the address, and is refused where none is named
(`SearchDialogQueryValidator.cs`): a citizen's identity number would stand there. GraphQL takes
it in the body. Source: Altinn/dialogporten, commit 743f07f, `DialogQueries.cs` and
`docs/schema/V1/schema.verified.graphql`, which is `schema.graphql` here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connectors.contract import Misconfigured, NotPermitted, Temporary
from connectors.fields import WrongField, rows, table, text
from connectors.http import Refused

PATH = "dialogporten/graphql"
QUERY = """
query Letters($input: SearchDialogInput!) {
  searchDialogs(input: $input) {
    items {
      id org serviceResource serviceResourceType party progress process precedingProcess
      guiAttachmentCount extendedStatus externalReference createdAt updatedAt contentUpdatedAt dueAt
      status hasUnopenedContent isApiOnly fromServiceOwnerTransmissionsCount
      fromPartyTransmissionsCount isContentSeen
      latestActivity {
        id createdAt extendedType type transmissionId
        performedBy { actorType actorId actorName }
        description { value languageCode }
      }
      content {
        title { ...Texts } summary { ...Texts } senderName { ...Texts } extendedStatus { ...Texts }
      }
      seenSinceLastUpdate { ...Seen }
      seenSinceLastContentUpdate { ...Seen }
      endUserContext { revision systemLabels }
    }
    hasNextPage
    continuationToken
    errors { __typename message }
  }
}
fragment Texts on ContentValue { value { value languageCode } mediaType isAuthorized }
fragment Seen on SeenLog {
  id seenAt isViaServiceOwner isCurrentEndUser seenBy { actorType actorId actorName }
}
"""
STATUSES = {
    "SearchDialogContinuationTokenParsingError": 400,
    "SearchDialogOrderByParsingError": 400,
    "SearchDialogValidationError": 400,
    "SearchDialogDomainError": 422,
}
"""What the same refusal is in Dialogporten's REST; a search that is too broad is the last."""


def asked(party: str, wishes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the request's body for the dialogs of `party`, an URN; `wishes` as SearchDialogInput.

    An order is always asked for: with a continuation token there must be one
    (`SearchDialogInputValidator.cs`).
    """
    return {"query": QUERY, "variables": {"input": {**wishes, "party": [party]}}}


def page(answer: Any) -> Mapping[str, Any]:
    """Return the SearchDialogsPayload of an answer.

    Raises Refused with the status that REST has for it, NotPermitted, Misconfigured, and Temporary
    where the answer is none: HTTP says 200 to all of these.
    """
    try:
        said = table(answer, "the answer")
        if said.get("errors"):
            raise _not_answered(said)
        found = table(table(said.get("data"), "data").get("searchDialogs"), "searchDialogs")
        for error in rows(found, "errors"):
            raise _refused(text(table(error, "an error"), "__typename", longest=200))
    except WrongField as error:
        raise Temporary(f"the list is not what was promised: {error}") from None
    return found


def _refused(kind: str) -> Exception:
    # The message may quote what was asked for, her party among it.
    if kind == "SearchDialogForbidden":
        return NotPermitted("Dialogporten refuses the list (Forbidden)")
    if kind in STATUSES:
        return Refused(f"Dialogporten refuses the list ({kind})", STATUSES[kind], b"")
    return Temporary("Dialogporten refuses the list for a reason that is not known")


def _not_answered(said: Mapping[str, Any]) -> Exception:
    """What errors outside the data mean, by HotChocolate's codes."""
    first = table(rows(said, "errors")[0], "an error")
    extensions = first.get("extensions")
    code = extensions.get("code") if isinstance(extensions, dict) else None
    if code == "AUTH_NOT_AUTHENTICATED":
        return Misconfigured("Dialogporten does not accept our token")
    if code == "AUTH_NOT_AUTHORIZED":
        return NotPermitted("Dialogporten refuses the list")
    return Temporary("Dialogporten could not answer the query")


def as_rest(item: Any) -> Any:
    """Return a list item with its enumerated values spelled as in REST ("REQUIRES_ATTENTION").

    One that came by REST, or whose values nobody knows, comes back as it is.
    """
    if not isinstance(item, dict):
        return item
    found = {**item, "status": _spelled(item.get("status"))}
    if isinstance(activity := item.get("latestActivity"), dict):
        found["latestActivity"] = {**activity, "type": _spelled(activity.get("type"))}
    context = item.get("endUserContext")
    if isinstance(context, dict) and isinstance(context.get("systemLabels"), list):
        spelled = [_spelled(each) for each in context["systemLabels"]]
        found["endUserContext"] = {**context, "systemLabels": spelled}
    return found


def _spelled(value: Any) -> Any:
    if not isinstance(value, str) or not value.isupper():
        return value
    return "".join(part.capitalize() for part in value.split("_"))
