"""An environment with our wheel, and nothing of this checkout."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

from tests import beforehand

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]


def environment(folder: Path) -> Path:
    """Make it below `folder` and return its Python; the wheel lies in `folder`.

    The libraries are those of this environment: no registry is asked.
    """
    venv.create(folder / "env", symlinks=True, with_pip=False)
    python = folder / "env" / "bin" / "python"
    (_site(python) / "libraries.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    _put(python, Path(shutil.copy(beforehand.wheel(), folder)))
    return python


def install(python: Path, project: Path) -> Path:
    """Build a project's wheel and install it there; returns the wheel."""
    folder = python.parents[2]
    before = set(folder.glob("*.whl"))
    build = [sys.executable, *beforehand.BUILD, str(folder), str(project)]
    subprocess.run(build, check=True, timeout=120)
    [wheel] = set(folder.glob("*.whl")) - before
    _put(python, wheel)
    return wheel


def _put(python: Path, wheel: Path) -> None:
    put = [*PIP, "install", "--no-deps", "--no-index", "--target", str(_site(python)), str(wheel)]
    subprocess.run(put, check=True, timeout=120)


def _site(python: Path) -> Path:
    return next((python.parents[1] / "lib").glob("python*/site-packages"))
