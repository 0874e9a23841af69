"""Pretrains the PGANs of Table 1 of the paper, at the size of ORL: one of 16 pixels, and four of 32 pixels of which
nothing but the random initial weights and the order of the photographs differs.

    python scripts/pretrain_small_pgans.py --out scratch/small-pgans

Each is a call of ``scripts/pretrain_pgan.py``; an interrupted one goes on where it was, a finished one is not trained
again. ``examples/resolutions.toml`` and ``examples/initialisations.toml`` play with them; at 64 pixels the one that
ships plays.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import click
from pretraining import COUNT, FOLDER

_SCRIPT = Path(__file__).with_name("pretrain_pgan.py")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A PGAN.

    Attributes:
        resolution: Pixels a side.
        images: It is trained on, in all; 48,000 or 80,000 of them at its full resolution.
        seed: Of its weights and of its training.
    """

    resolution: int
    images: int
    seed: int = 0

    @property
    def folder(self) -> str:
        """Where it is, below ``--out``."""
        return f"pgan-orl-{self.resolution}-seed-{self.seed}"


ALL = (
    Wanted(resolution=16, images=128_000),
    *(Wanted(resolution=32, images=192_000, seed=seed) for seed in range(4)),
)


@click.command()
@click.option("--out", type=FOLDER, required=True, help="Folder for all of them.")
@click.option("--threads", default=2, type=COUNT, show_default=True)
def main(out: Path, threads: int) -> None:
    for one in ALL:
        options = {
            "--resolution": one.resolution,
            "--images": one.images,
            "--seed": one.seed,
            "--threads": threads,
            "--out": out / one.folder,
        }
        words = [str(word) for option in options.items() for word in option]
        if subprocess.run([sys.executable, str(_SCRIPT), *words], check=False).returncode:
            raise click.ClickException(f"the training of {one.folder} ended early; what it saved is kept")


if __name__ == "__main__":
    main()
