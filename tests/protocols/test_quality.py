"""The quality gate: noise, one face and copies fail it, and what ships does not. tests/test_cheats.py plays them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from fakeoff.arena.images import Pixels, quantise
from fakeoff.arena.images.reals import open_source
from fakeoff.arena.jobs.executors import SerialExecutor
from fakeoff.arena.jobs.store import Store
from fakeoff.arena.players.specs import write_spec
from fakeoff.generators import players
from fakeoff.protocols.attack_defend import play_tournament
from fakeoff.protocols.config import TournamentConfig
from fakeoff.protocols.game.observer import GameObserver
from fakeoff.protocols.measures.standings import generator_standings
from fakeoff.protocols.rules.referee import build_generator
from fakeoff.protocols.score.quality import FEWEST, Quality, faults, measure_quality


@pytest.fixture(scope="module")
def photographs() -> dict[str, Pixels]:
    source = open_source("orl")
    return {split: source.load(split, resolution=64, colour="grey") for split in ("train", "val", "test")}


@pytest.fixture(scope="module")
def faces() -> Pixels:
    """Of the Progressive GAN that ships."""
    spec = write_spec(players, name="pgan", plugin="pgan", parameters={})
    player = build_generator(spec.identity(), places=spec.places())
    return quantise(player.sample(60, rng=torch.Generator().manual_seed(1)), colour="grey")


def _measured(
    fakes: Pixels, photographs: Mapping[str, Pixels], *, first: Pixels | None = None, held_out: Pixels | None = None
) -> Quality:
    quality = measure_quality(
        fakes,
        fakes if first is None else first,
        photographs["val"],
        photographs["train"],
        held_out=() if held_out is None else (held_out[:30], held_out[30:]),
        rng=np.random.default_rng(0),
    )
    assert quality is not None
    return quality


def test_what_ships_and_other_people_pass(photographs: dict[str, Pixels], faces: Pixels) -> None:
    for images in (faces, photographs["test"]):
        assert faults(_measured(images, photographs)) == ()


@pytest.mark.parametrize("shift", [0, 1])
@pytest.mark.parametrize("change", ["none", "mirrored", "brighter", "noisy"])
def test_copies_are_told_by_what_they_are_near_to(photographs: dict[str, Pixels], change: str, shift: int) -> None:
    copies = np.roll(photographs["train"][::6], (shift, 2 * shift), axis=(1, 2))
    rng = np.random.default_rng(1)
    changed = {
        "none": copies,
        "mirrored": copies[:, :, ::-1],
        "brighter": np.clip(copies * 1.1, 0, 255).astype(np.uint8),
        "noisy": np.clip(copies + rng.normal(0, 15, copies.shape[:3])[..., None], 0, 255).astype(np.uint8),
    }[change]
    quality = _measured(changed, photographs)
    assert "copy" in " ".join(faults(quality)), quality


def test_copies_of_held_out_photographs_are_told_where_none_may_be_copied(
    photographs: dict[str, Pixels], faces: Pixels
) -> None:
    held_out = np.concatenate([photographs["val"], photographs["test"]])
    copies = photographs["test"][::2]
    assert not faults(_measured(copies, photographs))  # a manipulator's fakes are made of them
    assert "copy" in " ".join(faults(_measured(copies, photographs, held_out=held_out)))
    assert not faults(_measured(faces, photographs, held_out=held_out))


def test_one_face_is_told_by_its_variety(photographs: dict[str, Pixels], faces: Pixels) -> None:
    rng = np.random.default_rng(1)
    one = np.repeat(faces[:1], 40, axis=0)
    noisy = np.clip(one + rng.normal(0, 10, one.shape[:3])[..., None], 0, 255).astype(np.uint8)
    for images in (one, noisy):
        assert any("nearly the same" in fault for fault in faults(_measured(images, photographs)))


def test_fakes_of_few_photographs_are_as_various_as_these(photographs: dict[str, Pixels]) -> None:
    """Sixty fakes of forty photographs: two that were put into one photograph are alike, and nothing is wrong."""
    targets = np.arange(60) % len(photographs["val"])
    fakes = photographs["val"][targets].copy()
    fakes[:, 40:50, 24:40] = photographs["val"][np.roll(targets, 7), 40:50, 24:40]  # other mouths

    def measure(targets: np.ndarray | None, of: Pixels = fakes) -> Quality:
        rng = np.random.default_rng(0)
        found = measure_quality(of, of, photographs["val"], photographs["train"], targets=targets, rng=rng)
        assert found is not None
        return found

    assert any("nearly the same" in fault for fault in faults(measure(None)))
    assert measure(targets).variety == pytest.approx(1, abs=0.1)
    assert any("nearly the same" in fault for fault in faults(measure(targets, np.repeat(fakes[:1], 60, axis=0))))


def test_noise_is_told_by_whole_faces_and_by_texture(photographs: dict[str, Pixels], faces: Pixels) -> None:
    rng = np.random.default_rng(1)
    noise = np.repeat(rng.integers(0, 256, (40, 64, 64, 1), dtype=np.uint8), 3, axis=-1)
    face, texture = faults(_measured(noise, photographs))
    assert ("faces lie" in face, "texture lies" in texture) == (True, True)
    grainy = np.clip(faces + rng.normal(0, 80, faces.shape[:3])[..., None], 0, 255).astype(np.uint8)
    [found] = faults(_measured(grainy, photographs))
    assert "texture lies" in found


def test_an_attack_that_leaves_nothing_of_its_faces_is_told(photographs: dict[str, Pixels], faces: Pixels) -> None:
    inverted = 255 - faces
    assert any("nothing is left" in found for found in faults(_measured(inverted, photographs, first=faces)))
    assert _measured(faces, photographs).ssim_to_first == 1.0


def test_too_few_images_say_nothing(photographs: dict[str, Pixels], faces: Pixels) -> None:
    few = faces[: FEWEST - 1]
    rng = np.random.default_rng(0)
    assert measure_quality(few, few, photographs["val"], photographs["train"], rng=rng) is None
    assert measure_quality(faces, faces, photographs["val"][: FEWEST - 1], photographs["train"], rng=rng) is None


def test_without_the_gate_everybody_takes_a_place(toy_config: Callable[..., TournamentConfig], tmp_path: Path) -> None:
    config = toy_config(rounds=0, generators=[{"plugin": "toy_generator"}])
    record = play_tournament(
        config,
        source=open_source("orl"),
        store=Store(tmp_path),
        executor=SerialExecutor(),
        observer=Mock(spec=GameObserver),
    )
    assert (record.unranked, record.quality) == ((), ())
    assert len(generator_standings(record)) == 1
