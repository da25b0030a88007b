"""What the largest hostile packages cost the process that reads them."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from datetime import datetime
from pathlib import Path

import pytest

from connectors.dpi import cms
from connectors.dpi.envelope import Identity
from connectors.dpi.xades import signed_files
from tests.connectors.dpi.forger import AT, Forger, zipped

MEMORY_MAX_MB = 300
READ = """
import pathlib, re, sys, warnings
warnings.simplefilter("ignore")
from tests.connectors.dpi.forger import Forger
forger = Forger(pathlib.Path(sys.argv[1]))
for name in sys.argv[2:]:
    print(forger.of_encrypted(pathlib.Path(name).read_bytes()))
# getrusage would count what the process that started this one used before it.
peak = re.search(r"VmHWM:\\s+([0-9]+) kB", pathlib.Path("/proc/self/status").read_text())
print(int(peak[1]) // 1024)
"""


def _stored(*sizes: int) -> dict[str, bytes]:
    return {f"{n}.bin": os.urandom(size) for n, size in enumerate(sizes)}


def _zipped(files: dict[str, bytes]) -> bytes:
    return zipped({}, *((zipfile.ZipInfo(name), content) for name, content in files.items()))


def packages(signer: Identity, at: datetime) -> dict[str, bytes]:
    """The packages by the reasons for which they are refused; the last is signed."""
    return {
        "unpacks to more": _zipped(_stored(17_000_000, 17_000_000, 17_000_000)),
        "not a ZIP container": os.urandom(59_000_000),
        "unpacks to": zipped({"a.txt": bytes(45_000_000), "b.txt": bytes(45_000_000)}),
        "grows more than 200 times": zipped({"b.txt": bytes(49_000_000)}),
        "no manifest": _zipped(signed_files(_stored(24_000_000, 25_000_000), signer, at)),
    }


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells the peak")
def test_the_largest_hostile_packages_are_refused_within_300_mb(
    forger: Forger, keys: Path, tmp_path: Path
) -> None:
    names = []
    reasons = packages(forger.honest, AT)
    for position, package in enumerate(reasons.values()):
        names.append(str(tmp_path / f"{position}.cms"))
        Path(names[-1]).write_bytes(cms.encrypt(package, forger.mailbox))
    command = [sys.executable, "-c", READ, str(keys), *names]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    *said, megabytes = done.stdout.splitlines()
    for reason, words in zip(reasons, said, strict=True):
        assert reason in words
    assert int(megabytes) < MEMORY_MAX_MB
