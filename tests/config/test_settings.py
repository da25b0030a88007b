from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.all import PRODUCTION
from tests.journeys.processes import ROOT


def start(**changes: str) -> subprocess.CompletedProcess[str]:
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env={**environment, **PRODUCTION, **changes},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_production_settings_start(tmp_path):
    done = start(DATA_DIR=str(tmp_path))
    assert done.returncode == 0, done.stderr


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
