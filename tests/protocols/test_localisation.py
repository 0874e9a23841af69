"""Whether patch detectors look where manipulators changed the image: on heatmaps that are known, and in whole games."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import binary_dilation
from sklearn.metrics import roc_auc_score

from fakeoff.arena.images.reals import SPLITS, open_source
from fakeoff.arena.jobs import Result
from fakeoff.arena.jobs.store import Store
from fakeoff.arena.players.plugins import load_plugin_file
from fakeoff.detectors import ReceptiveField
from fakeoff.protocols.measures import Kept, Localisation
from fakeoff.protocols.rules.pools import Sampled, beside, what_is_known
from fakeoff.protocols.score.blind import Mixture
from fakeoff.protocols.score.localisation import LOCATED, LocalisationFigures, measure_localisation
from fakeoff.protocols.score.masked_fakes import MaskedFakes
from fakeoff.protocols.score.patches import align

load_plugin_file(Path(__file__).parents[1] / "toy_manipulators.py")

Play = Callable[..., tuple[Any, Any]]
Config = Callable[..., Any]

FIELD = ReceptiveField.of([(4, 4, 0)])
N, SIDE = 40, 32


def squares(n: int = N, *, seed: int = 0) -> Any:
    """Masks with a square of 12 px each, on the grid of the patches; uint8 ``(n, 32, 32)``."""
    masks = np.zeros((n, SIDE, SIDE), dtype=np.uint8)
    for mask, (top, left) in zip(masks, np.random.default_rng(seed).integers(0, 6, (n, 2)) * 4, strict=True):
        mask[top : top + 12, left : left + 12] = 255
    return masks


def on_grid(masks: Any) -> Any:
    """How much of each patch is changed, float32 ``(n, 8, 8)``."""
    return (masks.reshape(len(masks), 8, 4, 8, 4).mean(axis=(2, 4)) / 255).astype(np.float32)


def noise(n: int = N, *, seed: int = 5) -> Any:
    return np.random.default_rng(seed).random((n, 8, 8), dtype=np.float32)


def measure(scores: Any, masks: Any, *, field: ReceptiveField = FIELD, val: Any = None, **over: Any) -> Any:
    test = MaskedFakes(scores=scores, masks=masks)
    given = {"people": {"target_person": np.arange(len(masks)) // 5}, "resamples": 300, "confidence": 0.95, **over}
    return measure_localisation(test, val or test, field, rng=np.random.default_rng(1), **given)


def figures(*given: Any, **over: Any) -> LocalisationFigures:
    found, _ = measure(*given, **over)
    assert found is not None
    return found  # type: ignore[no-any-return]


def test_who_knows_where_the_change_is_is_near_one() -> None:
    masks = squares()
    found = figures(on_grid(masks), masks)
    assert found.area == pytest.approx(9 / 64)
    assert found.pointing.value == found.patch.value == 1
    assert found.auc.value == pytest.approx(1)
    assert found.mass.value > 0.8
    assert found.iou.value > 0.95
    for name in LOCATED:
        located = getattr(found, name)
        assert located.gain_ci[0] > 0.1
        assert located.value > located.prior + 0.2  # squares are anywhere: to know where they mostly are is not enough
    # Eight people who are all right are no proof of certainty.
    assert found.people == 8
    assert found.pointing.ci[0] == pytest.approx(0.025 ** (1 / 8))  # Clopper and Pearson


def test_who_does_not_know_is_near_chance() -> None:
    masks = squares()
    found = figures(noise(), masks)
    for name in LOCATED:
        located = getattr(found, name)
        assert located.gain_ci[0] < 0 < located.gain_ci[1]
        assert located.random == pytest.approx(located.chance, abs=0.03)
    assert found.auc.chance == 0.5
    assert found.mass.chance == found.iou.chance == found.area


def test_who_points_elsewhere_is_below_chance() -> None:
    masks = squares()
    found = figures(1 - on_grid(masks), masks)
    assert found.auc.value == pytest.approx(0)
    assert found.pointing.value == found.patch.value == 0
    assert found.mass.gain_ci[1] < 0
    assert found.auc.gain_ci[1] < 0
    assert found.pointing.ci[1] > 0.3  # none of eight people is no certainty either
    assert found.iou.value == pytest.approx(found.area)  # the best is then to say that all was changed


def test_a_flat_heatmap_is_chance_itself() -> None:
    masks = squares()
    found = figures(np.full((N, 8, 8), 0.7, np.float32), masks)
    assert found.mass.value == pytest.approx(found.area)
    assert found.auc.value == pytest.approx(0.5)
    assert found.mass.gain == pytest.approx(0)
    nothing = figures(np.zeros((N, 8, 8), np.float32), masks)
    assert nothing.mass.value == pytest.approx(found.area)


def test_one_heatmap_for_all_is_what_the_prior_has() -> None:
    """A detector that lights up the same middle everywhere gains over a random patch, and nothing over the prior."""
    masks = np.zeros((N, SIDE, SIDE), dtype=np.uint8)
    masks[:, 8:24, 8:24] = 255
    masks[::2, 8:12] = 0
    middle = on_grid(masks).mean(axis=0, keepdims=True).repeat(N, axis=0)
    found = figures(middle, masks)
    assert found.auc.value > 0.95
    assert found.auc.gain_ci[0] > 0.2
    for name in ("mass", "auc", "iou"):
        located = getattr(found, name)
        assert located.value == pytest.approx(located.prior, abs=1e-6)


def test_who_sees_the_same_in_the_paired_real_sees_no_manipulation() -> None:
    masks = squares()
    for scores, paired, gains in ((on_grid(masks), on_grid(masks), False), (on_grid(masks), noise(), True)):
        found = figures(scores, masks, paired=paired)
        for name in LOCATED:
            located = getattr(found, name)
            assert located.value - located.paired == pytest.approx(located.paired_gain)
            assert (located.paired_gain_ci[0] > 0.2) == gains
            assert gains or located.paired_gain == pytest.approx(0)
    assert figures(on_grid(masks), masks).auc.paired is None


def test_auc_of_pixels_is_scikit_learns_of_the_aligned_heatmap() -> None:
    masks, scores = squares(6), np.round(noise(6), 1)  # with ties
    _, found = measure(scores, masks)
    heat = align(scores, FIELD, size=(SIDE, SIDE))
    expected = [roc_auc_score(mask.reshape(-1) > 0, one.reshape(-1)) for mask, one in zip(masks, heat, strict=True)]
    assert found["auc"] == pytest.approx(expected, abs=1e-6)
    inside = [(one * (mask > 0)).sum() / one.sum() for mask, one in zip(masks, heat, strict=True)]
    assert found["mass"] == pytest.approx(inside, abs=1e-6)


@pytest.mark.parametrize(
    "field", [FIELD, ReceptiveField(size=13, stride=4, offset=-2), ReceptiveField(size=3, stride=4)]
)
def test_patches_lie_where_the_receptive_field_says(field: ReceptiveField) -> None:
    """One patch is sure, and its centre is the pixel that is inside, whatever the offset; two pixels on is outside."""
    scores = np.zeros((1, 7, 7), np.float32)
    scores[0, 3, 5] = 1
    row, column = (int(field.offset + unit * field.stride + (field.size - 1) / 2) for unit in (3, 5))
    masks = np.zeros((1, SIDE, SIDE), np.uint8)
    masks[0, row, column] = 255
    people = {"target_person": np.zeros(1, np.int64)}
    hit = figures(scores, masks, field=field, people=people)
    assert hit.pointing.value == 1
    assert hit.patch.value == pytest.approx(1 / field.size**2)
    missed = figures(scores, np.roll(masks, 2, axis=2), field=field, people=people)
    assert missed.pointing.value == 0
    assert hit.mass.value > missed.mass.value


def test_masks_without_anything_to_find_are_left_out_and_counted() -> None:
    masks = squares()
    masks[3], masks[7], masks[9] = 0, 255, 127  # 127 of 255: changed by less than half
    found, each = measure(on_grid(squares()), masks)
    assert (found.n, found.left_out) == (N - 3, 3)
    assert set(range(N)) - set(each["places"]) == {3, 7, 9}
    assert len(each["auc"]) == N - 3
    assert measure(noise(), np.zeros((N, SIDE, SIDE), np.uint8)) == (None, {})


def test_the_threshold_is_vals_and_test_decides_nothing() -> None:
    masks = squares()
    val = MaskedFakes(scores=on_grid(masks) * 0.2, masks=masks)
    found = figures(on_grid(masks), masks, val=val)
    assert 0 < found.threshold <= 0.2
    assert figures(noise(), squares(seed=3), val=val).threshold == found.threshold
    assert found.iou.value < 0.9  # val's threshold is too low for test, and it is taken all the same
    empty = MaskedFakes(scores=noise(4), masks=np.zeros((4, SIDE, SIDE), np.uint8))
    assert figures(on_grid(masks), masks, val=empty).threshold == 0.5


def test_intervals_are_over_people() -> None:
    """All fakes of a person alike: five for each are no more than one, and the interval says so."""
    masks = squares(80)
    good = (np.arange(80) // 10 % 2 == 0)[:, None, None]
    scores = np.where(good, on_grid(masks), 1 - on_grid(masks)).astype(np.float32)
    by_person, by_image, by_pair = (
        figures(scores, masks, people=people, resamples=1000)
        for people in (
            {"target_person": np.arange(80) // 10},
            {},
            {"target_person": np.arange(80) // 10, "source_person": (np.arange(80) // 10 + 1 + np.arange(80) % 7) % 8},
        )
    )
    assert (by_person.people, by_image.people, by_pair.people) == (8, 0, 8)
    widths = [found.auc.ci[1] - found.auc.ci[0] for found in (by_image, by_person, by_pair)]
    # The standard error of a mean of 0s and 1s: 0.5 / sqrt(80), and 0.5 / sqrt(8) of eight people.
    assert widths[0] == pytest.approx(2 * 1.96 * 0.5 / 80**0.5, rel=0.15)
    assert widths[1] == pytest.approx(2 * 1.96 * 0.5 / 8**0.5, rel=0.15)
    assert widths[2] > 2 * widths[0]  # a source who is on many of them makes it no surer


@pytest.fixture
def config(toy_config: Config) -> Config:
    def make(*generators: Any, detectors: Any = ("toy_sees_white",), **over: Any) -> Any:
        given = {
            "rounds": 0,
            "generators": [{"plugin": one} if isinstance(one, str) else one for one in generators],
            "detectors": [{"plugin": name} for name in detectors],
            "arena": {"resolution": 32},
            "parts": {"parser": ""},
            "audit": {"on_leak": "skip"},
            "pools": {"train_fakes": 32, "val_fakes": 24, "test_fakes": 48},
            "score": {"resamples": 200, "scored_again": 0, "quality_gate": False, "polarity_check": False},
        }
        return toy_config(**{**given, **over})

    return make


DETECTORS = ("toy_sees_white", "toy_sees_nothing", "toy_sees_all_else", "power_spectrum")


def test_every_match_of_a_manipulator_with_a_patch_detector_is_measured(
    play: Play, config: Config, tmp_path: Path
) -> None:
    record, ran = play(config("toy_painted_square", "toy_halves", "toy_fixed_generator", detectors=DETECTORS))
    assert not record.forfeits
    # Val is judged as blindly as test.
    judgings = [job for job in ran.ran if job.stage == "look" and job.name == "judge"]
    assert len(judgings) == 3
    assert all(set(job.inputs) == {"version", "images"} for job in judgings)
    assert all(set(job.payload) == {"detector", "sample", "patches"} for job in judgings)
    maker = record.localisations[0].generator
    val = Mixture(
        reals=(record.real_pools[maker.resolution]["val"],), fakes=(maker.pools["val"],), seed=record.config.seed
    )
    assert {job.inputs["images"] for job in judgings} == {val.key}
    found = {(one.generator.player, one.detector.player): one for one in record.localisations}
    # Neither who says nothing of what it changed, nor who judges whole images.
    assert set(found) == {("toy_painted_square", name) for name in DETECTORS[:3]}
    sees, blind, elsewhere = (found["toy_painted_square", name].figures for name in DETECTORS[:3])
    assert sees.n == 48
    assert sees.people == 8
    assert sees.area == pytest.approx(1 / 16)
    assert sees.pointing.value == 1
    assert sees.auc.value > 0.99
    assert sees.iou.value > 0.9
    assert sees.pointing.gain_ci[0] > 0.3
    for name in ("mass", "auc", "pointing", "patch"):
        located = getattr(blind, name)
        assert located.gain_ci[0] <= 0 <= located.gain_ci[1]
    assert sees.pointing.paired < 0.3  # on the photographs themselves there is no square
    assert sees.auc.paired_gain_ci[0] > 0.3
    assert elsewhere.pointing.value == 0
    assert elsewhere.auc.value < 0.05
    store = Store(tmp_path / "home" / "store")
    for one in record.localisations:
        kept = Kept(
            subjects=one.subjects,
            results=one.results(),
            store=store,
            config=record.config,
            real_pools=record.real_pools,
        )
        assert Localisation.read(kept) == one
        assert one.row() is not None


def test_a_detector_with_a_side_of_its_own_is_measured_at_it(play: Play, config: Config) -> None:
    record, _ = play(config("toy_painted_square", detectors=("toy_sees_white_at_64",)))
    [found] = record.localisations
    assert found.figures.pointing.value == 1
    assert found.figures.auc.value > 0.97


def test_masks_and_pairs_go_the_way_of_the_pools(play: Play, config: Config, tmp_path: Path) -> None:
    """A fake is its paired real outside of its mask, at the arena's resolution; half of the generator's here."""
    square = {"plugin": "toy_painted_square", "parameters": {"resolution": 32}}
    _, ran = play(config(square, arena={"resolution": 16}, detectors=("toy_brightness",)))
    store, source = Store(tmp_path / "home" / "store"), open_source("orl")
    [sampled] = [job for job in ran.ran if job.stage == "sample"]
    reals = {job.label: job.key for job in ran.ran if job.stage == "reals" and job.payload["arena_resolution"] == 16}
    for split in SPLITS:
        pool = f"{sampled.key}:{split}"
        assert what_is_known(pool, store) == ("mask", "source", "source_person", "target", "target_person")
        known = {name: store.read(beside(pool, name)).arrays["images"] for name in what_is_known(pool, store)}
        fakes, photographs = store.read(pool).arrays["images"], store.read(reals[f"{split} reals"]).arrays["images"]
        assert known["mask"].shape == fakes.shape[:3]
        assert known["mask"].dtype == np.uint8
        assert (known["mask"] >= 128).mean() == pytest.approx(1 / 16, abs=0.005)
        persons = np.array(source.persons(split))
        for name in ("target", "source"):
            assert (persons[known[name]] == known[f"{name}_person"]).all()
        assert (known["target_person"] != known["source_person"]).all()
        differs = np.abs(fakes.astype(int) - photographs[known["target"]]).max(axis=3)
        # Lanczos mixes what lies within three pixels of the generator's, one and a half of the arena's.
        near = np.stack([_grown(mask > 0, 2) for mask in known["mask"]])
        assert (differs[~near] <= 1).all()
        assert (differs[known["mask"] == 255] > 20).mean() > 0.9
        assert (fakes[known["mask"] == 255] > 200).mean() > 0.95


def _grown(mask: Any, by: int) -> Any:
    return binary_dilation(mask, np.ones((3, 3)), iterations=by)


def test_masks_that_are_none_and_pairs_across_splits_forfeit(play: Play, config: Config) -> None:
    wrong = {
        "colour": (
            {"plugin": "toy_wrong_mask", "parameters": {"channels": 3}},
            r"the mask returned shape \(.* 3, 16, 16",
        ),
        "bright": (
            {"plugin": "toy_wrong_mask", "parameters": {"brightness": 255.0}},
            "the mask has values from 0 to 255",
        ),
        "mixed": ({"plugin": "toy_split_mixer"}, "a fake is of another split than the real that its target names"),
    }
    record, _ = play(config(*({**entry, "name": name} for name, (entry, _) in wrong.items()), "toy_fixed_generator"))
    assert {(forfeit.player, forfeit.stage) for forfeit in record.forfeits} == {(name, "sample") for name in wrong}
    for forfeit in record.forfeits:
        assert re.search(wrong[forfeit.player][1], forfeit.reason)
    assert not record.localisations


def test_pools_of_before_say_nothing_and_are_read_all_the_same(tmp_path: Path) -> None:
    store, key = Store(tmp_path), "ab" + "0" * 62
    store.write(key, Result(record={"sizes": {"test": 8}}, arrays={"test": np.zeros((8, 4, 4, 3), np.uint8)}))
    assert what_is_known(f"{key}:test", store) == ()
    assert store.figures(key, Sampled) == Sampled(sizes={"test": 8})
