"""Lays faces of the same latents before and after the attack side by side, for the README.

fakeoff export scratch/dcgan-faces --home dcgan-game
python show_faces.py scratch/dcgan-faces results/faces.png
"""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

COLUMNS, ROWS, ENLARGED, GAP = 8, 2, 80, 3


def lay_out(folder: Path) -> Image.Image:
    """Rows in pairs: ``dcgan@0`` above, the last version below."""
    versions = sorted(folder.glob("dcgan@*"), key=lambda path: int(path.name.partition("@")[2]))
    step = ENLARGED + GAP
    sheet = Image.new("RGB", (COLUMNS * step - GAP, 2 * ROWS * step - GAP), "white")
    for below, version in enumerate((versions[0], versions[-1])):
        for index, path in enumerate(sorted((version / "test").glob("*.png"))[: COLUMNS * ROWS]):
            row, column = divmod(index, COLUMNS)
            with Image.open(path) as face:
                large = face.resize((ENLARGED, ENLARGED), Image.Resampling.LANCZOS)
            sheet.paste(large, (column * step, (2 * row + below) * step))
    return sheet


if __name__ == "__main__":
    lay_out(Path(sys.argv[1])).save(sys.argv[2], optimize=True)
