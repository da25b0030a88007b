"""Servers of senders to which a dialog leads: what is fetched or done there with a dialog token.

A dialog token is a key to her letter. So it goes to Altinn's own address and to the hosts that
the source's settings name, by https, and no redirect is followed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from urllib.parse import urlsplit

from connectors.altinn.transmissions import Embedded
from connectors.contract import (
    Action,
    ActRefused,
    ConnectorError,
    Gone,
    IncomingLetter,
    Misconfigured,
    NotPermitted,
    Rest,
    Temporary,
    Uncertain,
)
from connectors.fields import optional_text, table
from connectors.http import Http, NotFound, Refused, TooLarge

TEXT_BYTES_MAX = 500_000
TEXT_TYPES = ("text/plain", "text/markdown")


class Hosts:
    """Who may be asked, and how."""

    def __init__(self, own: str, allowed: str) -> None:
        """`own` is Altinn's base address, `allowed` other hosts' names between spaces."""
        self._own = urlsplit(own)
        self._allowed = allowed.split()

    def may_be_asked(self, url: str) -> bool:
        """Say whether a dialog token may be sent there."""
        asked = urlsplit(url)
        if "@" in asked.netloc:
            return False
        if (asked.scheme, asked.netloc) == (self._own.scheme, self._own.netloc):
            return True
        return asked.scheme == "https" and asked.netloc in self._allowed

    def offered(self, letter: IncomingLetter) -> IncomingLetter:
        """Leave out what would be done at a host that may not be asked."""
        actions = [
            each for each in letter.actions if each.method == "GET" or self.may_be_asked(each.url)
        ]
        return replace(letter, actions=actions)

    def text(self, url: str, token: str) -> Embedded:
        """Fetch a text that the sender holds itself. Never raises: the summary is shown without it.

        HTML is not taken, as the sender's page would have to be shown as it is.
        """
        if not self.may_be_asked(url):
            return Embedded(rest=Rest.AT_SENDER)
        host = Http(url)
        try:
            headers = {"Authorization": f"Bearer {token}", "Accept": "text/markdown, text/plain"}
            answer = host.request("GET", url, headers=headers, max_bytes=TEXT_BYTES_MAX)
            kind = answer.headers.get("content-type", "").partition(";")[0].strip()
            if kind not in TEXT_TYPES:
                return Embedded(rest=Rest.AT_SENDER)
            # What is embedded is Markdown by its reference, whatever its server calls it.
            return Embedded(answer.content.decode(), "text/markdown")
        except (NotFound, Refused, TooLarge, UnicodeDecodeError):
            return Embedded(rest=Rest.AT_SENDER)
        except Temporary:
            return Embedded(rest=Rest.ON_OPEN)
        except ConnectorError:
            return Embedded(rest=Rest.AT_SENDER)
        finally:
            host.close()

    def stream(self, url: str, token: str) -> Iterator[bytes]:
        """Stream a file from where it lies.

        Raises Gone when it is not to be had there, whatever the host says of us.
        """
        host = Http(url)
        try:
            yield from host.stream(url, headers={"Authorization": f"Bearer {token}"})
        except (NotFound, Refused, TooLarge, NotPermitted, Misconfigured):
            raise Gone("the attachment is not to be had where it lies") from None
        finally:
            host.close()

    def perform(self, action: Action, token: str) -> None:
        """Do what an action stands for. Raises ActRefused, or Uncertain once it has been asked."""
        if not self.may_be_asked(action.url):
            raise ActRefused("host")
        host = Http(action.url)
        try:
            answer = host.request(
                action.method,
                action.url,
                headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
                accept=range(300, 600),
            )
        except (Temporary, Misconfigured) as error:
            raise Uncertain(str(error)) from None
        finally:
            host.close()
        if answer.status_code >= 500:
            raise Uncertain(f"the host answered {answer.status_code}")
        if answer.status_code >= 300:
            raise ActRefused("refused", _objection(answer.content) or str(answer.status_code))


def _objection(body: bytes) -> str:
    """Return what a host says of its refusal in a ProblemDetails, empty where it is none."""
    try:
        said = table(json.loads(body), "the answer")
        return (optional_text(said, "detail") or optional_text(said, "title"))[:150]
    except (ValueError, RecursionError):
        return ""
