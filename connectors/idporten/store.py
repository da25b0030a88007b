"""What the provider remembers: pending requests, sessions, codes and access tokens.

It lies in SQLite, so that a restart logs nobody out. Persons are named by their slug.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import sqlite3
import time
from dataclasses import asdict, dataclass

from connectors.idporten.provider import AuthorizationRequest
from connectors.simulation import State

REQUEST_SECONDS = 15 * 60
CODE_SECONDS = 60
ACCESS_TOKEN_SECONDS = 600
IDLE_SECONDS = 30 * 60
SESSION_SECONDS_MAX = 120 * 60
"""30 minutes unused, 120 at most: Digdir docs `oidc_func_sso.md`."""

TABLES = (
    "CREATE TABLE IF NOT EXISTS requests (id TEXT PRIMARY KEY, request TEXT, expires REAL)",
    "CREATE TABLE IF NOT EXISTS sessions (cookie TEXT PRIMARY KEY, sid TEXT, person TEXT, "
    "acr TEXT, auth_time INTEGER, started REAL, used REAL)",
    "CREATE TABLE IF NOT EXISTS codes (code TEXT PRIMARY KEY, request TEXT, session TEXT, "
    "expires REAL, spent INTEGER DEFAULT 0)",
    "CREATE TABLE IF NOT EXISTS access_tokens (token TEXT PRIMARY KEY, code TEXT, session TEXT, "
    "expires REAL)",
)


@dataclass(frozen=True, slots=True)
class Session:
    """A person's log-in at the provider. `auth_time` is in whole seconds since 1970."""

    sid: str
    person: str
    acr: str
    auth_time: int


class Store:
    """Secrets (cookies, codes, tokens) are kept as digests; the caller holds the secret itself."""

    def __init__(self, state: State) -> None:
        self._state = state
        with state.transaction() as db:
            for table in TABLES:
                db.execute(table)

    def keep_request(self, request: AuthorizationRequest) -> str:
        """Remember a request while the person chooses; returns its id for the form."""
        ticket = secrets.token_urlsafe(24)
        with self._state.transaction() as db:
            db.execute("DELETE FROM requests WHERE expires < ?", (time.time(),))
            db.execute(
                "INSERT INTO requests VALUES (?, ?, ?)",
                (_digest(ticket), json.dumps(asdict(request)), time.time() + REQUEST_SECONDS),
            )
        return ticket

    def take_request(self, ticket: str) -> AuthorizationRequest | None:
        """Return a remembered request and forget it; None if there is none, or it is too old."""
        with self._state.transaction() as db:
            row = db.execute(
                "DELETE FROM requests WHERE id = ? AND expires >= ? RETURNING request",
                (_digest(ticket), time.time()),
            ).fetchone()
        return AuthorizationRequest(**json.loads(row["request"])) if row else None

    def session(self, cookie: str) -> Session | None:
        """Return the live session of a cookie, and note that it was used."""
        present = time.time()
        with self._state.transaction() as db:
            row = db.execute(
                "UPDATE sessions SET used = ? WHERE cookie = ? AND used > ? AND started > ? "
                "RETURNING sid, person, acr, auth_time",
                (present, _digest(cookie), present - IDLE_SECONDS, present - SESSION_SECONDS_MAX),
            ).fetchone()
        return Session(*row) if row else None

    def start_session(self, person: str, acr: str, old_cookie: str) -> tuple[str, Session]:
        """Log a person in; returns a new cookie and the session.

        The same person logging in again (a higher level, or when asked to) keeps her `sid`.
        """
        present = time.time()
        cookie = secrets.token_urlsafe(32)
        with self._state.transaction() as db:
            old = db.execute(
                "DELETE FROM sessions WHERE cookie = ? RETURNING sid, person",
                (_digest(old_cookie),),
            ).fetchone()
            sid = old["sid"] if old and old["person"] == person else secrets.token_urlsafe(16)
            session = Session(sid, person, acr, int(present))
            db.execute("DELETE FROM sessions WHERE started < ?", (present - SESSION_SECONDS_MAX,))
            db.execute(
                "INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?)",
                (_digest(cookie), sid, person, acr, session.auth_time, present, present),
            )
        return cookie, session

    def end_session(self, cookie: str, sid: str) -> str:
        """End the cookie's session and the one named `sid`; returns the sid to tell clients of."""
        with self._state.transaction() as db:
            row = db.execute(
                "DELETE FROM sessions WHERE cookie = ? RETURNING sid", (_digest(cookie),)
            ).fetchone()
            ended = sid or (str(row["sid"]) if row else "")
            db.execute("DELETE FROM sessions WHERE sid = ?", (ended,))
            for token in db.execute("SELECT token, session FROM access_tokens").fetchall():
                if json.loads(token["session"])["sid"] == ended:
                    db.execute("DELETE FROM access_tokens WHERE token = ?", (token["token"],))
        return ended

    def issue_code(self, request: AuthorizationRequest, session: Session) -> str:
        """Return a code that can be exchanged once, within a minute."""
        code = secrets.token_urlsafe(32)
        with self._state.transaction() as db:
            db.execute("DELETE FROM codes WHERE expires < ?", (time.time() - 600,))
            db.execute(
                "INSERT INTO codes VALUES (?, ?, ?, ?, 0)",
                (
                    _digest(code),
                    json.dumps(asdict(request)),
                    json.dumps(asdict(session)),
                    time.time() + CODE_SECONDS,
                ),
            )
        return code

    def spend_code(self, code: str) -> tuple[AuthorizationRequest, Session] | None:
        """Return what the code stands for; None when it is unknown, old or spent.

        A spent code that comes back takes its access tokens with it (RFC 6749 §4.1.2).
        """
        with self._state.transaction() as db:
            row = db.execute("SELECT * FROM codes WHERE code = ?", (_digest(code),)).fetchone()
            if row is None or row["spent"] or row["expires"] < time.time():
                db.execute("DELETE FROM access_tokens WHERE code = ?", (_digest(code),))
                return None
            db.execute("UPDATE codes SET spent = 1 WHERE code = ?", (_digest(code),))
        return AuthorizationRequest(**json.loads(row["request"])), _session(row)

    def issue_access_token(self, code: str, session: Session) -> str:
        """Return an opaque token for the userinfo endpoint."""
        token = secrets.token_urlsafe(32)
        with self._state.transaction() as db:
            db.execute("DELETE FROM access_tokens WHERE expires < ?", (time.time(),))
            db.execute(
                "INSERT INTO access_tokens VALUES (?, ?, ?, ?)",
                (
                    _digest(token),
                    _digest(code),
                    json.dumps(asdict(session)),
                    time.time() + ACCESS_TOKEN_SECONDS,
                ),
            )
        return token

    def access_token(self, token: str) -> Session | None:
        """Return the session that an access token was issued for; None when it is no good."""
        row = (
            self._state.connection()
            .execute(
                "SELECT session FROM access_tokens WHERE token = ? AND expires >= ?",
                (_digest(token), time.time()),
            )
            .fetchone()
        )
        return _session(row) if row else None


def _session(row: sqlite3.Row) -> Session:
    return Session(**json.loads(row["session"]))


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
