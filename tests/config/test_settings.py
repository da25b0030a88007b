from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.all import PRODUCTION
from tests.journeys.processes import ROOT

ALL = """
from django.conf import settings
for name in dir(settings):
    if name.isupper():
        print(name, "=", repr(getattr(settings, name)))
"""


def start(*command: str, **changes: str) -> subprocess.CompletedProcess[str]:
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "manage.py", *(command or ["check"])],
        cwd=ROOT,
        env={**environment, **PRODUCTION, **changes},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_production_settings_start(tmp_path):
    done = start(DATA_DIR=str(tmp_path))
    assert done.returncode == 0, done.stderr


def test_what_the_example_leaves_empty_is_as_if_it_were_not_named(tmp_path):
    lines = (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()
    empty = {line[:-1]: "" for line in lines if line.endswith("=") and line[:-1].isupper()}
    empty = {name: value for name, value in empty.items() if name not in PRODUCTION}
    assert {"ARCHIVE_DIR", "EXPORT_DIR", "REDIS_URL"} <= set(empty)
    shell = ("shell", "--no-imports", "--command", ALL)
    unnamed = start(*shell, DATA_DIR=str(tmp_path))
    named = start(*shell, DATA_DIR=str(tmp_path), **empty)
    assert named.returncode == 0, named.stderr
    assert f"ARCHIVE_DIR = PosixPath('{tmp_path}/archive')" in named.stdout
    assert named.stdout == unnamed.stdout


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("SECRET_KEY", ""),
        ("SECRET_KEY", "short"),
        ("IDENTITY_KEY", ""),
        ("IDENTITY_KEY", "not hexadecimal"),
        ("ARCHIVE_ROOT_KEY", ""),
        ("ARCHIVE_ROOT_KEYS_OLD", "abc"),
        ("DATABASE_URL", ""),
        ("DATABASE_URL", "nonsense"),
        ("REDIS_URL", "http://127.0.0.1"),
        ("WEB_PUBLIC_URL", ""),
        ("WEB_PUBLIC_URL", "http://samlepost.example"),
        ("OIDC_ISSUER", ""),
        ("OIDC_CLIENT_SECRET", ""),
        ("DEMO", "perhaps"),
        ("SIMULATORS_URL", "http://127.0.0.1:8010"),
        ("CLOCK_FILE", "/tmp/clock.json"),
        ("KRR_URL", "http://127.0.0.1:8010/krr"),
        ("KRR_URL", "https://kontaktregisteret.example"),
        ("KRR_INTERVAL_SECONDS", "daily"),
        ("SYNC_INTERVAL_SECONDS", "soon"),
        ("SYNC_LEASE_SECONDS", "0"),
        ("SECRET_KEY_FILE", "/nowhere/to/be/found"),
    ],
)
def test_a_wrong_setting_stops_the_start_with_one_sentence_that_names_it(tmp_path, variable, value):
    done = start(DATA_DIR=str(tmp_path), **{variable: value})
    assert done.returncode != 0
    said = done.stderr.strip().splitlines()
    assert len(said) == 1, done.stderr
    assert variable in said[0]
