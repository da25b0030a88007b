"""The control page at / and the control API below /control/api/."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from flask import Flask, Response, abort, jsonify, redirect, render_template, request, url_for
from werkzeug.exceptions import SecurityError
from werkzeug.wrappers import Response as BaseResponse

from connectors import clock
from connectors.addresses import (
    LOOPBACK_NAMES,
    simulators_public_url,
    simulators_url,
    web_public_url,
)
from connectors.control import cast
from connectors.control.actions import REVOCATION, TRANSMISSIONS, Control
from connectors.control.compose import CHANNEL_NAMES, MIN_SIDE, OSLO, WrongInput
from connectors.krr.simulator import FAULTS as REGISTER
from connectors.simulation import State, protect_pages
from connectors.tsa.simulator import FAULTS as TIMESTAMPS
from connectors.world.model import Channel
from connectors.world.persons import AGENCIES, PERSONS

HERE = Path(__file__).parent
FAULT_NAMES = {
    "ok": "Virker som den skal",
    "down": "Er nede (503)",
    "garbage": "Svarer med tull",
    "html": "Svarer med en nettside",
    "truncated": "Bryter av midt i svaret",
    "rate_limited": "Ber oss vente (429)",
    "unauthorized": "Godtar oss ikke (401)",
    "timeout": "Svarer ikke på to minutter",
}

REVOCATION_NAMES = {
    "ok": "Virker som den skal",
    "down": "Er nede (503)",
    "hanging": "Svarer ikke på to minutter",
    "stale": "Gir svaret fra en uke siden",
    "revoked": "Sier at alle sertifikater er trukket tilbake",
    "wrong_signature": "Gir et svar som en annen har signert",
    "oversized": "Svarer uten ende",
}
"""Those of `connectors.dpi.responder.MODES`."""
DIAL_NAMES = {
    REGISTER: "Kontakt- og reservasjonsregisteret",
    TIMESTAMPS: "Tidsstempler for arkivets logg",
    REVOCATION: "Svar på om avsenderes sertifikater er trukket tilbake",
}
SENT_STATES = {
    "waiting": "Venter på svar",
    "delivered": "Levert",
    "refused": "Avvist, skrevet ut på papir",
    "printed": "Ikke svar i tide, skrevet ut på papir",
    "late": "Skrevet ut på papir, levert for sent",
    "both": "Levert, og skrevet ut på papir",
    "returned": "Skrevet ut på papir, kom i retur",
}


def make_app(control: Control, state: State) -> Flask:
    """Return the application; `state` keeps the messages shown after an action."""
    app = Flask(
        __name__, static_folder=str(HERE / "static"), template_folder=str(HERE / "templates")
    )
    # A page on another host name that resolves to this address must not read the persons.
    names = {urlsplit(url).hostname or "" for url in (simulators_public_url(), simulators_url())}
    app.config["TRUSTED_HOSTS"] = sorted({*LOOPBACK_NAMES, *names})
    app.register_error_handler(SecurityError, lambda error: Response("unknown host", 400))
    protect_pages(app)
    messages = _Messages(state)
    _add_api(app, control)
    _add_page(app, control, messages)
    return app


class _Messages:
    """What an action led to, shown once the browser has been sent back to the page."""

    def __init__(self, state: State) -> None:
        self._state = state
        with state.transaction() as db:
            db.execute("CREATE TABLE IF NOT EXISTS messages (id TEXT, good INTEGER, text TEXT)")

    def keep(self, good: bool, text: str) -> str:
        name = secrets.token_urlsafe(12)
        with self._state.transaction() as db:
            db.execute("INSERT INTO messages VALUES (?, ?, ?)", (name, good, text))
            db.execute("DELETE FROM messages WHERE rowid <= (SELECT max(rowid) FROM messages) - 50")
        return name

    def find(self, name: str) -> dict[str, Any] | None:
        db = self._state.connection()
        row = db.execute("SELECT good, text FROM messages WHERE id = ?", (name,)).fetchone()
        return dict(row) if row else None


def _add_api(app: Flask, control: Control) -> None:
    def answer(action: Callable[[dict[str, Any]], Any]) -> Callable[[], BaseResponse]:
        def view() -> BaseResponse:
            if request.headers.get("X-Control") != "samlepost":
                return _error("the header X-Control: samlepost is missing", 403)
            values = request.get_json(silent=True)
            if not isinstance(values, dict):
                return _error("the body must be a JSON object", 400)
            try:
                return jsonify(action(values))
            except WrongInput as problem:
                return _error(str(problem), 400)

        return view

    def done(action: Callable[[dict[str, Any]], object]) -> Callable[[dict[str, Any]], Any]:
        def act(values: dict[str, Any]) -> dict[str, Any]:
            action(values)
            return {"ok": True}

        return act

    posts: dict[str, Callable[[dict[str, Any]], Any]] = {
        "send": lambda values: {"id": control.send(values)},
        "garbage": lambda values: {"id": control.send_garbage(values)},
        "reset": control.reset,
        "faults": done(control.set_faults),
        "expire": done(control.expire),
        "purge": lambda values: {"letters": control.purge(values)},
        "print": done(control.print_letter),
        "return": done(control.return_letter),
        "answer": done(control.answer),
        "close-thread": done(control.close_thread),
        "contact": done(control.change_contact),
        "transmit": done(control.transmit),
        "clock": done(control.set_clock),
    }
    for name, action in posts.items():
        app.add_url_rule(f"/control/api/{name}", f"api_{name}", answer(action), methods=["POST"])
    gets: dict[str, Callable[[], Any]] = {
        "persons": cast.persons,
        "relations": cast.relations,
        "agencies": lambda: cast.agencies(control.sources()),
        "sources": control.sources,
        "state": control.state,
        "sent": control.sent,
    }
    for name, read in gets.items():
        app.add_url_rule(f"/control/api/{name}", f"api_{name}", lambda read=read: jsonify(read()))


def _add_page(app: Flask, control: Control, messages: _Messages) -> None:
    def send(values: dict[str, str]) -> str:
        # A form sends nothing for a box that is not ticked.
        control.send({"document": False, **values})
        return "Brevet er sendt."

    def garbage(values: dict[str, str]) -> str:
        control.send_garbage(values)
        return "Et brev som ikke kan leses, er sendt."

    def print_letter(values: dict[str, str]) -> str:
        control.print_letter(values)
        return "Avsenderen har skrevet ut det nyeste brevet og sendt det på papir."

    def return_letter(values: dict[str, str]) -> str:
        control.return_letter(values)
        return "Papirbrevet har kommet i retur."

    def expire(values: dict[str, str]) -> str:
        control.expire(values)
        return "Dokumentet i det nyeste brevet er utløpt hos kilden."

    def purge(values: dict[str, str]) -> str:
        letters = control.purge(values)
        return f"Etaten har slettet {letters} brev. Kopiene i Samlepost blir liggende."

    def answer(values: dict[str, str]) -> str:
        control.answer(values)
        return "Etaten har svart."

    def close_thread(values: dict[str, str]) -> str:
        control.close_thread(values)
        return "Tråden er lukket."

    def faults(values: dict[str, str]) -> str:
        dial = control.set_faults(values)
        said = (FAULT_NAMES | REVOCATION_NAMES)[dial.mode]
        return f"{_channel_name(values)}: {said.lower()}."

    def contact(values: dict[str, str]) -> str:
        # A form sends nothing for a box that is not ticked.
        control.change_contact({"reserved": False, **values})
        return (
            "Oppføringen i kontaktregisteret er endret. Samlepost spør etter den innen et minutt."
        )

    def set_clock(values: dict[str, str]) -> str:
        how = values.get("how", "")
        if how in ("frozen_at", "running_from"):
            control.set_clock({how: values.get("moment", "")})
        else:
            control.set_clock({"reset": how == "reset"})
        return f"Klokken er stilt: {_clock_text()}."

    def reset(values: dict[str, str]) -> str:
        result = control.reset(values)
        seconds = f"{result['seconds']:.1f}".replace(".", ",")
        text = f"Tilbakestilt på {seconds} sekunder, {result['letters']} brev."
        if result["inbox"] == "ok":
            return text
        if not result["letters"]:
            raise WrongInput("Ingenting er tilbakestilt: Samlepost svarte ikke som ventet.")
        raise WrongInput(f"{text} Men Samlepost har ikke hentet alle. Er en kilde nede?")

    def transmit(values: dict[str, str]) -> str:
        control.transmit(values)
        return "Avsenderen har skrevet mer i det nyeste brevet i Altinn."

    actions = [send, transmit, garbage, expire, print_letter, return_letter, answer, close_thread]
    actions += [purge, contact, faults, set_clock, reset]
    for action in actions:
        _add_form(app, action, messages)

    @app.get("/")
    def page() -> str:
        return render_template(
            "control.html",
            message=messages.find(request.args.get("m", "")),
            persons=PERSONS,
            agencies=AGENCIES,
            channels=_channel_rows(control),
            dials=_channel_rows(control) + _other_dials(control),
            contacts=_contact_rows(control),
            agencies_with_pages=[(each.value, CHANNEL_NAMES[each]) for each in MIN_SIDE],
            broken_variants=control.broken_variants(),
            transmissions=TRANSMISSIONS,
            sent=_sent_rows(control),
            clock=_clock_text(),
            clock_input=clock.now().astimezone(OSLO).strftime("%Y-%m-%dT%H:%M"),
            clock_can_be_set=control.state()["clock"]["can_be_set"],
            web=web_public_url(),
        )


def _add_form(app: Flask, action: Callable[[dict[str, str]], str], messages: _Messages) -> None:
    def view() -> BaseResponse:
        if not _is_same_origin():
            abort(403)
        try:
            name = messages.keep(True, action(request.form.to_dict()))
        except WrongInput as problem:
            name = messages.keep(False, str(problem))
        return redirect(url_for("page", m=name), 303)

    name = action.__name__
    app.add_url_rule(f"/control/{name.replace('_', '-')}", name, view, methods=["POST"])


def _is_same_origin() -> bool:
    """A form of another site must not act here: the browser says where the form stood."""
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    return request.headers.get("Origin") == request.host_url.rstrip("/")


def _sent_rows(control: Control) -> list[dict[str, str]]:
    persons = {person.slug: person.name for person in PERSONS}
    return [
        {
            "id": each["message"],
            "person": persons.get(each["person"], ""),
            "channel": CHANNEL_NAMES[Channel(each["channel"])],
            "state": SENT_STATES[each["state"]],
            "answer_by": _in_oslo(each["answer_by"]),
            "at": _in_oslo(each["returned_at"] or each["delivered_at"] or each["printed_at"]),
        }
        for each in control.sent()
    ]


def _in_oslo(said: str) -> str:
    if not said:
        return ""
    return datetime.fromisoformat(said).astimezone(OSLO).strftime("%d.%m.%Y kl. %H.%M")


def _channel_rows(control: Control) -> list[dict[str, Any]]:
    return [
        {
            "slug": channel.value,
            "name": CHANNEL_NAMES[channel],
            "dial": simulator.state.faults(channel),
            "faults": FAULT_NAMES,
        }
        for channel, simulator in sorted(control.by_channel.items())
    ]


def _other_dials(control: Control) -> list[dict[str, Any]]:
    return [
        {
            "slug": name,
            "name": DIAL_NAMES[name],
            "dial": dial,
            "faults": REVOCATION_NAMES if name == REVOCATION else FAULT_NAMES,
            "mode_alone": name == REVOCATION,
        }
        for name, dial in control.dials().items()
    ]


def _contact_rows(control: Control) -> list[dict[str, Any]]:
    entries = control.contacts()
    return [
        {
            "slug": person.slug,
            "name": person.name,
            "entry": entries[person.slug],
            "confirmed": _confirmed(entries[person.slug].email_confirmed_at),
        }
        for person in PERSONS
        if person.slug in entries and not person.is_at_work
    ]


def _confirmed(moment: datetime | None) -> str:
    return moment.astimezone(OSLO).strftime("%d.%m.%Y") if moment else ""


def _channel_name(values: dict[str, str]) -> str:
    names = {channel.value: name for channel, name in CHANNEL_NAMES.items()}
    names |= DIAL_NAMES
    return names.get(values.get("channel", ""), "")


def _clock_text() -> str:
    shown = clock.now().astimezone(OSLO).strftime("%d.%m.%Y kl. %H.%M")
    if clock.is_frozen():
        return f"står stille på {shown}"
    return f"går, og er {shown}"


def _error(text: str, status: int) -> Response:
    answer = jsonify(error=text)
    answer.status_code = status
    return answer
