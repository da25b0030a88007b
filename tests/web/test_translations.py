from __future__ import annotations

import gettext
import re
import subprocess
import sys
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from django.conf import settings

LOCALE = Path(settings.LOCALE_PATHS[0]) / "nb" / "LC_MESSAGES"
ENTRY = re.compile(r'^msgstr(?:\[\d\])? ""\n(?!")', re.MULTILINE)


def read(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file)


def test_every_text_of_the_code_is_in_the_catalogue_and_no_other(tmp_path):
    command = [sys.executable, "-m", "babel.messages.frontend", "--quiet", "extract"]
    options = ["--mapping-file", "pyproject.toml", "--keyword", "gettext_lazy"]
    found = tmp_path / "found.pot"
    subprocess.run(
        [*command, *options, "--output-file", str(found), "."], cwd=settings.BASE_DIR, check=True
    )
    used = {message.id for message in read(found)}
    assert len(used) > 200
    assert used == {message.id for message in read(LOCALE / "django.po")}


def test_every_text_has_its_norwegian_and_none_is_a_guess():
    text = (LOCALE / "django.po").read_text("utf-8")
    head, _, entries = text.partition("\n\n")
    assert 'Language: nb\\n"' in head
    assert ENTRY.findall(entries + "\n") == []
    assert "#, fuzzy" not in text


def test_what_was_compiled_is_what_stands_in_the_source():
    with (LOCALE / "django.mo").open("rb") as compiled:
        texts = gettext.GNUTranslations(compiled)
    assert texts.gettext("Inbox") == "Innboks"
    source = set(re.findall(r'^msgid "(.+)"$', (LOCALE / "django.po").read_text("utf-8"), re.M))
    known = {key for key in texts._catalog if isinstance(key, str)}  # type: ignore[attr-defined]
    plural = {key[0] for key in texts._catalog if isinstance(key, tuple)}  # type: ignore[attr-defined]
    missing = {text.replace('\\"', '"') for text in source} - known - plural
    assert missing == set()


def test_names_in_braces_and_percents_are_kept():
    text = (LOCALE / "django.po").read_text("utf-8")
    for msgid, msgstr in re.findall(r'^msgid "(.+)"\nmsgstr "(.+)"$', text, re.MULTILINE):
        names = re.compile(r"%\(\w+\)[sd]|\{\w*\}")
        assert sorted(names.findall(msgid)) == sorted(names.findall(msgstr)), msgid
