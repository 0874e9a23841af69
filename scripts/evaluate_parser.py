"""Measures a face parser against its teacher on people whom it never saw, and on generated faces.

    python scripts/evaluate_parser.py --labels scratch/face-labels --out docs/results/face-unet.json \
        --picture docs/pictures/face-parts.png

Label maps as ``scripts/label_faces.py`` wrote them. For each source and size: the intersection over union of each part
over all pixels of the test split, and the mean distance of the landmarks in percent of the distance between the eyes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from face_teacher import LABEL_SIDE, FaceTeacher
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from PIL import Image
from torch import Tensor
from train_parser import UNKNOWN, Lessons, read_lessons

from fakeoff.arena import compute, images
from fakeoff.arena.parsers import LANDMARKS, PARTS, WEIGHTS_FOLDER, FaceParser, parsers
from fakeoff.arena.seeds import rng_from
from fakeoff.arena.specs import write_spec
from fakeoff.generators import WEIGHTS_FOLDER as GENERATOR_WEIGHTS
from fakeoff.generators import players as generators
from fakeoff.protocols import referee

SIZES = (32, 64, 128)
# What a centred square crop leaves of the padded photograph: 92 of 112 pixels (ORL), 178 of 218 (CelebA).
_CROP = {"orl": 92 / 112, "celeba-999": 178 / 218}
_COLOURS = {
    "background": "#5a5a6e",
    "hair": "#c87814",
    "skin": "#f0c8aa",
    "brow": "#6e3214",
    "eye": "#1ea0dc",
    "ear": "#fa78c8",
    "nose": "#78dc5a",
    "mouth": "#dc1e28",
    "neck": "#be96e6",
    "clothes": "#285aa0",
}


def as_the_arena_sees(lessons: Lessons, *, crop: float, size: int) -> tuple[Tensor, Tensor, Tensor]:
    """Crops and reduces pictures, label maps (by majority) and landmarks (in pixels)."""
    side = lessons.images.shape[-1]
    margin, label_margin = round(side * (1 - crop) / 2), round(LABEL_SIDE * (1 - crop) / 2)
    pixels = lessons.images[..., margin : side - margin, margin : side - margin].permute(0, 2, 3, 1).numpy()
    seen = images.to_arena(np.ascontiguousarray(pixels), resolution=size)
    kept = lessons.labels[:, label_margin : LABEL_SIDE - label_margin, label_margin : LABEL_SIDE - label_margin]
    one_hot = torch.nn.functional.one_hot(kept.long().clamp(max=len(PARTS)), len(PARTS) + 1).permute(0, 3, 1, 2)
    shares = torch.nn.functional.interpolate(one_hot.float(), size=(size, size), mode="area")
    labels = shares.argmax(1)
    labels[labels == len(PARTS)] = UNKNOWN
    points = (lessons.landmarks * side - margin) / (side - 2 * margin) * size
    return images.to_tensor(seen), labels, points


def compare(parser: FaceParser, pictures: Tensor, labels: Tensor, points: Tensor) -> dict[str, Any]:
    """Agreement of a parser with label maps and landmarks."""
    found = referee.label(parser, pictures)
    with torch.no_grad():
        guessed = parser.landmarks(compute.image_layout(pictures))
    known = labels != UNKNOWN
    union_of = {}
    for index, part in enumerate(PARTS):
        mine, theirs = (found == index) & known, (labels == index) & known
        if theirs.any():
            union_of[part] = ((mine & theirs).sum() / (mine | theirs).sum()).item()
    starts = dict(zip(LANDMARKS, np.cumsum([0, *LANDMARKS.values()])[:-1].tolist(), strict=True))
    groups = {name: slice(start, start + LANDMARKS[name]) for name, start in starts.items()}
    eyes = (points[:, groups["left_eye"]].mean(1) - points[:, groups["right_eye"]].mean(1)).norm(dim=-1)
    # Points that the crop cut off cannot be seen.
    inside = ((points >= 0) & (points <= pictures.shape[-1])).all(-1)
    error = 100 * (guessed - points).norm(dim=-1) / eyes[:, None]
    return {
        "pictures": len(pictures),
        "mean_iou": float(np.mean(list(union_of.values()))),
        "iou": union_of,
        "pixel_accuracy": (found == labels)[known].float().mean().item(),
        "landmark_error_percent": error[inside].mean().item(),
        "landmark_error_percent_by_group": {
            name: error[:, group][inside[:, group]].mean().item() for name, group in groups.items()
        },
    }


def sample_fakes(n: int) -> images.Pixels:
    """Faces of the shipped Progressive GAN, 64 px."""
    spec = write_spec(generators, name="pgan", plugin="pgan", parameters={}, weights_folder=GENERATOR_WEIGHTS)
    generator = referee.build_generator(spec.identity(), weights=str(spec.weights))
    return images.quantise(referee.draw(generator, n, rng=rng_from("evaluate_parser")), colour="grey")


def teach_fakes(fakes: images.Pixels) -> tuple[Lessons, Tensor]:
    """The teacher's opinion of fakes in which it finds a face, and which those are."""
    teacher = FaceTeacher()
    lessons = [teacher.teach(Image.fromarray(fake)) for fake in fakes]
    found = torch.tensor([index for index, lesson in enumerate(lessons) if lesson is not None])
    kept = [lesson for lesson in lessons if lesson is not None]
    return (
        Lessons(
            images=torch.from_numpy(fakes[found.numpy()]).permute(0, 3, 1, 2),
            labels=torch.from_numpy(np.stack([lesson.labels for lesson in kept])),
            landmarks=torch.from_numpy(np.stack([lesson.landmarks for lesson in kept])),
        ),
        found,
    )


def draw(rows: Mapping[str, tuple[Tensor, Tensor, Tensor, Tensor]]) -> Figure:
    """Pictures, the teacher's labels, the parser's labels and landmarks, a block of rows for each source."""
    palette = np.array([tuple(int(_COLOURS[p][i : i + 2], 16) for i in (1, 3, 5)) for p in PARTS if p in _COLOURS])
    figure = Figure(figsize=(11, 3.6 * len(rows) + 0.6), dpi=110, layout="constrained")
    axes = figure.subplots(3 * len(rows), 1)
    for block, (name, (pictures, truth, found, points)) in enumerate(rows.items()):
        photographs = (pictures.permute(0, 2, 3, 1).numpy() * 255).round().astype(np.uint8)
        strips = (photographs, palette[truth.numpy() % len(palette)], palette[found.numpy()])
        captions = (f"{name}, with the parser's landmarks", "as the teacher labels them", "as the parser labels them")
        for row, (strip, caption) in enumerate(zip(strips, captions, strict=True)):
            where = axes[3 * block + row]
            sheet = images.grid(strip.astype(np.uint8), columns=len(strip))
            where.imshow(sheet, interpolation="nearest")
            where.set_title(caption, loc="left", fontsize=9)
            where.set_axis_off()
            if row == 0:
                offsets = np.arange(len(points))[:, None] * (pictures.shape[-1] + 2)
                where.scatter(
                    (points[..., 0].numpy() + offsets - 0.5).ravel(),
                    (points[..., 1].numpy() - 0.5).ravel(),
                    s=0.6,
                    color="#3fff6e",
                    linewidths=0,
                )
    figure.legend(
        handles=[Patch(color=colour, label=part) for part, colour in _COLOURS.items()],
        loc="outside lower center",
        ncols=len(_COLOURS),
        fontsize=8,
        frameon=False,
    )
    return figure


@click.command()
@click.option("--labels", "folder", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--parser", "name", default="face_unet", show_default=True)
@click.option("--weights", default="face-unet", show_default=True)
@click.option("--fakes", default=200, show_default=True, help="How many generated faces.")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The JSON file to write.")
@click.option("--picture", type=click.Path(path_type=Path), help="The PNG file to write.")
def main(folder: Path, name: str, weights: str, fakes: int, out: Path, picture: Path | None) -> None:
    compute.prepare_process(threads=1)
    spec = write_spec(parsers, name=name, plugin=name, parameters={"weights": weights}, weights_folder=WEIGHTS_FOLDER)
    parser = referee.build_parser(spec.identity(), weights=str(spec.weights))
    results: dict[str, Any] = {"parser": spec.identity(), "held_out": {}}
    shown: dict[str, tuple[Tensor, Tensor, Tensor, Tensor]] = {}
    for source, crop in _CROP.items():
        lessons = read_lessons(folder / f"{source}.npz", splits=("test",))
        by_size = {}
        for size in SIZES:
            pictures, labels, points = as_the_arena_sees(lessons, crop=crop, size=size)
            by_size[f"{size}px"] = compare(parser, pictures, labels, points)
            if (source, size) == ("orl", 64):  # CelebA's photographs may not be shown
                some = slice(None, None, 8)
                with torch.no_grad():
                    guessed = parser.landmarks(pictures[some])
                found = referee.label(parser, pictures[some])
                shown["held-out people, 64 px"] = (pictures[some], labels[some], found, guessed)
        results["held_out"][source] = by_size
    generated, found_in = teach_fakes(sample_fakes(fakes))
    pictures, labels, points = as_the_arena_sees(generated, crop=1.0, size=64)
    results["generated"] = {
        "generator": "pgan, as it ships",
        "sampled": fakes,
        "teacher_found_a_face_in": len(found_in),
        "64px": compare(parser, pictures, labels, points),
    }
    some = slice(0, 10)
    with torch.no_grad():
        guessed = parser.landmarks(pictures[some])
    shown["generated faces, 64 px"] = (pictures[some], labels[some], referee.label(parser, pictures[some]), guessed)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(results, indent=2) + "\n")
    if picture is not None:
        draw(shown).savefig(picture)
    for source, by_size in results["held_out"].items():
        for size, figures in by_size.items():
            click.echo(
                f"{source} {size}: mean IoU {figures['mean_iou']:.3f}, "
                f"landmarks {figures['landmark_error_percent']:.2f}% of the distance between the eyes"
            )
    figures = results["generated"]["64px"]
    click.echo(f"generated: mean IoU {figures['mean_iou']:.3f}, landmarks {figures['landmark_error_percent']:.2f}%")


if __name__ == "__main__":
    main()
