"""The Nu HTML checker (https://validator.github.io/validator/), where this machine has it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

INSTALLED = Path("build/tools/node_modules/vnu-jar/build/dist/vnu.jar")
"""Where `npm install --prefix build/tools vnu-jar` puts it."""
HOW = "npm install --prefix build/tools vnu-jar, or name the file in VNU_JAR"
ALLOWED = re.compile(
    r"Attribute “hx-[a-z-]+” not allowed on element"
    r"|appears to be written in Danish but the “html” start tag has “lang=\"n[bn]\"”"
)
"""htmx's own attributes, which it documents under these names; and its guess at short Norwegian."""


def missing() -> str:
    """Say what keeps the checker from running here, or "" if nothing does."""
    if not shutil.which("java"):
        return "no java on this machine (package default-jre-headless)"
    return "" if _jar().is_file() else f"no vnu.jar on this machine ({HOW})"


def complaints(pages: Iterable[tuple[str, bytes]]) -> list[str]:
    """What the checker says of each (name, HTML), errors and warnings alike."""
    with TemporaryDirectory() as folder:
        names = {}
        for number, (name, content) in enumerate(pages):
            file = Path(folder) / f"{number:04d}.html"
            file.write_bytes(content)
            names[file.name] = name
        options = ["--format", "json", "--stdout", "--exit-zero-always"]
        command = ["java", "-Xshare:auto", "-jar", str(_jar()), *options, folder]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    said = json.loads(done.stdout)["messages"]
    return sorted(
        {
            f"{names[each.get('url', '').rpartition('/')[2]]}: {each['message']}"
            f" | {each.get('extract', '')}"
            for each in said
            if not ALLOWED.search(each["message"])
        }
    )


def _jar() -> Path:
    return Path(os.environ.get("VNU_JAR") or Path(__file__).resolve().parent.parent / INSTALLED)
