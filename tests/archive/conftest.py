"""What more than one test of the archive needs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.archive.s3_server import Server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A server for S3, started when a test asks for it."""
    running = Server()
    yield running
    running.stop()
