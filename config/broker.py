"""Kombu's broker of folders, with messages that appear whole.

Kombu opens a message's file under its final name and then writes to it; a worker that takes it
in between finds nothing in it and ends.
"""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import Any
from uuid import uuid4

from kombu.transport import filesystem
from kombu.utils.json import dumps


class Channel(filesystem.Channel):
    """Writes a message under another name and gives it its own when it is whole."""

    def _put(self, queue: str, message: Any, **_kwargs: Any) -> None:  # type: ignore[override]
        folder = Path(self.data_folder_out)
        name = f"{round(monotonic() * 1000)}_{uuid4()}.{queue}.msg"
        fresh = folder / f"{name}.part"
        fresh.write_text(dumps(message), encoding="utf-8")
        fresh.rename(folder / name)


class Transport(filesystem.Transport):
    """`filesystem://` as config/celery.py registers it."""

    Channel = Channel
