"""The simulated Dialogporten's HTTP, for end users.

Paths, parameters and errors are those of `openapi.v1.enduser.verified.json`; what a call changes
is what Altinn/dialogporten does: to get a dialog writes its seen log and takes MarkedAsUnopened
off, and neither that nor a label moves `updatedAt` (`GetDialogQuery.cs`,
`SetSystemLabelCommand.cs`, `SystemLabelService.cs`).
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, jsonify, request

from connectors.altinn import wire
from connectors.altinn.access import base_url, citizen, refuse, signed

if TYPE_CHECKING:
    from connectors.altinn.simulator import AltinnSimulator

SCOPE = "digdir:dialogporten"
ROOT = "/dialogporten/api/v1/enduser"
DIALOG_TOKEN_SECONDS = 600
LIMIT_DEFAULT, LIMIT_MAX = 100, 1000
FILTER_MAX = 20
"""Values of one filter (`/api/v1/metadata/limits`)."""
EARLIEST, LATEST = "0001", "9999"
ACTIVITY_FIELDS = ("id", "createdAt", "extendedType", "type", "transmissionId", "description")
"""What a list of activities has of each."""
PARTY = re.compile(
    f"{re.escape(wire.PERSON_URN)}[0-9]{{11}}|{re.escape(wire.ORGANISATION_URN)}[0-9]{{9}}"
)
LABELS = ("Default", "Bin", "Archive", "MarkedAsUnopened", "Sent")
ORDERS = {"contentupdatedat": "content", "updatedat": "updated", "createdat": "created"}


def add_routes(app: Flask, simulator: AltinnSimulator) -> None:
    """Put every path on `app`."""
    _add_reading(app, simulator)
    _add_labels(app, simulator)


def _add_reading(app: Flask, simulator: AltinnSimulator) -> None:
    @app.get(f"{ROOT}/dialogs")
    def dialogs() -> Response:
        person, level = citizen(simulator, SCOPE)
        order, sorting = _order()
        try:
            page, token = list_of(
                simulator,
                parties_of(simulator, person, _party()),
                order=order,
                between={
                    name: (_instant(f"{parameter}After"), _instant(f"{parameter}Before"))
                    for name, parameter in (
                        ("content", "contentUpdated"),
                        ("updated", "updated"),
                        ("created", "created"),
                    )
                },
                labels=_labels("systemLabel", request.args.getlist("systemLabel")),
                token=request.args.get("continuationToken"),
                limit=_limit(),
            )
        except BadToken:
            refuse(wire.dialog_problem(422, "Unprocessable", "Unknown continuation token"))
        return jsonify(
            items=[wire.list_item(each, level) for each in page],
            hasNextPage=token is not None,
            continuationToken=token,
            orderBy=sorting,
        )

    @app.get(f"{ROOT}/dialogs/<uuid:identifier>")
    def dialog(identifier: Any) -> Response:
        person, level = citizen(simulator, SCOPE)
        stored = _hers(simulator, identifier, person)
        simulator.see(stored.dialog)
        issued = int(time.time())
        token = signed(
            simulator,
            {"i": stored.dialog, "iat": issued, "exp": issued + DIALOG_TOKEN_SECONDS},
        )
        fresh = simulator.find("id", stored.dialog, person) or stored
        return jsonify(wire.whole_dialog(fresh, level, base_url(), token))

    @app.get(f"{ROOT}/dialogs/<uuid:identifier>/seenlog")
    def seen_log(identifier: Any) -> Response:
        person, _ = citizen(simulator, SCOPE)
        return jsonify(
            [wire.seen_entry(*each) for each in _hers(simulator, identifier, person).seen]
        )

    @app.get(f"{ROOT}/dialogs/<uuid:identifier>/activities")
    def activities(identifier: Any) -> Response:
        person, _ = citizen(simulator, SCOPE)
        found = wire.activities(_hers(simulator, identifier, person))
        return jsonify(
            [{name: each[name] for name in each if name in ACTIVITY_FIELDS} for each in found]
        )

    @app.get(f"{ROOT}/dialogs/<uuid:identifier>/transmissions")
    def transmissions(identifier: Any) -> Response:
        person, level = citizen(simulator, SCOPE)
        stored = _hers(simulator, identifier, person)
        found = wire.transmissions(stored, base_url(), authorised=level >= stored.said["level"])
        return jsonify([{**each, "deletedAt": None} for each in found])

    @app.get(f"{ROOT}/parties")
    def parties() -> Response:
        person, _ = citizen(simulator, SCOPE)
        return jsonify(authorizedParties=simulator.parties(person))

    @app.get("/dialogporten/api/v1/metadata/limits")
    def limits() -> Response:
        return jsonify(wire.limits(FILTER_MAX))


def _add_labels(app: Flask, simulator: AltinnSimulator) -> None:
    @app.get(f"{ROOT}/dialogs/<uuid:identifier>/context/labellog")
    def label_log(identifier: Any) -> Response:
        person, _ = citizen(simulator, SCOPE)
        stored = _hers(simulator, identifier, person)
        return jsonify([wire.label_entry(*each) for each in simulator.label_log(stored.dialog)])

    @app.put(f"{ROOT}/dialogs/<uuid:identifier>/context/systemlabels")
    def set_labels(identifier: Any) -> Response:
        person, _ = citizen(simulator, SCOPE)
        added, removed = _changes()
        stored = _hers(simulator, identifier, person)
        asked = {stored.dialog: request.headers.get("If-Match", "").strip('"')}
        return _changed(simulator, asked, added, removed)

    @app.post(f"{ROOT}/dialogs/context/systemlabels/actions/bulkset")
    def set_many() -> Response:
        person, _ = citizen(simulator, SCOPE)
        added, removed = _changes()
        asked = {}
        for each in (request.get_json(silent=True) or {}).get("dialogs") or []:
            stored = _hers(simulator, each.get("dialogId"), person)
            asked[stored.dialog] = str(each.get("endUserContextRevision") or "")
        return _changed(simulator, asked, added, removed)


def _changed(
    simulator: AltinnSimulator,
    asked: dict[str, str],
    added: Sequence[str],
    removed: Sequence[str],
) -> Response:
    revision = simulator.set_labels(asked, added, removed)
    if revision is None:
        refuse(wire.dialog_problem(412, "Precondition Failed", "The revision is another by now"))
    answer = Response(status=204)
    if len(asked) == 1:
        answer.headers["ETag"] = revision
    return answer


def _changes() -> tuple[tuple[str, ...], tuple[str, ...]]:
    said = request.get_json(silent=True)
    if not isinstance(said, dict):
        refuse(wire.dialog_problem(400, "Bad Request", "The body must be JSON"))
    added = _labels(
        "addLabels", [*(said.get("addLabels") or []), *(said.get("systemLabels") or [])]
    )
    removed = _labels("removeLabels", said.get("removeLabels") or [])
    if "Sent" in (*added, *removed):
        refuse(wire.dialog_problem(400, "Bad Request", "Sent is set by Dialogporten alone"))
    if len({each for each in added if each in wire.PLACES}) > 1:
        refuse(wire.dialog_problem(400, "Bad Request", "A dialog is in one place at a time"))
    return added, removed


def _labels(name: str, said: Collection[Any]) -> tuple[str, ...]:
    if len(said) > FILTER_MAX or any(each not in LABELS for each in said):
        refuse(wire.dialog_problem(400, "Bad Request", f"{name} holds what is no label"))
    return tuple(str(each) for each in said)


def _hers(simulator: AltinnSimulator, identifier: Any, person: str) -> wire.Stored:
    stored = simulator.find("id", str(identifier), person)
    if stored is None or stored.said.get("garbage"):
        refuse(wire.dialog_problem(404, "Not Found", "Dialog not found"))
    return stored


class BadToken(Exception):
    """A continuation token that is none, or no longer, or of another order."""


def list_of(
    simulator: AltinnSimulator,
    parties: Sequence[str],
    *,
    order: str,
    between: Mapping[str, tuple[str, str]],
    labels: Sequence[str],
    token: str | None,
    limit: int,
) -> tuple[list[wire.Stored], str | None]:
    """Return a page of `simulator.listing`, and the continuation token where there is more.

    Raises BadToken.
    """
    before = _before(simulator, order, token)
    if not parties:
        return [], None
    found = simulator.listing(
        *parties, order=order, between=between, labels=labels, before=before, limit=limit + 1
    )
    page, more = found[:limit], len(found) > limit
    return page, _continuation(simulator, order, page[-1]) if more else None


def parties_of(simulator: AltinnSimulator, person: str, said: Sequence[str]) -> list[str]:
    """Return the numbers of those whose dialogs are asked for and that she may have.

    Where a service alone is asked for, it is herself.
    """
    hers = [person, *simulator.enterprises(person)]
    return [each for each in hers if wire.urn(each) in said] if said else [person]


def _party() -> list[str]:
    """Return the parties that are named (`SearchDialogQueryValidator.cs`)."""
    said = request.args.getlist("party")
    if not said and not request.args.getlist("serviceResource"):
        detail = "Either ServiceResource or Party must be specified."
        refuse(wire.dialog_problem(400, "Bad Request", detail))
    if len(said) > FILTER_MAX or any(not PARTY.fullmatch(each) for each in said):
        refuse(wire.dialog_problem(400, "Bad Request", "party holds what is no party"))
    return said


def _limit() -> int:
    value = request.args.get("limit", str(LIMIT_DEFAULT))
    if not value.isdecimal() or not 1 <= int(value) <= LIMIT_MAX:
        refuse(wire.dialog_problem(422, "Unprocessable", f"limit must be 1 to {LIMIT_MAX}"))
    return int(value)


def _order() -> tuple[str, str]:
    """Return the column that the list is ordered by, newest first, and its name on the wire."""
    said = request.args.get("orderBy", "contentupdatedat_desc").lower().split(",")[0]
    name, _, direction = said.partition("_")
    if name not in ORDERS or direction not in ("", "desc"):
        refuse(wire.dialog_problem(422, "Unprocessable", "orderBy is none that is known here"))
    return ORDERS[name], f"{name}_desc,id_desc"


def _instant(name: str) -> str:
    value = request.args.get(name)
    if not value:
        return EARLIEST if name.endswith("After") else LATEST
    try:
        moment = datetime.fromisoformat(value)
        if moment.tzinfo is None:
            raise ValueError("no time zone")
        return wire.stamp(moment)
    except (ValueError, OverflowError):
        refuse(wire.dialog_problem(422, "Unprocessable", f"{name} must be a time with a zone"))


def _before(simulator: AltinnSimulator, order: str, token: str | None) -> tuple[str, str]:
    """Where the page begins; a token of another order or generation is none."""
    if not token:
        return (LATEST, "")
    parts = token.split("_")
    if len(parts) != 4 or parts[2:] != [order, str(simulator.paging_generation())]:
        raise BadToken
    return (parts[0], parts[1])


def _continuation(simulator: AltinnSimulator, order: str, last: wire.Stored) -> str:
    return f"{last.at(order)}_{last.dialog}_{order}_{simulator.paging_generation()}"
