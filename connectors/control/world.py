"""Every simulator of the demo, mounted in one WSGI application with the hand on them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connectors.control.actions import Control
from connectors.control.app import make_app
from connectors.control.seed import Seed
from connectors.discovery import own_modules
from connectors.simulation import Simulator, State, mounted


@dataclass(frozen=True, slots=True)
class World:
    """The simulators by the name of their folder, the control's verbs, and both as WSGI."""

    wsgi: Any
    simulators: dict[str, Simulator]
    control: Control


def create_world(state_dir: Path, keys_dir: Path) -> World:
    """Make every `connectors/<name>/simulator.py` and mount it at /<name>/, the control at /.

    State lies in `state_dir` and survives; keys lie in `keys_dir` and are made on first use.
    """
    state_dir.mkdir(parents=True, exist_ok=True)
    modules = own_modules("simulator")
    simulators: dict[str, Simulator] = {
        name: module.make(state_dir, keys_dir) for name, module in modules.items()
    }
    control = Control(simulators, modules, Seed(state_dir, simulators), keys_dir)
    page = make_app(control, State(state_dir / "control.sqlite3"))
    return World(mounted(simulators, page), simulators, control)
