"""The simulated authority's answers to whether a certificate is revoked: OCSP and lists, over HTTP.

`POST /dpi/ocsp` (RFC 6960 appendix A.1), `GET /dpi/crl/root.crl` and `issuer.crl`. Its own dial,
`set_mode`, is turned by tests and the control page; it survives a restart.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from flask import Flask, Response, request

from connectors import clock
from connectors.dpi.authority import ISSUER_LIST, ROOT_LIST, Authority
from connectors.simulation import SLOW_SECONDS_MAX, State

TABLE = "CREATE TABLE IF NOT EXISTS responder (position INTEGER PRIMARY KEY, mode TEXT NOT NULL)"
MODES = {
    "ok": "answers as it should",
    "down": "answers 503",
    "stale": "gives the answer of a week ago",
    "revoked": "says that every agency's certificate is revoked",
    "wrong_signature": "gives an answer that another key has signed",
    "oversized": "answers without end",
    "hanging": "does not answer for two minutes",
}
ENDPOINTS = ("ocsp_answer", "revocation_list")
ANSWER_COUNTS = timedelta(hours=24)
STALE_BY = timedelta(days=7)
REVOKED_SINCE = timedelta(days=2)
LARGE = 20_000_000


class Responder:
    """Answers for the made-up authority; `asked` counts the requests."""

    def __init__(self, state: State, authority: Authority) -> None:
        self._state = state
        self._authority = authority
        self._identity = authority.responder()
        self.asked = 0
        with state.transaction() as db:
            db.execute(TABLE)

    @property
    def mode(self) -> str:
        """How it answers, one of MODES."""
        row = self._state.connection().execute("SELECT mode FROM responder").fetchone()
        return str(row["mode"]) if row else "ok"

    def set_mode(self, mode: str) -> None:
        """Turn the dial. Raises ValueError for what is not one of MODES."""
        if mode not in MODES:
            raise ValueError(f"unknown mode {mode!r}")
        with self._state.transaction() as db:
            db.execute("INSERT OR REPLACE INTO responder VALUES (1, ?)", (mode,))

    def add_routes(self, app: Flask) -> None:
        """Serve OCSP and the lists."""

        @app.post("/ocsp")
        def ocsp_answer() -> Response:
            try:
                asked = ocsp.load_der_ocsp_request(request.get_data())
            except ValueError:
                refused = ocsp.OCSPResponseBuilder.build_unsuccessful(
                    ocsp.OCSPResponseStatus.MALFORMED_REQUEST
                )
                return _ocsp_response(refused.public_bytes(Encoding.DER))
            return self._spoilt() or _ocsp_response(self._answer(asked))

        @app.get("/crl/<name>")
        def revocation_list(name: str) -> Response:
            if name not in (ROOT_LIST, ISSUER_LIST):
                return Response("there is no such list", 404)
            return self._spoilt() or Response(self._list(name), content_type="application/pkix-crl")

    def _spoilt(self) -> Response | None:
        self.asked += 1
        match self.mode:
            case "down":
                return Response("unavailable", 503)
            case "oversized":
                return Response(_without_end(), 200)
            case "hanging":
                time.sleep(SLOW_SECONDS_MAX)
                return Response("too late", 504)
        return None

    def _answer(self, asked: ocsp.OCSPRequest) -> bytes:
        now, serial = self._now(), asked.serial_number
        revoked = self.mode == "revoked" or serial in self._authority.revoked_serials()
        status = ocsp.OCSPCertStatus.REVOKED if revoked else ocsp.OCSPCertStatus.GOOD
        response = ocsp.OCSPResponseBuilder().add_response_by_hash(
            asked.issuer_name_hash,
            asked.issuer_key_hash,
            serial,
            asked.hash_algorithm,
            status,
            now,
            now + ANSWER_COUNTS,
            now - REVOKED_SINCE if revoked else None,
            x509.ReasonFlags.key_compromise if revoked else None,
        )
        certificate, key = self._identity.certificate, self._identity.key
        if self.mode == "wrong_signature":
            certificate, key = self._authority.signing(ROOT_LIST)
        response = response.responder_id(ocsp.OCSPResponderEncoding.HASH, certificate)
        response = response.certificates([certificate])
        return response.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)

    def _list(self, name: str) -> bytes:
        now = self._now()
        issuer, key = self._authority.signing(name)
        if self.mode == "wrong_signature":
            _, key = self._authority.signing(ISSUER_LIST if name == ROOT_LIST else ROOT_LIST)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(issuer.subject)
            .last_update(now)
            .next_update(now + ANSWER_COUNTS)
        )
        for serial in self._authority.revoked_serials() if name == ISSUER_LIST else ():
            entry = x509.RevokedCertificateBuilder(serial, now - REVOKED_SINCE).build()
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.DER)

    def _now(self) -> datetime:
        now = clock.now().replace(microsecond=0)
        return now - STALE_BY if self.mode == "stale" else now


def _ocsp_response(content: bytes) -> Response:
    return Response(content, content_type="application/ocsp-response")


def _without_end() -> Iterable[bytes]:
    return (b"\x30" * 64_000 for _ in range(LARGE // 64_000))
