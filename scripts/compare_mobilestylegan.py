"""Compares the published MobileStyleGANs as OpenVINO runs them with the same weights in PyTorch.

Needs OpenVINO, which Fakeoff itself does not use, and both assets:

    pip install openvino
    fakeoff assets pull mobilestylegan-july
    fakeoff assets pull mobilestylegan-april
    python scripts/compare_mobilestylegan.py --out docs/results/mobilestylegan-agreement.json

With OpenVINO in an environment of its own, in two steps: `--only openvino --keep FOLDER` there, which needs no PyTorch
and is told with `--members` where the wheels' members lie, then `--keep FOLDER` here.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import json
import platform
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

NETWORKS = {
    "mobilestylegan-july": ("MappingNetwork", "SynthesisNetwork"),
    "mobilestylegan-april": ("mobilestylegan_ffhq_mnet", "mobilestylegan_ffhq_snet"),
}


def latents(n: int) -> npt.NDArray[np.float32]:
    return np.random.default_rng(0).standard_normal((n, 512), dtype=np.float32)


def run_openvino(folder: Path, names: tuple[str, str], z: npt.NDArray[np.float32]) -> dict[str, Any]:
    """Styles and images in [-1, 1], one latent at a time as the IRs have it, in float32."""
    openvino = importlib.import_module("openvino")
    core = openvino.Core()
    how = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": 1}
    mapping, synthesis = (core.compile_model(folder / f"{name}.xml", "CPU", how) for name in names)
    styles, images = [], []
    for one in z:
        style = mapping({0: one[None]})[0].copy()
        styles.append(style)
        images.append(synthesis({0: style})[0].copy())
    return {"w": np.concatenate(styles), "images": np.concatenate(images)}


def run_torch(asset: str, z: npt.NDArray[np.float32]) -> dict[str, Any]:
    import torch

    from fakeoff.arena.players.specs import find_weights, load_weights
    from fakeoff.generators.mobilestylegan.player import MobileStyleGAN

    player = MobileStyleGAN(resolution=1024, truncation=1.0)
    load_weights(player, find_weights(f"asset:{asset}", MobileStyleGAN))
    with torch.no_grad():
        styles = player.mapping(torch.from_numpy(z))
        return {"w": styles.numpy(), "images": player.average(styles, resolution=1024).numpy()}


def members_folder(asset: str) -> Path:
    from fakeoff.arena.images.assets import extract

    return extract(asset)[0][0].parent


def compared(ours: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    pixels = np.abs(ours["images"] - theirs["images"]) / 2  # of [0, 1]
    eight_bits = [np.rint(np.clip((x["images"] + 1) / 2, 0, 1) * 255) for x in (ours, theirs)]
    return {
        "largest_pixel_difference": float(pixels.max()),
        "mean_pixel_difference": float(pixels.mean()),
        "share_of_8_bit_values_that_differ": float((eight_bits[0] != eight_bits[1]).mean()),
        "largest_style_difference": float(np.abs(ours["w"] - theirs["w"]).max()),
        "deviation_of_pixels": float(theirs["images"].std() / 2),
        "spectrum_over_its_surroundings": grid_peaks(theirs["images"]),
    }


def grid_peaks(images: npt.NDArray[np.float32]) -> dict[str, float]:
    """How far a spectrum stands out at periods of a few pixels: its power there over the median of those around it."""
    power = (np.abs(np.fft.fft2(images.mean(1))) ** 2).mean(0)
    found = {}
    for period in (2, 4, 8):
        for direction, place in (("across", (0, images.shape[3] // period)), ("down", (images.shape[2] // period, 0))):
            around = np.roll(power, (8 - place[0], 8 - place[1]), (0, 1))[:17, :17]
            found[f"{period} pixels {direction}"] = round(float(around[8, 8] / np.median(around)), 1)
    return found


def processor() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").is_file() else []
    return next(
        (line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor()
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--latents", type=int, default=4)
    parser.add_argument("--only", choices=["openvino"], help="stop after OpenVINO's part")
    parser.add_argument("--keep", type=Path, help="a folder for OpenVINO's part; what lies there is not run again")
    parser.add_argument("--members", type=Path, help="a folder with all .xml and .bin; by default the assets'")
    parser.add_argument("--out", type=Path, help="a JSON file")
    arguments = parser.parse_args()
    z = latents(arguments.latents)
    figures: dict[str, Any] = {}
    version = ""
    for asset, names in NETWORKS.items():
        kept = arguments.keep / f"{asset}.npz" if arguments.keep else None
        if kept is not None and kept.is_file():
            with np.load(kept) as arrays:
                theirs = {name: arrays[name] for name in ("w", "images")}
                version = str(arrays["version"])
        else:
            theirs = run_openvino(arguments.members or members_folder(asset), names, z)
            version = importlib.metadata.version("openvino")
            if kept is not None:
                kept.parent.mkdir(parents=True, exist_ok=True)
                np.savez(kept, version=np.array(version), **theirs)
        if arguments.only is None:
            figures[asset] = compared(run_torch(asset, z), theirs)
    if arguments.only is None:
        report = {
            "latents": arguments.latents,
            "processor": processor(),
            "openvino": version,
            "torch": importlib.metadata.version("torch"),
            "precision": "float32, as the constants of both IRs",
            "releases": figures,
        }
        text = json.dumps(report, indent=1) + "\n"
        if arguments.out:
            arguments.out.write_text(text)
        print(text, end="")


if __name__ == "__main__":
    main()
