from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import inbox.sync

ALONE = """
import importlib, sys
import django
django.setup()
kept = {"inbox.sync.models", "inbox.sync.apps"}
for name in sys.argv[1:]:
    for loaded in [each for each in sys.modules if each.startswith("inbox.sync.")]:
        if loaded not in kept:
            del sys.modules[loaded]
    try:
        importlib.import_module(name)
    except ImportError as error:
        print(f"{name}: {error}")
"""


def test_each_module_can_be_the_first_to_be_imported():
    """A command, a task and a page each begin somewhere else in the same circle of modules."""
    folder = Path(inbox.sync.__file__).parent
    names = [f"inbox.sync.{file.stem}" for file in folder.glob("[a-z]*.py")]
    done = subprocess.run(
        [sys.executable, "-c", ALONE, *names],
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == ""
