"""Asks the authority of a certificate whether it is revoked: by OCSP, else by its list (CRL).

The addresses are those in the certificate, which leads to one of our anchors before it is asked
about; whom else is spoken to, and for how long, is bounded here. What is verified is kept in
memory until it runs out, so that all letters of one sender cost one question. What fails is not
tried again for a minute: a responder that is down does not hold up the queue.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from connectors.contract import ConnectorError
from connectors.dpi.answers import (
    Answer,
    NoAnswer,
    judge_list,
    judge_ocsp,
    list_addresses,
    ocsp_addresses,
    question,
)
from connectors.http import Http
from connectors.public import public_addresses

OCSP, LIST = "ocsp", "crl"
"""How an answer is called, which is also how its file ends."""
OCSP_MAX_BYTES = 64_000
LIST_MAX_BYTES = 1_000_000
REQUEST_SECONDS = 4.0
LETTER_SECONDS = 10.0
"""For all questions of one letter together, shorter than a worker's lease."""
ADDRESSES_MAX = 2
"""So many of each kind are tried."""
AGAIN_SECONDS = 60.0
"""After which what failed is tried again."""
KEPT_MAX_BYTES = 32_000_000

Judge = Callable[[bytes, x509.Certificate, x509.Certificate, datetime], Answer]
JUDGES: dict[str, Judge] = {OCSP: judge_ocsp, LIST: judge_list}


@dataclass(frozen=True, slots=True)
class LookUp:
    """What came of asking about one certificate."""

    answer: Answer | None
    """None: there is none that may be believed."""
    content: bytes = b""
    """The answer as it came, DER."""
    kind: str = ""
    """OCSP or LIST."""
    reason: str = ""
    """Why there is no answer."""


class Kept:
    """Answers that this process has fetched and verified, and what failed just now."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._answers: OrderedDict[tuple[str, ...], bytes] = OrderedDict()
        self._failed: dict[tuple[str, ...], tuple[float, str]] = {}

    def get(self, key: tuple[str, ...]) -> bytes | None:
        """Return the answer's bytes; whether they still count is for the caller to judge."""
        with self._lock:
            return self._answers.get(key)

    def put(self, key: tuple[str, ...], content: bytes) -> None:
        """Keep an answer; the oldest ones go where there are too many."""
        with self._lock:
            self._answers.pop(key, None)
            self._answers[key] = content
            size = sum(map(len, self._answers.values()))
            while size > KEPT_MAX_BYTES:
                size -= len(self._answers.popitem(last=False)[1])

    def fail(self, key: tuple[str, ...], reason: str) -> None:
        """Remember for a minute that nothing good comes of asking this."""
        now = time.monotonic()
        with self._lock:
            self._failed = {name: each for name, each in self._failed.items() if each[0] > now}
            self._failed[key] = (now + AGAIN_SECONDS, reason)

    def failed(self, key: tuple[str, ...]) -> str:
        """Return why it failed less than a minute ago, empty when it did not."""
        with self._lock:
            until, reason = self._failed.get(key, (0.0, ""))
        return reason if until > time.monotonic() else ""

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._answers.clear()
            self._failed.clear()


kept = Kept()
"""Shared by all connectors of the process, which come and go with each fetch."""


class Revocation:
    """Asks about certificates whose chain has been verified."""

    def __init__(self, hosts: Collection[str] = (), *, seconds: float = REQUEST_SECONDS) -> None:
        """Only `hosts` ("host" or "host:port") are spoken to, wherever they are.

        Without any, each host that a certificate names is, if it is on the public internet.
        `seconds` is for one question and its answer.
        """
        self._hosts = frozenset(hosts)
        self._seconds = seconds

    def look_up(
        self, certificate: x509.Certificate, issuer: x509.Certificate, at: datetime, until: float
    ) -> LookUp:
        """Ask whether `certificate` is revoked at `at`.

        `until` (`time.monotonic`) is when asking ends. Raises nothing: what cannot be known is a
        LookUp without an answer.
        """
        asked = question(certificate, issuer).public_bytes(Encoding.DER)
        ways = [(OCSP, each) for each in ocsp_addresses(certificate)[:ADDRESSES_MAX]]
        ways += [(LIST, each) for each in list_addresses(certificate)[:ADDRESSES_MAX]]
        reasons = []
        for kind, address in ways:
            whose = [issuer.fingerprint(SHA256()).hex()]
            if kind == OCSP:
                whose.append(certificate.fingerprint(SHA256()).hex())
            key = (kind, address, *whose)
            try:
                content = kept.get(key)
                if content is not None:
                    try:
                        answer = JUDGES[kind](content, certificate, issuer, at)
                        return LookUp(answer, content, kind)
                    except NoAnswer:
                        pass  # it has run out
                content = self._fetched(kind, address, key, asked, until)
                try:
                    answer = JUDGES[kind](content, certificate, issuer, at)
                except NoAnswer as error:
                    kept.fail(key, str(error))
                    raise
                kept.put(key, content)
                return LookUp(answer, content, kind)
            except NoAnswer as error:
                reasons.append(f"{kind}: {error}")
        return LookUp(None, reason="; ".join(reasons) or "the certificate names no address")

    def _fetched(
        self, kind: str, address: str, key: tuple[str, ...], asked: bytes, until: float
    ) -> bytes:
        """Return what `address` answers. Raises NoAnswer."""
        parts = urlsplit(address)
        if self._hosts and not self._hosts & {parts.hostname, parts.netloc}:
            raise NoAnswer("the address is not one that may be asked")
        if failed := kept.failed(key) or kept.failed((address,)):
            raise NoAnswer(failed)
        seconds = min(self._seconds, until - time.monotonic())
        if seconds <= 0:
            raise NoAnswer("there was no time left to ask")
        try:
            http = Http(
                f"{parts.scheme}://{parts.netloc}",
                timeout=seconds,
                seconds_max=seconds,
                resolve=None if self._hosts else public_addresses,
            )
            try:
                if kind == LIST:
                    return http.get_bytes(address, max_bytes=LIST_MAX_BYTES)
                headers = {"Content-Type": "application/ocsp-request"}
                answer = http.post(
                    address, content=asked, headers=headers, max_bytes=OCSP_MAX_BYTES
                )
                return answer.content
            finally:
                http.close()
        except (ConnectorError, ValueError) as error:
            # Nobody there: whichever certificate is asked about.
            kept.fail((address,), str(error))
            raise NoAnswer(str(error)) from None
