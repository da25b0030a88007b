"""The simulated agencies' own pages: a task is done there by who is logged in at ID-porten.

Each agency is a client of its own. A person with a session at ID-porten is recognised without a
new log-in (Digdir docs `oidc_func_sso.md`); she is led back to Samlepost's addresses alone.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import sqlite3
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from flask import Flask, Response, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from connectors import clock
from connectors.addresses import simulators_public_url, simulators_url, web_addresses
from connectors.contract import LEVEL_HIGH, ConnectorError
from connectors.http import Http
from connectors.idporten.provider import HIGH, SUBSTANTIAL, is_enough, issuer, registered_clients
from connectors.minside.feed import FEEDS, append, latest, stamp
from connectors.pings import ping
from connectors.world.agencies import agency as agency_by_slug
from connectors.world.persons import PERSONS

if TYPE_CHECKING:
    from connectors.minside.simulator import MinsideSimulator

ROOT = f"/<any({', '.join(FEEDS)}):agency>/pages"
COOKIE = "agency_session"
LOGIN_SECONDS = 15 * 60
SESSION_SECONDS = 30 * 60
ADDRESS_MAX = 2000
TABLES = (
    "CREATE TABLE IF NOT EXISTS page_logins (state TEXT PRIMARY KEY, agency TEXT, verifier TEXT,"
    " letter TEXT, return_to TEXT, expires REAL)",
    "CREATE TABLE IF NOT EXISTS page_sessions (cookie TEXT PRIMARY KEY, agency TEXT, person TEXT,"
    " acr TEXT, sid TEXT, expires REAL)",
)


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who is logged in at an agency's pages."""

    person: str
    """Identity number."""
    acr: str


def address(slug: str, identifier: str) -> str:
    """Return where a browser finds an agency's page with the task of a letter."""
    return f"{pages_url(slug)}{task_path(identifier)}"


def task_path(identifier: str) -> str:
    """Return where the page with the task of a letter lies, below an agency's pages."""
    return f"/tasks/{identifier}"


def pages_url(slug: str) -> str:
    """Return where a browser finds an agency's pages."""
    return f"{simulators_public_url()}/minside/{slug}/pages"


def safe_return(value: str) -> str:
    """Return the way back that a visitor brought, "" unless it leads to Samlepost itself."""
    if len(value) > ADDRESS_MAX or "\\" in value or not value.isprintable() or " " in value:
        return ""
    try:
        parts = urlsplit(value)
        origin = f"{parts.scheme}://{parts.netloc}"
    except ValueError:
        return ""
    ours = {"{0.scheme}://{0.netloc}".format(urlsplit(each)) for each in web_addresses()}
    return value if origin in ours else ""


def add_routes(app: Flask, simulator: MinsideSimulator) -> None:
    """Put every agency's pages on `app`."""
    state = simulator.state

    @app.get(f"{ROOT}/")
    def start(agency: str) -> str:
        return render_template(
            "start.html", agency=agency_by_slug(agency).name, panel=_panel(agency)
        )

    @app.get(f"{ROOT}/tasks/<identifier>")
    def task(agency: str, identifier: str) -> BaseResponse:
        back = safe_return(request.args.get("return_to", ""))
        visitor = _visitor(state.connection(), agency)
        if visitor is None:
            return _log_in(simulator, agency, identifier, back)
        item = _item(state.connection(), agency, visitor, identifier)
        if item is None:
            if request.args.get("fresh"):
                return _problem(agency, "Du har ingen slik oppgave hos oss.", 404)
            # Somebody else may have logged in since, or a higher level is needed.
            return _log_in(simulator, agency, identifier, back)
        return Response(_task_page(agency, item, back))

    @app.post(f"{ROOT}/tasks/<identifier>")
    def do_task(agency: str, identifier: str) -> BaseResponse:
        back = safe_return(request.form.get("return_to", ""))
        visitor = _visitor(state.connection(), agency)
        if visitor is None or not hmac.compare_digest(request.form.get("token", ""), _token()):
            return _problem(agency, "Økten er over. Åpne oppgaven på nytt fra brevet.", 403)
        with state.transaction() as db:
            item = _item(db, agency, visitor, identifier)
            if item is None:
                return _problem(agency, "Du har ingen slik oppgave hos oss.", 404)
            if not item.get("handled_at"):
                append(db, agency, visitor.person, identifier, _done(agency, item))
        person = next(each for each in PERSONS if each.national_id == visitor.person)
        channel = simulator.channel_of(agency)
        ping(person, channel, simulator.ping_proof(channel))
        query = urlencode({"return_to": back}) if back else ""
        return redirect(f"{address(agency, identifier)}?{query}", 303)

    @app.get(f"{ROOT}/callback")
    def callback(agency: str) -> BaseResponse:
        login = _take_login(simulator, agency, request.args.get("state", ""))
        if login is None or "code" not in request.args:
            return _problem(agency, "Innloggingen ble avbrutt. Åpne oppgaven på nytt.", 400)
        try:
            said = _who(agency, request.args["code"], login["verifier"])
        except ConnectorError:
            return _problem(agency, "ID-porten svarte ikke som ventet. Prøv igjen.", 502)
        cookie = secrets.token_urlsafe(32)
        with state.transaction() as db:
            db.execute("DELETE FROM page_sessions WHERE expires < ?", (time.time(),))
            db.execute(
                "INSERT INTO page_sessions VALUES (?, ?, ?, ?, ?, ?)",
                (
                    _digest(cookie),
                    agency,
                    said["pid"],
                    said["acr"],
                    said["sid"],
                    time.time() + SESSION_SECONDS,
                ),
            )
        query = {"fresh": "1"} | ({"return_to": login["return_to"]} if login["return_to"] else {})
        answer = redirect(f"{address(agency, login['letter'])}?{urlencode(query)}", 303)
        answer.set_cookie(
            COOKIE,
            cookie,
            path=f"{request.script_root}/{agency}/pages",
            httponly=True,
            samesite="Lax",
            secure=pages_url(agency).startswith("https:"),
        )
        return answer

    @app.get(f"{ROOT}/frontchannel")
    def frontchannel(agency: str) -> Response:
        with state.transaction() as db:
            db.execute(
                "DELETE FROM page_sessions WHERE agency = ? AND sid = ?",
                (agency, request.args.get("sid", "")),
            )
        return Response("")


def _panel(agency: str) -> str:
    """Return where the frame comes from that tells of letters from others."""
    return f"{web_addresses()[0]}/panel/?site={agency}"


def _task_page(agency: str, item: dict[str, Any], back: str) -> str:
    return render_template(
        "task.html",
        agency=agency_by_slug(agency).name,
        item=item,
        link=item.get("link") or {},
        done=bool(item.get("handled_at")),
        token=_token(),
        back=back,
        panel=_panel(agency),
    )


def _done(agency: str, item: dict[str, Any]) -> dict[str, Any]:
    name = agency_by_slug(agency).name
    changes: dict[str, Any] = {
        "handled_at": stamp(clock.now()),
        "handled_by": f"Du, på sidene til {name}",
        "reply_forms": [
            {"code": form["code"], "kind": "closed", "reason": f"Du har gjort dette hos {name}."}
            if form.get("settles", True)
            else form
            for form in item.get("reply_forms") or []
        ],
    }
    if item.get("signing"):
        changes["signing"] = item["signing"] | {"status": "signed", "at": stamp(clock.now())}
    return item | changes


def _item(
    db: sqlite3.Connection, agency: str, visitor: Visitor, identifier: str
) -> dict[str, Any] | None:
    """Return the letter if it is the visitor's and her log-in reaches its level."""
    try:
        item = latest(db, agency, visitor.person, identifier)
    except LookupError:
        return None
    wanted = HIGH if item.get("security_level") == LEVEL_HIGH else SUBSTANTIAL
    return item if is_enough(visitor.acr, wanted) else None


def _log_in(simulator: MinsideSimulator, agency: str, identifier: str, back: str) -> BaseResponse:
    client = registered_clients()[f"minside-{agency}"]
    state, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(48)
    with simulator.state.transaction() as db:
        level = db.execute(
            "SELECT json_extract(item, '$.security_level') AS level FROM feed"
            " WHERE agency = ? AND id = ? ORDER BY position DESC LIMIT 1",
            (agency, identifier),
        ).fetchone()
        db.execute("DELETE FROM page_logins WHERE expires < ?", (time.time(),))
        db.execute(
            "INSERT INTO page_logins VALUES (?, ?, ?, ?, ?, ?)",
            (_digest(state), agency, verifier, identifier, back, time.time() + LOGIN_SECONDS),
        )
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
    query = {
        "client_id": client.client_id,
        "redirect_uri": client.redirect_uris[0],
        "response_type": "code",
        "scope": "openid profile",
        "state": state,
        "nonce": secrets.token_urlsafe(24),
        "code_challenge": challenge.rstrip(b"=").decode(),
        "code_challenge_method": "S256",
        "acr_values": HIGH if level and level["level"] == LEVEL_HIGH else SUBSTANTIAL,
    }
    return redirect(f"{issuer()}/authorize?{urlencode(query)}", 303)


def _take_login(simulator: MinsideSimulator, agency: str, state: str) -> sqlite3.Row | None:
    with simulator.state.transaction() as db:
        row: sqlite3.Row | None = db.execute(
            "DELETE FROM page_logins WHERE state = ? AND agency = ? AND expires >= ?"
            " RETURNING verifier, letter, return_to",
            (_digest(state), agency, time.time()),
        ).fetchone()
    return row


def _who(agency: str, code: str, verifier: str) -> dict[str, str]:
    """Exchange the code and ask ID-porten who it is. Raises ConnectorError."""
    client = registered_clients()[f"minside-{agency}"]
    http = Http(f"{simulators_url()}/idporten")
    try:
        answer = http.post_json(
            "token",
            data={
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": client.redirect_uris[0],
                "code_verifier": verifier,
                "client_id": client.client_id,
                "client_secret": client.secret,
            },
        )
        bearer = {"Authorization": f"Bearer {answer['access_token']}"}
        said: dict[str, str] = http.get_json("userinfo", headers=bearer)
        return said
    finally:
        http.close()


def _visitor(db: sqlite3.Connection, agency: str) -> Visitor | None:
    row = db.execute(
        "SELECT person, acr FROM page_sessions WHERE cookie = ? AND agency = ? AND expires >= ?",
        (_digest(request.cookies.get(COOKIE, "")), agency, time.time()),
    ).fetchone()
    return Visitor(row["person"], row["acr"]) if row else None


def _token() -> str:
    """What a form on these pages must bring: only they can know it of the cookie."""
    return _digest("form " + request.cookies.get(COOKIE, ""))


def _problem(agency: str, text: str, status: int) -> Response:
    name = agency_by_slug(agency).name
    page = render_template("task_problem.html", agency=name, text=text, web=web_addresses()[0])
    return Response(page, status)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
