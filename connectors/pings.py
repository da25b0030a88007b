"""Telling Samlepost at once that a simulated source has something new."""

from __future__ import annotations

import logging
import uuid
from datetime import UTC, datetime

from connectors.addresses import inbox_url, web_public_url
from connectors.contract import ConnectorError
from connectors.http import Http
from connectors.world.model import Channel, Person

PING_SECONDS = 2.0

log = logging.getLogger("samlepost.simulators")


def address_of(channel: Channel) -> str:
    """Return where Samlepost takes the pings of a source, as it calls the address itself."""
    return f"{web_public_url()}/hooks/{channel.value}/"


def ping(person: Person, channel: Channel, proof: str = "") -> None:
    """Tell Samlepost that there is a letter (a CloudEvent); polling finds it if this fails.

    `proof` is the access token of a source whose pings must have one (`Simulator.ping_proof`).
    """
    event = {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": f"urn:samlepost:simulator:{channel.value}",
        "type": "no.samlepost.letter.available",
        "time": datetime.now(UTC).isoformat(),
        "alternativesubject": f"/person/{person.national_id}",
    }
    headers = {"Content-Type": "application/cloudevents+json"}
    if proof:
        headers["Authorization"] = f"Bearer {proof}"
    http = Http(inbox_url(), timeout=PING_SECONDS)
    try:
        http.post(f"/hooks/{channel.value}/", json=event, headers=headers)
    except ConnectorError as error:
        log.info("Samlepost was not told of a letter in %s: %s", channel.value, error)
    finally:
        http.close()
