"""Eq. 3 and Fig. 5: one shift of all latents after which a detector calls a generator's images fake."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure

from fakeoff import generators
from fakeoff.arena.errors import PluginError
from fakeoff.arena.images import to_tensor
from fakeoff.arena.jobs.executors import Executor, SerialExecutor
from fakeoff.arena.parsers import PARTS
from fakeoff.arena.players.plugins import load_plugin_file
from fakeoff.protocols import protocols
from fakeoff.protocols.exaggerate.codes import Drawn
from fakeoff.protocols.exaggerate.means import Draws, Mean, Resamples
from fakeoff.protocols.exaggerate.parts import measure_changes
from fakeoff.protocols.exaggerate.seeking import Sought
from fakeoff.protocols.exaggerate.walking import ALPHAS
from fakeoff.protocols.game.bench import Bench
from fakeoff.protocols.rules.perceptual import PyramidDistance
from tests.protocols.conftest import Watcher
from tests.protocols.experiments import Kept, play_protocol

Make = Callable[..., Any]
Play = Callable[..., tuple[Kept, Bench]]

TESTS = Path(__file__).parents[1]
BRIGHT, DARK = "toy_brightness", "toy_plain"
ROSTER: dict[str, Any] = {
    "generators": [{"plugin": "toy_corner"}, {"plugin": "toy_fixed_generator"}],
    "detectors": [{"plugin": BRIGHT}, {"plugin": DARK}, {"plugin": "toy_steps"}],
    "parts": {"parser": "toy_quadrants"},
    "audit": {"on_leak": "skip"},
}
SHORT: dict[str, Any] = {
    "rate": 0.05,
    "latents": 16,
    "random_shifts": 4,
    "steps": 80,
    "perceptual_weight": 0.5,
    "norm": 0.5,
}


@pytest.fixture(scope="module", autouse=True)
def plugins(toys: Path) -> None:
    for name in ("toy_latents.py", "toy_parsers.py", "toy_shifts.py"):
        load_plugin_file(TESTS / name)


def player_of(home: Path, watcher: Watcher, toy_config: Make) -> Play:
    """Plays the protocol; returns what it logged and the bench that it stood on."""

    def play(
        *,
        home: Path = home,
        observer: Watcher = watcher,
        executor: Executor | None = None,
        over: dict[str, Any] | None = None,
        **parameters: Any,
    ) -> tuple[Kept, Bench]:
        config = toy_config(**{**ROSTER, **(over or {})})
        return play_protocol(
            "exaggerate", config, home=home, observer=observer, executor=executor, parameters={**SHORT, **parameters}
        )

    return play


@pytest.fixture
def exaggerate(tmp_path: Path, toy_config: Make, watcher: Watcher) -> Play:
    return player_of(tmp_path / "home", watcher, toy_config)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exaggerated")


@pytest.fixture(scope="module")
def exaggerated(home: Path, toy_config: Make, module_watcher: Watcher) -> tuple[Kept, Bench]:
    """Both detectors, played once for whoever only looks at it."""
    return player_of(home, module_watcher, toy_config)()


def results_of(task: str, watcher: Watcher, bench: Bench) -> dict[str, Any]:
    """What the jobs of a task left, by whose they are."""
    return {job.player: bench.store.read(job.key) for job in watcher.ran if job.task.endswith(f":{task}")}


def rows_of(log: Kept, table: str = "exaggeration") -> dict[str, dict[str, Any]]:
    return {row["detector"].partition("@")[0]: row for row in log.tables[table]}


def shift_towards(axis: int, shift: np.ndarray[Any, Any]) -> float:
    """The cosine of a shift and one latent."""
    return float(shift[axis] / np.linalg.norm(shift))


def test_the_shift_points_where_images_are_taken_for_fakes(
    exaggerated: tuple[Kept, Bench], module_watcher: Watcher
) -> None:
    """The image is that of z - w: to brighten it w points away from brightness."""
    shifts = {
        name: result.arrays["shift"] for name, result in results_of("seek", module_watcher, exaggerated[1]).items()
    }
    assert shift_towards(0, shifts[BRIGHT]) < -0.95
    assert shift_towards(0, shifts[DARK]) > 0.95


@pytest.mark.parametrize("judge", [BRIGHT, DARK])
def test_scores_rise_along_the_shift_and_not_along_random_ones(exaggerated: tuple[Kept, Bench], judge: str) -> None:
    row = rows_of(exaggerated[0])[judge]
    assert row["P(fake) of G(z + w)"] < row["P(fake) of G(z)"] < row["P(fake) of G(z - w)"]
    rise = row["P(fake) of G(z - w)"] - row["P(fake) of G(z)"]
    assert abs(row["P(fake) after a random shift"] - row["P(fake) of G(z)"]) < 0.5 * rise
    assert row["highest of random shifts"] < row["P(fake) of G(z - w)"]
    assert row["share that rises"] == 1
    assert row["share that rises from"] < 1
    assert 0.1 < row["share that rises after a random shift"] < 0.9
    assert row["holds"] is True
    beyond = row["rise less that of a random shift"]
    assert beyond == pytest.approx(row["P(fake) of G(z - w)"] - row["P(fake) after a random shift"])
    assert 0 < row["rise less that of a random shift from"] < beyond


def test_the_figures_are_those_of_the_images(exaggerated: tuple[Kept, Bench], module_watcher: Watcher) -> None:
    """Scores and costs are told of the very images that were walked."""
    log, bench = exaggerated
    [codes] = results_of("draw_codes", module_watcher, bench).values()
    n, row = len(codes.arrays["test"]), rows_of(log)[BRIGHT]
    [walked] = [
        bench.store.read(job.key) for job in module_watcher.ran if job.task.endswith(":walk") and BRIGHT in job.label
    ]
    brightness = walked.arrays["images"].mean(axis=(1, 2, 3)).reshape(-1, n) / 255
    moved = [alpha for alpha in ALPHAS if alpha]
    places = {0.0: 0, -1.0: 1 + moved.index(-1.0), 1.0: 1 + moved.index(1.0)}
    for alpha, column in ((-1.0, "G(z + w)"), (0.0, "G(z)"), (1.0, "G(z - w)")):
        assert row[f"P(fake) of {column}"] == pytest.approx(brightness[places[alpha]].mean(), abs=1e-5)
    assert np.array_equal(walked.arrays["images"][:n], codes.arrays["images"])
    assert row["image cost"] == pytest.approx(walked.arrays["distances"][0, moved.index(1.0)].mean(), rel=1e-5)
    made = to_tensor(codes.arrays["images"])
    apart = PyramidDistance()(made, made.roll(1, 0)).mean().item()
    assert row["distance of two latents' images"] == pytest.approx(apart, rel=1e-5)
    random = brightness[1 + len(moved) :].reshape(4, len(moved), n)[:, moved.index(1.0)]
    assert row["P(fake) after a random shift"] == pytest.approx(random.mean(), abs=1e-5)


def test_random_shifts_are_as_long(exaggerated: tuple[Kept, Bench], module_watcher: Watcher) -> None:
    """By their images: each random shift changes the patterns by what its length and direction say."""
    _, bench = exaggerated
    [codes] = results_of("draw_codes", module_watcher, bench).values()
    assert np.linalg.norm(codes.arrays["directions"], axis=1) == pytest.approx(1, abs=1e-5)
    patterns = generators.players.build("toy_corner", {"noise": 0.0}).patterns.numpy()
    for job in module_watcher.ran:
        if not job.task.endswith(":walk"):
            continue
        images = bench.store.read(job.key).arrays["images"][..., 0].reshape(-1, 16, 16, 16) / 255.0
        norm = np.linalg.norm(bench.store.read(job.inputs["shift"]).arrays["shift"])
        for index, direction in enumerate(codes.arrays["directions"]):
            place = 1 + (index + 1) * 6 + [alpha for alpha in ALPHAS if alpha].index(1.0)
            expected = -norm * np.einsum("d,dhw->hw", direction, patterns)
            inside = (images[place] > 0.01) & (images[place] < 0.99)
            assert inside.mean() > 0.95
            assert np.abs(images[place] - images[0] - expected)[inside].max() < 1.5 / 255


def test_latents_of_test_are_neither_learned_on_nor_looked_at(
    exaggerated: tuple[Kept, Bench], module_watcher: Watcher
) -> None:
    _, bench = exaggerated
    [codes] = results_of("draw_codes", module_watcher, bench).values()
    assert not np.array_equal(codes.arrays["val"], codes.arrays["test"])
    seeks = [job for job in module_watcher.ran if job.task.endswith(":seek")]
    assert len(seeks) == 2
    for job in seeks:
        assert job.inputs["val"].endswith(":val")
        assert set(job.inputs) == {"generator", "detector", "val"}


def test_what_is_kept_is_the_lowest_loss_on_val(exaggerated: tuple[Kept, Bench], module_watcher: Watcher) -> None:
    log, bench = exaggerated
    for name, result in results_of("seek", module_watcher, bench).items():
        sought, row = result.figures(Sought), rows_of(log)[name]
        best = min(sought.curve, key=lambda look: look[1])
        assert (row["steps used"], row["loss on val after"]) == (best[0], best[1])
        assert row["loss on val after"] < row["loss on val before"]
        assert row["norm of w"] == pytest.approx(np.linalg.norm(result.arrays["shift"]), rel=1e-5)
        [codes] = results_of("draw_codes", module_watcher, bench).values()
        assert row["norm over that of latents"] == pytest.approx(row["norm of w"] / codes.figures(Drawn).length)
        assert row["norm over that of latents"] <= SHORT["norm"] + 1e-5  # both would go on for ever
        assert log.series[f"loss on val/toy_corner by {name}"] == {step: loss for step, loss, _, _ in sought.curve}


def test_a_shift_ends_where_val_no_longer_gains(exaggerate: Play, watcher: Watcher) -> None:
    """The perceptual distance grows with the shift, and the detector's loss falls ever less: there is a best length."""
    judge = {"detectors": ROSTER["detectors"][:1]}
    lengths = {}
    for weight in (1.0, 2.0):
        watcher.ran.clear()
        _, bench = exaggerate(over=judge, perceptual_weight=weight, norm=0.0, steps=400, rate=0.1)
        [result] = results_of("seek", watcher, bench).values()
        sought = result.figures(Sought)
        lengths[weight] = sought.norm
    assert lengths[2.0] < 0.7 * lengths[1.0]
    assert sought.curve[-1][0] < 400, "patience ended it"
    assert sought.curve[-1][0] == sought.steps + 5 * 10
    kept = next(look for look in sought.curve if look[0] == sought.steps)
    assert sought.curve[-1][3] == pytest.approx(kept[3], rel=0.3), "steps go down the loss, distance included, and rest"


def test_the_rate_falls_evenly(exaggerate: Play, watcher: Watcher, monkeypatch: pytest.MonkeyPatch) -> None:
    rates: list[float] = []
    real = torch.optim.Adam.step

    def step(self: torch.optim.Adam) -> Any:
        rates.append(self.param_groups[0]["lr"])
        return real(self)

    monkeypatch.setattr(torch.optim.Adam, "step", step)
    _, bench = exaggerate(over={"detectors": ROSTER["detectors"][:1], "parts": {"parser": ""}}, steps=4)
    [codes] = results_of("draw_codes", watcher, bench).values()
    first = SHORT["rate"] * codes.figures(Drawn).length / 6**0.5
    assert rates == pytest.approx([first, 0.75 * first, 0.5 * first, 0.25 * first])


def test_who_cannot_take_part_is_told(exaggerated: tuple[Kept, Bench]) -> None:
    log, bench = exaggerated
    assert {(row["generator"], row["detector"], row["reason"]) for row in log.tables["passed over"]} == {
        ("toy_fixed_generator", "all", "it has no latents to shift"),
        ("all", "toy_steps", "it says of itself that it is not differentiable"),
    }
    assert not bench.forfeits


def test_parts_that_change_are_those_that_the_shift_changes(exaggerated: tuple[Kept, Bench]) -> None:
    """Brightness lies in the quarter above left, which the parser calls hair; random shifts change all quarters."""
    log, _ = exaggerated
    rows = {row["part"]: row for row in log.tables["parts that change"] if row["detector"].startswith(BRIGHT)}
    assert list(rows) == ["hair", *[part for part in rows if part != "hair"]], "most changed first"
    assert set(rows) == {"hair", "eye", "mouth", "neck"}
    assert rows["hair"]["change over the whole image's"] > 3
    assert rows["hair"]["holds"] is True
    assert rows["hair"]["difference from"] > 0
    for part, row in rows.items():
        assert row["share of the image"] == pytest.approx(0.25)
        assert row["images"] == 16
        assert row["change over the whole image's from"] <= row["change over the whole image's"]
        assert row["change over the whole image's"] <= row["change over the whole image's to"]
        if part != "hair":
            assert row["change over the whole image's"] < row["the same of a random shift"]
            assert row["difference"] < 0
    for column in ("change over the whole image's", "the same of a random shift"):
        assert sum(row[column] for row in rows.values()) / 4 == pytest.approx(1)  # quarters of equal size


def test_parts_count_pixels_and_not_images() -> None:
    """A part that is one pixel on one image does not weigh as much as one that is half of another."""
    before = np.zeros((2, 4, 4, 3), dtype=np.uint8)  # two images of 16 pixels
    after = before.copy()
    labels = np.zeros((2, 4, 4), dtype=np.uint8)
    labels[0, 0, 0] = labels[1, :2] = 1  # nine pixels in all
    after[0, 0, 0] = 90
    resamples = Resamples(latents=2, directions=2, resamples=100, confidence=0.95, rng=np.random.default_rng(0))
    random = [np.full_like(before, 10)] * 2
    changes = {each.part: each for each in measure_changes(before, after, random, labels, resamples=resamples)}
    hair = changes["hair"]
    assert hair.change.value == pytest.approx((90 / 9) / (90 / 32))
    assert hair.random.value == pytest.approx(1)
    assert hair.less_random.value == pytest.approx(hair.change.value - 1)
    assert (hair.images, hair.area) == (2, pytest.approx(9 / 32))
    assert changes["background"].change.value == 0


def test_parts_of_a_pixel_or_two_are_left_out() -> None:
    before = np.zeros((2, 20, 20, 3), dtype=np.uint8)
    labels = np.zeros((2, 20, 20), dtype=np.uint8)
    labels[0, 0, :3] = 1  # of 800 pixels
    labels[0, 1, :4] = 2
    asked = []

    class Watched(Resamples):
        def interval(self, draws: Draws, *, at_once: int = 1) -> Mean:
            asked.append(at_once)
            return super().interval(draws, at_once=at_once)

    resamples = Watched(latents=2, directions=2, resamples=100, confidence=0.95, rng=np.random.default_rng(0))
    random = [np.full_like(before, 10)] * 2
    changes = measure_changes(before, np.full_like(before, 20), random, labels, resamples=resamples)
    assert {each.part for each in changes} == {PARTS[0], PARTS[2]}
    assert sorted(asked) == [1] * 6 + [2] * 2, "whether a part differs is said of all parts at once"


def test_intervals_of_several_at_once_are_wider() -> None:
    resamples = Resamples(latents=30, directions=4, resamples=1000, confidence=0.9, rng=np.random.default_rng(0))
    values = np.random.default_rng(1).normal(size=30)
    draws = resamples.mean(values)
    alone, together = resamples.interval(draws), resamples.interval(draws, at_once=5)
    assert alone.value == together.value == pytest.approx(values.mean())
    assert alone.high - alone.low == pytest.approx(2 * 1.645 * values.std() / 30**0.5, rel=0.1)
    assert together.high - together.low == pytest.approx(2 * 2.326 * values.std() / 30**0.5, rel=0.1)
    crossed = resamples.random_mean(np.tile([[0.0], [1.0], [1.0], [2.0]], (1, 30)))
    assert resamples.interval(crossed).value == pytest.approx(1)
    assert np.ptp(crossed) > 0.5, "random directions are drawn, too"


def test_without_a_parser_there_are_no_parts(exaggerate: Play) -> None:
    log, _ = exaggerate(over={"parts": {"parser": ""}, "detectors": ROSTER["detectors"][:1]})
    assert "parts that change" not in log.tables
    assert log.tables["exaggeration"]


def test_a_parser_that_fails_says_what_to_do(exaggerate: Play) -> None:
    with pytest.raises(PluginError, match=r"name another in parts\.parser, or '' to leave parts out") as caught:
        exaggerate(over={"parts": {"parser": "parser_that_raises"}, "detectors": ROSTER["detectors"][:1]})
    assert "the parser's own bug" in str(caught.value)


def test_played_again_nothing_is_computed(exaggerated: tuple[Kept, Bench], home: Path, toy_config: Make) -> None:
    watcher = Watcher()
    log, _ = player_of(home, watcher, toy_config)()
    assert not watcher.ran
    assert log.tables == exaggerated[0].tables
    assert log.series == exaggerated[0].series


def test_backwards_is_the_same(exaggerated: tuple[Kept, Bench], exaggerate: Play, backwards: SerialExecutor) -> None:
    log, _ = exaggerate(executor=backwards)
    assert log.tables == exaggerated[0].tables


def test_what_a_tournament_trained_is_only_read(
    exaggerate: Play, play: Make, toy_config: Make, watcher: Watcher
) -> None:
    play(toy_config(**{**ROSTER, "rounds": 0, "parts": {"parser": ""}}))
    exaggerate()
    assert not [job for job in watcher.ran if job.task.endswith((":defend", ":fake_pools"))]


def test_latents_are_shifted_in_w_where_there_is_one(exaggerate: Play, watcher: Watcher) -> None:
    makers = [{"plugin": "toy_mapped_corner"}, {"plugin": "toy_corner"}]
    log, bench = exaggerate(space="w", over={"generators": makers, "detectors": ROSTER["detectors"][:1]})
    [shift] = [result.arrays["shift"] for result in results_of("seek", watcher, bench).values()]
    assert shift_towards(5, shift) < -0.95  # brightness comes last there
    [row] = log.tables["exaggeration"]
    assert (row["space"], row["generator"], row["holds"]) == ("w", "toy_mapped_corner@0", True)
    assert row["norm of w"] > 5  # numbers are ten times as large there
    [left_out] = log.tables["passed over"]
    assert left_out["generator"] == "toy_corner"
    assert "no space behind its latents" in left_out["reason"]


@pytest.mark.parametrize(
    ("plugin", "small"),
    [
        ("stylegan", {"resolution": 16, "truncation": 0.7, "truncated_side": 8}),
        ("stylegan2", {"resolution": 16, "truncation": 0.7}),
        ("mobilestylegan", {"resolution": 16, "side": 32, "critic_features": 64, "most_critic_features": 8}),
    ],
)
def test_the_space_behind_latents_leads_to_the_same_images(plugin: str, small: dict[str, Any]) -> None:
    shared = {"latent_dim": 16, "mapping_layers": 2, "features": 128, "most_features": 16, "weights": ""}
    player = generators.players.build(plugin, {**shared, **small}).eval()
    z = player.latents(3, rng=torch.Generator().manual_seed(0))
    seeds = [torch.Generator().manual_seed(1) for _ in range(2)]
    w = player.map_latents(z)
    assert w.shape == (3, 16)
    assert not torch.allclose(w, z, atol=0.1)
    made = player.synthesise(w, rng=seeds[0])
    assert torch.equal(made, player.decode(z, rng=seeds[1]))
    assert not torch.equal(made, player.synthesise(w + 0.5, rng=torch.Generator().manual_seed(1)))


@pytest.mark.parametrize(
    ("plugin", "space", "reason"),
    [
        ("toy_mapped_elsewhere", "w", "synthesise(map_latents(z)) is not what decode(z) gives"),
        ("toy_one_latent", "z", "gave the same latent each time"),
    ],
)
def test_a_generator_without_a_sound_space_forfeits(exaggerate: Play, plugin: str, space: str, reason: str) -> None:
    makers = [{"plugin": plugin}, {"plugin": "toy_mapped_corner"}]
    log, bench = exaggerate(space=space, over={"generators": makers, "detectors": ROSTER["detectors"][:1]})
    [forfeit] = bench.forfeits
    assert (forfeit.player, reason in forfeit.reason) == (plugin, True)
    assert [row["generator"] for row in log.tables["exaggeration"]] == ["toy_mapped_corner@0"]


def test_a_generator_that_fails_while_it_is_shifted_is_told_and_not_its_detector(exaggerate: Play) -> None:
    makers = [{"plugin": "toy_unshiftable"}, {"plugin": "toy_corner"}]
    log, bench = exaggerate(over={"generators": makers, "detectors": ROSTER["detectors"][:1]})
    [row] = log.tables["passed over"]
    assert (row["generator"], row["detector"]) == ("toy_unshiftable", BRIGHT)
    assert row["reason"] == "the generator raised RuntimeError: no gradients here"
    assert [row["generator"] for row in log.tables["exaggeration"]] == ["toy_corner@0"]
    assert not bench.forfeits


def test_where_no_shift_gains_that_is_told(exaggerate: Play) -> None:
    log, _ = exaggerate(
        perceptual_weight=1e6, over={"detectors": ROSTER["detectors"][:1], "generators": ROSTER["generators"][:1]}
    )
    assert "exaggeration" not in log.tables
    [row] = log.tables["passed over"]
    assert (row["generator"], row["detector"]) == ("toy_corner", BRIGHT)
    assert row["reason"] == "no shift of at most 80 steps lowered the loss on val"


def test_a_detector_whose_gradient_is_lost_is_passed_over_or_forfeits(exaggerate: Play) -> None:
    judges = [{"plugin": name} for name in (BRIGHT, "toy_hides_scores", "toy_lost_gradient")]
    log, bench = exaggerate(over={"generators": ROSTER["generators"][:1], "detectors": judges})
    assert list(rows_of(log)) == [BRIGHT]
    [row] = log.tables["passed over"]
    assert (row["detector"], row["reason"]) == (
        "toy_lost_gradient", "no gradient flows from its evasion_loss to the images"
    )  # fmt: skip
    [forfeit] = bench.forfeits
    assert (forfeit.player, "lets no gradient through from its scores" in forfeit.reason) == ("toy_hides_scores", True)


def test_a_frozen_detector_that_changes_forfeits(exaggerate: Play) -> None:
    judges = [{"plugin": "toy_takes_notes"}, {"plugin": BRIGHT}]
    log, bench = exaggerate(over={"generators": ROSTER["generators"][:1], "detectors": judges})
    [forfeit] = bench.forfeits
    assert forfeit.player == "toy_takes_notes"
    assert "changed the weights of the frozen detector" in forfeit.reason
    assert list(rows_of(log)) == [BRIGHT]


def test_what_is_random_besides_latents_stays_along_the_path(exaggerate: Play, watcher: Watcher) -> None:
    """With fresh noise in each image, brightness would be thrown, and the shift would not be what changed it."""
    maker = [{"plugin": "toy_corner", "parameters": {"noise": 0.1}}]
    _, bench = exaggerate(over={"generators": maker, "detectors": ROSTER["detectors"][:1]})
    [walked] = results_of("walk", watcher, bench).values()
    images = walked.arrays["images"][:, 8:, 8:].astype(float).reshape(-1, 16, 8, 8, 3)  # the shift is not there
    last = 1 + [alpha for alpha in ALPHAS if alpha].index(1.0)
    assert np.abs(images[last] - images[0]).mean() < 2
    assert images[0].mean(axis=(1, 2, 3)).std() > 10


@pytest.mark.parametrize(
    ("over", "space", "message"),
    [
        ({"generators": [{"plugin": "toy_fixed_generator"}]}, "z", "no generator of this game has latents"),
        ({}, "w", "toy_corner: it has no space behind its latents"),
        ({"detectors": [{"plugin": "toy_steps"}]}, "z", "no detector of this game lets a gradient through"),
    ],
)
def test_where_nobody_can_take_part_that_is_said_before_anything_is_played(
    exaggerate: Play, watcher: Watcher, over: dict[str, Any], space: str, message: str
) -> None:
    with pytest.raises(PluginError, match="there is nothing to exaggerate") as caught:
        exaggerate(over=over, space=space)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not watcher.ran


def test_a_distance_that_cannot_be_had_is_told_before_anything_is_played(exaggerate: Play, watcher: Watcher) -> None:
    with pytest.raises(PluginError, match="distance = 'lpips' cannot be had: ") as caught:
        exaggerate(distance="lpips")  # the toys' arena is too small for it
    assert str(caught.value).endswith("; or give distance = 'pyramid'")
    assert "\n" not in str(caught.value)
    assert not watcher.ran


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"steps": 0}, "at least 1"), ({"batch": 0}, "at least 1"), ({"check_every": 0}, "at least 1"),
        ({"patience": 0}, "at least 1"), ({"latents": 7}, "at least 8"), ({"random_shifts": 1}, "random_shifts 2"),
        ({"rate": 0.0}, "rate 0.0 is not above 0"), ({"rate": float("nan")}, "not above 0"),
        ({"perceptual_weight": -0.1}, "not below 0"), ({"norm": float("inf")}, "not below 0"),
        ({"norm": -1.0}, "not below 0"),
    ],
)  # fmt: skip
def test_parameters_out_of_range_are_refused(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        protocols.load("exaggerate")(**parameters)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("name", "value"), [("space", "v"), ("distance", "psnr"), ("steps", "many")])
def test_parameters_of_another_kind_are_refused(name: str, value: str) -> None:
    with pytest.raises(PluginError, match=f"parameter '{name}' = '{value}'"):
        protocols.complete("exaggerate", {name: value})


def words_of(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.texts]


def test_the_picture_of_a_path_says_what_it_shows(exaggerated: tuple[Kept, Bench]) -> None:
    log, _ = exaggerated
    figure, row = log.figures[f"path of toy_corner by {BRIGHT}"], rows_of(log)[BRIGHT]
    words = words_of(figure)
    assert f"What {BRIGHT}@0 calls fake of toy_corner@0, exaggerated" in words
    columns = ["made less fake", "as generated", "exaggerated", "what changed"]
    assert [word for word in words if word in columns] == columns
    for column in ("G(z + w)", "G(z)", "G(z - w)"):
        assert f"mean P(fake) {row[f'P(fake) of {column}']:.2f}" in words
    shown = [axes for axes in figure.axes if axes.get_xlabel().startswith("P(fake) ")]
    assert len(shown) == 7 * 3
    scores = np.array([float(axes.get_xlabel().removeprefix("P(fake) ")) for axes in shown]).reshape(7, 3)
    assert (np.diff(scores, axis=1) > 0).all(), "less fake, as made, more fake"
    brightness = [axes.images[0].get_array().mean() / 255 for axes in shown]
    assert np.abs(np.ravel(scores) - brightness).max() < 0.006, "each score stands under its own image"


def test_the_picture_of_scores_shows_both_curves(exaggerated: tuple[Kept, Bench]) -> None:
    log, _ = exaggerated
    figure = log.figures["scores along the path"]
    panels = [axes for axes in figure.axes if axes.get_title(loc="left")]
    assert [panel.get_title(loc="left") for panel in panels] == [
        f"toy_corner@0\njudged by {name}@0" for name in (BRIGHT, DARK)
    ]
    for panel, name in zip(panels, (BRIGHT, DARK), strict=True):
        curves = {line.get_label(): np.asarray(line.get_ydata()) for line in panel.lines}
        along, random = curves["the shift w"], curves["a random shift as long"]
        assert (np.diff(along) > 0).all()
        assert np.ptp(random) < 0.5 * np.ptp(along)
        assert along[ALPHAS.index(1.0)] == pytest.approx(rows_of(log)[name]["P(fake) of G(z - w)"])


def test_long_names_are_no_file_names(exaggerate: Play) -> None:
    long = "n" * 60
    over = {
        "generators": [{"plugin": "toy_corner", "name": long}],
        "detectors": [{"plugin": BRIGHT, "name": f"{long}d"}],
    }
    log, _ = exaggerate(over=over, steps=20)
    assert "path of pair 1" in log.figures
