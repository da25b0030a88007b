"""The environment of every test, a demo of its own in a temporary folder; then the settings."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

# Before Django reads its settings: the sync API of Playwright keeps an event loop in the thread.
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
_folder = Path(tempfile.mkdtemp(prefix="samlepost-tests-"))
os.environ.update(
    DEMO="1",
    DATA_DIR=str(_folder),
    CLOCK_FILE=str(_folder / "clock.json"),
    LOG_LEVEL="WARNING",
    SYNC_LEASE_SECONDS="30",
    SYNC_SOURCE_BUSY_MAX="1000",  # one thread plays all workers, but where that is tested
)
os.environ.setdefault("KEYS_DIR", str(_folder / "keys"))
os.environ.setdefault("SIMULATORS_DIR", str(_folder / "simulators"))
if os.environ.get("TEST_DATABASE_URL"):
    os.environ["DATABASE_URL"] = os.environ["TEST_DATABASE_URL"]
else:
    os.environ.pop("DATABASE_URL", None)
if os.environ.get("TEST_REDIS_URL"):
    os.environ["REDIS_URL"] = os.environ["TEST_REDIS_URL"]
else:
    os.environ.pop("REDIS_URL", None)

from config.settings import *  # noqa: E402, F403

STORAGES = {  # the manifest is made by collectstatic, which tests do not run
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

if DATABASES["default"]["ENGINE"] == "django.db.backends.postgresql":  # noqa: F405
    # No test pulls the plug of the database's machine: a commit need not wait for its disk.
    _options = DATABASES["default"].setdefault("OPTIONS", {})  # noqa: F405
    _options["options"] = "-c synchronous_commit=off"
