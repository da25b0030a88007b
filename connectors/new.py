"""Makes a new connector that passes the conformance kit from its first minute.

`python -m connectors.new NAME` copies the example into `connectors/NAME` of this checkout; with
`--package FOLDER` it makes a package of its own there, that is found once it is installed.
"""

from __future__ import annotations

import argparse
import keyword
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from string import Template

from connectors import discovery

EXAMPLE = Path(__file__).parent / "example"
COPIED = ("__init__.py", "connector.py", "simulator.py")
TEMPLATES = Path(__file__).parent / "conformance" / "templates"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns 0, or 2 where nothing was made."""
    parser = argparse.ArgumentParser(prog="python -m connectors.new", description=__doc__)
    parser.add_argument("name", metavar="NAME", help="lower case: letters, digits, underscore")
    parser.add_argument("--package", metavar="FOLDER", type=Path, help="make a package of its own")
    options = parser.parse_args(arguments)
    try:
        made = make(options.name, options.package)
    except (ValueError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 2
    sys.stdout.write(f"made {made}\n")
    if options.package:
        sys.stdout.write(f"next: pip install --editable {options.package}\n")
    sys.stdout.write(f"then: python -m connectors.conformance {options.name}\n")
    return 0


def make(name: str, package: Path | None = None) -> Path:
    """Make the connector's folder and return it; with `package` in a new package there.

    Raises ValueError for a name that cannot be used, or a folder that is there already.
    """
    if not re.fullmatch(r"[a-z][a-z0-9_]{1,30}", name):
        raise ValueError("a name has 2 to 31 lower-case letters, digits and underscores")
    if keyword.iskeyword(name):
        raise ValueError(f"{name!r} is a word of Python's own")
    if not package and (EXAMPLE.parent / f"{name}.py").exists():
        raise ValueError(f"connectors/{name}.py is something else, which it would hide")
    if not package and not (EXAMPLE.parent.parent / "pyproject.toml").exists():
        raise ValueError("this is no checkout of Samlepost: make a package, with --package FOLDER")
    if name in discovery.find():
        raise ValueError(f"there is a connector named {name!r} already")
    folder = package / f"samlepost_{name}" if package else EXAMPLE.parent / name
    if (package or folder).exists():
        raise ValueError(f"{package or folder} is there already")
    folder.mkdir(parents=True)
    for each in COPIED:
        (folder / each).write_text(_renamed((EXAMPLE / each).read_text("utf-8"), name))
    said = Template((TEMPLATES / "README.md.txt").read_text("utf-8"))
    (folder / "README.md").write_text(said.substitute(name=name, label=_label(name)))
    if package:
        for file, template in (
            ("pyproject.toml", "pyproject.toml.txt"),
            ("tests/test_conformance.py", "test_conformance.py.txt"),
        ):
            text = Template((TEMPLATES / template).read_text("utf-8"))
            (package / file).parent.mkdir(exist_ok=True)
            (package / file).write_text(text.substitute(name=name, label=_label(name)))
    return folder


def _label(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _renamed(text: str, name: str) -> str:
    """The example's source with the new connector's names."""
    camel = "".join(part.capitalize() for part in name.split("_"))
    return (
        text.replace('"example:', f'"{name.replace("_", "-")}:')
        .replace("ExampleSimulator", f"{camel}Simulator")
        .replace('"""The folder to copy: an agency with', f'"""{_label(name)}: an agency with')
        .replace("The example agency", _label(name))
        .replace("the example agency", _label(name))
        .replace("the example is", f"{_label(name)} is")
        .replace("Example agency", _label(name))
        .replace("example", name)
    )


if __name__ == "__main__":
    sys.exit(main())
