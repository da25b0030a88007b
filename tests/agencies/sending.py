"""Letters, PDFs, lists and zips as an agency brings them."""

from __future__ import annotations

import io
from typing import Any
from zipfile import ZIP_DEFLATED, ZipFile

from pypdf import PdfWriter

from connectors.world.persons import PERSONS
from inbox.agencies.letters import Wanted

KARI, OLA, NOBODY = (each.national_id for each in PERSONS[:3])
"""Numbers as the population register might give them; the third is nobody's here."""


def pdf(**info: str) -> bytes:
    """A PDF of one blank page."""
    writer = PdfWriter()
    writer.add_blank_page(595, 842)
    writer.add_metadata({f"/{name}": value for name, value in info.items()})
    made = io.BytesIO()
    writer.write(made)
    return made.getvalue()


def zipped(**files: bytes) -> bytes:
    """A zip of PDFs by name, without the ending."""
    return zip_of({f"{name}.pdf": content for name, content in files.items()})


def zip_of(files: dict[str, bytes]) -> bytes:
    """A zip of these files."""
    made = io.BytesIO()
    with ZipFile(made, "w", ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return made.getvalue()


def wanted(recipient: str = KARI, **fields: Any) -> Wanted:
    """A letter to Kari."""
    return Wanted(recipient, **{"title": "Svar på søknaden", **fields})
