"""What takes long to make and is the same each time: made once, kept in build/tests, copied."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from contextlib import closing
from functools import cache
from importlib.metadata import version
from pathlib import Path

from connectors.simulate import create_world
from connectors.world.persons import by_slug

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "build" / "tests"
BESIDE = ("pyproject.toml", "README.md", "LICENSE")
"""What a wheel is built from, beside the code."""
BUILD = ["-m", "pip", "--disable-pip-version-check", "--quiet", "wheel", "--no-deps"]
BUILD += ["--no-build-isolation", "--no-index", "--wheel-dir"]


@cache
def migrated() -> Path:
    """Return an SQLite file in which every migration has been run, and nothing else.

    Made anew when one of them has changed, or what they import of ours.
    """
    migrations = [*ROOT.glob("inbox/*/migrations/*.py"), ROOT / "inbox/citizens/owned.py"]
    key = _key(migrations, "Django", sqlite3.sqlite_version)
    return _kept(f"migrated-{key}", _migrate) / "samlepost.sqlite3"


@cache
def seeded() -> Path:
    """Return the folder of simulators with every letter of the made-up world, their keys beside.

    Made anew when anything in `connectors` has changed.
    """
    key = _key(_files("connectors"), "typst", "cryptography")
    return _kept(f"seeded-{key}", _seed)


@cache
def seeded_light() -> Path:
    """Return the same without the letters of the one who has thousands."""
    key = _key(_files("connectors"), "typst", "cryptography")
    return _kept(f"light-{key}", _lighten)


@cache
def wheel() -> Path:
    """Return our wheel. Made anew when anything in it has changed."""
    key = _key([*_files("connectors"), *_files("inbox"), *(ROOT / each for each in BESIDE)])
    return next(_kept(f"wheel-{key}", _build).glob("*.whl"))


def copy_of_migrated(file: Path) -> None:
    """Write the migrated database to a new file."""
    with closing(sqlite3.connect(migrated())) as made, closing(sqlite3.connect(file)) as copy:
        made.backup(copy)


def copy_of_seeded(simulators: Path, keys: Path, *, light: bool) -> None:
    """Put the filled simulators and their keys into new folders."""
    made = seeded_light() if light else seeded()
    shutil.copytree(made / "simulators", simulators, dirs_exist_ok=True)
    shutil.copytree(made / "keys", keys, dirs_exist_ok=True)


def _migrate(folder: Path) -> None:
    _run(folder, "manage.py", "migrate", "--verbosity", "0")
    with closing(sqlite3.connect(folder / "samlepost.sqlite3")) as made:
        made.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _seed(folder: Path) -> None:
    _run(folder, "-m", "connectors.simulate", "--seed")


def _lighten(folder: Path) -> None:
    simulators, keys = folder / "simulators", folder / "keys"
    copy_of_seeded(simulators, keys, light=False)
    world = create_world(simulators, keys)
    for simulator in world.control.by_channel.values():
        simulator.forget(by_slug("stress"))
    for file in simulators.glob("*.sqlite3"):
        with closing(sqlite3.connect(file)) as made:
            made.execute("VACUUM")
            made.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _build(folder: Path) -> None:
    # A copy, as setuptools leaves files of its own where it builds.
    source = folder / "source"
    for name in ("connectors", "inbox"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in BESIDE:
        shutil.copy(ROOT / name, source)
    _run(folder, *BUILD, str(folder), str(source))
    shutil.rmtree(source)


def _run(folder: Path, *arguments: str) -> None:
    environment = {
        **{name: value for name, value in os.environ.items() if not name.endswith("_URL")},
        "DEMO": "1",
        "DJANGO_SETTINGS_MODULE": "config.settings",
        "DATA_DIR": str(folder),
        "KEYS_DIR": str(folder / "keys"),
        "SIMULATORS_DIR": str(folder / "simulators"),
        "CLOCK_FILE": str(folder / "clock.json"),
    }
    command = [sys.executable, *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"{arguments}: {done.stdout}{done.stderr}")


def _files(folder: str) -> list[Path]:
    found = (ROOT / folder).rglob("*")
    return [each for each in found if each.is_file() and "__pycache__" not in each.parts]


def _key(files: Iterable[Path], *made_with: str) -> str:
    """Name what these files make with these libraries."""
    digest = hashlib.sha256(sys.version.encode())
    for name in made_with:
        digest.update((name if name[0].isdigit() else version(name)).encode())
    for file in sorted(files):
        digest.update(file.relative_to(ROOT).as_posix().encode() + b"\0" + file.read_bytes())
    return digest.hexdigest()[:16]


def _kept(name: str, make: Callable[[Path], None]) -> Path:
    """Return the folder of this name, made by whoever comes first; of its kind, no other stays."""
    KEPT.mkdir(parents=True, exist_ok=True)
    place = KEPT / name
    with (KEPT / f"{name.partition('-')[0]}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not place.exists():
            for other in KEPT.glob(f"{name.partition('-')[0]}-*"):
                shutil.rmtree(other, ignore_errors=True)
            with tempfile.TemporaryDirectory(dir=_in_memory()) as folder:
                make(Path(folder))
                being_made = KEPT / f"making-{name}"
                shutil.rmtree(being_made, ignore_errors=True)
                shutil.copytree(folder, being_made)
                being_made.rename(place)
    return place


def _in_memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None
