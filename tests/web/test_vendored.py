"""The files of others are those whose versions and licences we name, unchanged."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest
from django.contrib.staticfiles.storage import ManifestStaticFilesStorage
from django.core.files.storage import FileSystemStorage
from django.template import TemplateDoesNotExist

import inbox.web
from inbox.web.templating import icon

WEB = Path(inbox.web.__file__).parent
ROOT = WEB.parent.parent
VENDOR = WEB / "static" / "web" / "vendor"
ICONS = WEB / "jinja2" / "web" / "icons"
VERSIONS = json.loads((VENDOR / "VERSIONS.json").read_text("utf-8"))
NOTED = {path: digest for package in VERSIONS.values() for path, digest in package["files"].items()}


@pytest.mark.parametrize("path", NOTED)
def test_a_vendored_file_is_as_it_was_copied(path):
    assert sha256((WEB / path).read_bytes()).hexdigest() == NOTED[path]


def test_no_file_lies_among_the_vendored_without_being_noted():
    found = [*VENDOR.rglob("*"), *ICONS.rglob("*")]
    files = {str(path.relative_to(WEB)) for path in found if path.is_file()}
    assert files - {"static/web/vendor/VERSIONS.json"} == set(NOTED)


def test_versions_are_those_that_the_vendoring_script_installs():
    package = json.loads((WEB / "vendoring" / "package.json").read_text("utf-8"))
    assert {name: noted["version"] for name, noted in VERSIONS.items()} == package["dependencies"]


def test_icons_are_those_of_the_list():
    listed = (WEB / "vendoring" / "icons.txt").read_text("utf-8").split()
    assert sorted(path.stem for path in ICONS.glob("*.svg")) == sorted(listed)


@pytest.mark.parametrize("folder", [VENDOR / "designsystemet", VENDOR / "inter", ICONS])
def test_a_licence_travels_with_the_files_and_the_notices_say_where(folder):
    text = (folder / "LICENSE").read_text("utf-8")
    assert "Permission is hereby granted" in text or "SIL OPEN FONT LICENSE" in text
    notices = (ROOT / "THIRD_PARTY_NOTICES.md").read_text("utf-8")
    assert str(folder.relative_to(ROOT)) in notices


def test_notices_name_htmx_and_every_vendored_package():
    notices = (ROOT / "THIRD_PARTY_NOTICES.md").read_text("utf-8")
    for name, noted in VERSIONS.items():
        assert name in notices
        assert noted["version"] in notices
    assert "htmx" in notices


def test_every_address_in_the_style_sheets_leads_to_a_file(tmp_path):
    storage = ManifestStaticFilesStorage(location=str(tmp_path))
    own = FileSystemStorage(location=str(WEB / "static"))
    files = [path for path in (WEB / "static").rglob("*") if path.is_file()]
    names = [path.relative_to(WEB / "static").as_posix() for path in files]
    for name in names:
        with own.open(name) as source:
            storage.save(name, source)
    processed = list(storage.post_process({name: (own, name) for name in names}))
    assert [outcome for *_, outcome in processed if isinstance(outcome, Exception)] == []
    css = (tmp_path / storage.stored_name("web/app.css")).read_text("utf-8")
    assert "vendor/inter/inter-latin." in css
    assert 'url("vendor/inter/inter-latin.woff2")' not in css


def test_an_icon_is_drawn_in_the_page_and_hidden_from_screen_readers():
    drawn = icon("Inbox")
    assert drawn.startswith('<svg class="ico" aria-hidden="true"')
    assert 'fill="currentColor"' in drawn


def test_an_icon_that_we_do_not_have_is_an_error():
    with pytest.raises(TemplateDoesNotExist):
        icon("Unicorn")
