"""`make test`: every check and test that this machine can run, and what was left out and why.

With CI=true a missing server or browser is a failure; the Nu HTML checker is used where it is.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from tests import vnu

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent
CI = os.environ.get("CI", "").lower() in ("1", "true")
DATABASE = os.environ.get("TEST_DATABASE_URL", "postgres://postgres@127.0.0.1:5432/samlepost")
REDIS = os.environ.get("TEST_REDIS_URL", "redis://127.0.0.1:6379/9")
SERVERS = ("TEST_DATABASE_URL", "TEST_REDIS_URL")
PRODUCTION = {
    "DEMO": "0",
    "SECRET_KEY": "check-deploy-" + "k7Zp2Qx9" * 8,
    "IDENTITY_KEY": "0f" * 32,
    "ARCHIVE_ROOT_KEY": "1e" * 32,
    "DATABASE_URL": "sqlite:///:memory:",
    "WEB_PUBLIC_URL": "https://samlepost.example",
    "OIDC_ISSUER": "https://idporten.example",
    "OIDC_CLIENT_ID": "samlepost",
    "OIDC_CLIENT_SECRET": "check-deploy",
    "SIMULATORS_URL": "",
    "CLOCK_FILE": "",
    "ARCHIVE_LOG_KEY_FILE": "/run/secrets/archive-log.pem",
}
FILES = "tests on SQLite and files"
FILES_TOO = "tests on SQLite and files: pages, connectors"
BROWSER = "tests in Chromium"
ON_SERVERS = "tests on PostgreSQL and Redis"
ON = {
    FILES: "SQLite with files",
    FILES_TOO: "SQLite with files",
    BROWSER: "SQLite with files, in Chromium",
    ON_SERVERS: "PostgreSQL with Redis",
}
LIGHT = ["-p", "no:schemathesis"]
"""For suites without tests that need it: each process takes seconds to load it."""
NOTHING_SELECTED = 5
"""What pytest returns when its arguments leave no test, as -k may in one suite but not in all."""
ON_FILES_ALONE = (
    *("connectors", "conformance", "testing", "browser", "config"),
    *("archive/test_bag.py", "archive/test_crashes.py", "archive/test_storages.py"),
    *("archive/test_store.py", "archive/test_store_in_bucket.py", "archive/test_witnessed.py"),
    *("citizens/test_masking.py", "letters/test_texts.py", "sync/test_feed_examples.py"),
    *("sync/test_feeds.py", "sync/test_bad_feeds.py", "sync/test_nav.py", "sync/test_svarut.py"),
    *("sync/test_paper.py", "sync/test_altinn_first_fetch.py"),
    *("journeys/test_reset.py", "journeys/test_hostile_packages.py", "journeys/test_health.py"),
    *("journeys/test_published_messages.py", "journeys/test_what_is_shown.py"),
    "journeys/test_purge.py",
)
"""What is not tested on the servers: it asks no database of ours, runs the demo of `make run`, or
follows letters through code whose queries the rest of the same suite runs there. So do single tests
that are marked `files`.

Tested on both is what the databases do each in their own way: rows written by several at once,
locks, leases and receipts, what is searched, counted, sorted and paged, migrations.
"""
HALF = ("web", "connectors", "conformance", "config", "testing")
"""What is tested on files in one process, beside all else in another: as much work again."""
PAGES = "web"
PAGES_ON_SERVERS = (
    *("test_routes.py", "test_costs.py"),  # every address is asked for
    *("test_inbox.py", "test_search.py", "test_saved_searches.py", "test_cases.py"),
    *("test_bulk.py", "test_filing.py", "test_folders.py", "test_account.py", "test_export.py"),
    *("test_hooks.py", "test_panel.py", "login/test_limits.py", "login/test_log_out.py"),
    *("agency/test_log.py", "agency/test_figures.py"),
    *("agency_api/test_by_key.py", "agency_api/test_letters.py", "agency_api/test_sending.py"),
)
"""Of the pages, what is tested on the servers too: those that search, sort, count, page, change
many rows at once, or keep limits and sessions in Redis.

What another page says to whom is decided above both; that its queries run there is seen in
test_routes.py and test_costs.py, which come to all of them.
"""
ON_SERVERS_ALONE = ("journeys/test_worker_dies.py", "sync/test_receipts_when_killed.py")
"""What is not tested on files where there are servers: a worker dies as it would in production."""
AT_LENGTH = (
    "every rule of axe at each width, scheme and language; every rule of the kit on each broken"
    " connector; Altinn with 5,000 letters"
)
ROOM = 3 * 2**30
"""Bytes; the suites' temporary files together take a third of it."""


@dataclass(frozen=True)
class Job:
    """One command; `extra` is added to its environment."""

    name: str
    command: list[str]
    extra: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """How a job ended."""

    name: str
    code: int
    seconds: float


def main() -> int:
    """Run every job beside the others, stop at none, sum up; returns the exit code."""
    lint, arguments = "--lint" in sys.argv, [each for each in sys.argv[1:] if each != "--lint"]
    left_out: list[str] = []
    beside = [f"pages judged by the Nu HTML checker: {vnu.missing()}"] if vnu.missing() else []
    # The suites take longest and so begin; the checks fill what is left of the processors.
    jobs = [] if lint else _suites(arguments, left_out)
    suites = len(jobs)
    jobs += _checks()
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="samlepost-all-", dir=_in_memory()) as folder:
        results = _run_all(jobs, Path(folder))
    if arguments and any(each.code != NOTHING_SELECTED for each in results[:suites]):
        results = [each for each in results if each.code != NOTHING_SELECTED]
    print("\n" + "=" * 78)
    for result in results:
        said = "ok    " if result.code == 0 else "FAILED"
        print(f"{said} {result.name} ({result.seconds:.0f} s)")
    if not lint:
        tested = list(dict.fromkeys(ON[each.name] for each in results if each.name in ON))
        print(f"tested on: {'; '.join(tested)}")
        if ON[ON_SERVERS] in tested:
            beside.append("on PostgreSQL and Redis: what no database decides (ON_FILES_ALONE)")
        if not os.environ.get("THOROUGH"):
            beside.append(f"for the sake of time, tried with THOROUGH=1: {AT_LENGTH}")
    for reason in left_out + beside:
        print(f"left out: {reason}")
    print(f"{time.monotonic() - started:.0f} s in all")
    failed = any(result.code for result in results) or (CI and bool(left_out))
    return int(failed)


def _checks() -> list[Job]:
    manage = [sys.executable, "manage.py"]
    check = [*manage, "check", "--deploy", "--fail-level", "WARNING"]
    demo = {"DEMO": "1", "DATABASE_URL": "sqlite:///:memory:"}
    return [
        Job("mypy", [str(BIN / "mypy")], {"DEMO": "1"}),
        Job("import-linter", [str(BIN / "lint-imports")]),
        Job("migrations are up to date", [*manage, "makemigrations", "--check", "--dry-run"], demo),
        Job("check --deploy", check, PRODUCTION),
        Job("ruff check", [str(BIN / "ruff"), "check", "."]),
        Job("ruff format", [str(BIN / "ruff"), "format", "--check", "."]),
    ]


def _suites(arguments: list[str], left_out: list[str]) -> list[Job]:
    """The suites that can be run here; adds to `left_out` what cannot, and why."""
    pytest = [sys.executable, "-m", "pytest", "-q"]
    on_files = ["-m", "not browser and not servers"]
    missing = [address for address in (DATABASE, REDIS) if not _answers(address)]
    elsewhere = _without([] if missing else ON_SERVERS_ALONE)
    half, rest = _without(HALF), _without(_all_but(HALF))
    jobs = [
        Job(FILES_TOO, [*pytest, *on_files, *rest, *arguments]),
        Job(FILES, [*pytest, *on_files, *half, *elsewhere, *arguments]),
    ]
    if shutil.which("chromium") or os.environ.get("CHROMIUM_PATH"):
        jobs.append(Job(BROWSER, [*pytest, *LIGHT, "-m", "browser", *_in_chromium(), *arguments]))
    else:
        left_out.append("browser tests: no Chromium on this machine (package chromium)")
    if not shutil.which("openssl"):
        left_out.append("DPI packages judged by openssl: it is not on this machine")
    if missing:
        where = " and ".join(urlsplit(address).netloc.rpartition("@")[2] for address in missing)
        left_out.append(f"tests on PostgreSQL and Redis: nothing answers at {where}")
        return jobs
    servers = dict(zip(SERVERS, (DATABASE, REDIS), strict=True))
    on_both = ["-m", "not browser and not files"]
    on_servers = [*LIGHT, *on_both, *_without(ON_FILES_ALONE), *_without(_pages_on_files_alone())]
    jobs.append(Job(ON_SERVERS, [*pytest, *on_servers, *arguments], servers))
    return jobs


def _in_chromium() -> list[str]:
    """The files with such tests: all others need not be read for them."""
    files = (ROOT / "tests").rglob("test_*.py")
    return sorted(str(each) for each in files if "mark.browser" in each.read_text("utf-8"))


def _pages_on_files_alone() -> list[str]:
    tests = ROOT / "tests"
    files = (tests / PAGES).rglob("test_*.py")
    on_both = {tests / PAGES / name for name in PAGES_ON_SERVERS}
    missing = on_both - set(files := list(files))
    assert not missing, f"not there: {missing}"
    return sorted(file.relative_to(tests).as_posix() for file in files if file not in on_both)


def _all_but(names: Sequence[str]) -> list[str]:
    tests = (ROOT / "tests").iterdir()
    found = [each.name for each in tests if each.is_dir() or each.name.startswith("test_")]
    return sorted(set(found) - set(names))


def _without(names: Sequence[str]) -> list[str]:
    return [f"--ignore=tests/{name}" for name in names]


def _run_all(jobs: list[Job], folder: Path) -> list[Result]:
    """Run two jobs more at a time than there are processors; show each output whole.

    A third of each suite's time it waits, for processes that it has started or for a clock.
    """
    printing = threading.Lock()
    results: list[Result] = []
    # The servers are named to the suite that is meant to run on them, and to no other.
    ours = {name: value for name, value in os.environ.items() if name not in SERVERS}

    def run(job: Job) -> Result:
        own = folder / str(jobs.index(job))
        own.mkdir()
        environment = {**ours, "TMPDIR": str(own), "DATA_DIR": str(own / "data"), **job.extra}
        print(f"begun: {job.name}", flush=True)
        started = time.monotonic()
        done = subprocess.run(
            job.command,
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        with printing:
            print(f"\n--- {job.name}\n{done.stdout.rstrip()}", flush=True)
        shutil.rmtree(own, ignore_errors=True)
        return Result(job.name, done.returncode, time.monotonic() - started)

    with ThreadPoolExecutor((os.cpu_count() or 1) + 2) as pool:
        running = [pool.submit(run, job) for job in jobs]
        try:
            results = [each.result() for each in running]
        finally:
            # After Ctrl-C, which the commands have had too, what has not begun does not begin.
            pool.shutdown(cancel_futures=True)
    return results


def _in_memory() -> str | None:
    """Return a folder in memory with room for the tests' files, None where there is none.

    Every write of the archive is synced to the disk, which takes most of the time on one. What
    is tested is processes that die, not machines: those lose nothing in memory either.
    """
    folder = Path("/dev/shm")
    try:
        return str(folder) if shutil.disk_usage(folder).free > ROOM else None
    except OSError:
        return None


def _answers(address: str) -> bool:
    parts = urlsplit(address)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=2):
            return True
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
