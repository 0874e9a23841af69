from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from PIL import Image

from fakeoff.arena import images
from fakeoff.arena.errors import ConfigError, JobFailed, PluginError
from fakeoff.arena.images.pool import Pool
from fakeoff.arena.images.reals import open_source
from fakeoff.arena.jobs import Context, Job, Outcome, Result
from fakeoff.arena.jobs.executors import SerialExecutor
from fakeoff.arena.jobs.store import Store
from fakeoff.arena.parsers import PARTS
from fakeoff.arena.players.plugins import load_plugin_file
from fakeoff.arena.players.specs import state_arrays
from fakeoff.arena.seeds import canonical_json
from fakeoff.detectors import PatchDetector, ReceptiveField
from fakeoff.leaderboard.scoreboard import build_scoreboard, scoreboard_text
from fakeoff.protocols.attack_defend import play_tournament
from fakeoff.protocols.config import Parts
from fakeoff.protocols.game.recipes import parser_spec
from fakeoff.protocols.looking import look
from fakeoff.protocols.looking.figures import LookFigures
from fakeoff.protocols.measures.tournament import TournamentRecord
from fakeoff.protocols.rules import referee
from fakeoff.protocols.rules.judging import judge
from fakeoff.protocols.score import patches
from fakeoff.protocols.score.blind import Judging, Mixture, patches_of
from fakeoff.protocols.score.patches import TRUTHS, Truth

Array = npt.NDArray[Any]
Play = Callable[..., tuple[TournamentRecord, Any]]
Config = Callable[..., Any]

BRIGHTNESS = {"plugin": "toy_brightness", "parameters": {}, "fingerprint": {}}
QUADRANTS = {"parser": "toy_quadrants"}
NOSE, EYE, SKIN, MOUTH = (PARTS.index(part) for part in ("nose", "eye", "skin", "mouth"))


@pytest.fixture(scope="session")
def parsers() -> Path:
    path = Path(__file__).parents[1] / "toy_parsers.py"
    load_plugin_file(path)
    return path


def context(payload: Mapping[str, Any], *, key: str = "a job", places: Any = None, **inputs: Result) -> Context:
    return Context(
        key=key, payload=payload, places=places or {}, inputs=inputs, report=lambda done, total, note="": None
    )


def pool(pixels: Array) -> Result:
    return Result(record={}, arrays={"images": pixels})


# -- parse --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def faces() -> Array:
    """Photographs of people whom nothing was trained on; uint8 ``(24, 64, 64, 3)``."""
    found = []
    for photograph in open_source("orl").photographs["test"][:48:2]:
        with Image.open(photograph.path) as image:
            found.append(images.generator_transform(image, resolution=64, colour="grey"))
    return np.stack(found)


def test_the_parser_that_ships_finds_faces_in_photographs(faces: Array) -> None:
    spec = parser_spec(Parts())
    assert spec is not None
    assert spec.weights is not None
    job = context({"parser": spec.identity()}, places={"weights": str(spec.weights)}, pool=pool(faces))
    result = look.parse(job)
    labels = result.arrays["labels"]
    assert result.record == {"n": 24}
    assert (labels.dtype, labels.shape) == (np.uint8, (24, 64, 64))
    # Upright faces: brows over eyes over noses over mouths, all of them in the middle of the picture.
    rows = [np.mean(np.nonzero(labels == PARTS.index(part))[1]) for part in ("brow", "eye", "nose", "mouth")]
    assert rows == sorted(rows)
    columns = np.nonzero(labels == NOSE)[2]
    assert 24 < columns.mean() < 40
    assert (labels == SKIN).mean() > 0.1
    # Nobody's labels depend on who else is in the pool.
    alone = look.parse(context(job.payload, places=job.places, pool=pool(faces[3:4])))
    assert (alone.arrays["labels"][0] == labels[3]).mean() > 0.99


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("parser_of_no_part", "label gave 11; there are 11 parts, counted from 0"),
        ("parser_of_wrong_shape", "label returned shape (5, 8, 8), not (5, 16, 16)"),
        ("parser_of_wrong_type", "label returned torch.float32, not torch.uint8"),
        ("parser_that_cannot_be_built", "cannot be built: OSError: no model here"),
    ],
)
def test_a_parser_is_held_to_its_interface(parsers: Path, name: str, reason: str) -> None:
    payload = {"parser": {"plugin": name, "parameters": {}, "fingerprint": {}}}
    with pytest.raises(JobFailed) as caught:
        look.parse(context(payload, pool=pool(np.zeros((5, 16, 16, 3), dtype=np.uint8))))
    assert caught.value.reason == reason


# -- look ---------------------------------------------------------------------------------------------------------


def looked(
    pixels: Array,
    labels: Array,
    *,
    truth: Truth = "fake",
    key: str = "a job",
    detector: Mapping[str, Any] = BRIGHTNESS,
    people: Mapping[str, Array] = {},
    **over: Any,
) -> Result:
    """Runs the job on what the detector of bright patches said in a judging."""
    payload = {"truth": truth, "draws": 8, "resamples": 100, "confidence": 0.95, **over}
    parsed = Result(record={}, arrays={"labels": labels})
    known = {way: Result(record={}, arrays={"images": who}) for way, who in people.items()}
    return look.look(context(payload, key=key, patches=judged(pixels, detector=detector), labels=parsed, **known))


def judged(pixels: Array, *, detector: Mapping[str, Any] = BRIGHTNESS) -> Result:
    """What a patch detector said of the patches of a pool, judged by itself."""
    mixture = Mixture(reals=("pool",), fakes=(), seed=0)
    results = {"pool": Result(record={"n": len(pixels)}, arrays={"images": pixels})}
    version = Result(record={"threshold": 0.5}, arrays=state_arrays(referee.build_detector(dict(detector))))
    arguments = {"detector": detector, "sample": 0, "patches": True}
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        store.write("pool", results["pool"])
        store.write("judged", judge(context(arguments, version=version, images=mixture.mix(results.__getitem__))))
        return patches_of(Judging(key="judged", mixture=mixture), "pool", store)


def spotted(truth: Truth, n: int = 12) -> tuple[Array, Array]:
    """Fakes that are bright at the nose alone, or reals that are dark at an eye alone; 16 px, patches of 4."""
    pixels = np.full((n, 16, 16, 3), 90 if truth == "fake" else 120, np.uint8)
    labels = np.full((n, 16, 16), SKIN, np.uint8)
    for index in range(n):
        row, column = 4 * (index % 4), 4 * (index // 4 % 4)
        patch = (index, slice(row, row + 4), slice(column, column + 4))
        pixels[patch] = 200 + index % 40 if truth == "fake" else 60 - index % 40
        labels[patch] = NOSE if truth == "fake" else EYE
    return pixels, labels


@pytest.mark.parametrize(("truth", "part"), [("fake", "nose"), ("real", "eye")])
def test_the_patch_and_the_part_that_give_each_image_away_are_found(toys: Path, truth: Truth, part: str) -> None:
    pixels, labels = spotted(truth)
    result = looked(pixels, labels, truth=truth)
    record, arrays = result.record, result.arrays
    assert record["has_parts"] is True
    assert record["receptive_field"] == {"size": 4, "stride": 4, "offset": 0}
    assert record["side"] is None
    assert arrays["average"].shape == (4, 4)
    assert arrays["units"].tolist() == [[i % 4, i // 4 % 4] for i in range(12)]
    assert record["parts"] == {name: float(name == part) for name in PARTS}
    assert record["parts_ci"][part] == pytest.approx([1.0, 1.0])
    assert (record["n"], record["ties"]) == (12, 0)
    # A random patch is one of sixteen.
    assert record["random_parts"][part] == pytest.approx(1 / 16, abs=0.08)
    assert record["random_parts"]["skin"] == pytest.approx(1 - record["random_parts"][part])
    assert arrays["random_parts"].shape == (12, 8)
    canonical_json(record)


def test_the_same_images_are_judged_by_what_they_are(toys: Path) -> None:
    pixels, labels = spotted("fake")
    as_reals = looked(pixels, labels, truth="real")
    # The nose is bright: nothing of it says real. Elsewhere all is equally dark.
    assert as_reals.record["parts"] == {name: float(name == "skin") for name in PARTS}
    assert as_reals.record["ties"] == 12


def test_shares_and_intervals_are_of_the_images(toys: Path) -> None:
    pixels, labels = spotted("fake", 100)
    labels[:30] = np.where(labels[:30] == NOSE, MOUTH, labels[:30])
    record = looked(pixels, labels, resamples=1000).record
    assert (record["parts"]["mouth"], record["parts"]["nose"]) == (0.3, 0.7)
    half = 1.96 * np.sqrt(0.3 * 0.7 / 100)
    assert record["parts_ci"]["mouth"] == pytest.approx([0.3 - half, 0.3 + half], abs=0.03)
    narrow = looked(pixels, labels, resamples=1000, confidence=0.6).record["parts_ci"]["mouth"]
    assert narrow[1] - narrow[0] < 0.6 * (record["parts_ci"]["mouth"][1] - record["parts_ci"]["mouth"][0])


def test_intervals_are_over_the_people_whose_photographs_fakes_are_made_of(toys: Path) -> None:
    pixels, labels = spotted("fake", 100)
    labels[:30] = np.where(labels[:30] == NOSE, MOUTH, labels[:30])
    alone = looked(pixels, labels, resamples=2000).record
    assert alone["people"] is None
    # Twenty people of five fakes each, alike within: worth twenty images.
    target = np.arange(100) // 5
    record = looked(pixels, labels, resamples=2000, people={"target_person": target}).record
    assert (record["people"], record["parts"]) == (20, alone["parts"])
    half = 1.96 * np.sqrt(0.3 * 0.7 / 20)
    assert record["parts_ci"]["mouth"] == pytest.approx([0.3 - half, 0.3 + half], abs=0.06)
    # Whose faces they wear counts, too.
    both = {"target_person": target, "source_person": np.arange(100) % 20}
    twice = looked(pixels, labels, resamples=2000, people=both).record
    assert twice["parts_ci"]["mouth"][1] - twice["parts_ci"]["mouth"][0] >= 1.9 * half


@pytest.mark.parametrize("truth", TRUTHS)
def test_flat_images_give_themselves_away_anywhere_and_say_so(toys: Path, truth: Truth) -> None:
    flat = np.full((200, 16, 16, 3), 255 * (truth == "fake"), np.uint8)
    labels = np.zeros((200, 16, 16), np.uint8)
    labels[:, :, 8:] = NOSE
    result = looked(flat, labels, truth=truth)
    assert result.record["ties"] == 200
    assert result.record["parts"]["nose"] == pytest.approx(0.5, abs=0.12)
    again, other = looked(flat, labels, truth=truth), looked(flat, labels, truth=truth, key="another job")
    assert np.array_equal(result.arrays["units"], again.arrays["units"])
    assert not np.array_equal(result.arrays["units"], other.arrays["units"])


@pytest.mark.parametrize("truth", TRUTHS)
def test_heatmaps_are_kept_of_the_easiest_and_the_hardest(toys: Path, truth: Truth) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (30, 16, 16, 3), dtype=np.uint8)
    result = looked(pixels, np.zeros((30, 16, 16), np.uint8), truth=truth)
    scores = pixels.reshape(30, 4, 4, 4, 4, 3).mean(axis=(2, 4, 5)) / 255
    sure = scores if truth == "fake" else 1 - scores
    order = np.argsort(-sure.mean(axis=(1, 2)))
    arrays = result.arrays
    assert arrays["easiest"].tolist() == order[: look.SHOWN].tolist()
    assert arrays["hardest"].tolist() == order[::-1][: look.SHOWN].tolist()
    assert arrays["easiest_scores"] == pytest.approx(scores[order[: look.SHOWN]], abs=1e-5)
    assert arrays["hardest_scores"] == pytest.approx(scores[order[::-1][: look.SHOWN]], abs=1e-5)
    # At most half of the images are averaged.
    assert result.record["averaged_over"] == 15
    assert arrays["average"] == pytest.approx(sure[order[:15]].mean(axis=0), abs=1e-5)
    assert arrays["normalised_average"] == pytest.approx(patches.normalise(sure[order[:15]]).mean(axis=0), abs=1e-4)


def test_a_detector_whose_patches_all_see_everything_has_no_parts(toys: Path) -> None:
    wide = looked(*spotted("fake"), detector={"plugin": "toy_wide_detector", "parameters": {}, "fingerprint": {}})
    assert wide.record["has_parts"] is False
    assert wide.record["averaged_over"] == 6  # heatmaps are there all the same


@pytest.mark.parametrize(("truth", "part"), [("fake", "nose"), ("real", "eye")])
def test_one_image_is_enough(toys: Path, truth: Truth, part: str) -> None:
    record = looked(*spotted(truth, 1), truth=truth).record
    assert record["parts_ci"][part] == pytest.approx([1.0, 1.0])
    assert record["averaged_over"] == 1


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("patches_nan", "patch_scores returned NaN or infinite values"),
        ("patches_flat", 'patch_scores returned shape (12, 16), not (12, "h\'", "w\'")'),
        ("patches_out_of_range", "patch_scores gave values from 1.5 to 1.5; P(fake) lies in [0, 1]"),
        (
            "patches_off_the_image",
            "patch_scores gave 5 patches along 16 pixels, and by its receptive_field the last one sees "
            "pixels 16 to 19: they do not fit",
        ),
    ],
)
def test_a_patch_detector_is_held_to_its_interface(bad_players: Path, name: str, reason: str) -> None:
    pixels, _ = spotted("fake")
    made = referee.build_detector({"plugin": name, "parameters": {}, "fingerprint": {}})
    assert isinstance(made, PatchDetector)
    with pytest.raises(JobFailed) as caught:
        referee.judge_patches(made, Pool(pixels))
    assert caught.value.reason == reason


def judging_of(name: str, *, n: int = 150) -> Result:
    """What a judging leaves of a detector with a score of its own; batches of 32 to 64, some of them odd."""
    detector = {"plugin": name, "parameters": {}, "fingerprint": {}}
    version = Result(record={}, arrays=state_arrays(referee.build_detector(detector)))
    images = np.random.default_rng(0).integers(0, 256, (n, 16, 16, 3), dtype=np.uint8)
    arguments = {"detector": detector, "sample": 0, "patches": True}
    return judge(context(arguments, version=version, images=pool(images)))


def test_patches_that_differ_from_batch_to_batch_cost_no_score(bad_players: Path) -> None:
    result = judging_of("patches_by_batch", n=151)  # at least one batch is odd
    assert result.record["no_patches"].startswith("patch_scores gave 4 x ")
    assert {name: array.shape for name, array in result.arrays.items()} == {"scores": (151,), "sample": (0,)}


def test_a_field_of_numpys_integers_is_a_field(bad_players: Path) -> None:
    result = judging_of("patches_of_numpy")
    assert result.record["patches"] == {"receptive_field": {"size": 4, "stride": 4, "offset": 0}, "side": 16}
    canonical_json(result.record)
    assert result.arrays["patches"].shape == (150, 4, 4)


def test_want_of_memory_is_kept_nowhere(bad_players: Path) -> None:
    with pytest.raises(RuntimeError, match="can't allocate memory"):
        judging_of("patches_out_of_memory")


# -- shift --------------------------------------------------------------------------------------------------------


def seen(*parts: int, has_parts: bool = True) -> Result:
    """A look at fakes."""
    found = np.array(parts, dtype=np.uint8)
    named = {name: float(share) for name, share in zip(PARTS, patches.distribution(found), strict=True)}
    intervals = {name: [share, share] for name, share in named.items()}
    record = {
        "n": len(found),
        "ties": 0,
        "averaged_over": 1,
        "receptive_field": {"size": 4, "stride": 4, "offset": 0},
        "has_parts": has_parts,
        "parts": named,
        "parts_ci": intervals,
        "random_parts": named,
    }
    return Result(record=record, arrays={"parts": found})


def shifted(**looks: Result) -> dict[str, Any]:
    return dict(look.shift(context({"resamples": 100, "confidence": 0.95}, **looks)).record)


def test_a_shift_compares_the_fakes_before_the_attack_with_those_after_the_defence() -> None:
    before, frozen, retrained = seen(*[0] * 40), seen(*[SKIN] * 20, *[0] * 20), seen(*[NOSE] * 30, *[0] * 10)
    record = shifted(before=before, frozen=frozen, retrained=retrained)
    assert (record["has_parts"], record["n"]) == (True, 40)
    for name, side in (("before", before), ("frozen", frozen), ("retrained", retrained)):
        assert record[name] == side.record["parts"]
        assert record[f"{name}_ci"] == side.record["parts_ci"]
    assert record["random"] == retrained.record["random_parts"]
    assert record["shift"]["tv"] == pytest.approx(0.75)
    assert record["shift"]["differences"]["nose"] == pytest.approx(0.75)
    assert record["shift"]["differences"]["background"] == pytest.approx(-0.75)
    assert record["shift"]["exceeds_null"] is True
    # On the attacked fakes alone: half of them were skin to the frozen detector.
    assert record["shift_on_same_images"]["tv"] == pytest.approx(0.75)
    assert record["shift_on_same_images"]["differences"]["skin"] == pytest.approx(-0.5)
    canonical_json(record)


def test_a_detector_that_sees_everything_shifts_nowhere() -> None:
    sides = {name: seen(*[0] * 4) for name in ("before", "frozen", "retrained")}
    for name in sides:
        assert shifted(**{**sides, name: seen(*[0] * 4, has_parts=False)}) == {"has_parts": False}


def test_pools_of_different_sizes_are_not_compared() -> None:
    for before, frozen in ((4, 5), (5, 4)):
        with pytest.raises(ValueError, match="5 and 4 images cannot be compared"):
            shifted(before=seen(*[0] * before), frozen=seen(*[0] * frozen), retrained=seen(*[0] * 4))


# -- in a tournament ----------------------------------------------------------------------------------------------


@dataclass
class Quiet:
    """Sees a tournament and remembers its jobs."""

    jobs: list[Job] = field(default_factory=list)

    def of(self, task: str) -> list[Job]:
        return [job for job in self.jobs if job.task.rpartition(":")[2] == task]

    def begun(self, job: Any) -> None:
        pass

    def reused(self, job: Any) -> None:
        pass

    def damaged(self, job: Any, reason: str) -> None:
        pass

    def progress(self, job: Any, done: int, total: int, note: str) -> None:
        pass

    def finished(self, outcome: Any) -> None:
        self.jobs.append(outcome.job)

    def round_finished(self, record: TournamentRecord) -> None:
        pass


MIXED: dict[str, Any] = {
    "rounds": 2,
    "generators": [{"plugin": "toy_generator"}, {"plugin": "toy_fixed_generator"}],
    "detectors": [
        {"plugin": name} for name in ("toy_detector", "toy_brightness", "toy_wide_detector", "fixed_brightness")
    ],
    "parts": QUADRANTS,
}


@pytest.fixture(scope="module")
def mixed(
    toys: Path, parsers: Path, bad_players: Path, toy_config: Config, tmp_path_factory: pytest.TempPathFactory
) -> tuple[TournamentRecord, Store, Quiet]:
    """Two rounds between generators that attack or do not, and detectors that judge patches or do not."""
    store, observer = Store(tmp_path_factory.mktemp("mixed") / "store"), Quiet()
    record = play_tournament(
        toy_config(**MIXED),
        source=open_source("orl"),
        store=store,
        executor=SerialExecutor(),
        observer=observer,
    )
    return record, store, observer


Mixed = tuple[TournamentRecord, Store, Quiet]


def test_every_match_of_a_patch_detector_is_looked_at(mixed: Mixed) -> None:
    record, store, _ = mixed
    judges = {"toy_detector", "toy_brightness", "toy_wide_detector"}
    matches = {(m.generator.label, m.detector.label) for m in record.matches if m.detector.player in judges}
    assert len(matches) == 4 * (3 + 1 + 1)  # only toy_detector learns
    assert [(look.generator.label, look.detector.label) for look in record.looks] == sorted(matches)
    assert {m.detector.player for m in record.matches} == judges | {"fixed_brightness"}
    for found in record.looks:
        assert found.figures == {truth: store.figures(found.keys[truth], LookFigures) for truth in TRUTHS}
        assert (found.figures["real"].n, found.figures["fake"].n) == (80, 16)
        assert found.has_parts is (found.detector.player != "toy_wide_detector")
    assert not record.forfeits


def test_the_reals_are_the_same_whoever_the_opponent_is(mixed: Mixed) -> None:
    record, _, observer = mixed
    looks = itertools.groupby(sorted(record.looks, key=lambda look: look.detector.label), lambda look: look.detector)
    by_detector = {detector.label: list(found) for detector, found in looks}
    assert len(by_detector) == 3 + 1 + 1
    for found in by_detector.values():
        assert len(found) == 4
        assert len({look.keys["real"] for look in found}) == 1
        assert all(look.figures["real"] == found[0].figures["real"] for look in found)
        # Never the opponents' own.
        assert len({look.keys["fake"] for look in found}) == 4
    cells = build_scoreboard(record).to_json()["parts"]
    reals = {(cell["detector"], cell["detector_round"]): cell["real"] for cell in cells}
    assert [cell["real"] for cell in cells] == [reals[cell["detector"], cell["detector_round"]] for cell in cells]

    # One job for each detector version and real pool, and one for each match's fakes.
    [pools] = record.real_pools.values()
    versions = {look.detector.key for look in record.looks}
    looked_at = [job.inputs["patches"] for job in observer.of("look")]
    truths = [job.payload["truth"] for job in observer.of("look")]
    assert truths.count("real") == len(versions)
    assert truths.count("fake") == len(record.looks)
    assert len(set(looked_at)) == len(looked_at)
    # No player is there, and what it said of reals was said once.
    assert not any("detector" in job.payload or "version" in job.inputs for job in observer.of("look"))
    alone = Mixture(reals=(pools["test"],), fakes=(), seed=record.config.seed)
    asked = [job.inputs["version"] for job in observer.of("judge") if job.inputs["images"] == alone.key]
    assert sorted(asked) == sorted(versions)


def test_every_test_pool_is_parsed_once_before_detectors_are_trained(mixed: Mixed) -> None:
    record, store, observer = mixed
    pools = {version.pools["test"] for version in record.versions if version.pools}
    pools |= {real["test"] for real in record.real_pools.values()}
    labels = {job.inputs["pool"]: job.key for job in observer.of("parse")}
    assert set(labels) == pools
    assert len(observer.of("parse")) == len(pools) == 5
    for of, key in labels.items():
        assert store.read(key).arrays["labels"].shape == store.read(of).arrays["images"].shape[:3]
    assert {job.inputs["labels"] for job in observer.of("look")} == set(labels.values())
    assert [job.round for job in observer.of("parse")] == [0, 0, 0, 1, 2]
    for round_ in range(3):
        stages = [job.stage for job in observer.jobs if job.round == round_]
        assert stages.index("parse") < stages.index("defend")
    stages = [job.stage for job in observer.jobs]
    assert stages.index("audit") < stages.index("parse")  # it may refuse the whole game


def test_every_attack_has_a_shift_for_each_patch_detector(mixed: Mixed) -> None:
    record, _, _ = mixed
    # The fixed generator never attacks, and who does not learn has no successor to compare with.
    expected = [(f"toy_generator@{r}", f"toy_detector@{r - 1}") for r in (1, 2)]
    assert [(s.generator.label, s.detector.label) for s in record.shifts] == expected
    targets = {(m.generator.label, m.detector.label) for m in record.matches if m.is_target}
    assert {(s.generator.label, s.detector.label) for s in record.shifts if s.is_target} == {
        pair for pair in targets if pair[1].startswith("toy_detector@")
    }
    looks = {(look.generator.label, look.detector.label): look.figures for look in record.looks}
    for shift in record.shifts:
        name, round_ = shift.detector.player, shift.generator.round
        sides = {"before": (round_ - 1, round_ - 1), "frozen": (round_, round_ - 1), "retrained": (round_, round_)}
        for side, (generated, defended) in sides.items():
            looked = looks[f"toy_generator@{generated}", f"{name}@{defended}"]["fake"]
            assert getattr(shift.figures, side) == looked.parts
        moved = [shift.figures.retrained[part] - shift.figures.before[part] for part in PARTS]
        assert shift.figures.shift.tv == pytest.approx(np.abs(moved).sum() / 2)


def test_a_detector_of_whole_images_has_matches_and_no_look(mixed: Mixed) -> None:
    record, _, _ = mixed
    scoreboard = build_scoreboard(record).to_json()
    assert "fixed_brightness" in {cell["detector"] for cell in scoreboard["cells"]}
    assert {cell["detector"] for cell in scoreboard["parts"]} == {"toy_detector", "toy_brightness"}
    assert {entry["detector"] for entry in scoreboard["part_shifts"]} == {"toy_detector"}


def test_parts_come_from_the_parser_that_was_asked_for(mixed: Mixed) -> None:
    record, _, _ = mixed
    for cell, side in itertools.product(build_scoreboard(record).to_json()["parts"], ("real", "fake")):
        for of in ("parts", "random_parts"):
            assert sum(cell[side][of].values()) == pytest.approx(1)
            assert {part for part, share in cell[side][of].items() if share} <= {"hair", "eye", "mouth", "neck"}
        # Quadrants are equal: a random patch is of each as often. The border of an odd patch may tip it.
        assert max(cell[side]["random_parts"].values()) < 0.4


def test_the_same_looks_come_out_in_any_order(
    mixed: Mixed, play: Play, toy_config: Config, parsers: Path, bad_players: Path, backwards: SerialExecutor
) -> None:
    other, _ = play(toy_config(**MIXED), executor=backwards)
    assert other == mixed[0]
    assert scoreboard_text(build_scoreboard(other)) == scoreboard_text(build_scoreboard(mixed[0]))


def test_without_a_parser_everything_else_is_the_same(
    mixed: Mixed, play: Play, toy_config: Config, bad_players: Path
) -> None:
    record, watcher = play(toy_config(**{**MIXED, "rounds": 1, "parts": {"parser": ""}}))
    assert not {"parse", "look", "shift"} & {job.task.rpartition(":")[2] for job in watcher.ran}
    assert (record.looks, record.shifts) == ((), ())
    assert (build_scoreboard(record).to_json()["parts"], build_scoreboard(record).to_json()["part_shifts"]) == ([], [])
    with_parts = {(m.generator.label, m.detector.label): m.figures for m in mixed[0].matches}
    for match in record.matches:
        assert with_parts[match.generator.label, match.detector.label] == match.figures


BAD_PATCHES = {
    "patches_nan": "NaN",
    "patches_flat": "16), not (",
    "patches_out_of_range": "values from 1.5",
    "patches_off_the_image": "they do not fit",
    "patches_raise": "raised RuntimeError: the plugin's own bug",
}


def test_a_detector_whose_patches_misbehave_forfeits_its_looks_and_keeps_its_scores(
    play: Play, toy_config: Config, parsers: Path, bad_players: Path
) -> None:
    detectors = [{"plugin": name} for name in (*BAD_PATCHES, "toy_detector")]
    target = {"steps": 2, "batch": 4, "target": "toy_detector"}
    config = toy_config(detectors=detectors, attack=target, parts=QUADRANTS)
    record, _ = play(config)
    for name, reason in BAD_PATCHES.items():
        lost = [forfeit for forfeit in record.forfeits if forfeit.player == name]
        # Each match once, in the round in which it was first played.
        assert sorted((forfeit.round, forfeit.against) for forfeit in lost) == [
            (0, "toy_generator@0"),
            (1, "toy_generator@1"),
        ]
        assert {(forfeit.kind, forfeit.stage) for forfeit in lost} == {("detector", "look")}
        assert all(reason in forfeit.reason for forfeit in lost)
        matches = [m for m in record.matches if m.detector.player == name]
        assert sorted((m.generator.round, m.detector.round) for m in matches) == [(0, 0), (1, 0)]  # it does not learn
    assert {forfeit.player for forfeit in record.forfeits} == set(BAD_PATCHES)
    assert {found.detector.player for found in record.looks} == {"toy_detector"}
    assert len(record.looks) == 4
    [shift] = record.shifts
    assert shift.is_target


class Noting(SerialExecutor):
    """Remembers what ended, whether or not the tournament comes to an end."""

    def __init__(self) -> None:
        super().__init__()
        self.tasks: list[str] = []

    def wait(self) -> Outcome:
        outcome = super().wait()
        self.tasks.append(outcome.job.task.rpartition(":")[2])
        return outcome


def test_a_parser_that_fails_stops_the_tournament_before_anybody_is_trained_and_loses_nothing(
    play: Play, toy_config: Config, parsers: Path
) -> None:
    before = {"enter", "real_pool", "fake_pools", "audit"}
    for index, (name, reason) in enumerate(
        {
            "parser_that_raises": "raised RuntimeError: the parser's own bug",
            "parser_of_no_part": "label gave 11; there are 11 parts, counted from 0",
            "parser_of_wrong_shape": "label returned shape (64, 8, 8), not (64, 16, 16)",
            "parser_of_wrong_type": "label returned torch.float32, not torch.uint8",
            "parser_that_cannot_be_built": "cannot be built: OSError: no model here",
        }.items()
    ):
        executor = Noting()
        with pytest.raises(ConfigError) as caught:
            play(toy_config(parts={"parser": name}), executor=executor)
        assert str(caught.value) == (
            f"the face parser '{name}' failed: {reason}; name another in parts.parser, or '' to leave parts out"
        )
        # Nothing was defended; what was sampled is kept, and the next parser gets it.
        assert set(executor.tasks) == ({*before, "parse"} if index == 0 else {"parse"})
    # The same tournament without parts goes on where it stopped.
    record, ran = play(toy_config(parts={"parser": ""}))
    tasks = [job.task.rpartition(":")[2] for job in ran.ran]
    assert tasks[:2] == ["defend", "judge"]
    first = {task for label, task in zip(ran.labels, tasks, strict=True) if label.startswith("round 0")}
    assert first == {"defend", "judge", "cost", "floor"}
    assert len(record.matches) == 4
    # And with a parser that works, only what depends on it is left.
    _, ran = play(toy_config(parts=QUADRANTS))
    assert {job.task.rpartition(":")[2] for job in ran.ran} == {"parse", "judge", "look", "shift"}
    assert {job.stage for job in ran.ran if job.task.endswith(":judge")} == {"look"}  # of reals by themselves


class InterruptedAtTheThirdLook(SerialExecutor):
    looks = 0

    def wait(self) -> Outcome:
        outcome = super().wait()
        self.looks += outcome.job.task.endswith(":look")
        if self.looks == 3:
            raise KeyboardInterrupt
        return outcome


def test_an_interrupt_between_looks_loses_none_of_them(play: Play, toy_config: Config, parsers: Path) -> None:
    config = toy_config(
        **{**MIXED, "rounds": 0, "detectors": [{"plugin": "toy_detector"}, {"plugin": "toy_brightness"}]}
    )
    with pytest.raises(KeyboardInterrupt):
        play(config, executor=InterruptedAtTheThirdLook())
    resumed, ran = play(config)
    # Two detectors at the reals and at two generators' fakes, less the two that were kept.
    left = [job.task.rpartition(":")[2] for job in ran.ran if job.stage == "look"]
    assert left.count("look") == 4
    assert set(left) <= {"look", "judge"}  # and reals that nobody had judged by themselves
    assert {job.stage for job in ran.ran} <= {"look", "cost"}
    whole, _ = play(config, home="another")
    assert resumed == whole


def test_an_unknown_parser_is_refused_before_anything_is_played(play: Play, toy_config: Config) -> None:
    with pytest.raises(PluginError, match="unknown parser 'face_nuet'; did you mean 'face_unet'"):
        play(toy_config(parts={"parser": "face_nuet"}))
    with pytest.raises(PluginError, match="parser 'face_unet' has no parameter 'wieghts'; did you mean 'weights'"):
        play(toy_config(parts={"parameters": {"wieghts": "x"}}))
    with pytest.raises(PluginError, match="no weights 'nowhere'"):
        play(toy_config(parts={"parameters": {"weights": "nowhere"}}))


def test_more_random_patches_are_another_look_and_the_same_matches(
    play: Play, toy_config: Config, parsers: Path
) -> None:
    play(toy_config(rounds=0, parts=QUADRANTS))
    record, ran = play(toy_config(rounds=0, parts={**QUADRANTS, "random_patches": 64}))
    assert [(job.task.rpartition(":")[2], job.payload["truth"]) for job in ran.ran] == [
        ("look", "real"),
        ("look", "fake"),
    ]
    assert record.looks[0].figures["fake"].random_parts["hair"] == pytest.approx(0.25, abs=0.06)


def test_a_record_without_looks_is_equal_but_for_them(mixed: Mixed) -> None:
    record, _, _ = mixed
    without = replace(record, measured={**record.measured, "look": (), "shift": ()})
    assert {**build_scoreboard(record).to_json(), "parts": [], "part_shifts": []} == build_scoreboard(without).to_json()


class _Small(PatchDetector):
    """Takes images of 16 pixels only; a patch of 4 x 4 of them is as fake as it is bright."""

    receptive_field = ReceptiveField.of([(4, 4, 0)])
    side = 16

    def patch_scores(self, images: torch.Tensor) -> torch.Tensor:
        if images.shape[-1] != self.side:
            raise ValueError(f"shown {images.shape[-1]} pixels")
        return torch.nn.functional.avg_pool2d(images.mean(1), 4)


def test_a_patch_detector_of_one_size_is_shown_that_size_and_its_patches_lie_where_it_looked() -> None:
    # Of 64 pixels the lower right sixteenth is white, and that is all that is of the nose.
    pixels = np.zeros((3, 64, 64, 3), np.uint8)
    pixels[:, 48:, 48:] = 255
    labels = np.full((3, 64, 64), PARTS.index("hair"), np.uint8)
    labels[:, 48:, 48:] = PARTS.index("nose")
    detector = _Small()
    scores = referee.judge_patches(detector, images.to_tensor(pixels))
    assert scores.shape == (3, 4, 4)
    assert scores.flatten(1).argmax(1).tolist() == [15, 15, 15]
    small = patches.resize_labels(labels, detector.side)
    assert small.shape == (3, 16, 16)
    boxes = patches.windows(np.array([[[3, 3]]] * 3), detector.receptive_field, size=(16, 16))
    assert [PARTS[part] for part in patches.assign_parts(small, boxes)[:, 0]] == ["nose"] * 3
    assert np.array_equal(patches.resize_labels(labels, None), labels)
