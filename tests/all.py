"""`make test`: every check and test that this machine can run, and what was left out and why.

With CI=true a missing server or browser is a failure.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
CI = os.environ.get("CI", "").lower() in ("1", "true")
DATABASE = os.environ.get("TEST_DATABASE_URL", "postgres://postgres@127.0.0.1:5432/samlepost")
REDIS = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/9")
PRODUCTION = {
    "DEMO": "0",
    "SECRET_KEY": "check-deploy-" + "k7Zp2Qx9" * 8,
    "IDENTITY_KEY": "0f" * 32,
    "DATABASE_URL": "sqlite:///:memory:",
    "WEB_PUBLIC_URL": "https://samlepost.example",
    "OIDC_ISSUER": "https://idporten.example",
    "OIDC_CLIENT_ID": "samlepost",
    "OIDC_CLIENT_SECRET": "check-deploy",
    "SIMULATORS_URL": "",
    "CLOCK_FILE": "",
}


def main() -> int:
    """Run the checks in order, stop at none, sum up; returns the exit code."""
    results = [_run(name, command, extra) for name, command, extra in _checks()]
    left_out: list[str] = []
    if "--lint" not in sys.argv:
        results += _suites(left_out)
    print("\n" + "=" * 78)
    for name, code, seconds in results:
        print(f"{'ok    ' if code == 0 else 'FAILED'} {name} ({seconds:.0f} s)")
    for reason in left_out:
        print(f"left out: {reason}")
    failed = any(code for _, code, _ in results) or (CI and bool(left_out))
    return int(failed)


def _checks() -> list[tuple[str, list[str], dict[str, str]]]:
    python = [sys.executable]
    manage = [*python, "manage.py"]
    check = [*manage, "check", "--deploy", "--fail-level", "WARNING"]
    return [
        ("ruff check", [str(BIN / "ruff"), "check", "."], {}),
        ("ruff format", [str(BIN / "ruff"), "format", "--check", "."], {}),
        ("mypy", [str(BIN / "mypy")], {"DEMO": "1"}),
        ("import-linter", [str(BIN / "lint-imports")], {}),
        ("migrations are up to date", [*manage, "makemigrations", "--check", "--dry-run"], _demo()),
        ("check --deploy", check, PRODUCTION),
    ]


def _suites(left_out: list[str]) -> list[tuple[str, int, float]]:
    pytest = [sys.executable, "-m", "pytest", "-q"]
    unseen = ["-m", "not browser"]
    arguments = [argument for argument in sys.argv[1:] if argument != "--lint"]
    if not (shutil.which("chromium") or os.environ.get("CHROMIUM_PATH")):
        left_out.append("browser tests: no Chromium on this machine (package chromium)")
        results = [_run("tests on SQLite and files", [*pytest, *unseen, *arguments], {})]
    else:
        results = [_run("tests on SQLite and files", [*pytest, *arguments], {})]
    missing = [address for address in (DATABASE, REDIS) if not _answers(address)]
    if missing:
        where = " and ".join(urlsplit(address).netloc.rpartition("@")[2] for address in missing)
        left_out.append(f"tests on PostgreSQL and Redis: nothing answers at {where}")
        return results
    servers = {"TEST_DATABASE_URL": DATABASE, "TEST_REDIS_URL": REDIS}
    # What never asks a database of ours has been tested above; Chromium's demo runs on files.
    beside = [f"--ignore=tests/{name}" for name in ("connectors", "archive", "browser", "config")]
    results.append(
        _run("tests on PostgreSQL and Redis", [*pytest, *unseen, *beside, *arguments], servers)
    )
    return results


def _run(name: str, command: list[str], extra: dict[str, str]) -> tuple[str, int, float]:
    print(f"\n--- {name}", flush=True)
    started = time.monotonic()
    done = subprocess.run(command, cwd=ROOT, env={**os.environ, **extra}, check=False)
    return name, done.returncode, time.monotonic() - started


def _demo() -> dict[str, str]:
    return {"DEMO": "1", "DATABASE_URL": "sqlite:///:memory:"}


def _answers(address: str) -> bool:
    parts = urlsplit(address)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=2):
            return True
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
