"""veraPDF, the validator of PDF/A, where it is installed (`VERAPDF_BIN`): a program of others.

It gets the bytes on its standard input, of a file in memory alone, and answers with its report as
XML. It is given little time and memory and nothing of our environment but where Java lies.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
from dataclasses import dataclass
from threading import Timer

from django.conf import settings
from lxml import etree

WALL_SECONDS = 60.0
LIMITS = 'ulimit -c 0; ulimit -t 120; exec "$0" "$@"'
"""Seconds of work, on all its threads together."""
HEAP = "-Xmx512m"
REPORT_MAX = 5_000_000
"""Bytes; it names no more than a hundred failures of a kind."""
PROFILE = re.compile(r"PDF/A-([1-4][a-z]?) validation profile", re.I)


class NoReport(Exception):
    """veraPDF did not come to a judgement: it is away, was ended, or could not read the file."""


@dataclass(frozen=True, slots=True)
class Report:
    """What veraPDF says of a file."""

    level: str
    """What it was held against, e.g. "2a"."""
    compliant: bool
    version: str
    """Of its core."""


def is_there() -> bool:
    """Say whether a veraPDF is set."""
    return bool(settings.VERAPDF_BIN)


def validate(content: bytes) -> Report:
    """Hold a PDF against what it claims to be. Raises NoReport."""
    file = os.memfd_create("document")
    try:
        with os.fdopen(file, "wb", closefd=False) as written:
            written.write(content)
        os.lseek(file, 0, os.SEEK_SET)
        return read_report(_run(file))
    finally:
        os.close(file)


def _run(file: int) -> bytes:
    kept = {name: os.environ[name] for name in ("PATH", "JAVA_HOME") if name in os.environ}
    try:
        process = subprocess.Popen(
            ["/bin/sh", "-c", LIMITS, settings.VERAPDF_BIN, "--format", "xml"],
            env=kept | {"JAVA_OPTS": HEAP, "LC_ALL": "C.UTF-8"},
            stdin=file,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise NoReport("it cannot be started") from error
    limit = Timer(WALL_SECONDS, _end, [process])
    limit.start()
    try:
        assert process.stdout
        return process.stdout.read(REPORT_MAX)
    finally:
        limit.cancel()
        _end(process)
        process.communicate()


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the script and the Java that it has started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def read_report(raw: bytes) -> Report:
    """Read veraPDF's machine-readable report of one file (1.24 and later). Raises NoReport."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root = etree.fromstring(raw, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise NoReport("no report came") from error
    found = root.findall("./jobs/job/validationReport")
    if len(found) != 1 or found[0].get("jobEndStatus", "normal") != "normal":
        raise NoReport("it did not come to an end")
    (report,) = found
    profile = PROFILE.fullmatch(report.get("profileName", ""))
    details = report.find("details")
    core = root.find("./buildInformation/releaseDetails[@id='core']")
    if profile is None or details is None or core is None:
        raise NoReport("the report is of another kind")
    failed = details.get("failedRules") != "0" or details.get("failedChecks") != "0"
    compliant = report.get("isCompliant") == "true" and not failed
    return Report(profile[1].lower(), compliant, core.get("version", "")[:32])
