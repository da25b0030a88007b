"""Her copy of her letters as she gets it, for tests of what is in it."""

from __future__ import annotations

import io
from zipfile import ZipFile

from django.test import Client

from inbox.web import export_making


def take_out(client: Client, **part: str) -> dict[str, bytes]:
    """Have a copy made and fetch it; returns its files by their names inside the bag.

    `part`: the form's `case` or `folder`.
    """
    return files_of(zipped(client, **part))


def zipped(client: Client, **part: str) -> bytes:
    """Have a copy made and fetch it, as it is."""
    assert client.post("/export/", part)["Location"] == "/export/"
    assert export_making.make_due() == 1
    answer = client.post("/export/download/")
    assert answer.status_code == 200
    assert answer.streaming
    assert answer["Content-Disposition"].startswith("attachment")
    made = b"".join(answer)
    assert len(made) == int(answer["Content-Length"])
    return made


def files_of(zipped: bytes) -> dict[str, bytes]:
    """Return the files of a zipped bag by their names inside its one folder."""
    with ZipFile(io.BytesIO(zipped)) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert len({name.casefold() for name in names}) == len(names)
        assert len({name.partition("/")[0] for name in names}) == 1
        return {name.partition("/")[2]: archive.read(name) for name in names}
