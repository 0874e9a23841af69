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
from face_teacher import FaceTeacher
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from PIL import Image
from torch import Tensor
from train_parser import UNKNOWN, Lessons, read_lessons

from fakeoff.arena import compute, images
from fakeoff.arena.images.decoding import read_image
from fakeoff.arena.images.reals import open_source
from fakeoff.arena.parsers import LANDMARKS, PARTS, FaceParser, parsers
from fakeoff.arena.players.specs import write_spec
from fakeoff.arena.seeds import rng_from
from fakeoff.generators import players as generators
from fakeoff.protocols.rules import referee

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


def as_the_arena_sees(lessons: Lessons, *, pixels: images.Pixels, crop: float) -> tuple[Tensor, Tensor, Tensor]:
    """Puts label maps (by majority) and landmarks (in pixels) on the pictures that the arena's pipeline makes.

    Args:
        lessons: Of padded, square photographs.
        pixels: The same photographs through the pipeline, uint8 ``(n, h, w, 3)``.
        crop: Which share of the padded photograph's side the pipeline's centred square is.
    """
    n, size = pixels.shape[:2]
    # Labels at four times the size, exactly on the crop's box, and then by majority.
    box = torch.tensor([[crop, 0.0, 0.0], [0.0, crop, 0.0]]).expand(n, -1, -1)
    grid = torch.nn.functional.affine_grid(box, [n, 1, 4 * size, 4 * size], align_corners=False)
    labels = lessons.labels.clamp(max=len(PARTS))[:, None].float()
    fine = torch.nn.functional.grid_sample(labels, grid, mode="nearest", align_corners=False)[:, 0].long()
    majority = torch.stack(
        [
            torch.nn.functional.one_hot(fine[index], len(PARTS) + 1)
            .reshape(size, 4, size, 4, -1)
            .sum((1, 3))
            .argmax(-1)
            for index in range(n)
        ]
    )
    majority[majority == len(PARTS)] = UNKNOWN
    points = ((lessons.landmarks - 0.5) / crop + 0.5) * size
    return images.to_tensor(pixels), majority, points


def photographs(path: Path, source: str, *, size: int) -> images.Pixels:
    """The test photographs of a source, in the order of its label maps, through the arena's pipeline."""
    with np.load(path, allow_pickle=False) as kept:
        names = kept["names"][kept["splits"] == "test"].tolist()
    listed = {photograph.name: photograph.path for photograph in open_source(source).photographs["test"]}
    colour: images.Colour = "grey" if source == "orl" else "rgb"
    return np.stack(
        [images.generator_transform(read_image(listed[name]), resolution=size, colour=colour) for name in names]
    )


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
    spec = write_spec(generators, name="pgan", plugin="pgan", parameters={})
    generator = referee.build_generator(spec.identity(), places=spec.places())
    return images.quantise(referee.draw(generator, n, rng=rng_from("evaluate_parser")).images, colour="grey")


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
    palette = np.full((256, 3), 255, dtype=np.uint8)  # white is outside the photograph
    for part, colour in _COLOURS.items():
        palette[PARTS.index(part)] = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    figure = Figure(figsize=(11, 3.6 * len(rows) + 0.6), dpi=110, layout="constrained")
    axes = figure.subplots(3 * len(rows), 1)
    for block, (name, (pictures, truth, found, points)) in enumerate(rows.items()):
        pixels = (pictures.permute(0, 2, 3, 1).numpy() * 255).round().astype(np.uint8)
        strips = (pixels, palette[truth.numpy()], palette[found.numpy()])
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
    spec = write_spec(parsers, name=name, plugin=name, parameters={"weights": weights})
    parser = referee.build_parser(spec.identity(), places=spec.places())
    results: dict[str, Any] = {"parser": spec.identity(), "held_out": {}}
    shown: dict[str, tuple[Tensor, Tensor, Tensor, Tensor]] = {}
    for source, crop in _CROP.items():
        lessons = read_lessons(folder / f"{source}.npz", splits=("test",))
        by_size = {}
        for size in SIZES:
            pixels = photographs(folder / f"{source}.npz", source, size=size)
            pictures, labels, points = as_the_arena_sees(lessons, pixels=pixels, crop=crop)
            by_size[f"{size}px"] = compare(parser, pictures, labels, points)
            if (source, size) == ("orl", 64):  # CelebA's photographs may not be shown
                some = slice(None, None, 8)
                with torch.no_grad():
                    guessed = parser.landmarks(pictures[some])
                found = referee.label(parser, pictures[some])
                shown["held-out people, 64 px"] = (pictures[some], labels[some], found, guessed)
        results["held_out"][source] = by_size
    sampled = sample_fakes(fakes)
    generated, found_in = teach_fakes(sampled)
    pictures, labels, points = as_the_arena_sees(generated, pixels=sampled[found_in.numpy()], crop=1.0)
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
