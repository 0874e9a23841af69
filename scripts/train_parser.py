"""Trains the face parser on the teacher's label maps; resumes where it stopped.

    python scripts/label_faces.py orl celeba-999 --out scratch/face-labels
    python scripts/train_parser.py --labels scratch/face-labels --out scratch/face-unet

made ``arena/parsers/weights/face-unet.safetensors``. The people of the val and test splits are never trained on.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import torch
from safetensors.torch import save_file
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.nn import functional as F

from fakeoff.arena import compute, images
from fakeoff.arena.parsers import LANDMARKS, PARTS
from fakeoff.arena.parsers.face_unet import FaceUNet
from fakeoff.arena.seeds import rng_from

UNKNOWN = 255
# Small parts would drown in background and hair; larger weights draw them thicker than they are.
_PART_WEIGHTS = {"brow": 1.3, "eye": 1.5, "ear": 1.3, "mouth": 1.2}
_LANDMARK_WEIGHT = 20.0
# How often each source is drawn from: CelebA is larger and more varied.
_SOURCES = {"celeba-999": 0.67, "orl": 0.33}
_EMA = 0.998
# Sizes in pixels: what a picture is reduced to, what the network works at, and how often.
_SIZES = ((32, 64, 0.2), (48, 64, 0.1), (64, 64, 0.45), (96, 128, 0.1), (128, 128, 0.15))


@dataclass(frozen=True, kw_only=True)
class Lessons:
    """The teacher's label maps of one source and split.

    Attributes:
        images: uint8 ``(n, 3, 192, 192)``.
        labels: uint8 ``(n, 128, 128)``; 255 is outside the photograph.
        landmarks: float32 ``(n, 146, 2)`` as shares of the side.
    """

    images: Tensor
    labels: Tensor
    landmarks: Tensor


def read_lessons(path: Path, *, splits: tuple[str, ...]) -> Lessons:
    """Reads what ``scripts/label_faces.py`` wrote."""
    with np.load(path, allow_pickle=False) as kept:
        chosen = np.isin(kept["splits"], splits)
        return Lessons(
            images=torch.from_numpy(kept["images"][chosen]).permute(0, 3, 1, 2).contiguous(),
            labels=torch.from_numpy(kept["labels"][chosen]),
            landmarks=torch.from_numpy(kept["landmarks"][chosen]),
        )


def fit_mirror(landmarks: Tensor) -> Tensor:
    """Pairs every landmark with its mirror image by the mean upright face; int64 ``(146,)``.

    Raises:
        ValueError: The pairing is no symmetry.
    """
    mean = landmarks.mean(0)
    axis = mean[:, 0].mean()
    reflected = torch.stack([2 * axis - mean[:, 0], mean[:, 1]], 1)
    names = [name for name, count in LANDMARKS.items() for _ in range(count)]
    other = [n.replace("right", "L").replace("left", "right").replace("L", "left") for n in names]
    allowed = torch.tensor([[a == b for b in other] for a in names])
    distance = torch.cdist(reflected, mean).masked_fill(~allowed, math.inf)
    finite = torch.where(distance.isinf(), torch.tensor(1e3), distance)
    pairs = torch.tensor(linear_sum_assignment(finite.numpy())[1])
    if not torch.equal(pairs[pairs], torch.arange(len(pairs))):
        raise ValueError("the landmarks' mirror is no symmetry")
    return pairs


def augment(
    lessons: Lessons, index: Tensor, *, reduced: int, size: int, mirror: Tensor, rng: torch.Generator
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Draws a batch: turned, shifted, scaled, mirrored, coloured, greyed, blurred.

    Returns:
        Images ``(n, 3, size, size)``, soft labels ``(n, 10, size, size)`` (all 0 where unknown), landmarks
        ``(n, 146, 2)``, and which of those lie inside.
    """
    n = len(index)

    def uniform(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(n, generator=rng)

    landmarks = lessons.landmarks[index] * 2 - 1
    angle, zoom = uniform(-0.3, 0.3) * (torch.rand(n, generator=rng) < 0.6), uniform(0.5, 1.05)
    flip = torch.where(torch.rand(n, generator=rng) < 0.5, -1.0, 1.0)
    centre = landmarks.mean(1) + torch.stack([uniform(-0.22, 0.22), uniform(-0.3, 0.3)], 1)
    # A third as a centred square crop shows them: what the arena's pipeline does.
    plain = torch.rand(n, generator=rng) < 0.33
    angle, zoom = torch.where(plain, torch.zeros(n), angle), torch.where(plain, uniform(0.78, 0.86), zoom)
    centre = torch.where(plain[:, None], torch.zeros(n, 2), centre)
    cos, sin = torch.cos(angle) * zoom, torch.sin(angle) * zoom
    matrix = torch.stack([torch.stack([cos * flip, -sin], 1), torch.stack([sin * flip, cos], 1)], 1)
    theta = torch.cat([matrix, centre[:, :, None]], 2)

    fine = max(size, 2 * reduced) if reduced < size else size * (2 if size <= 64 else 1)
    grid = F.affine_grid(theta, [n, 3, fine, fine], align_corners=False)
    pictures = F.grid_sample(
        lessons.images[index].float() / 255, grid, mode="bilinear", padding_mode="border", align_corners=False
    )
    pictures = F.interpolate(pictures, size=(reduced, reduced), mode="area")
    # Unknown is 0 here, so that whatever lies outside is unknown as well.
    known = (lessons.labels[index].int() + 1).masked_fill(lessons.labels[index] == UNKNOWN, 0)
    labels = F.grid_sample(
        known[:, None].float(), grid, mode="nearest", padding_mode="zeros", align_corners=False
    ).long()[:, 0]
    shares = F.one_hot(labels, 1 + len(FaceUNet.parts))[..., 1:].permute(0, 3, 1, 2).float()
    shares = F.interpolate(shares, size=(size, size), mode="area")

    moved = (landmarks - centre[:, None]) @ torch.linalg.inv(matrix).transpose(1, 2)
    moved = torch.where(flip[:, None, None] < 0, moved[:, mirror], moved)
    inside = (moved.abs() < 0.98).all(2)
    pictures = _recolour(pictures, rng=rng)
    if reduced != size:
        pictures = F.interpolate(pictures, size=(size, size), mode="bilinear", align_corners=False)
    return pictures, shares, (moved + 1) / 2, inside


def _recolour(pictures: Tensor, *, rng: torch.Generator) -> Tensor:
    n, size = len(pictures), pictures.shape[-1]

    def draw(low: float, high: float, channels: int = 1) -> Tensor:
        return low + (high - low) * torch.rand(n, channels, 1, 1, generator=rng)

    grey = torch.rand(n, 1, 1, 1, generator=rng) < 0.4
    pictures = torch.where(grey, images.luminance(pictures), pictures * draw(0.85, 1.15, 3))
    mean = pictures.mean((1, 2, 3), keepdim=True)
    pictures = (pictures - mean) * draw(0.6, 1.4) + mean + draw(-0.15, 0.15)
    pictures = pictures.clamp(1e-4, 1) ** draw(0.7, 1.4)
    blurred = F.interpolate(
        F.interpolate(pictures, scale_factor=0.5, mode="area"), size=(size, size), mode="bilinear", align_corners=False
    )
    pictures = torch.where(torch.rand(n, 1, 1, 1, generator=rng) < 0.2, blurred, pictures)
    noise = torch.randn(n, 1, size, size, generator=rng) * draw(0.0, 0.04)
    return (pictures + noise).clamp(0, 1)


def _write(path: Path, data: object) -> None:
    partial = path.with_suffix(".partial")
    torch.save(data, partial)
    partial.replace(path)


@click.command()
@click.option("--labels", "folder", type=click.Path(path_type=Path, exists=True), required=True)
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for checkpoint, log and weights.")
@click.option("--steps", default=6000, show_default=True)
@click.option("--batch", default=32, show_default=True, help="Images a step at 64 px; a half at 128 px.")
@click.option("--learning-rate", default=2e-3, show_default=True, help="At its highest; warmed up, then a cosine.")
@click.option("--every", default=250, show_default=True, help="Steps between checkpoints.")
@click.option("--threads", default=1, show_default=True)
def main(folder: Path, out: Path, steps: int, batch: int, learning_rate: float, every: int, threads: int) -> None:
    compute.prepare_process(threads=threads)
    precision = compute.faster([compute.survey().cpu])
    out.mkdir(parents=True, exist_ok=True)
    sources = {name: read_lessons(folder / f"{name}.npz", splits=("train",)) for name in _SOURCES}
    held_out = {name: read_lessons(folder / f"{name}.npz", splits=("val",)) for name in _SOURCES}
    mirror = fit_mirror(torch.cat([lessons.landmarks for lessons in sources.values()]))
    parser = compute.channels_last(FaceUNet())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for layer in parser.modules():
            if isinstance(layer, torch.nn.Conv2d):
                layer.reset_parameters()
    average = compute.channels_last(FaceUNet())
    average.load_state_dict(parser.state_dict())
    optimiser = torch.optim.AdamW(parser.parameters(), lr=learning_rate, weight_decay=0.01)
    start, checkpoint = 0, out / "checkpoint.pt"
    if checkpoint.exists():
        kept = torch.load(checkpoint, weights_only=True)
        parser.load_state_dict(kept["parser"])
        average.load_state_dict(kept["average"])
        optimiser.load_state_dict(kept["optimiser"])
        start = kept["step"]
    weights = torch.tensor([_PART_WEIGHTS.get(part, 1.0) for part in FaceUNet.parts])
    began, measured = time.monotonic(), {"labels": 0.0, "landmarks": 0.0}
    for step in range(start, steps):
        rng = rng_from("train_parser", step)
        reduced, size = _draw_size(rng)
        lessons = sources["celeba-999" if torch.rand(1, generator=rng).item() < _SOURCES["celeba-999"] else "orl"]
        count = batch if size == 64 else batch // 2
        index = torch.randint(len(lessons.images), (count,), generator=rng)
        pictures, shares, truth, inside = augment(lessons, index, reduced=reduced, size=size, mirror=mirror, rng=rng)
        rate = learning_rate * min(1, (step + 1) / 300) * 0.5 * (1 + math.cos(math.pi * step / steps))
        for group in optimiser.param_groups:
            group["lr"] = rate
        parser.train()
        with compute.autocast(precision):
            logits, found = parser(compute.image_layout(pictures))
        weighted = shares * weights.view(1, -1, 1, 1)
        label_loss = -(weighted * logits.log_softmax(1)).sum() / weighted.sum().clamp(min=1)
        landmark_loss = (found - truth).abs().mul(inside[..., None]).sum() / inside.sum().clamp(min=1)
        loss = label_loss + _LANDMARK_WEIGHT * landmark_loss
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parser.parameters(), 1.0)
        optimiser.step()
        with torch.no_grad():
            keep = min(_EMA, (1 + step) / (10 + step))
            for mine, theirs in zip(average.state_dict().values(), parser.state_dict().values(), strict=True):
                if mine.dtype.is_floating_point:
                    mine.lerp_(theirs, 1 - keep)
                else:
                    mine.copy_(theirs)
        measured["labels"] += label_loss.item() / every
        measured["landmarks"] += landmark_loss.item() / every
        if (step + 1) % every == 0 or step + 1 == steps:
            state = {"parser": parser.state_dict(), "average": average.state_dict(), "step": step + 1}
            _write(checkpoint, {**state, "optimiser": optimiser.state_dict()})
            entry = {"step": step + 1, **{f"{name}_loss": round(value, 5) for name, value in measured.items()}}
            for name, lessons in held_out.items():
                entry[f"val_accuracy_{name}"] = round(_accuracy(average, lessons), 4)
            entry["seconds"] = round(time.monotonic() - began)
            click.echo(json.dumps(entry))
            with (out / "log.jsonl").open("a") as log:
                log.write(json.dumps(entry) + "\n")
            measured = dict.fromkeys(measured, 0.0)
            shipped = {
                name: value.half().contiguous() if value.dtype.is_floating_point else value
                for name, value in average.state_dict().items()
            }
            save_file(shipped, out / "face-unet.safetensors")


def _draw_size(rng: torch.Generator) -> tuple[int, int]:
    shares = torch.tensor([share for *_, share in _SIZES])
    reduced, size, _ = _SIZES[int(torch.multinomial(shares, 1, generator=rng))]
    return reduced, size


def _accuracy(parser: FaceUNet, lessons: Lessons) -> float:
    """The share of pixels at 64 px that agree with the teacher on at most 100 held-out pictures."""
    parser.eval()
    with torch.no_grad():
        pictures = F.interpolate(lessons.images[:100].float() / 255, size=(64, 64), mode="area")
        truth = lessons.labels[:100, ::2, ::2]
        found = parser.label(compute.image_layout(pictures))
    known = truth != UNKNOWN
    return (found == truth)[known].float().mean().item()


if __name__ == "__main__":
    assert PARTS[: len(FaceUNet.parts)] == FaceUNet.parts
    main()
