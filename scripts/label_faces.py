"""Has the teacher label every photograph of a source, once; the label maps are what the face parser is trained on.

    fakeoff assets pull mediapipe
    fakeoff assets pull celeba-999
    pip install ".[teacher]"
    python scripts/label_faces.py orl celeba-999 --out scratch/face-labels

writes ``OUT/orl.npz`` and ``OUT/celeba-999.npz`` (14 MB and 68 MB).
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
from face_teacher import LABEL_SIDE, FaceTeacher
from PIL import Image

from fakeoff.arena.images.decoding import read_image
from fakeoff.arena.images.reals import SPLITS, open_source

IMAGE_SIDE = 192
"""Pixels a side of the pictures that are kept."""

UNKNOWN = 255
"""The label of pixels that are not of the photograph."""


def pad_to_square(picture: Image.Image) -> tuple[Image.Image, tuple[int, int]]:
    """Repeats the borders, so that nothing of a photograph is cut off; also the rows and columns added on each side."""
    values = np.asarray(picture.convert("RGB"))
    side = max(values.shape[:2])
    rows, columns = ((side - length) // 2 for length in values.shape[:2])
    padding = ((rows, side - values.shape[0] - rows), (columns, side - values.shape[1] - columns), (0, 0))
    return Image.fromarray(np.pad(values, padding, mode="edge")), (rows, columns)


@click.command()
@click.argument("sources", nargs=-1, required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for the label maps.")
def main(sources: tuple[str, ...], out: Path) -> None:
    teacher = FaceTeacher()
    out.mkdir(parents=True, exist_ok=True)
    for name in sources:
        source = open_source(name)
        kept: dict[str, list[object]] = {key: [] for key in ("images", "labels", "landmarks", "names", "splits")}
        photographs = [(split, photograph) for split in SPLITS for photograph in source.photographs[split]]
        for split, photograph in photographs:
            square, (rows, columns) = pad_to_square(read_image(photograph.path))
            lesson = teacher.teach(square)
            if lesson is None:
                continue
            labels = lesson.labels.copy()
            top, left = (-(-margin * LABEL_SIDE // square.width) for margin in (rows, columns))
            unknown = np.ones_like(labels, dtype=bool)
            unknown[top : LABEL_SIDE - top, left : LABEL_SIDE - left] = False
            labels[unknown] = UNKNOWN
            kept["images"].append(np.asarray(square.resize((IMAGE_SIDE, IMAGE_SIDE), Image.Resampling.LANCZOS)))
            kept["labels"].append(labels)
            kept["landmarks"].append(lesson.landmarks)
            kept["names"].append(photograph.name)
            kept["splits"].append(split)
        np.savez_compressed(out / f"{name}.npz", **{key: np.array(values) for key, values in kept.items()})
        click.echo(f"{name}: {len(kept['names'])} of {len(photographs)} faces found")


if __name__ == "__main__":
    main()
