"""The simulated ID-porten's pages and endpoints.

Sources: Digdir docs `oidc_protocol_{authorize,id_token,logout}.md`, `oidc_func_{pkce,sso}.md`;
OpenID Connect Core 1.0, RP-Initiated Logout 1.0 and Front-Channel Logout 1.0; RFC 6749.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from flask import Flask, Response, jsonify, redirect, render_template, request
from werkzeug.wrappers import Response as BaseResponse

from connectors.addresses import web_addresses
from connectors.idporten import provider
from connectors.idporten.provider import (
    HIGH,
    LEVELS,
    AuthorizationRequest,
    RequestError,
    UnknownClient,
    issuer,
)
from connectors.idporten.store import ACCESS_TOKEN_SECONDS, Session, Store
from connectors.idporten.tokens import TokenFault, id_token, pairwise_subject, sid_of_hint
from connectors.keys import signing_key
from connectors.simulation import Simulator, State, protect_pages
from connectors.world.model import Person
from connectors.world.persons import PERSONS

SERVER_KEY = "idporten-server.pem"
COOKIE = "idporten_session"
HERE = Path(__file__).parent
PERSON_BY_SLUG = {person.slug: person for person in PERSONS}


class IdportenSimulator(Simulator):
    """An OpenID provider for made-up persons. It delivers no letters.

    `token_fault` makes the id_tokens wrong in one way; only code that holds this object can
    set it, never a request.
    """

    def __init__(self, state: State, keys_dir: Path) -> None:
        super().__init__(state)
        self.app = Flask(
            __name__, static_folder=str(HERE / "static"), template_folder=str(HERE / "templates")
        )
        self.key = signing_key(keys_dir / SERVER_KEY)
        self.clients = provider.registered_clients()
        self.client = self.clients[provider.SAMLEPOST]
        self.store = Store(state)
        self.token_fault = TokenFault.NONE
        told = [urlsplit(each.frontchannel_logout_uri) for each in self.clients.values()]
        protect_pages(self.app, frames=sorted({f"{at.scheme}://{at.netloc}" for at in told}))
        _add_browser_routes(self.app, self)
        _add_server_routes(self.app, self)

    def forget(self, person: Person) -> None:
        """Log the person out everywhere."""
        with self.state.transaction() as db:
            db.execute("DELETE FROM sessions WHERE person = ?", (person.slug,))

    def session_for(self, wanted: AuthorizationRequest) -> Session | None:
        """Return the browser's session if it answers the request without a new log-in."""
        session = self.store.session(request.cookies.get(COOKIE, ""))
        if session is None or session.person not in PERSON_BY_SLUG or wanted.prompt == "login":
            return None
        if not provider.is_enough(session.acr, wanted.acr):
            return None
        if wanted.max_age is not None and time.time() - session.auth_time > wanted.max_age:
            return None
        return session

    def exchange(self, client: provider.Client, form: dict[str, str]) -> dict[str, Any]:
        """Return the token answer for a client's code. Raises RequestError."""
        if form.get("grant_type") != "authorization_code":
            raise RequestError("unsupported_grant_type", "only authorization_code is taken")
        code = form.get("code", "")
        found = self.store.spend_code(code)
        if found is None:
            raise RequestError("invalid_grant", "the code is unknown, too old or used before")
        wanted, session = found
        if wanted.client_id != client.client_id:
            raise RequestError("invalid_grant", "the code was issued to another client")
        if form.get("redirect_uri") != wanted.redirect_uri:
            raise RequestError("invalid_grant", "redirect_uri is not the one of the request")
        if not hmac.compare_digest(
            _challenge(form.get("code_verifier", "")), wanted.code_challenge
        ):
            raise RequestError("invalid_grant", "code_verifier does not fit code_challenge")
        return {
            "access_token": self.store.issue_access_token(code, session),
            "token_type": "Bearer",
            "expires_in": ACCESS_TOKEN_SECONDS,
            "scope": "openid profile",
            "id_token": id_token(
                self.key,
                client.client_id,
                PERSON_BY_SLUG[session.person],
                session,
                nonce=wanted.nonce,
                locale=wanted.locale,
                fault=self.token_fault,
            ),
        }


def make(state_dir: Path, keys_dir: Path) -> IdportenSimulator:
    """Make the provider with its state in `state_dir` and its key in `keys_dir`."""
    return IdportenSimulator(State(state_dir / "idporten.sqlite3"), keys_dir)


def _add_browser_routes(app: Flask, simulator: IdportenSimulator) -> None:
    @app.get("/authorize")
    def authorize() -> BaseResponse:
        args = request.args.to_dict()
        try:
            wanted = provider.read_request(simulator.clients, args)
        except UnknownClient as problem:
            return _problem(str(problem))
        except RequestError as problem:
            return _refuse(args["redirect_uri"], args.get("state", ""), problem)
        session = simulator.session_for(wanted)
        if session is not None:
            return _return_with_code(simulator, wanted, session)
        if wanted.prompt == "none":
            needed = RequestError("login_required", "the person must log in")
            return _refuse(wanted.redirect_uri, wanted.state, needed)
        return Response(
            render_template(
                "login.html",
                persons=PERSONS,
                high_only=wanted.acr == HIGH,
                ticket=simulator.store.keep_request(wanted),
            )
        )

    @app.post("/login")
    def login() -> BaseResponse:
        person, acr = request.form.get("person", ""), request.form.get("level", "")
        if person not in PERSON_BY_SLUG or acr not in LEVELS:
            return _problem("velg en person og en innloggingsmåte")
        wanted = simulator.store.take_request(request.form.get("ticket", ""))
        if wanted is None:
            return _problem("innloggingen tok for lang tid, eller den er brukt før")
        if not provider.is_enough(acr, wanted.acr):
            return _problem("tjenesten krever høyt sikkerhetsnivå")
        old_cookie = request.cookies.get(COOKIE, "")
        cookie, session = simulator.store.start_session(person, acr, old_cookie)
        answer = _return_with_code(simulator, wanted, session)
        _set_cookie(answer, cookie)
        return answer

    @app.route("/endsession", methods=["GET", "POST"])
    def endsession() -> BaseResponse:
        args = request.values.to_dict()
        target = args.get("post_logout_redirect_uri", "")
        if target and target not in simulator.client.post_logout_uris:
            return _problem("adressen etter utlogging er ikke registrert")
        hint = args.get("id_token_hint", "")
        hinted = sid_of_hint(simulator.key, simulator.client.client_id, hint) if hint else ""
        if hinted is None:
            return _problem("id_token_hint er ikke utstedt herfra")
        sid = simulator.store.end_session(request.cookies.get(COOKIE, ""), hinted)
        if target and args.get("state"):
            target += "?" + urlencode({"state": args["state"]})
        return _logged_out(simulator, sid, target)


def _add_server_routes(app: Flask, simulator: IdportenSimulator) -> None:
    @app.post("/token")
    def token() -> Response:
        form = request.form.to_dict()
        client = _client_of(simulator.clients, form)
        if client is None:
            answer = jsonify(error="invalid_client")
            answer.status_code = 401
            answer.headers["WWW-Authenticate"] = 'Basic realm="idporten"'
            return answer
        try:
            return jsonify(simulator.exchange(client, form))
        except RequestError as problem:
            answer = jsonify(error=problem.code, error_description=str(problem))
            answer.status_code = 400
            return answer

    @app.route("/userinfo", methods=["GET", "POST"])
    def userinfo() -> Response:
        kind, _, access_token = request.headers.get("Authorization", "").partition(" ")
        session = simulator.store.access_token(access_token.strip())
        if kind.lower() != "bearer" or session is None:
            return Response(
                status=401, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'}
            )
        person = PERSON_BY_SLUG[session.person]
        subject = pairwise_subject(simulator.key, simulator.client.client_id, person)
        return jsonify(sub=subject, pid=person.national_id, acr=session.acr, sid=session.sid)

    @app.get("/jwks")
    def jwks() -> Response:
        return jsonify(keys=[simulator.key.as_dict(private=False)])

    @app.get("/.well-known/openid-configuration")
    def configuration() -> Response:
        return jsonify(_metadata())


def _metadata() -> dict[str, Any]:
    name = issuer()
    return {
        "issuer": name,
        "authorization_endpoint": f"{name}/authorize",
        "token_endpoint": f"{name}/token",
        "userinfo_endpoint": f"{name}/userinfo",
        "jwks_uri": f"{name}/jwks",
        "end_session_endpoint": f"{name}/endsession",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": ["authorization_code"],
        "subject_types_supported": ["pairwise"],
        "scopes_supported": ["openid", "profile"],
        "acr_values_supported": list(LEVELS),
        "ui_locales_supported": list(provider.LOCALES),
        "prompt_values_supported": ["login", "none"],
        "code_challenge_methods_supported": ["S256"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post"],
        "frontchannel_logout_supported": True,
        "frontchannel_logout_session_supported": True,
    }


def _client_of(
    clients: Mapping[str, provider.Client], form: Mapping[str, str]
) -> provider.Client | None:
    """Return the client that asks, if its secret is right."""
    basic = request.authorization
    if basic is not None and basic.type == "basic":
        name, secret = basic.username or "", basic.password or ""
    else:
        name, secret = form.get("client_id", ""), form.get("client_secret", "")
    client = clients.get(name)
    known = client is not None and hmac.compare_digest(secret.encode(), client.secret.encode())
    return client if known else None


def _challenge(verifier: str) -> str:
    digest = hashlib.sha256(verifier.encode()).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _return_with_code(
    simulator: IdportenSimulator, wanted: AuthorizationRequest, session: Session
) -> BaseResponse:
    code = simulator.store.issue_code(wanted, session)
    query = urlencode({"code": code, "state": wanted.state})
    return redirect(f"{wanted.redirect_uri}?{query}", 303)


def _refuse(redirect_uri: str, state: str, problem: RequestError) -> BaseResponse:
    query = {"error": problem.code, "error_description": str(problem)}
    if state:
        query["state"] = state
    return redirect(f"{redirect_uri}?{urlencode(query)}", 303)


def _problem(text: str) -> Response:
    page = render_template("problem.html", text=text, web=web_addresses()[0])
    return Response(page, 400)


def _logged_out(simulator: IdportenSimulator, sid: str, target: str) -> BaseResponse:
    query = urlencode({"iss": issuer(), "sid": sid})
    told = simulator.clients.values() if sid else ()
    frames = [f"{client.frontchannel_logout_uri}?{query}" for client in told]
    answer = Response(render_template("logged_out.html", frames=frames, target=target))
    answer.delete_cookie(COOKIE, path=request.script_root or "/", httponly=True, samesite="Lax")
    return answer


def _set_cookie(answer: BaseResponse, value: str) -> None:
    answer.set_cookie(
        COOKIE,
        value,
        path=request.script_root or "/",
        httponly=True,
        samesite="Lax",
        secure=issuer().startswith("https:"),
    )
