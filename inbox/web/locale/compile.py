"""Compile the texts. `pybabel compile` fills a plural that has no translation with the English one,
which would hide the Norwegian that a language without it falls back to; here it is left out."""

from __future__ import annotations

from pathlib import Path

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po


def compile_texts(source: Path) -> None:
    """Write django.mo beside a django.po, with no plural of which a form is missing."""
    with source.open("rb") as file:
        catalog = read_po(file)
    for message in list(catalog):
        if message.pluralizable and not all(message.string or ()):
            catalog.delete(message.id, message.context)
    with source.with_suffix(".mo").open("wb") as file:
        write_mo(file, catalog)


if __name__ == "__main__":
    for each in Path(__file__).parent.glob("*/LC_MESSAGES/django.po"):
        compile_texts(each)
