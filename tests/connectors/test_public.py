"""Hosts that others name: which addresses they may have, and which one is connected to."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from flask import Flask, request
from werkzeug.serving import generate_adhoc_ssl_context, make_server

from connectors.contract import Temporary
from connectors.http import Http
from connectors.public import NotPublic, is_public, public_addresses, public_or_loopback

PUBLIC = "93.184.215.14"


def says(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> list[str]:
    """Let every name stand for these addresses; returns what was asked about."""
    asked: list[str] = []

    def getaddrinfo(host: str, port: int, **_kwargs: Any) -> list[Any]:
        asked.append(host)
        return [(0, 0, 0, "", (address, port)) for address in addresses]

    monkeypatch.setattr("connectors.public.socket.getaddrinfo", getaddrinfo)
    return asked


@pytest.mark.parametrize("address", [PUBLIC, "2606:2800:21f:cb07::1", "64:ff9b::5db8:d70e"])
def test_the_public_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        *["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1"],
        *["0.0.0.0", "224.0.0.1", "255.255.255.255", "192.0.2.1", "::1", "::", "fe80::1%1"],
        *["fd00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1"],
        *["64:ff9b::a9fe:a9fe", "2002:7f00:1::", "2001:0:7f00:1::"],
    ],
)
def test_what_lies_within_walls_or_leads_there_is_not(address: str) -> None:
    assert not is_public(address)


def test_one_address_within_walls_refuses_the_host(monkeypatch: pytest.MonkeyPatch) -> None:
    says(monkeypatch, PUBLIC, "10.0.0.1")
    for resolve in (public_addresses, public_or_loopback):
        with pytest.raises(NotPublic):
            resolve("agency.example", 443)


def test_a_name_that_leads_to_this_machine_is_not_one_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    says(monkeypatch, "127.0.0.1")
    with pytest.raises(NotPublic):
        public_or_loopback("agency.example", 443)
    assert public_or_loopback("localhost", 443) == ["127.0.0.1"]
    with pytest.raises(NotPublic):
        public_addresses("localhost", 443)


@pytest.fixture
def server() -> Iterator[tuple[int, list[str]]]:
    """A server over TLS on loopback: its port, and which names it was called by."""
    called: list[str] = []
    context = generate_adhoc_ssl_context()
    context.sni_callback = lambda _socket, name, _context: called.append(name or "")
    app = Flask(__name__)

    @app.get("/")
    def page() -> str:
        return request.host

    made = make_server("127.0.0.1", 0, app, ssl_context=context)
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    yield made.server_port, called
    made.shutdown()
    thread.join()


def test_the_address_that_was_looked_at_is_connected_to_by_the_hosts_name(
    server: tuple[int, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    port, called = server
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    monkeypatch.setattr("connectors.deadline._authorities", lambda: anybody)
    asked: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"]

    http = Http(f"https://agency.example:{port}", resolve=resolve)
    assert http.request("GET", "").text == f"agency.example:{port}"
    assert asked == called == ["agency.example"]


def test_nothing_within_walls_is_connected_to() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.2)
        port = listening.getsockname()[1]
        with pytest.raises(NotPublic):
            Http(f"http://localhost:{port}", resolve=public_addresses).get_json("")
        with pytest.raises(TimeoutError):
            listening.accept()


def test_the_next_address_is_tried_when_nobody_is_at_home() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    app = Flask(__name__)
    app.add_url_rule("/", view_func=lambda: {"here": True})
    made = make_server("127.0.0.1", port, app)
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    try:
        answer = Http(f"http://x:{port}", resolve=lambda *_: ["127.0.0.2", "127.0.0.1"])
        assert answer.get_json("") == {"here": True}
        with pytest.raises(Temporary, match="connection failed"):
            Http(f"http://x:{port}", resolve=lambda *_: ["127.0.0.2"]).get_json("")
        with pytest.raises(Temporary, match="connection failed"):
            Http(f"http://x:{port}", resolve=lambda *_: []).get_json("")
    finally:
        made.shutdown()
        thread.join()


def test_a_name_without_an_address_is_a_connection_that_failed() -> None:
    with pytest.raises(Temporary, match="connection failed"):
        Http("https://nowhere.invalid", resolve=public_addresses).get_json("")
