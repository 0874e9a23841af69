"""The script that pretrains manipulators: it resumes, learns from the people of train alone, and keeps the best."""

from __future__ import annotations

import importlib
import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file

from fakeoff.arena import compute, images
from fakeoff.arena.images.reals import Split, open_source, orl_faces
from fakeoff.arena.players.specs import load_weights
from fakeoff.generators import players
from fakeoff.generators.manipulation.learned import LearnedManipulator

SCRIPTS = Path(__file__).parents[1] / "scripts"
PEOPLE: dict[Split, int] = {"train": 5, "val": 2, "test": 2}
PHOTOGRAPHS = 2
SMALL = {"batch": "6", "images": "40", "every": "8"}
SIDE = 32
# At this rate the people of val are drawn best somewhere in the middle.
SETTINGS = (f"resolution={SIDE}", "learning_rate=0.0015")
LONG_SECONDS = 5000.0
FIRST_SITTING = {"deepfakes": {"images": "28"}, "neural_textures": {"minutes": "0"}}


@dataclass(frozen=True, kw_only=True)
class Trained:
    """What two trainings of a manipulator left: one in a single sitting, and the same one in two, the first long."""

    name: str
    whole: Path
    parts: Path


@pytest.fixture(scope="module")
def script() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(SCRIPTS), *sys.path])  # scripts find each other, as where they are called
        yield importlib.import_module("pretrain_manipulator")


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> str:
    return copy_people(tmp_path_factory.mktemp("reals") / "people")


@pytest.fixture(scope="module", params=FIRST_SITTING)
def trained(
    request: pytest.FixtureRequest, script: ModuleType, people: str, tmp_path_factory: pytest.TempPathFactory
) -> Trained:
    name, folder = request.param, tmp_path_factory.mktemp(request.param)
    whole, parts = folder / "whole", folder / "parts"
    assert call(script, name, reals=people, out=whole).exit_code == 0
    assert call(script, name, reals=people, out=parts, **FIRST_SITTING[name]).exit_code == 0
    stopped_at = log(parts)[-1]["images"]
    assert stopped_at < log(whole)[-1]["images"]
    checkpoint = torch.load(parts / "checkpoint.pt", weights_only=True)
    torch.save({**checkpoint, "seconds": LONG_SECONDS}, parts / "checkpoint.pt")
    assert f"carries on at {stopped_at} images" in call(script, name, reals=people, out=parts).output
    return Trained(name=name, whole=whole, parts=parts)


def copy_people(folder: Path, *, strangers: bool = False) -> str:
    """A few people of ORL in each split, as a folder of reals.

    Args:
        folder: Where to.
        strangers: With others in val and test, of the same names.
    """
    source = orl_faces()
    for split, count in PEOPLE.items():
        first = count if strangers and split != "train" else 0
        for name, group in enumerate(source.groups(split)[first : first + count]):
            person = folder / split / f"{split}-{name}"  # nobody is in two splits
            person.mkdir(parents=True)
            shown = [photograph.path for photograph in source.photographs[split] if photograph.group == group]
            for path in shown[:PHOTOGRAPHS]:
                shutil.copy(path, person)
    return str(folder)


def call(script: ModuleType, name: str, *settings: str, **options: str | Path) -> Result:
    words = [word for option, value in (SMALL | options).items() for word in (f"--{option}", str(value))]
    words += [word for setting in (*SETTINGS, *settings) for word in ("--set", setting)]
    with compute.undisturbed():
        return CliRunner().invoke(script.main, [name, *words])


def log(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def figures(out: Path) -> dict[int, tuple[float, float]]:
    """How well people of train and of val are drawn, by images. Moving averages of steps begin anew with a sitting."""
    return {line["images"]: (line["train_drawn"], line["val_drawn"]) for line in log(out)}


def error_line(result: Result) -> str:
    """The one line in which a script refuses, below its usage."""
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.exit_code == 2
    *usage, error = result.output.splitlines()
    assert usage[0].startswith("Usage: ")
    assert error.startswith("Error: ")
    assert not any(line.startswith("Error: ") for line in usage)
    return error


def build(name: str, weights: Path | None = None) -> LearnedManipulator[Any, Any]:
    player = players.build(name, {"weights": "", "resolution": SIDE})
    assert isinstance(player, LearnedManipulator)
    if weights is not None:
        load_weights(player, weights)
    return player.eval()


def test_a_training_in_two_sittings_makes_the_bytes_of_one_in_a_single_sitting(trained: Trained) -> None:
    for file in ("weights.safetensors", "best.safetensors"):
        assert (trained.parts / file).read_bytes() == (trained.whole / file).read_bytes()
    whole, parts = figures(trained.whole), figures(trained.parts)
    assert len(set(whole.values())) == len(whole) > 3
    assert {images: parts.get(images) for images in whole} == whole
    assert log(trained.whole)[-1]["seconds"] < LONG_SECONDS < log(trained.parts)[-1]["seconds"]


def test_the_best_weights_are_those_of_the_checkpoint_that_drew_val_best(trained: Trained) -> None:
    lines = log(trained.parts)
    best = min(lines, key=lambda line: line["val_drawn"])
    assert best != lines[0]
    assert int(load_file(trained.parts / "best.safetensors")["images_seen"]) == best["images"]
    assert int(load_file(trained.parts / "weights.safetensors")["images_seen"]) == lines[-1]["images"]


def test_the_weights_enter_a_player_that_draws_people_as_the_log_says(
    trained: Trained, script: ModuleType, people: str
) -> None:
    source, untrained = open_source(people), build(trained.name)
    val = script.look(untrained, source, "val")
    shown = images.to_tensor(source.load("test", resolution=SIDE, colour="grey"))
    sources, targets = shown, shown.flip(0)
    without = untrained.manipulate(sources, targets, rng=torch.Generator()).images
    for file in ("weights.safetensors", "best.safetensors"):
        player = build(trained.name, trained.whole / file)
        said = next(line["val_drawn"] for line in log(trained.whole) if line["images"] == int(player.images_seen))
        assert script.drawn(player, *val) == pytest.approx(said, abs=1e-4)  # files hold float16
        assert script.drawn(untrained, *val) != pytest.approx(said, abs=5e-4)
        fakes = player.manipulate(sources, targets, rng=torch.Generator()).images
        assert fakes.shape == targets.shape
        assert fakes.min() >= 0
        assert fakes.max() <= 1
        assert (fakes - targets).abs().max() > 0.1
        assert (fakes - without).abs().max() > 2e-3


def test_nobody_of_val_and_test_is_learned_from(trained: Trained, script: ModuleType, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with_others = call(script, trained.name, reals=copy_people(tmp_path / "people", strangers=True), out=out)
    assert with_others.exit_code == 0
    assert (out / "weights.safetensors").read_bytes() == (trained.whole / "weights.safetensors").read_bytes()
    of_train, of_val = zip(*figures(out).values(), strict=True)
    before_of_train, before_of_val = zip(*figures(trained.whole).values(), strict=True)
    assert of_train == before_of_train
    assert of_val != before_of_val


def test_weights_say_whose_photographs_they_learned_from(
    script: ModuleType, people: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pretraining.licence", lambda reals: "for tests only")
    done = call(script, "neural_textures", reals=people, out=tmp_path, minutes="0")
    assert f"{people}: for tests only; so are weights that learn from it\n" in done.output
    for file in ("weights.safetensors", "best.safetensors"):
        with safe_open(tmp_path / file, framework="pt") as weights:
            assert weights.metadata() == {"licence": f"{people}: for tests only"}


def test_a_folder_of_another_training_is_refused_and_left_as_it_is(
    trained: Trained, script: ModuleType, people: str
) -> None:
    before = {path.name: path.read_bytes() for path in trained.parts.iterdir()}
    other_settings = call(script, trained.name, "critic_weight=0.5", reals=people, out=trained.parts, images="96")
    assert "holds a training of {" in error_line(other_settings)
    assert "give the same, or another --out" in error_line(other_settings)
    (other,) = FIRST_SITTING.keys() - {trained.name}
    other_network = call(script, other, reals=people, out=trained.parts, images="96")
    assert f"{trained.parts} holds a training of another network; give the same, or" in error_line(other_network)
    for option, other_value in (("seed", "9"), ("batch", "4"), ("reals", "orl")):
        options = {"reals": people, "out": trained.parts, "images": "96", option: other_value}
        refused = error_line(call(script, trained.name, **options))
        # Of the seed the initial weights say it already: a parameter.
        assert ("holds a training of {" in refused) if option == "seed" else (f"--{option}" in refused)
    assert {path.name: path.read_bytes() for path in trained.parts.iterdir()} == before


def test_a_damaged_checkpoint_is_named_with_the_way_on(
    trained: Trained, script: ModuleType, people: str, tmp_path: Path
) -> None:
    shutil.copytree(trained.parts, tmp_path / "out")
    for junk in (b"junk", b"", (trained.parts / "checkpoint.pt").read_bytes()[:-999]):
        (tmp_path / "out" / "checkpoint.pt").write_bytes(junk)
        assert "delete it to begin anew" in error_line(call(script, trained.name, reals=people, out=tmp_path / "out"))


@pytest.mark.parametrize(("option", "value"), [("batch", "1"), ("batch", "0"), ("every", "0"), ("images", "0")])
def test_numbers_that_train_nothing_are_refused(script: ModuleType, tmp_path: Path, option: str, value: str) -> None:
    given = {"reals": "orl", "out": tmp_path / "out", option: value}
    assert f"'--{option}'" in error_line(call(script, "deepfakes", **given))


def test_photographs_without_a_face_are_refused(script: ModuleType, people: str, tmp_path: Path) -> None:
    flat = tmp_path / "flat"
    shutil.copytree(people, flat)
    for path in flat.rglob("*.pgm"):
        Image.effect_noise((92, 112), 30).save(path)
    assert "no face was found in the" in error_line(call(script, "deepfakes", reals=str(flat), out=tmp_path / "out"))


@pytest.mark.parametrize(
    ("name", "setting", "reals", "told"),
    [
        ("faceswap", "code=8", "orl", "'faceswap' is not one of 'deepfakes', 'neural_textures'"),
        ("deepfakes", "coed=8", "orl", "generator 'deepfakes' has no parameter 'coed'; did you mean 'code'?"),
        ("deepfakes", "code", "orl", "generator 'deepfakes': parameter 'code'"),
        ("deepfakes", "code=0", "orl", "generator 'deepfakes': parameter 'code'"),
        ("deepfakes", "code=8", "nowhere", "unknown source of reals 'nowhere'"),
    ],
)
def test_what_cannot_be_trained_is_said_in_one_line(
    script: ModuleType, tmp_path: Path, name: str, setting: str, reals: str, told: str
) -> None:
    out = tmp_path / "out"
    assert told in error_line(call(script, name, setting, reals=reals, out=out))
    assert not out.exists()
