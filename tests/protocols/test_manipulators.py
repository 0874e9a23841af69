"""Generators that make their fakes of pairs of reals: held to their contract, and in whole games on the ORL faces."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from PIL import Image

from fakeoff.arena.errors import ConfigError, JobFailed
from fakeoff.arena.images.reals import SPLITS, open_source
from fakeoff.arena.jobs import Context, Result
from fakeoff.arena.jobs.executors import SerialExecutor
from fakeoff.arena.jobs.store import Store
from fakeoff.arena.players.plugins import load_plugin_file
from fakeoff.generators import Generator, Wanted, abilities, players
from fakeoff.generators.contract import GeneratorContract
from fakeoff.protocols.attack_defend import play_tournament
from fakeoff.protocols.rules import pools
from fakeoff.protocols.rules.manipulating import reals_to_manipulate

MANIPULATORS = Path(__file__).parents[1] / "toy_manipulators.py"
load_plugin_file(MANIPULATORS)

Play = Callable[..., tuple[Any, Any]]
Config = Callable[..., Any]


class TestSwap(GeneratorContract):
    player = "toy_swap"


class TestLearningSwap(GeneratorContract):
    player = "toy_learning_swap"
    parameters: ClassVar[dict[str, Any]] = {"resolution": 24}


def build(name: str, **parameters: Any) -> Generator:
    return players.build(name, parameters).eval()


@pytest.fixture(scope="module")
def faces() -> Any:
    """Reals of the ORL faces at 16 px, and the sizes of a small game."""
    source = open_source("orl")
    read = {split: source.load(split, resolution=16, colour="grey") for split in SPLITS}
    sizes = {"train": 32, "val": 16, "test": 16}
    persons = {split: source.persons(split) for split in SPLITS}
    return reals_to_manipulate(read, persons, sizes, rng=torch.Generator().manual_seed(0)), sizes  # type: ignore[arg-type]


def test_its_abilities_are_seen_from_its_class() -> None:
    assert abilities(players.load("toy_swap")) == ("manipulator", "fixed")
    assert abilities(players.load("toy_learning_swap")) == ("trainable", "attackable", "manipulator")


def test_masks_match_what_changed_and_stay_with_the_batch(faces: Any) -> None:
    reals, sizes = faces
    shown: list[Any] = []

    class Watched(players.load("toy_swap")):  # type: ignore[misc]
        def manipulate(self, sources: Any, targets: Any, *, rng: Any) -> Any:
            shown.append(targets)
            return super().manipulate(sources, targets, rng=rng)

    made = Watched().fakes(Wanted(n=64, reals=reals, sizes=sizes), rng=torch.Generator().manual_seed(0))
    changed = (made.images - torch.cat(shown)).abs().amax(1, keepdim=True)
    assert made.mask is not None
    assert made.mask.shape == (64, 1, 16, 16)
    assert not changed[made.mask == 0].any()
    assert (changed[made.mask == 1] > 0).float().mean() > 0.9
    assert 0.2 < (made.mask > 0).float().mean() < 0.7
    assert torch.equal(torch.bincount(made.split), torch.tensor([32, 16, 16]))


def test_the_reals_that_are_shown_are_of_as_many_persons_as_can_be(faces: Any) -> None:
    reals, _ = faces
    counts = [len(reals.person[reals.split == index].unique()) for index in range(3)]
    assert [int((reals.split == index).sum()) for index in range(3)] == [32, 16, 16]
    assert counts == [28, 4, 8]


@pytest.fixture
def config(toy_config: Config) -> Config:
    def make(*names: str, **over: Any) -> Any:
        given = {"generators": [{"plugin": name} for name in ("toy_generator", *names)], "parts": {"parser": ""}}
        return toy_config(**{**given, "audit": {"on_leak": "skip"}, **over})

    return make


def test_a_whole_game_is_played_with_it_and_it_attacks(play: Play, config: Config) -> None:
    record, ran = play(config("toy_swap", "toy_learning_swap", attack={"steps": 4, "batch": 4, "look_every": 2}))
    assert not record.forfeits
    versions = {version.label for version in record.versions}
    assert {"toy_swap@0", "toy_learning_swap@0", "toy_learning_swap@1"} <= versions
    assert "toy_swap@1" not in versions  # it does not learn
    met = {match.detector.label for match in record.matches if match.generator.player == "toy_learning_swap"}
    assert met == {"toy_detector@0", "toy_detector@1"}
    sampled = {job.player: job for job in ran.ran if job.stage == "sample"}
    for name in ("toy_swap", "toy_learning_swap"):
        assert set(sampled[name].inputs) == {"version", "real_train", "real_val", "real_test"}
        assert len(sampled[name].payload["persons"]["train"]) == 280
    [attack] = [job for job in ran.ran if job.stage == "attack" and job.player == "toy_learning_swap"]
    assert len(attack.payload["persons"]) == 280


def test_the_jobs_of_all_other_generators_are_what_they_were(play: Play, config: Config) -> None:
    """Beside a manipulator: nothing of what they are made of came into their keys."""
    _, alone = play(config(rounds=0), home="alone")
    _, beside = play(config("toy_swap", rounds=0), home="beside")
    for stage in ("enter", "sample"):
        [mine], [other] = (
            [job for job in ran.ran if (job.stage, job.player) == (stage, "toy_generator")] for ran in (alone, beside)
        )
        assert mine.key == other.key
        assert "persons" not in mine.payload
        assert set(mine.inputs) == ({"version"} if stage == "sample" else set())
    reals = {job.key for job in alone.ran if job.stage == "reals"}
    assert reals == {job.key for job in beside.ran if job.stage == "reals"}  # at 16 px all have the same


def test_nobody_who_is_in_one_splits_fakes_is_in_anothers(play: Play, config: Config, tmp_path: Path) -> None:
    """The halves of each fake are found among the reals, to the last pixel: of its split, and of two persons."""
    _, ran = play(config("toy_halves", rounds=0, pools={"train_fakes": 300, "val_fakes": 80, "test_fakes": 160}))
    store = Store(tmp_path / "home" / "store")
    [job] = [job for job in ran.ran if job.stage == "sample" and job.player == "toy_halves"]
    fakes, source = store.read(job.key).arrays, open_source("orl")
    found: dict[str, set[tuple[int, int]]] = {}
    for split in SPLITS:
        reals = store.read(job.inputs[f"real_{split}"]).arrays["images"]
        # A photograph that is in the folder twice, or half of it, could be either.
        left, right = (_by_bytes(reals[:, :, half]) for half in (slice(0, 8), slice(8, 16)))
        persons, pairs = source.persons(split), []
        for fake in fakes[split]:
            one, other = left[fake[:, :8].tobytes()], right[fake[:, 8:].tobytes()]
            assert persons[one] != persons[other]
            pairs.append((one, other))
        assert len(set(pairs)) == len(pairs)
        found[split] = {(split_of(source, persons[place]), persons[place]) for pair in pairs for place in pair}
        assert {of_split for of_split, _ in found[split]} == {split}
    assert len(found["test"]) == 8
    assert not {who for _, who in found["test"]} & {who for other in ("train", "val") for _, who in found[other]}


def _by_bytes(halves: Any) -> dict[bytes, int]:
    return {half.tobytes(): place for place, half in enumerate(halves)}


def split_of(source: Any, person: int) -> str:
    [split] = [split for split in SPLITS if person in source.persons(split)]
    return str(split)


def fake_pools(name: str, *, seed: int = 0, state: Any = None) -> dict[str, Any]:
    """The job by itself, on noise: two persons in each split."""
    draw = np.random.default_rng(0)
    reals = {
        f"real_{split}": Result(record={}, arrays={"images": draw.integers(0, 256, (12, 16, 16, 3), dtype=np.uint8)})
        for split in SPLITS
    }
    context = Context(
        key="sample",
        payload={
            "generator": {"plugin": name, "parameters": {}, "fingerprint": {}},
            "n": {"train": 20, "val": 8, "test": 8},
            "seed": seed,
            "arena_resolution": 16,
            "colour": "rgb",
            "persons": {"train": [0, 1] * 6, "val": [2] * 11 + [3], "test": [4, 5] * 6},
        },
        places={},
        inputs={"version": Result(record={}, arrays=state or {}), **reals},
        report=lambda done, total, note="": None,
    )
    return dict(pools.fake_pools(context).arrays)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_other_pairs() -> None:
    one, same, other = fake_pools("toy_swap"), fake_pools("toy_swap"), fake_pools("toy_swap", seed=1)
    for split in SPLITS:
        assert one[split].tobytes() == same[split].tobytes()
        assert one[split].tobytes() != other[split].tobytes()


def test_every_version_is_shown_the_same_pairs() -> None:
    """So that what an attack did is seen face by face: outside of the ellipse nothing moved."""
    dark, bright = (
        fake_pools("toy_learning_swap", state={"tone": np.full((3, 1, 1), tone, dtype=np.float32)})
        for tone in (-0.3, 0.3)
    )
    outside = players.build("toy_swap", {}).ellipse[0, 0].numpy() == 0  # type: ignore[union-attr, index]
    for split in SPLITS:
        assert (dark[split][:, outside] == bright[split][:, outside]).all()
        assert (dark[split][:, ~outside] != bright[split][:, ~outside]).mean() > 0.5


def test_fakes_of_reals_without_a_split_are_refused() -> None:
    with pytest.raises(JobFailed, match="came without their split; return Batch"):
        fake_pools("toy_splitless_halves")


def test_reals_with_one_person_in_a_split_are_refused_before_anything_is_played(
    config: Config, tmp_path: Path, watcher: Any
) -> None:
    draw = np.random.default_rng(0)
    for person in range(4):
        (tmp_path / "reals" / f"p{person}").mkdir(parents=True)
        for photo in range(3):
            pixels = draw.integers(0, 256, (40, 40, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / "reals" / f"p{person}" / f"{photo}.png")
    source = open_source(str(tmp_path / "reals"))
    with pytest.raises(ConfigError, match=r"'toy_swap' makes its fakes of pairs .* one person in val and test: give"):
        play_tournament(
            config("toy_swap"),
            source=source,
            store=Store(tmp_path / "store"),
            executor=SerialExecutor(),
            observer=watcher,
        )
    assert not watcher.ran
