"""The script that pretrains a Glow: stopped and called again, it makes the weights of an unbroken training."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from safetensors import safe_open
from safetensors.torch import load_file

from fakeoff.arena import compute
from fakeoff.generators.glow import Glow

SCRIPT = Path(__file__).parents[1] / "scripts" / "pretrain_glow.py"
SMALL = {"--resolution": "16", "--steps": "1", "--width": "4", "--batch": "8", "--images": "64", "--every": "40"}


@pytest.fixture(scope="module")
def script() -> click.Command:
    spec = importlib.util.spec_from_file_location("pretrain_glow", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(SCRIPT.parent), *sys.path])  # scripts find each other, as where they are called
        spec.loader.exec_module(module)
    return module.main  # type: ignore[no-any-return]


def call(script: click.Command, out: Path, **over: str) -> Result:
    options = SMALL | {f"--{name}": value for name, value in over.items()} | {"--out": str(out)}
    with compute.undisturbed():
        return CliRunner().invoke(script, [word for option in options.items() for word in option])


def log(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def test_a_training_that_was_stopped_goes_on_to_the_same_bytes(script: click.Command, tmp_path: Path) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert call(script, whole).exit_code == 0
    assert call(script, parts, minutes="0").exit_code == 0
    assert [line["images"] for line in log(parts)] == [8]
    went_on = call(script, parts)
    assert went_on.exit_code == 0
    assert "carries on at 8 images" in went_on.output
    assert [line["images"] for line in log(whole)] == [40, 64]
    assert [line["images"] for line in log(parts)] == [8, 40, 64]
    assert (whole / "weights.safetensors").read_bytes() == (parts / "weights.safetensors").read_bytes()

    fewest = load_file(parts / "fewest-val-bits.safetensors")["images_seen"]
    assert int(fewest) == min(log(parts), key=lambda line: line["val_bits"])["images"]

    last = log(whole)[-1]
    assert last["processor"]
    assert 0 < last["train_bits"] < 5.3
    assert 0 < last["val_bits"] < 5.3
    player = Glow(resolution=16, steps=1, width=4)
    player.load_state_dict(load_file(whole / "weights.safetensors"))
    assert int(player.images_seen) == 64

    other = call(script, parts, width="8")
    assert other.exit_code == 2
    assert "'width': 4" in other.output


def test_weights_say_whose_photographs_they_learned_from(
    script: click.Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pretraining.licence", lambda reals: "for tests only")
    done = call(script, tmp_path, minutes="0")
    assert "orl: for tests only; so are weights that learn from it\n" in done.output
    for file in ("weights.safetensors", "fewest-val-bits.safetensors"):
        with safe_open(tmp_path / file, framework="pt") as weights:
            assert weights.metadata() == {"licence": "orl: for tests only"}


@pytest.mark.parametrize(
    ("over", "told"),
    [
        ({"reals": "nowhere"}, "unknown source of reals 'nowhere'"),
        ({"resolution": "24"}, "resolution 24 is not a power of two from 16 to 256"),
    ],
)
def test_what_cannot_be_trained_is_said_in_a_line(
    script: click.Command, tmp_path: Path, over: dict[str, str], told: str
) -> None:
    done = call(script, tmp_path / "out", **over)
    assert done.exit_code == 2
    assert f"Error: {told}" in done.output
