"""The overview of documents, asked of safselvbetjening's GraphQL. Pure.

HTTP says 200 to everything; `errors[].extensions.code` says what is wrong (README.md there). The
messages may quote whom was asked for, so they go nowhere.
"""

from __future__ import annotations

import json
from typing import Any

from connectors.contract import ConnectorError, Misconfigured, NotPermitted, Temporary
from connectors.fields import WrongField, table
from connectors.nav.mapping import theme_names

QUERY = """
query Documents($ident: String!) {
  dokumentoversiktSelvbetjening(ident: $ident, tema: []) {
    tema { kode navn }
    journalposter {
      journalpostId tittel journalposttype journalstatus tema kanal eksternReferanseId
      datoSortering
      sak { fagsakId fagsaksystem sakstype }
      relevanteDatoer { dato datotype }
      dokumenter {
        dokumentInfoId tittel brevkode
        dokumentvarianter { variantformat filuuid filtype filstorrelse brukerHarTilgang code }
      }
    }
  }
}
"""


class NobodyKnown(ConnectorError):
    """NAV's archive knows nobody by this number, or no case of hers: it does not tell which."""


def asked(national_id: str) -> dict[str, Any]:
    """Return the body of the request for one citizen's documents, of every theme."""
    return {"query": QUERY, "variables": {"ident": national_id}}


def overview(answer: Any) -> tuple[list[Any], dict[str, str]]:
    """Return the journalposter of an answer, and the names of the themes by code.

    Raises NobodyKnown, Misconfigured, NotPermitted, and Temporary where the answer is not a whole
    one: data that come with errors lack something, which would seem to be gone.
    """
    try:
        said = table(answer, "the answer")
        if said.get("errors"):
            raise _refusal(said["errors"])
        data = table(said.get("data"), "data")
        found = table(data.get("dokumentoversiktSelvbetjening"), "the overview")
        for name in ("journalposter", "tema"):
            if not isinstance(found.get(name), list):
                raise WrongField(f"{name} is not a list")
        return found["journalposter"], theme_names(found["tema"])
    except WrongField as error:
        raise Temporary(f"NAV's documents are not what was promised: {error}") from None


def parsed(content: bytes) -> Any:
    """Return kept JSON. Raises WrongField."""
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise WrongField("what was kept is not JSON") from None


def _refusal(errors: Any) -> ConnectorError:
    code = ""
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        extensions = errors[0].get("extensions")
        code = str(extensions.get("code", "")) if isinstance(extensions, dict) else ""
    match code:
        case "bad_request":
            return Misconfigured("NAV's archive does not take our query (bad_request)")
        case "unauthorized":
            return NotPermitted("NAV's archive refuses (unauthorized)")
        case "not_found":
            return NobodyKnown("NAV's archive has nothing by this number (not_found)")
    return Temporary("NAV's archive could not answer the query")
