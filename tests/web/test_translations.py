from __future__ import annotations

import gettext
import re
import subprocess
import sys
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from django.conf import settings
from django.utils.translation import ngettext, override

LOCALES = Path(settings.LOCALE_PATHS[0])
COMPLETE = ["nb", "nn"]
ALL = [*COMPLETE, "se"]
BOKMAL = re.compile(
    r"\b(ikke|hvem|hva|hvor|hvordan|hvorfor|hvilken?|noe|mye|være|gjøre?|kommer|ble|uten|mer|bare"
    r"|hun|deres|selv|fra|åpne[rt]?|brevene|dokumentene|kildene|vedleggene|dagene|sendes|hentes"
    r"|slettes|vises|skriver|mottatt|mottar|laget?|ennå|fremdeles|jeg|mens|svarer|navn|navnet"
    r"|måned|måneder|uker|dager|følger|forteller|logget|hentet|endret)\b",
    re.IGNORECASE,
)
"""Words that are bokmål and never nynorsk."""
ENTRY = re.compile(r'^msgstr(?:\[\d\])? ""\n(?!")', re.MULTILINE)


def folder(language: str) -> Path:
    return LOCALES / language / "LC_MESSAGES"


def read(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file)


def test_every_text_of_the_code_is_in_the_catalogues_and_no_other(tmp_path):
    command = [sys.executable, "-m", "babel.messages.frontend", "--quiet", "extract"]
    options = ["--mapping-file", "pyproject.toml", "--keyword", "gettext_lazy"]
    found = tmp_path / "found.pot"
    subprocess.run(
        [*command, *options, "--output-file", str(found), "."], cwd=settings.BASE_DIR, check=True
    )
    used = {message.id for message in read(found)}
    assert len(used) > 200
    for language in ALL:
        assert used == {message.id for message in read(folder(language) / "django.po")}, language


@pytest.mark.parametrize("language", COMPLETE)
def test_every_text_has_its_norwegian_and_none_is_a_guess(language):
    text = (folder(language) / "django.po").read_text("utf-8")
    head, _, entries = text.partition("\n\n")
    assert f'Language: {language}\\n"' in head
    assert ENTRY.findall(entries + "\n") == []
    assert "#, fuzzy" not in text


def test_nynorsk_is_no_bokmal():
    texts = (message.string for message in read(folder("nn") / "django.po") if message.id)
    said = "\n".join(each if isinstance(each, str) else "\n".join(each) for each in texts)
    assert BOKMAL.findall(said) == []


@pytest.mark.parametrize("language", ALL)
def test_what_was_compiled_is_what_stands_in_the_source(language):
    with (folder(language) / "django.mo").open("rb") as compiled:
        texts = gettext.GNUTranslations(compiled)
    for message in read(folder(language) / "django.po"):
        if isinstance(message.id, str) and message.id and message.string:
            assert texts.gettext(message.id) == message.string
        elif isinstance(message.id, tuple) and all(message.string):
            assert texts.ngettext(*message.id, 1) == message.string[0]


@pytest.mark.parametrize("language", ALL)
def test_names_in_braces_and_percents_are_kept(language):
    text = (folder(language) / "django.po").read_text("utf-8")
    for msgid, msgstr in re.findall(r'^msgid "(.+)"\nmsgstr "(.+)"$', text, re.MULTILINE):
        names = re.compile(r"%\(\w+\)[sd]|\{\w*\}")
        assert sorted(names.findall(msgid)) == sorted(names.findall(msgstr)), msgid


def test_a_number_that_has_no_sami_words_is_said_in_norwegian():
    missing = [
        message.id
        for message in read(folder("se") / "django.po")
        if message.pluralizable and message.id and not all(message.string)
    ]
    assert missing
    with override("nb"):
        norwegian = [ngettext(*msgid, 2) for msgid in missing]
    with override("se"):
        assert [ngettext(*msgid, 2) for msgid in missing] == norwegian
