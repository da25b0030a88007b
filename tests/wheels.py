"""An environment with our wheel, and nothing of this checkout."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]


def environment(folder: Path) -> Path:
    """Make it below `folder` and return its Python; the wheel lies in `folder`.

    The libraries are those of this environment: no registry is asked.
    """
    # A copy, as setuptools leaves files of its own where it builds.
    source = folder / "source"
    for name in ("connectors", "inbox"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    venv.create(folder / "env", symlinks=True, with_pip=False)
    python = folder / "env" / "bin" / "python"
    (_site(python) / "libraries.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    install(python, source)
    return python


def install(python: Path, project: Path) -> Path:
    """Build a project's wheel and install it there; returns the wheel."""
    folder = python.parents[2]
    before = set(folder.glob("*.whl"))
    build = [*PIP, "wheel", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*build, "--wheel-dir", str(folder), str(project)], check=True, timeout=120)
    [wheel] = set(folder.glob("*.whl")) - before
    put = [*PIP, "install", "--no-deps", "--no-index", "--target", str(_site(python)), str(wheel)]
    subprocess.run(put, check=True, timeout=120)
    return wheel


def _site(python: Path) -> Path:
    return next((python.parents[1] / "lib").glob("python*/site-packages"))
