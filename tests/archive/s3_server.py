"""A real S3 server over HTTP (moto's), and whatever can go wrong with one in front of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

from inbox.archive.s3 import S3, Bucket, _client

Answer = Iterable[bytes]
Fault = Callable[[dict[str, Any], Callable[..., Any]], Answer | None]


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: object) -> None:
        """Say nothing."""


@dataclass
class Server:
    """moto behind `faults`: the first of them that answers is what the client gets."""

    url: str = ""
    faults: list[Fault] = field(default_factory=list)
    seen: list[tuple[str, str]] = field(default_factory=list)
    """Method and path of each request since the last `bucket`."""

    def __post_init__(self) -> None:
        self._moto = DomainDispatcherApplication(create_backend_app)
        self._serving = make_server(
            "127.0.0.1", 0, self._app, threaded=True, request_handler=_Quiet
        )
        self.url = f"http://127.0.0.1:{self._serving.port}"
        threading.Thread(target=self._serving.serve_forever, daemon=True).start()

    def _app(self, environ: dict[str, Any], start: Callable[..., Any]) -> Answer:
        self.seen.append((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
        for fault in self.faults:
            answer = fault(environ, start)
            if answer is not None:
                return answer
        return self.honest(environ, start)

    def honest(self, environ: dict[str, Any], start: Callable[..., Any]) -> Answer:
        """Answer as moto does."""
        return self._moto(environ, start)

    def bucket(self) -> Bucket:
        """Make an empty bucket."""
        self.faults.clear()
        made = Bucket(f"archive-{uuid4().hex}", "kept", self.url, "us-east-1", "key", "secret")
        _client(made).create_bucket(Bucket=made.name)
        self.seen.clear()
        return made

    def stop(self) -> None:
        """Stop serving."""
        self._serving.shutdown()


def keys(storage: S3) -> dict[str, bytes]:
    """Return everything in a bucket, without the prefix."""
    client, name = storage._client, storage._bucket.name
    found = client.list_objects_v2(Bucket=name).get("Contents", [])
    return {
        each["Key"].removeprefix("kept/"): client.get_object(Bucket=name, Key=each["Key"])[
            "Body"
        ].read()
        for each in found
    }


def matching(method: str, part: str) -> Callable[[dict[str, Any]], bool]:
    """Return whether a request has this method and a path (with query) with this in it."""

    def is_one(environ: dict[str, Any]) -> bool:
        path = f"{environ['PATH_INFO']}?{environ.get('QUERY_STRING', '')}"
        return environ["REQUEST_METHOD"] == method and part in path

    return is_one


def answering(status: str, when: Callable[[dict[str, Any]], bool], body: bytes = b"") -> Fault:
    """Answer with an error, as a server that is overrun or broken does."""

    def fault(environ: dict[str, Any], start: Callable[..., Any]) -> Answer | None:
        if not when(environ):
            return None
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        start(status, [("Content-Length", str(len(body))), ("Content-Type", "application/xml")])
        return [body]

    return fault


def changing(
    server: Server,
    when: Callable[[dict[str, Any]], bool],
    *,
    body: Callable[[bytes], bytes] = bytes,
    headers: dict[str, str] | None = None,
) -> Fault:
    """Change what the server answers: its body (the length that it announces stays), or headers."""

    def fault(environ: dict[str, Any], start: Callable[..., Any]) -> Answer | None:
        if not when(environ):
            return None
        said: list[Any] = []
        honest = b"".join(server.honest(environ, lambda *args: said.extend(args)))
        kept = [each for each in said[1] if each[0].lower() not in {*(headers or {})}]
        start(said[0], [*kept, *(headers or {}).items()])
        return [body(honest)]

    return fault


def receiving(server: Server, when: Callable[[dict[str, Any]], bool], body: bytes) -> Fault:
    """Let the server store something else than it was sent, and say that all is well."""

    def fault(environ: dict[str, Any], start: Callable[..., Any]) -> Answer | None:
        if not when(environ):
            return None
        environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        other = _Body(body)
        environ.update({"wsgi.input": other, "CONTENT_LENGTH": str(len(body))})
        return server.honest(environ, start)

    return fault


class _Body:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def read(self, size: int = -1) -> bytes:
        """Read as from a socket."""
        given = self._data if size < 0 else self._data[:size]
        self._data = self._data[len(given) :]
        return given

    def readline(self, size: int = -1) -> bytes:
        """Never asked for by moto."""
        return self.read(size)

    def __iter__(self) -> Iterator[bytes]:
        return iter([self.read()])
