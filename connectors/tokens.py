"""Access tokens that outlive a run: in this process's memory alone, few, and for a short time.

A connector is made anew for each run; without this each would ask for its tokens again. What is
kept is found by a digest of all that it was given for (issuer, client, key, scope, citizen, level),
so no token serves other settings, and nothing here names anybody. A token that the source refuses
(401) is forgotten at once. Whoever disconnects a source or closes her account leaves none that is
asked for again; what still lies here expires with its own life, KEPT_SECONDS_MAX at the latest.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

RENEW_BEFORE_SECONDS = 15
"""A token this near its end may be refused by the time it arrives."""
KEPT_SECONDS_MAX = 3600
"""Whatever its issuer says."""
KEPT_MAX = 20_000
"""Of two kilobytes at most each: those of a worker's mailboxes at the usual limits a minute."""
SWEEP_SECONDS = 60


class Kept:
    """Short texts by digest, each until its time is over; the longest unused go first. Thread-safe.

    `limit` is how many there are at most.
    """

    def __init__(self, limit: int = KEPT_MAX) -> None:
        self._limit = limit
        self._secret = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._found: OrderedDict[bytes, tuple[str, float]] = OrderedDict()
        self._sweep_at = 0.0

    def __repr__(self) -> str:
        return f"<{len(self._found)} kept>"

    def name(self, *given_for: str | None) -> bytes:
        """Return the digest under which lies what was given for these, and for nothing else."""
        said = json.dumps(given_for).encode()
        return hashlib.blake2b(said, key=self._secret, digest_size=16).digest()

    def get(self, name: bytes) -> str:
        """Return what lies there, empty when there is nothing or its time is over."""
        with self._lock:
            text, good_until = self._found.get(name, ("", 0.0))
            if time.monotonic() >= good_until:
                self._found.pop(name, None)
                return ""
            self._found.move_to_end(name)
            return text

    def put(self, name: bytes, text: str, good_until: float) -> None:
        """Keep it until then, by `time.monotonic`."""
        now = time.monotonic()
        with self._lock:
            if now >= self._sweep_at:
                self._sweep_at = now + SWEEP_SECONDS
                over = [each for each, (_, until) in self._found.items() if until <= now]
                for each in over:
                    del self._found[each]
            if good_until > now:
                self._found[name] = (text, min(good_until, now + KEPT_SECONDS_MAX))
                self._found.move_to_end(name)
            while len(self._found) > self._limit:
                self._found.popitem(last=False)

    def forget(self, name: bytes, text: str) -> None:
        """Drop what lies there if it is still this: another thread may have put a fresh one."""
        with self._lock:
            if name in self._found and self._found[name][0] == text:
                del self._found[name]

    def clear(self) -> None:
        """Drop everything."""
        with self._lock:
            self._found.clear()


kept = Kept()
"""What this process has."""


class Bearer:
    """One token, kept or asked for when needed; `Http` sends it and says if it is refused."""

    __slots__ = ("_ask", "_name")

    def __init__(self, name: bytes, ask: Callable[[], tuple[str, float]]) -> None:
        """`ask` returns a fresh token and how many seconds it lives; it may raise ConnectorError.

        `name` is `kept.name` of all that the token is given for.
        """
        self._name = name
        self._ask = ask

    def token(self) -> tuple[str, bool]:
        """Return the token, and whether it was kept from before. Raises ConnectorError."""
        token = kept.get(self._name)
        if token:
            return token, True
        asked = time.monotonic()  # its life began after that
        token, seconds = self._ask()
        kept.put(self._name, token, asked + seconds - RENEW_BEFORE_SECONDS)
        return token, False

    def refused(self, token: str) -> None:
        """Forget a token that was answered with 401."""
        kept.forget(self._name, token)
