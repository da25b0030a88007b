"""A program of ours in a process of its own, which strangers' files may take down, and no more.

The process knows no Django, has no environment (what is secret here is not for it), and limits
its own memory and, for each request, its own time. A request is a line of JSON with `size`, then
so many bytes; the answer is a line of JSON.
"""

from __future__ import annotations

import json
import logging
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Timer
from typing import Any, BinaryIO, ClassVar, Self

ROOT = Path(__file__).parents[2]
BEGIN = "import sys; sys.path.insert(0, sys.argv[1]); from {module} import main; main()"
MEMORY_MAX = 1 << 30
"""Bytes of address space."""
CPU_SECONDS = 20
"""For one request."""

Request = Mapping[str, Any]
Answer = dict[str, Any]


class Died(Exception):
    """The process did not live to answer."""


class Apart:
    """A process that answers requests; a new one is started when it has died."""

    module: ClassVar[str]
    """What it runs: the `main` of a module, which calls `serve`."""
    wall_seconds: ClassVar[float] = 2.0 * CPU_SECONDS
    """For one request; the process itself gives up after CPU_SECONDS of work."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    @classmethod
    @contextmanager
    def running(cls) -> Iterator[Self]:
        """Give one, and end its process afterwards."""
        apart = cls()
        try:
            yield apart
        finally:
            apart.stop()

    def ask(self, request: Request, content: bytes) -> Answer:
        """Return the answer. Raises Died."""
        process = self._started()
        assert process.stdin and process.stdout
        said = json.dumps({**request, "size": len(content)})
        limit = Timer(self.wall_seconds, process.kill)
        limit.start()
        try:
            process.stdin.write(said.encode() + b"\n" + content)
            process.stdin.flush()
            line = process.stdout.readline()
        except OSError:  # it died while it was written to
            line = b""
        finally:
            limit.cancel()
        if not line.endswith(b"\n"):
            self.stop()
            raise Died
        answer: Answer = json.loads(line)
        return answer

    def stop(self) -> None:
        """End the process, if one runs."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-c", BEGIN.format(module=self.module), str(ROOT)],
                env={},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        return self._process


def serve(
    answer: Callable[[Request, bytes], Answer],
    failed: Answer,
    requests: BinaryIO | None = None,
    answers: BinaryIO | None = None,
) -> None:
    """Answer requests until there are no more: the other end of `Apart.ask`.

    `failed` is the answer when memory does not suffice.
    """
    requests, answers = requests or sys.stdin.buffer, answers or sys.stdout.buffer
    logging.disable(logging.CRITICAL)  # parsers tell at length of what is wrong with a file
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX, MEMORY_MAX))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    while line := requests.readline():
        request = json.loads(line)
        content = requests.read(request["size"])
        _allow_time()
        try:
            said = answer(request, content)
        except (MemoryError, RecursionError):
            said = failed
        answers.write(json.dumps(said).encode() + b"\n")
        answers.flush()


def _allow_time() -> None:
    """Let the kernel end this process when the next request takes longer than it may."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(used.ru_utime + used.ru_stime) + CPU_SECONDS
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    resource.setrlimit(resource.RLIMIT_CPU, (limit, hard))
