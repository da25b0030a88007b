"""What the control page and the control API do; both call these and nothing else."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

from connectors import clock
from connectors.addresses import inbox_url, simulators_url
from connectors.altinn.simulator import AltinnSimulator
from connectors.contract import ConnectorError
from connectors.control.compose import (
    BODY_MAX,
    CHANNEL_NAMES,
    OSLO,
    SUMMARY_MAX,
    TITLE_MAX,
    WrongInput,
    attachments,
    channel_of,
    compose,
    link_of,
    person_of,
    read_text,
    read_wishes,
    truth,
    whole_number,
)
from connectors.control.seed import Seed, channel_table
from connectors.dpi.responder import MODES as REVOCATION_MODES
from connectors.dpi.responder import Responder
from connectors.dpi.simulator import DpiSimulator
from connectors.http import Http
from connectors.krr.simulator import FAULTS as REGISTER
from connectors.krr.simulator import KrrSimulator
from connectors.minside.simulator import MinsideSimulator
from connectors.pings import ping
from connectors.simulation import FAULT_MODES, SLOW_SECONDS_MAX, Faults, Simulator, State
from connectors.tsa.simulator import FAULTS as TIMESTAMPS
from connectors.world.contacts import RegisteredContact
from connectors.world.model import Channel, Person
from connectors.world.persons import PERSONS

TEXT_MAX, REASON_MAX, CONTACT_MAX = 5_000, 500, 255
MONTHS_MAX = 240
RESET_SECONDS = 30.0
REQUESTS_MAX = 10_000

TRANSMISSIONS = {
    "Information": "Informasjon",
    "Request": "Forespørsel",
    "Decision": "Vedtak",
    "Acceptance": "Godkjenning",
    "Rejection": "Avslag",
    "Alert": "Varsel",
    "Correction": "Rettelse",
}
"""DialogTransmissionType of what a sender writes, with what the page calls them."""
REVOCATION = "revocation"
"""The dial of who answers whether senders' certificates are revoked, with modes of its own."""
PROMPT = "Vil du at avsenderen skal gjøre dette?"

log = logging.getLogger("samlepost.simulators")


class Control:
    """The verbs. All raise WrongInput, whose text is for the person at the page."""

    def __init__(
        self,
        simulators: Mapping[str, Simulator],
        modules: Mapping[str, ModuleType],
        seed: Seed,
        keys_dir: Path,
    ) -> None:
        self.simulators = simulators
        self.by_channel = channel_table(simulators)
        self.seed = seed
        self._modules = modules
        self._keys_dir = keys_dir
        self._resetting = threading.Lock()

    def sources(self) -> list[dict[str, Any]]:
        """Return the sources as Samlepost should configure them, each simulator its own."""
        found: list[dict[str, Any]] = []
        for module in self._modules.values():
            if hasattr(module, "sources"):
                found += module.sources(simulators_url(), self._keys_dir)
        return found

    def send(self, values: Mapping[str, Any]) -> str:
        """Send a letter, by two channels if so wished, and tell Samlepost.

        Returns its id on the wire of the first.
        """
        wishes = read_wishes(values)
        channels = [wishes.channel, wishes.also] if wishes.also else [wishes.channel]
        simulators = [self._simulator(channel) for channel in channels]
        sent = [
            simulator.send(letter)
            for simulator, letter in zip(simulators, compose(wishes), strict=True)
        ]
        if wishes.offer and isinstance(simulators[0], AltinnSimulator):
            simulators[0].offer(sent[0], "tjeneste", wishes.offer, method="POST", prompt=PROMPT)
        for channel in channels:
            self._ping(wishes.person, channel)
        return sent[0]

    def transmit(self, values: Mapping[str, Any]) -> None:
        """Let a sender add to the person's newest letter in Altinn, and tell Samlepost."""
        person, simulator = person_of(values), self._simulator(Channel.ALTINN)
        title = read_text(values, "title", TITLE_MAX).replace("\n", " ").strip()
        kind = str(values.get("kind") or "Information")
        if not title or kind not in TRANSMISSIONS:
            raise WrongInput("Meldingen må ha en tittel og en type som finnes.")
        dialog = simulator.newest(person) if isinstance(simulator, AltinnSimulator) else None
        if dialog is None or not isinstance(simulator, AltinnSimulator):
            raise WrongInput(f"{person.name} har ikke noe brev i Altinn.")
        link = link_of(values, "link")
        simulator.transmit(
            dialog,
            title,
            kind=kind,
            summary=read_text(values, "summary", SUMMARY_MAX).strip(),
            body=read_text(values, "body", BODY_MAX).strip(),
            files=attachments(int(truth(values.get("document", False)))),
            ways_out=[("Gå til avsenderen", link, None)] if link else (),
        )
        self._ping(person, Channel.ALTINN)

    def send_garbage(self, values: Mapping[str, Any]) -> str:
        """Send a letter that cannot be read and tell Samlepost; returns its id on the wire."""
        person = person_of(values)
        channel = channel_of(values, person)
        simulator, variant = self._simulator(channel), str(values.get("variant") or "")
        if variant and variant not in simulator.broken_variants:
            raise WrongInput(f"Brev i {CHANNEL_NAMES[channel]} kan ikke ødelegges slik.")
        if variant:
            external_id = simulator.send_broken(person, channel, variant)
        else:
            external_id = simulator.send_garbage(person, channel)
        self._ping(person, channel)
        return external_id

    def broken_variants(self) -> dict[str, str]:
        """Return the ways to break a letter by name, with what the page calls them."""
        found: dict[str, str] = {}
        for simulator in self.simulators.values():
            found |= simulator.broken_variants
        return found

    def sent(self) -> list[dict[str, Any]]:
        """Return what DPI's senders know of their latest messages, newest first."""
        return [
            asdict(each) | {"state": each.state}
            for simulator in self.simulators.values()
            if isinstance(simulator, DpiSimulator)
            for each in simulator.sent()
        ]

    def print_letter(self, values: Mapping[str, Any]) -> None:
        """Let the sender of the person's newest letter print it as well, and tell Samlepost."""
        person, channel, dpi = self._dpi(values)
        if not dpi.print_letter(dpi.newest(person, channel, printed=False), clock.now()):
            raise WrongInput(f"{person.name} har ikke noe brev som kan skrives ut.")
        self._ping(person, channel)

    def return_letter(self, values: Mapping[str, Any]) -> None:
        """Let the person's newest letter on paper come back from the post, and tell Samlepost."""
        person, channel, dpi = self._dpi(values)
        if not dpi.return_letter(dpi.newest(person, channel, printed=True), clock.now()):
            raise WrongInput(f"{person.name} har ikke noe brev på papir som kan komme i retur.")
        self._ping(person, channel)

    def expire(self, values: Mapping[str, Any]) -> None:
        """Let the document of the person's newest letter in a channel expire at the source."""
        person = person_of(values)
        channel = channel_of(values, person)
        if not self._simulator(channel).expire_latest(person, channel):
            raise WrongInput(
                f"{person.name} har ikke noe dokument i {CHANNEL_NAMES[channel]} som kan utløpe."
            )

    def purge(self, values: Mapping[str, Any]) -> int:
        """Let an agency delete all that it has sent a person, and tell Samlepost.

        Returns how many letters there were.
        """
        person, channel, agency = self._thread(values)
        letters = agency.purge(person, channel)
        if not letters:
            raise WrongInput(f"{person.name} har ingen brev hos {CHANNEL_NAMES[channel]}.")
        self._ping(person, channel)
        return letters

    def answer(self, values: Mapping[str, Any]) -> None:
        """Let an agency answer the person's newest reply now, and tell Samlepost."""
        person, channel, agency = self._thread(values)
        if not agency.answer(person, channel, read_text(values, "text", TEXT_MAX).strip()):
            raise WrongInput(f"{person.name} har ikke svart på noe i {CHANNEL_NAMES[channel]}.")
        self._ping(person, channel)

    def close_thread(self, values: Mapping[str, Any]) -> None:
        """Let an agency close the person's newest open thread, and tell Samlepost."""
        person, channel, agency = self._thread(values)
        reason = read_text(values, "text", REASON_MAX).strip() or "Saken er avsluttet."
        if not agency.close_thread(person, channel, reason):
            raise WrongInput(
                f"{person.name} har ikke noe brev i {CHANNEL_NAMES[channel]} som kan besvares."
            )
        self._ping(person, channel)

    @property
    def register(self) -> KrrSimulator | None:
        """The contact register, where it takes part."""
        found = self.simulators.get(REGISTER)
        return found if isinstance(found, KrrSimulator) else None

    def contacts(self) -> dict[str, RegisteredContact]:
        """Return what the contact register has of each person, by slug; empty without one."""
        register = self.register
        return {each.slug: register.registered(each) for each in PERSONS} if register else {}

    def change_contact(self, values: Mapping[str, Any]) -> None:
        """Change a person's entry in the contact register, as she would there.

        What `values` does not name stays, as does a channel that it names as it is. With
        `confirmed_months_ago` her channels were confirmed then.
        """
        person, register = person_of(values), self.register
        if register is None:
            raise WrongInput("Kontaktregisteret er ikke med.")
        said = register.registered(person)
        changes: dict[str, Any] = {}
        for name in ("email", "mobile"):
            wanted = read_text(values, name, CONTACT_MAX).strip() if name in values else None
            if wanted is not None and wanted != getattr(said, name):
                changes[name] = wanted
        if "language" in values:
            changes["language"] = read_text(values, "language", 2)
        if "reserved" in values:
            reserved = truth(values["reserved"])
            changes["reserved_at"] = (said.reserved_at or clock.now()) if reserved else None
        months = whole_number(values, "confirmed_months_ago", 0, MONTHS_MAX)
        if months is not None:
            then = clock.now() - timedelta(days=31 * months)
            for name in ("email", "mobile"):
                if changes.get(name, getattr(said, name)):
                    changes[f"{name}_confirmed_at"] = then
        register.change(person.slug, **changes)

    def set_faults(self, values: Mapping[str, Any]) -> Faults:
        """Turn the fault dial of a channel or of one of `dials`; returns how it stands."""
        mode = str(values.get("mode") or "ok")
        responder = self._responder if values.get("channel") == REVOCATION else None
        if mode not in (REVOCATION_MODES if responder else FAULT_MODES):
            raise WrongInput("Det finnes ingen slik feil.")
        if responder:
            responder.set_mode(mode)
            return Faults(mode)
        state, name = self._dial(values)
        faults = Faults(
            mode=mode,
            delay_seconds=_seconds(values.get("delay_seconds")),
            remaining=whole_number(values, "remaining", 1, REQUESTS_MAX),
            per_minute=whole_number(values, "per_minute", 1, REQUESTS_MAX),
        )
        state.set_faults(name, faults)
        return faults

    def set_clock(self, values: Mapping[str, Any]) -> None:
        """Freeze the clock, let it run from a moment, or go back to the real time."""
        if not os.environ.get("CLOCK_FILE"):
            raise WrongInput("Klokken kan ikke stilles: CLOCK_FILE er ikke satt.")
        if values.get("frozen_at"):
            clock.freeze(_moment(values["frozen_at"]))
        elif values.get("running_from"):
            clock.set_running(_moment(values["running_from"]))
        elif values.get("reset"):
            clock.reset()
        else:
            raise WrongInput("Si når klokken skal stå, eller når den skal gå fra.")

    def reset(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Bring a person back to her seeded start here and in Samlepost.

        Returns `letters` (how many she was sent anew), `simulators_seconds`, `seconds` (in all)
        and `inbox` ("ok", or what went wrong there). Without letters nothing was reset: had
        Samlepost kept the old ones, she would have each of them twice.
        """
        person = person_of(values)
        started = time.monotonic()
        letters, here = 0, 0.0
        with self._resetting:  # pressed twice, the second begins when the first is done
            # Samlepost first: what it has under way for her must not touch the fresh letters.
            problem = _tell_inbox("forget", person)
            if not problem:
                began = time.monotonic()
                letters = self.seed.restore(person)
                here = time.monotonic() - began
                problem = _tell_inbox("fetch", person)
        if not problem:
            for channel in self.by_channel:
                if channel_suits(channel, person):
                    self._ping(person, channel)
        return {
            "letters": letters,
            "simulators_seconds": round(here, 2),
            "seconds": round(time.monotonic() - started, 2),
            "inbox": problem or "ok",
        }

    def state(self) -> dict[str, Any]:
        """Return the clock and every channel's dial as JSON."""
        return {
            "clock": {
                "now": clock.now().isoformat(),
                "frozen": clock.is_frozen(),
                "can_be_set": bool(os.environ.get("CLOCK_FILE")),
            },
            "seeded": self.seed.is_done(),
            "channels": {
                channel.value: asdict(simulator.state.faults(channel))
                for channel, simulator in self.by_channel.items()
            }
            | {name: asdict(dial) for name, dial in self.dials().items()},
        }

    def dials(self) -> dict[str, Faults]:
        """Return how the dials stand of those that take part and deliver no letters."""
        found = {
            name: self.simulators[name].state.faults(name)
            for name in (REGISTER, TIMESTAMPS)
            if name in self.simulators
        }
        if self._responder:
            found[REVOCATION] = Faults(self._responder.mode)
        return found

    @property
    def _responder(self) -> Responder | None:
        dpi = (each for each in self.simulators.values() if isinstance(each, DpiSimulator))
        return next((each.responder for each in dpi), None)

    def _thread(self, values: Mapping[str, Any]) -> tuple[Person, Channel, MinsideSimulator]:
        person = person_of(values)
        channel = channel_of(values, person)
        simulator = self._simulator(channel)
        if not isinstance(simulator, MinsideSimulator):
            raise WrongInput(f"{CHANNEL_NAMES[channel]} har ikke brevene på egne sider.")
        return person, channel, simulator

    def _dpi(self, values: Mapping[str, Any]) -> tuple[Person, Channel, DpiSimulator]:
        """The person's own mailbox supplier, where only that makes sense."""
        person = person_of(values)
        channel = person.mailbox_supplier
        simulator = self._simulator(channel)
        if not isinstance(simulator, DpiSimulator):
            raise WrongInput("Ingen simulator leverer brev i denne kanalen.")
        return person, channel, simulator

    def _dial(self, values: Mapping[str, Any]) -> tuple[State, str]:
        name = str(values.get("channel"))
        if name in (REGISTER, TIMESTAMPS) and name in self.simulators:
            return self.simulators[name].state, name
        channel = channel_of(values)
        return self._simulator(channel).state, channel.value

    def _ping(self, person: Person, channel: Channel) -> None:
        ping(person, channel, self._simulator(channel).ping_proof(channel))

    def _simulator(self, channel: Channel) -> Simulator:
        if channel not in self.by_channel:
            raise WrongInput("Ingen simulator leverer brev i denne kanalen.")
        return self.by_channel[channel]


def channel_suits(channel: Channel, person: Person) -> bool:
    """Say whether a person can get letters in a channel: DPI goes to her own mailbox alone."""
    return channel not in (Channel.DIGIPOST, Channel.EBOKS) or channel == person.mailbox_supplier


def _tell_inbox(step: str, person: Person) -> str:
    """Have Samlepost `forget` a person or `fetch` anew; returns what went wrong, or nothing."""
    http = Http(inbox_url(), timeout=RESET_SECONDS)
    try:
        answer = http.post_json(
            f"/demo/{step}/",
            json={"national_id": person.national_id},
            headers={"X-Demo-Token": os.environ.get("DEMO_TOKEN") or "samlepost-demo"},
        )
    except ConnectorError as error:
        log.warning("Samlepost did not %s: %s", step, error)
        return str(error)
    finally:
        http.close()
    missing = answer.get("not_fetched") if isinstance(answer, dict) else None
    return f"not fetched from {', '.join(missing)}" if missing else ""


def _seconds(value: Any) -> float:
    try:
        seconds = float(str(value or 0).replace(",", "."))
    except ValueError:
        raise WrongInput("delay_seconds må være et tall.") from None
    if not 0 <= seconds <= SLOW_SECONDS_MAX:
        raise WrongInput(f"delay_seconds må være fra 0 til {SLOW_SECONDS_MAX:.0f}.")
    return seconds


def _moment(value: Any) -> datetime:
    """A time without a zone is Oslo's, as a person at the page means it."""
    try:
        moment = datetime.fromisoformat(str(value))
        aware = moment if moment.tzinfo else moment.replace(tzinfo=OSLO)
        return aware.astimezone(UTC)
    except (ValueError, OverflowError):
        raise WrongInput("Tidspunktet må være på formen 2026-11-23T09:00.") from None
