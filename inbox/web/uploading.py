"""Files that a page takes are bounded while they arrive: what is too much is never written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.core.files.uploadhandler import FileUploadHandler, SkipFile
from django.http import HttpRequest

from inbox.letters.own import Refused

BOUNDS = "samlepost.bounds"


@dataclass(frozen=True, slots=True)
class Most:
    """How much is taken: files, bytes of each, and bytes of all."""

    files: int
    file_bytes: int
    total_bytes: int


class Bounds(FileUploadHandler):
    """Passes files over that are too many or too large; the form's other fields arrive whole.

    Stands before the handlers that keep files. The connection is read to its end, in chunks.
    """

    def __init__(self, request: HttpRequest, most: Most) -> None:
        super().__init__(request)
        self._most = most
        self.refused: list[Refused] = []
        """Those that were passed over, in their order; "too_many" and "too_much" once."""
        self._count = self._size = self._total = 0

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        """Begin a file. Raises SkipFile for one too many."""
        super().new_file(*args, **kwargs)
        self._count += 1
        self._size = 0
        if self._count > self._most.files:
            self._refuse("too_many")

    def receive_data_chunk(self, raw_data: bytes, start: int) -> bytes:
        """Let a piece pass. Raises SkipFile where the file, or all of them, are too large."""
        self._size += len(raw_data)
        self._total += len(raw_data)
        if self._size > self._most.file_bytes:
            self._refuse("too_large", self.file_name or "")
        if self._total > self._most.total_bytes:
            self._refuse("too_much")
        return raw_data

    def file_complete(self, file_size: int) -> None:
        """Leave keeping the file to the handlers behind this one."""
        return

    def _refuse(self, code: str, name: str = "") -> None:
        if name or all(each.code != code for each in self.refused):
            self.refused.append(Refused(code, name))
        raise SkipFile


def bound(request: HttpRequest, most: Most | None = None) -> None:
    """Bound the files of a request of which nothing has been read yet; as papers of her own are."""
    of_papers = Most(
        settings.OWN_FILES_MAX, settings.OWN_FILE_MAX_BYTES, settings.OWN_FILES_MAX_BYTES
    )
    bounds = Bounds(request, most or of_papers)
    request.upload_handlers.insert(0, bounds)
    request.META[BOUNDS] = bounds


def passed_over(request: HttpRequest) -> list[Refused]:
    """Return what was passed over of the request's files."""
    request.FILES  # noqa: B018 - read first, so that all of it has arrived
    bounds: Bounds = request.META[BOUNDS]
    return bounds.refused
