"""The real network with a deadline for each request and its answer, whatever comes in between.

httpx's time-outs are for one read: a source that sends a byte now and then, in its headers or its
body, would keep a worker for ever. Here what is left until the deadline is the most that any wait
may take.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable
from functools import cache
from typing import Any

import httpcore
import httpx

from connectors.public import Resolve

PIECE = 16 * 1024
"""Bytes that are sent at once."""


class Deadline:
    """Until when (`time.monotonic`) the request that is under way may take; none at first."""

    def __init__(self) -> None:
        self.at = float("inf")

    def left(self, timeout: float | None) -> float:
        """Return the seconds that a wait may take. Raises httpcore.ReadTimeout at the deadline."""
        seconds = self.at - time.monotonic()
        if seconds <= 0:
            raise httpcore.ReadTimeout("the deadline has passed")
        return seconds if timeout is None else min(timeout, seconds)


class _Stream(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._inner, self._deadline = inner, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._deadline.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), PIECE):
            self._inner.write(buffer[start : start + PIECE], self._deadline.left(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        left = self._deadline.left(timeout)
        return _Stream(self._inner.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Backend(httpcore.NetworkBackend):
    def __init__(self, deadline: Deadline, resolve: Resolve | None) -> None:
        self._inner, self._deadline, self._resolve = httpcore.SyncBackend(), deadline, resolve

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        failed: Exception = httpcore.ConnectError("the host has no address")
        for address in self._resolve(host, port) if self._resolve else [host]:
            left = self._deadline.left(timeout)
            try:
                made = self._inner.connect_tcp(address, port, left, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
                continue
            return _Stream(made, self._deadline)
        raise failed


class BoundedTransport(httpx.HTTPTransport):
    """`httpx.HTTPTransport` without proxies, whose waits end at a deadline.

    With `resolve` only the addresses that it returns for a host are connected to.
    """

    def __init__(self, deadline: Deadline, resolve: Resolve | None = None) -> None:
        super().__init__(verify=_authorities(), trust_env=False)
        self._pool = httpcore.ConnectionPool(
            ssl_context=_authorities(), network_backend=_Backend(deadline, resolve)
        )


@cache
def _authorities() -> ssl.SSLContext:
    """Return whom we trust to vouch for hosts; reading them takes longer than most requests."""
    return httpx.create_ssl_context(trust_env=False)
