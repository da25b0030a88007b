"""The broker of folders that the demo runs on."""

from __future__ import annotations

import threading
from pathlib import Path
from queue import Empty

import pytest
from kombu import Connection

from config.celery import app


@pytest.fixture
def channel(tmp_path: Path):
    options = {name: str(tmp_path) for name in ("data_folder_in", "data_folder_out")}
    with Connection(
        "filesystem://", transport_options=options | {"control_folder": str(tmp_path / "control")}
    ) as connection:
        yield connection.default_channel


def test_celery_uses_it():
    assert app.connection().transport_cls == "filesystem"
    assert type(app.connection().default_channel).__module__ == "config.broker"


def test_a_message_comes_out_as_it_went_in_and_leaves_nothing_behind(channel, tmp_path):
    channel._put("celery", {"body": "brev til Åse", "properties": {"n": 1}})
    assert channel._get("celery") == {"body": "brev til Åse", "properties": {"n": 1}}
    with pytest.raises(Empty):
        channel._get("celery")
    assert not list(tmp_path.glob("*.msg*"))


def test_who_takes_while_others_put_never_finds_half_a_message(channel):
    body, wanted = "x" * 200_000, 150

    def put() -> None:
        for _ in range(wanted):
            channel._put("celery", {"body": body})

    putting = threading.Thread(target=put)
    putting.start()
    taken = 0
    while taken < wanted:
        try:
            assert channel._get("celery")["body"] == body
        except Empty:
            assert putting.is_alive() or len(list(Path(channel.data_folder_in).glob("*.msg")))
            continue
        taken += 1
    putting.join()
