"""Which connectors are found, and which are off and why."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

import connectors
from connectors import contract, discovery
from connectors.contract import Misconfigured

GOOD = """
from connectors import contract

class Connector(contract.Connector):
    label = "Example"
    required_settings = ("base_url",)
"""


@pytest.fixture
def add_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str, str | None], None]]:
    """Put further folders beside the real connectors."""
    monkeypatch.setattr(connectors, "__path__", [*connectors.__path__, str(tmp_path)])
    before = set(sys.modules)

    def add(name: str, connector: str | None) -> None:
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("")
        if connector is not None:
            (tmp_path / name / "connector.py").write_text(textwrap.dedent(connector))

    yield add
    for name in set(sys.modules) - before:
        if name.startswith("connectors.zz_"):
            del sys.modules[name]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Install a package with an entry point, as pip would leave it."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))
    before = set(sys.modules)

    def add(name: str, code: str, attribute: str = "") -> None:
        module = f"zz_installed_{name}"
        (site / f"{module}.py").write_text(code)
        info = site / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        target = f"{module}:{attribute}" if attribute else module
        (info / "entry_points.txt").write_text(f"[samlepost.connectors]\n{name} = {target}\n")

    yield add
    for name in set(sys.modules) - before:
        if name.startswith("zz_installed_"):
            del sys.modules[name]


def test_a_folder_with_a_connector_is_found(add_folder: Callable[..., None]) -> None:
    add_folder("zz_good", GOOD)
    found = discovery.find()["zz_good"]
    assert found.off_reason == ""
    assert found.connector_class is not None
    assert found.connector_class.label == "Example"


def test_a_folder_without_a_connector_is_no_connector(add_folder: Callable[..., None]) -> None:
    add_folder("zz_empty", None)
    found = discovery.find()
    assert "zz_empty" not in found
    assert {"http", "world", "idporten", "maskinporten", "control"}.isdisjoint(found)


def test_names_are_sorted(add_folder: Callable[..., None]) -> None:
    add_folder("zz_b", GOOD)
    add_folder("zz_a", GOOD)
    assert list(discovery.find()) == sorted(discovery.find())


def test_a_connector_that_needs_a_missing_module_is_not_hidden(
    add_folder: Callable[..., None],
) -> None:
    add_folder("zz_broken", "import zz_not_there")
    with pytest.raises(ModuleNotFoundError, match="zz_not_there"):
        discovery.find()


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("", "no class Connector"),
        ("Connector = 1", "no class Connector"),
        ("class Connector: label = 'x'", "no class Connector"),
        ("from connectors.contract import Connector", "no label"),
        (GOOD + "    contract = 2\n", "contract 2"),
    ],
)
def test_a_connector_that_does_not_fit_is_off_with_the_reason(
    add_folder: Callable[..., None], code: str, reason: str
) -> None:
    add_folder("zz_off", code)
    found = discovery.find()["zz_off"]
    assert found.connector_class is None
    assert reason in found.off_reason
    with pytest.raises(Misconfigured, match="is off"):
        discovery.make("zz_off", {})


@pytest.mark.parametrize("attribute", ["", "Connector"])
def test_an_installed_package_is_found_by_its_entry_point(
    install: Callable[..., None], attribute: str
) -> None:
    install("agency", GOOD, attribute)
    assert discovery.find()["agency"].connector_class is not None


def test_an_installed_package_that_cannot_be_imported_stops_nobody(
    install: Callable[..., None], add_folder: Callable[..., None]
) -> None:
    install("agency", "raise RuntimeError('secret')")
    add_folder("zz_good", GOOD)
    found = discovery.find()
    assert found["agency"].off_reason == "it cannot be imported (RuntimeError)"
    assert found["zz_good"].connector_class is not None


def test_an_installed_package_cannot_take_the_name_of_ours(
    install: Callable[..., None], add_folder: Callable[..., None]
) -> None:
    add_folder("zz_good", GOOD)
    install("zz_good", GOOD.replace("Example", "Impostor"))
    found = discovery.find()
    ours = found["zz_good"].connector_class
    assert ours is not None and ours.label == "Example"
    assert found["zz_good (zz_installed_zz_good)"].connector_class is None


def test_a_connector_is_made_with_its_settings(add_folder: Callable[..., None]) -> None:
    add_folder("zz_good", GOOD)
    settings: Mapping[str, str] = {"base_url": "http://x"}
    connector = discovery.make("zz_good", settings)
    assert isinstance(connector, contract.Connector)
    assert connector.settings == settings
    with pytest.raises(Misconfigured, match="base_url"):
        discovery.make("zz_good", {})


def test_an_unknown_connector_is_misconfigured() -> None:
    with pytest.raises(Misconfigured, match="no connector named"):
        discovery.make("zz_nowhere", {})


def test_every_connector_of_the_house_can_be_used() -> None:
    assert {name: found.off_reason for name, found in discovery.find().items()} == dict.fromkeys(
        discovery.find(), ""
    )
