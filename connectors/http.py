"""The one way out of the house: a thin face over `httpx.Client`.

It talks to the host and port of its base address and to no other, follows no redirect, reads no
proxy from the environment, caps what it reads, and says what went wrong in the contract's words.
A log line holds the method, the path with every identifier taken out, the status and the time.
"""

from __future__ import annotations

import json as json_module
import logging
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from connectors.contract import Gone, Misconfigured, NotPermitted, RateLimited, Temporary
from connectors.deadline import BoundedTransport, Deadline
from connectors.public import Resolve
from connectors.tokens import Bearer

JSON_MAX_BYTES = 10_000_000
DOWNLOAD_MAX_BYTES = 150_000_000
RETRY_AFTER_MAX = 3600.0
RETRY_AFTER_USUAL = 60.0
REQUEST_SECONDS_MAX = 25.0
"""For a request with its whole answer, shorter than a worker's lease; and one second more …"""
BYTES_A_SECOND = 100_000
"""… for each so many bytes that are sent or have come: who is slower than that is given up."""

log = logging.getLogger("samlepost.connectors.http")
logging.getLogger("httpx").setLevel(logging.WARNING)  # its INFO lines hold whole addresses


def _real_network(base_url: str) -> httpx.BaseTransport | None:
    return None


transport_for: Callable[[str], httpx.BaseTransport | None] = _real_network
"""Looked up by each new `Http` that is given no transport; None means the real network.

Tests set `connectors.http.transport_for` so that an address leads to an in-process simulator.
"""


class NotFound(Temporary):
    """404: callers turn it into `Gone` where the source promises that absence is for good."""


class NotReached(Temporary):
    """Nobody answers at the address."""


class TooLarge(Temporary):
    """The answer is longer than the caller takes."""


class NotInTime(Temporary):
    """No answer came, or not all of it, in the time that there was."""


class Redirected(Temporary):
    """The answer leads elsewhere; nobody is followed."""


class Refused(Temporary):
    """Another 4xx answer. `status` and `body` let the caller see what the source objects to."""

    def __init__(self, message: str, status: int, body: bytes) -> None:
        super().__init__(message)
        self.status = status
        self.body = body


class Http:
    """Requests to one base address. Paths are relative to it, or absolute on the same host."""

    def __init__(
        self,
        base_url: str,
        *,
        transport: httpx.BaseTransport | None = None,
        timeout: float = 10.0,
        seconds_max: float | None = None,
        resolve: Resolve | None = None,
    ) -> None:
        """Raise Misconfigured unless `base_url` is an http(s) address without a password.

        `timeout` is in seconds, for connecting and for each read; a whole request may take
        `seconds_max`, else REQUEST_SECONDS_MAX, or as long as `timeout`. `resolve` says which
        addresses the host may have (`connectors/public.py`): for hosts that others name.
        """
        try:
            self._base = httpx.URL(base_url.rstrip("/") + "/")
        except httpx.InvalidURL:
            raise Misconfigured("the base address is not an address") from None
        if self._base.scheme not in ("http", "https") or not self._base.host:
            raise Misconfigured("the base address must begin with http:// or https://")
        if self._base.userinfo:
            raise Misconfigured("the base address must not hold a user name or password")
        self._deadline = Deadline()
        self._seconds_max = max(seconds_max or REQUEST_SECONDS_MAX, timeout)
        self._client = httpx.Client(
            transport=transport
            or transport_for(base_url)
            or BoundedTransport(self._deadline, resolve),
            timeout=timeout,
            follow_redirects=False,
            trust_env=False,
            headers={"User-Agent": "samlepost"},
        )

    @property
    def base_url(self) -> str:
        """The base address, ending with a slash."""
        return str(self._base)

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        json: Any = None,
        data: Mapping[str, Any] | None = None,
        files: Any = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        bearer: Bearer | None = None,
        max_bytes: int = JSON_MAX_BYTES,
        accept: Collection[int] = (),
    ) -> httpx.Response:
        """Send a request and return the whole answer, at most `max_bytes` long.

        With `bearer` it carries that token; where a kept one is answered with 401 it is sent once
        more with a fresh one. `accept` lists statuses outside 2xx that the caller wants to see for
        itself. Raises `ConnectorError` for everything else that is not a complete 2xx answer.
        """
        with self._sent(
            method,
            path,
            accept,
            bearer,
            params=params,
            json=json,
            data=data,
            files=files,
            content=content,
            headers=headers,
        ) as answer:
            body = b"".join(_chunks(answer, max_bytes, self._deadline))
            kept = [
                (name, value)
                for name, value in answer.headers.multi_items()
                if name.lower() not in ("content-encoding", "content-length", "transfer-encoding")
            ]
            return httpx.Response(
                answer.status_code, headers=kept, content=body, request=answer.request
            )

    def answer_to(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        """Send a request and return status and headers of any answer; its body is not read.

        Takes what `request` takes of a body and headers. Raises `ConnectorError` when none comes.
        """
        with self._sent(method, path, range(600), **kwargs) as answer:
            return httpx.Response(
                answer.status_code, headers=answer.headers, request=answer.request
            )

    def post(self, path: str, **kwargs: Any) -> httpx.Response:
        """POST; takes what `request` takes."""
        return self.request("POST", path, **kwargs)

    def get_json(
        self,
        path: str,
        *,
        params: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        bearer: Bearer | None = None,
    ) -> Any:
        """GET and parse JSON; an empty 204 is None. Raises Temporary for anything else."""
        headers = _wants_json(headers)
        return parse_json(self.request("GET", path, params=params, headers=headers, bearer=bearer))

    def post_json(self, path: str, **kwargs: Any) -> Any:
        """POST and parse the JSON answer; an empty 204 is None."""
        kwargs["headers"] = _wants_json(kwargs.get("headers"))
        return parse_json(self.request("POST", path, **kwargs))

    def get_bytes(
        self,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        bearer: Bearer | None = None,
        max_bytes: int = DOWNLOAD_MAX_BYTES,
    ) -> bytes:
        """GET the whole body as bytes, at most `max_bytes`."""
        return self.request(
            "GET", path, headers=headers, bearer=bearer, max_bytes=max_bytes
        ).content

    def stream(
        self,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        bearer: Bearer | None = None,
        max_bytes: int = DOWNLOAD_MAX_BYTES,
    ) -> Iterator[bytes]:
        """GET and yield the body in chunks; raises when it is cut short or passes `max_bytes`."""
        with self._sent("GET", path, bearer=bearer, headers=headers) as answer:
            yield from _chunks(answer, max_bytes, self._deadline)

    def close(self) -> None:
        """Let go of the connections."""
        self._client.close()

    @contextmanager
    def _sent(
        self,
        method: str,
        path: str,
        accept: Collection[int] = (),
        bearer: Bearer | None = None,
        is_second: bool = False,
        **kwargs: Any,
    ) -> Iterator[httpx.Response]:
        url = self._resolve(path)
        token, was_kept = bearer.token() if bearer else ("", False)
        if bearer:
            kwargs["headers"] = {
                **(kwargs.get("headers") or {}),
                "Authorization": f"Bearer {token}",
            }
        started = time.monotonic()
        status = "failed"
        answer: httpx.Response | None = None
        try:
            request = self._client.build_request(method, url, **kwargs)
            sent = int(request.headers.get("content-length", 0))
            self._deadline.at = started + self._seconds_max + sent / BYTES_A_SECOND
            answer = self._client.send(request, stream=True)
            status = str(answer.status_code)
            refused = bearer is not None and answer.status_code == 401
            if bearer and refused:
                bearer.refused(token)
            if is_second or not (refused and was_kept):
                if answer.status_code not in accept:
                    _raise_for_status(answer, self._deadline)
                yield answer
                return
        except httpx.ConnectError:
            raise NotReached("the connection failed (ConnectError)") from None
        except httpx.TimeoutException as error:
            raise NotInTime(f"no answer in time ({type(error).__name__})") from None
        except (httpx.HTTPError, httpx.StreamError) as error:
            raise Temporary(f"the connection failed ({type(error).__name__})") from None
        finally:
            if answer is not None:
                answer.close()
            milliseconds = round((time.monotonic() - started) * 1000)
            log.info("%s %s %s %d ms", method, redacted_path(url.path), status, milliseconds)
        with self._sent(method, path, accept, bearer, is_second=True, **kwargs) as second:
            yield second

    def _resolve(self, path: str) -> httpx.URL:
        try:
            given = httpx.URL(path)
        except (httpx.InvalidURL, UnicodeError):
            raise Misconfigured("not an address") from None
        if given.host or given.scheme:
            if _origin(given) != _origin(self._base) or given.userinfo:
                raise Misconfigured("an address on another host than the source's own")
            return given
        return self._base.copy_with(raw_path=self._base.raw_path + given.raw_path.lstrip(b"/"))


def parse_json(answer: httpx.Response) -> Any:
    """Return the body as JSON (None for 204). Raises Temporary when it is anything else."""
    if answer.status_code == 204:
        return None
    if "html" in answer.headers.get("content-type", ""):
        raise Temporary("a web page where JSON was promised")
    try:
        return json_module.loads(answer.content)
    except (ValueError, RecursionError):
        raise Temporary("not JSON, though it was promised") from None


def redacted_path(path: str) -> str:
    """Return the path with every part that may be an identifier replaced by {}.

    What stays is short, of plain characters, and holds at most two digits ("v2", not a number).
    """
    return "/".join(
        part
        if re.fullmatch(r"[A-Za-z0-9._-]{0,40}", part) and sum(map(str.isdigit, part)) <= 2
        else "{}"
        for part in path.split("/")
    )


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port or {"http": 80, "https": 443}.get(url.scheme)


def _wants_json(headers: Mapping[str, str] | None) -> dict[str, str]:
    return {"Accept": "application/json", **(headers or {})}


def _chunks(answer: httpx.Response, max_bytes: int, deadline: Deadline) -> Iterator[bytes]:
    declared = _declared_length(answer)
    if declared is not None and declared > max_bytes:
        raise TooLarge(f"the answer is larger than {max_bytes} bytes")
    seen = 0
    for chunk in answer.iter_bytes():
        seen += len(chunk)
        if seen > max_bytes:
            raise TooLarge(f"the answer is larger than {max_bytes} bytes")
        if time.monotonic() > deadline.at:
            raise NotInTime("the answer took too long")
        deadline.at += len(chunk) / BYTES_A_SECOND
        yield chunk
    if declared is not None and answer.num_bytes_downloaded != declared:
        raise Temporary("the answer broke off in the middle")


def _declared_length(answer: httpx.Response) -> int | None:
    value = answer.headers.get("content-length", "")
    if not value.isdecimal() or answer.request.method == "HEAD" or answer.status_code == 204:
        return None
    return int(value)


def _raise_for_status(answer: httpx.Response, deadline: Deadline) -> None:
    status = answer.status_code
    if 200 <= status < 300:
        return
    match status:
        case 301 | 302 | 303 | 307 | 308:
            raise Redirected(f"the source leads elsewhere ({status}): nobody is followed")
        case 401:
            raise Misconfigured("the source does not accept our credentials (401)")
        case 403:
            raise NotPermitted("the source refuses (403)")
        case 404:
            raise NotFound("not found at the source (404)")
        case 410:
            raise Gone("gone from the source (410)")
        case 429:
            raise RateLimited(
                "the source asks us to wait (429)", retry_after(answer) or RETRY_AFTER_USUAL
            )
        case _ if 400 <= status < 500:
            body = b"".join(_chunks(answer, JSON_MAX_BYTES, deadline))
            raise Refused(f"the source refuses the request ({status})", status, body)
    raise Temporary(f"the source answered {status}")


def retry_after(answer: httpx.Response) -> float | None:
    """Return the seconds of a Retry-After header (RFC 9110 §10.2.3: a number or a date), 1 to 3600.

    None where there is none, or none that can be read.
    """
    value = answer.headers.get("retry-after", "").strip()
    if value.isdecimal():
        seconds = float(value)
    else:
        try:
            moment = parsedate_to_datetime(value)
        except ValueError:
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = (moment - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 1.0), RETRY_AFTER_MAX)
