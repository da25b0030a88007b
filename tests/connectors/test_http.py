"""The HTTP client against in-process applications and real sockets."""

from __future__ import annotations

import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from flask import Flask, Response, request
from werkzeug.serving import make_server

import connectors.http
from connectors.contract import Gone, Misconfigured, NotPermitted, RateLimited, Temporary
from connectors.http import Http, NotFound, Redirected, Refused, redacted_path, retry_after

BASE = "http://source.example:8010/altinn"


def serving(app: Flask, base: str = BASE) -> Http:
    return Http(base, transport=httpx.WSGITransport(app))


def answering(body: bytes | str = b"{}", status: int = 200, **headers: str) -> Http:
    app = Flask(__name__)

    @app.route("/<path:path>", methods=["GET", "POST"])
    def every(path: str) -> Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = Response(body, status)
        # Set afterwards: Flask writes the true Content-Length when it is given the body.
        answer.headers.update(named)
        return answer

    return serving(app)


def test_a_path_is_relative_to_the_base_address() -> None:
    app = Flask(__name__)

    @app.get("/altinn/letters/1")
    def letters() -> dict[str, str]:
        return {"role": request.args["role"], "accept": request.headers["Accept"]}

    for path in ("letters/1", "/letters/1", f"{BASE}/letters/1"):
        answer = serving(app).get_json(path, params={"role": "x y"})
        assert answer == {"role": "x y", "accept": "application/json"}


def test_a_post_carries_json_forms_files_and_bytes() -> None:
    app = Flask(__name__)

    @app.post("/altinn/echo")
    def echo() -> dict[str, object]:
        return {
            "json": request.get_json(silent=True),
            "form": request.form.to_dict(),
            "files": {name: file.read().decode() for name, file in request.files.items()},
            "raw": request.get_data(as_text=True) if request.mimetype == "text/plain" else "",
        }

    http = serving(app)
    assert http.post_json("echo", json={"a": 1})["json"] == {"a": 1}
    assert http.post_json("echo", data={"b": "2"})["form"] == {"b": "2"}
    assert http.post_json("echo", files={"c": ("c.txt", b"3")})["files"] == {"c": "3"}
    plain = {"Content-Type": "text/plain"}
    assert http.post("echo", content=b"4", headers=plain).json()["raw"] == "4"


@pytest.mark.parametrize(
    "address",
    [
        "http://evil.example/letters",
        "https://source.example:8010/letters",
        "http://source.example:8011/letters",
        "http://source.example/letters",
        "//evil.example/letters",
        "http://user@source.example:8010/letters",
        "file:///etc/passwd",
        "http://source.example:8010@evil.example/",
    ],
)
def test_an_address_on_another_host_is_refused(address: str) -> None:
    with pytest.raises(Misconfigured):
        answering().get_json(address)


@pytest.mark.parametrize(
    "base", ["", "ftp://x", "letters", "http://", "http://a:b@host", "http://x:port"]
)
def test_a_base_address_that_is_none_is_refused(base: str) -> None:
    with pytest.raises(Misconfigured):
        Http(base)


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (301, Redirected),
        (400, Refused),
        (401, Misconfigured),
        (403, NotPermitted),
        (404, NotFound),
        (409, Refused),
        (410, Gone),
        (429, RateLimited),
        (500, Temporary),
        (503, Temporary),
    ],
)
def test_a_status_becomes_the_contracts_word_for_it(status: int, error: type[Exception]) -> None:
    for call in (Http.get_json, Http.get_bytes, Http.post):
        with pytest.raises(error) as raised:
            call(answering(b'{"why": 1}', status), "letters/12345678901")
        assert type(raised.value) is error
        assert "12345678901" not in str(raised.value)


def test_a_redirect_is_not_followed() -> None:
    app = Flask(__name__)
    seen: list[str] = []

    @app.route("/<path:path>")
    def every(path: str) -> Response:
        seen.append(path)
        return Response(status=302, headers={"Location": "/altinn/other"})

    with pytest.raises(Temporary):
        serving(app).get_json("first")
    assert seen == ["altinn/first"]


def test_a_refusal_carries_status_and_body_or_is_accepted() -> None:
    with pytest.raises(Refused) as raised:
        answering(b'{"code": 1040}', 400).get_json("x")
    assert (raised.value.status, raised.value.body) == (400, b'{"code": 1040}')
    assert answering(b"known", 409).request("POST", "x", accept=(409,)).content == b"known"


@pytest.mark.parametrize(
    ("value", "low", "high"),
    [
        ("7", 7, 7),
        ("999999", 3600, 3600),
        ("0", 1, 1),
        ("soon", 60, 60),
        (timedelta(seconds=90), 60, 90),
        (timedelta(days=-1), 1, 1),
    ],
)
def test_retry_after_is_read_as_a_number_or_a_date(
    value: str | timedelta, low: float, high: float
) -> None:
    if isinstance(value, timedelta):
        value = format_datetime(datetime.now(UTC) + value)
    with pytest.raises(RateLimited) as raised:
        answering(b"", 429, Retry_After=value).get_json("x")
    assert low <= raised.value.retry_after <= high


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"\x00\xff\xfe{{{", "application/json"),
        (b"", "application/json"),
        (b"<!doctype html><title>Login</title>", "text/html"),
        (b"{}", "text/html; charset=utf-8"),
        (b"[" * 100_000, "application/json"),
    ],
)
def test_what_is_not_json_is_temporary(body: bytes, kind: str) -> None:
    with pytest.raises(Temporary):
        answering(body, Content_Type=kind).get_json("x")


def test_an_empty_204_is_none() -> None:
    assert answering(b"", 204).get_json("x") is None


def test_an_answer_that_breaks_off_is_temporary() -> None:
    with pytest.raises(Temporary):
        answering(b'{"a": 1}', Content_Length="16", Content_Type="application/json").get_json("x")
    with pytest.raises(Temporary):
        list(answering(b"half", Content_Length="8").stream("x"))


def test_an_answer_larger_than_allowed_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    assert answering(b"x" * 10).get_bytes("x", max_bytes=10) == b"x" * 10
    with pytest.raises(Temporary):
        answering(b"x" * 11).get_bytes("x", max_bytes=10)
    with pytest.raises(Temporary):
        list(answering(b"x" * 11).stream("x", max_bytes=10))


def test_a_body_without_a_declared_length_is_capped_too() -> None:
    app = Flask(__name__)

    @app.get("/altinn/endless")
    def endless() -> Response:
        return Response(b"x" * 1000 for _ in range(10**9))

    with pytest.raises(Temporary):
        list(serving(app).stream("endless", max_bytes=50_000))


def test_a_stream_gives_the_whole_body() -> None:
    assert b"".join(answering(b"abc" * 100_000).stream("x")) == b"abc" * 100_000


def test_the_log_names_no_letter_no_person_and_no_query(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    path = "letters/0197f3aa-1111-7000-8000-abcdefabcdef/12345678901"
    answering(Content_Type="application/json").get_json(path, params={"pid": "10987654321"})
    text = caplog.text
    assert "GET /altinn/letters/{}/{} 200" in text
    assert "12345678901" not in text and "10987654321" not in text and "0197f3aa" not in text


def test_a_redacted_path_keeps_its_plain_words() -> None:
    assert redacted_path("/api/v2/letters/a1b2c3/kari%231A2B") == "/api/v2/letters/{}/{}"


def test_tests_can_lead_an_address_to_a_simulator(monkeypatch: pytest.MonkeyPatch) -> None:
    app = Flask(__name__)

    @app.get("/dpi/ping")
    def ping() -> dict[str, bool]:
        return {"pong": True}

    def chosen(base_url: str) -> httpx.BaseTransport | None:
        return httpx.WSGITransport(app) if base_url.startswith("http://sim.example/") else None

    monkeypatch.setattr(connectors.http, "transport_for", chosen)
    assert Http("http://sim.example/dpi").get_json("ping") == {"pong": True}


@pytest.fixture
def socket_server() -> Iterator[Callable[[bytes | None], str]]:
    """A server that sends the given bytes to everybody and hangs up; None: says nothing."""
    servers: list[socket.socket] = []

    def start(answer: bytes | None) -> str:
        server = socket.create_server(("127.0.0.1", 0))
        servers.append(server)

        def serve() -> None:
            kept = []
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                if answer is None:
                    kept.append(connection)
                    continue
                connection.recv(65536)
                connection.sendall(answer)
                connection.close()

        threading.Thread(target=serve, daemon=True).start()
        return f"http://127.0.0.1:{server.getsockname()[1]}"

    yield start
    for server in servers:
        server.close()


def test_silence_is_temporary_within_the_time_limit(
    socket_server: Callable[[bytes | None], str],
) -> None:
    with pytest.raises(Temporary):
        Http(socket_server(None), timeout=0.2).get_json("x")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"not http at all\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nabcd",
    ],
)
def test_a_broken_answer_on_the_wire_is_temporary(
    socket_server: Callable[[bytes | None], str], answer: bytes
) -> None:
    http = Http(socket_server(answer), timeout=2)
    with pytest.raises(Temporary):
        http.get_json("x")
    with pytest.raises(Temporary):
        list(http.stream("x"))


def test_nobody_at_home_is_temporary() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(Temporary):
        Http(f"http://127.0.0.1:{port}").get_json("x")


def test_a_proxy_in_the_environment_is_not_used(
    socket_server: Callable[[bytes | None], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    body = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
    assert Http(socket_server(body)).get_json("x") == {}


def dripping(*pieces: bytes, pause: float = 0.02, times: int = 500) -> Iterator[str]:
    """Serve one connection: the first piece at once, then the others over and over, slowly."""
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(pieces[0])
            for piece in list(pieces[1:]) * times:
                time.sleep(pause)
                try:
                    connection.sendall(piece)
                except OSError:
                    return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    thread.join()
    listening.close()


@pytest.mark.parametrize(
    "pieces",
    [
        (b"HTTP/1.1 200 OK\r\nX-Long: ", b"a"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n", b"a"),
        (b"HTTP/1.1 409 Conflict\r\nContent-Length: 100000\r\n\r\n", b"a"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
    ],
)
@pytest.mark.parametrize("how", ["get_json", "stream"])
def test_a_source_that_drips_is_given_up_wherever_it_does(
    monkeypatch: pytest.MonkeyPatch, pieces: tuple[bytes, ...], how: str
) -> None:
    """Each read ends long before its time-out, and the server would go on for ten seconds."""
    monkeypatch.setattr(connectors.http, "REQUEST_SECONDS_MAX", 0.4)
    served = dripping(*pieces)
    http = Http(next(served), timeout=0.4)
    with pytest.raises(Temporary, match=r"no answer in time|took too long"):
        b"".join(http.stream("x")) if how == "stream" else http.get_json("x")
    next(served, None)


def test_a_large_answer_that_comes_steadily_may_take_longer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connectors.http, "REQUEST_SECONDS_MAX", 0.4)
    monkeypatch.setattr(connectors.http, "BYTES_A_SECOND", 10)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 2001\r\n\r\n"
    served = dripping(head + b"x", b"a" * 100, pause=0.05, times=20)
    assert len(b"".join(Http(next(served), timeout=0.4).stream("x"))) == 2001
    next(served, None)


def test_encrypted_connections_have_the_same_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    app = Flask(__name__)

    @app.get("/<name>")
    def every(name: str) -> Response:
        pieces = (time.sleep(0.02) or b"1" for _ in range(500 if name == "slow" else 1))
        return Response(pieces, content_type="application/json")

    server = make_server("127.0.0.1", 0, app, threaded=True, ssl_context="adhoc")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    base = f"https://127.0.0.1:{server.server_port}"
    try:
        with pytest.raises(Temporary, match="connection failed"):
            Http(base).get_json("quick")  # nobody vouches for it
        anybody = ssl.create_default_context()
        anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
        monkeypatch.setattr("connectors.deadline._authorities", lambda: anybody)
        assert Http(base).get_json("quick") == 1
        monkeypatch.setattr(connectors.http, "REQUEST_SECONDS_MAX", 0.4)
        with pytest.raises(Temporary, match=r"no answer in time|took too long"):
            Http(base, timeout=0.4).get_json("slow")
    finally:
        server.shutdown()
        thread.join()


def test_any_answer_is_told_by_its_status_and_its_body_is_not_waited_for() -> None:
    for status, reason in ((200, b"OK"), (302, b"Found"), (410, b"Gone"), (500, b"Oh")):
        head = b"HTTP/1.1 %d %s\r\nRetry-After: 7\r\nContent-Length: 100000\r\n\r\n"
        served = dripping(head % (status, reason), b"a", pause=1, times=30)
        http = Http(next(served), timeout=30)
        started = time.monotonic()
        answer = http.answer_to("POST", "x", content=b"{}")
        assert answer.status_code == status
        assert retry_after(answer) == 7
        assert time.monotonic() - started < 15  # of the 30 seconds that its body takes


def test_a_request_may_be_given_a_shorter_time() -> None:
    served = dripping(b"HTTP/1.1 200 OK\r\nX-Long: ", b"a")
    with pytest.raises(Temporary, match="no answer in time"):
        Http(next(served), timeout=0.3, seconds_max=0.3).answer_to("POST", "x")
    next(served, None)
