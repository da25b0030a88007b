"""Finds connectors: the folders here that have a `connector.py`, and installed packages.

A folder `connectors/<name>/connector.py`, or a module that a package names under the entry point
group `samlepost.connectors`, defines a class `Connector` that derives from `contract.Connector`.
A connector that cannot be used is listed with the reason; a broken import is not hidden.
"""

from __future__ import annotations

import importlib
import pkgutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from types import ModuleType

import connectors
from connectors import contract
from connectors.contact_register import (
    ContactRegister,
)
from connectors.contract import (
    CONTRACT_VERSION,
    Misconfigured,
)
from connectors.krr.client import ContactRegister as Krr

ENTRY_POINT_GROUP = "samlepost.connectors"


@dataclass(frozen=True, slots=True)
class Found:
    """One connector. `off_reason` is empty when it can be used; only then is the class given."""

    name: str
    connector_class: type[contract.Connector] | None
    off_reason: str = ""


def find() -> dict[str, Found]:
    """Return every connector by name, in the order of the names; ours before installed ones.

    An ImportError inside a connector of our own is raised as it is. An installed package that
    cannot be imported is listed as off: somebody else's fault must not stop the rest.
    """
    found: dict[str, Found] = {}
    for name, module in own_modules("connector").items():
        found[name] = judge(name, getattr(module, "Connector", None))
    for entry_point in _entry_points(tuple(sys.path)):
        name = entry_point.name
        if name in found:
            # Ours, or the first package of that name, stands; the second is told apart in the list.
            distribution = entry_point.dist.name if entry_point.dist else "a package"
            name = f"{name} ({distribution})"
            found[name] = Found(name, None, "another connector has this name already")
        else:
            found[name] = _installed(entry_point)
    return dict(sorted(found.items()))


# To read what every installed package says of itself takes 15 ms, and a connector is made for
# every run. A package that is installed later is found by the next process.
@lru_cache(maxsize=8)
def _entry_points(path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """Return those of our group on this search path, in the order of their names."""
    return tuple(sorted(entry_points(group=ENTRY_POINT_GROUP), key=lambda each: each.name))


def make(name: str, settings: Mapping[str, str]) -> contract.Connector:
    """Return a connector with a source's settings.

    Raises Misconfigured when there is no such connector, when it is off, or when a required
    setting is missing.
    """
    found = find().get(name)
    if found is None:
        raise Misconfigured(f"there is no connector named {name!r}")
    if found.connector_class is None:
        raise Misconfigured(f"the connector {name!r} is off: {found.off_reason}")
    return found.connector_class(settings)


def contact_register(settings: Mapping[str, str]) -> ContactRegister:
    """Return the contact register with its settings, those that `connectors/krr` requires.

    Raises Misconfigured.
    """
    return Krr.from_settings(settings)


def judge(name: str, candidate: object) -> Found:
    """Return what `candidate` is worth: a usable connector class, or one that is off and why."""
    if not isinstance(candidate, type) or not issubclass(candidate, contract.Connector):
        return Found(name, None, "it defines no class Connector that derives from the contract's")
    if candidate.contract != CONTRACT_VERSION:
        return Found(
            name,
            None,
            f"it is written for contract {candidate.contract}, this is {CONTRACT_VERSION}",
        )
    if not candidate.label:
        return Found(name, None, "it has no label")
    return Found(name, candidate)


def own_modules(last: str) -> dict[str, ModuleType]:
    """Import `connectors.<name>.<last>` of every folder that has it, sorted by name.

    Only the absence of exactly that module is passed over; any other ImportError is raised.
    """
    modules: dict[str, ModuleType] = {}
    folders = (info.name for info in pkgutil.iter_modules(connectors.__path__) if info.ispkg)
    for name in sorted(folders):
        wanted = f"connectors.{name}.{last}"
        try:
            modules[name] = importlib.import_module(wanted)
        except ModuleNotFoundError as error:
            if error.name != wanted:
                raise
    return modules


def _installed(entry_point: EntryPoint) -> Found:
    """The entry point may name the module or the class itself."""
    try:
        loaded = entry_point.load()
    except Exception as error:  # any import may fail in any way
        return Found(entry_point.name, None, f"it cannot be imported ({type(error).__name__})")
    candidate = getattr(loaded, "Connector", None) if isinstance(loaded, ModuleType) else loaded
    return judge(entry_point.name, candidate)
