"""The wheel in projects of others: their own `config`, their own user model, our fixtures."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import textwrap
import zipfile
from pathlib import Path

import pytest

import inbox.testing.settings as for_others
from config import settings as ours
from tests import wheels

ROOT = Path(__file__).resolve().parents[2]
WITH_OUR_APPS = {
    "config/__init__.py": "",
    "config/settings.py": """
        from inbox.testing.settings import *

        ROOT_URLCONF = "config.urls"
    """,
    "config/urls.py": """
        from django.http import HttpResponse
        from django.urls import include, path

        urlpatterns = [
            path("agency/", lambda request: HttpResponse("the agency's own page")),
            path("", include("inbox.web.urls")),
        ]
    """,
    "pytest.ini": """
        [pytest]
        DJANGO_SETTINGS_MODULE = config.settings
        pythonpath = .
    """,
    "test_letters.py": """
        import shutil

        import pytest
        from playwright.sync_api import expect

        PDF = b"%PDF-1.7"

        @pytest.mark.django_db
        def test_a_letter_is_on_the_page(citizen_client, send_letter, frozen_clock):
            letter = send_letter(title="Vedtak om parkering", sender="Bymiljøetaten")
            page = citizen_client.get("/").content.decode()
            assert "Vedtak om parkering" in page and "Bymiljøetaten" in page
            opened = citizen_client.get(f"/letters/{letter.id}/")
            assert opened.status_code == 200 and "brev.pdf" in opened.content.decode()

        @pytest.mark.django_db
        def test_a_letter_of_level_four_is_read_at_level_high(citizen_client, send_letter):
            letter = send_letter(title="Journal", security_level=4)
            assert "Journal" in citizen_client.get(f"/letters/{letter.id}/").content.decode()

        def test_the_projects_own_page_is_there(client):
            assert client.get("/agency/").status_code == 200
    """,
}
IN_CHROMIUM = {
    "conftest.py": """
        import os

        import pytest

        @pytest.fixture(scope="session")
        def browser_type_launch_args(browser_type_launch_args):
            flags = ["--no-sandbox", "--disable-gpu"]
            return {**browser_type_launch_args, "executable_path": os.environ["CHROMIUM_PATH"]} | {
                "args": flags
            }
    """,
    "test_page.py": """
        def test_she_sees_it_in_a_browser(send_letter, citizen_page):
            send_letter(title="Vedtak om parkering")
            citizen_page.reload()
            assert citizen_page.get_by_text("Vedtak om parkering").first.is_visible()
    """,
}
WITHOUT_OUR_APPS = {
    "config/__init__.py": "",
    "config/settings.py": """
        SECRET_KEY = "k" * 50
        INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "people"]
        DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}
        AUTH_USER_MODEL = "people.Person"
    """,
    "people/__init__.py": "",
    "people/models.py": """
        from django.contrib.auth.models import AbstractUser

        class Person(AbstractUser):
            pass
    """,
    "pytest.ini": """
        [pytest]
        DJANGO_SETTINGS_MODULE = config.settings
        pythonpath = .
        samlepost_connectors = example
    """,
    "test_simulators.py": """
        import sys

        import httpx
        import pytest
        from django.contrib.auth import get_user_model

        def test_simulators_answer(simulators):
            found = httpx.get(f"{simulators.url}/maskinporten/jwks").json()
            assert found["keys"]

        def test_a_connector_beside_its_simulator(bench):
            made = bench("minside")
            made.send([1, 2])
            letters = [each for batch in made.fetch() for each in batch.letters]
            assert len(letters) == 2

        @pytest.mark.django_db
        def test_the_user_model_is_the_projects_own():
            assert get_user_model().objects.create(username="a").pk
            assert not [name for name in sys.modules if name.startswith("inbox.citizens")]
    """,
}


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with our libraries and our wheel, and nothing of this checkout."""
    return wheels.environment(tmp_path_factory.mktemp("other-project"))


def suite(python: Path, folder: Path, files: dict[str, str], *options: str) -> str:
    """Write the project, run its suite, and return what pytest says at its end."""
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(textwrap.dedent(text).lstrip())
    kept = ("PATH", "HOME", "TMPDIR", "LANG", "CHROMIUM_PATH")
    environment = {name: os.environ[name] for name in kept if name in os.environ}
    if chromium := shutil.which("chromium"):
        environment.setdefault("CHROMIUM_PATH", chromium)
    command = [str(python), "-m", "pytest", "-q", *options]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()[-1]


def test_the_wheel_ships_neither_config_nor_tests(python: Path) -> None:
    [wheel] = python.parents[2].glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {each for each in tops if not each.startswith("samlepost-")} == {"connectors", "inbox"}
    assert "connectors/altinn/schema.graphql" in names


def test_a_project_with_our_apps_sends_letters_and_reads_them(python: Path, tmp_path: Path) -> None:
    assert re.match("3 passed", suite(python, tmp_path, WITH_OUR_APPS))


@pytest.mark.browser
def test_a_project_with_our_apps_looks_in_chromium(python: Path, tmp_path: Path) -> None:
    files = WITH_OUR_APPS | IN_CHROMIUM
    # That the migrations run there is seen above.
    options = ("--no-migrations", "test_page.py")
    assert re.match("1 passed", suite(python, tmp_path, files, *options))


def test_a_project_with_its_own_user_model_uses_simulators_and_the_kit(
    python: Path, tmp_path: Path
) -> None:
    # A source that hangs is waited for: that rule is tried elsewhere.
    last = suite(python, tmp_path, WITHOUT_OUR_APPS, "-k", "not C-19")
    assert re.match(r"\d+ passed, 3 skipped, 1 deselected", last), last


def test_every_setting_that_the_apps_read_is_given_to_others() -> None:
    read = set()
    for file in (ROOT / "inbox").rglob("*.py"):
        read |= set(re.findall(r"\bsettings\.([A-Z][A-Z0-9_]+)\b", file.read_text("utf-8")))
    own = {name for name in read if hasattr(ours, name)}
    assert own - set(vars(for_others)) == set()
