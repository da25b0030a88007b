"""Management commands as an operator runs them."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command


def run(*line: Any) -> str:
    """Run a command that must succeed; returns what it says."""
    said = StringIO()
    try:
        call_command(*map(str, line), stdout=said)
    except CommandError:
        pytest.fail(said.getvalue())
    return said.getvalue()
