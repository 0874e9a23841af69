"""Photographs projected into generators, and detectors that learn what comes of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from fakeoff import generators
from fakeoff.arena import images
from fakeoff.arena.errors import PluginError
from fakeoff.arena.images import Pixels
from fakeoff.arena.images.reals import SPLITS
from fakeoff.arena.jobs import Context, Result
from fakeoff.arena.jobs.executors import SerialExecutor
from fakeoff.arena.players.plugins import load_plugin_file
from fakeoff.arena.players.specs import PlayerSpec, state_arrays
from fakeoff.generators import Generator
from fakeoff.protocols import protocols
from fakeoff.protocols.game.bench import Bench
from fakeoff.protocols.reproject import encoder
from fakeoff.protocols.reproject.looks import Look, choose_look, neighbours
from fakeoff.protocols.reproject.projection import reproject
from fakeoff.protocols.reproject.reprojected import ReprojectArguments, Reprojected
from fakeoff.protocols.rules.perceptual import ChosenDistance
from fakeoff.protocols.rules.pools import beside, what_is_known, who_is_on
from fakeoff.protocols.score.replicates import SharedResamples
from tests.protocols.experiments import Kept, play_protocol

Make = Callable[..., Any]
Play = Callable[..., tuple[Kept, Bench]]

TESTS = Path(__file__).parents[1]
SIDE = 16


@generators.register("toy_exact")
class ToyExact(Generator):
    """Its latents are the pixels: it gives every photograph back."""

    def __init__(self, *, resolution: int = SIDE) -> None:
        super().__init__()
        self.resolution, self.latent_dim = resolution, 3 * resolution**2

    def decode(self, z: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        return (z.view(-1, 3, self.resolution, self.resolution) / 8 + 0.5).clamp(0, 1)

    def encode(self, images: Tensor) -> Tensor:
        return (images.flatten(1) - 0.5) * 8


@generators.register("toy_tinted")
class ToyTinted(ToyExact):
    """Brightness is its latent, and its images are reddish."""

    def __init__(self, *, resolution: int = SIDE) -> None:
        super().__init__(resolution=resolution)
        self.latent_dim = 1

    def decode(self, z: Tensor, *, rng: torch.Generator | None = None) -> Tensor:
        tint = torch.tensor([0.6, 0.5, 0.4]).view(1, 3, 1, 1)
        return (tint + 0.1 * z.view(-1, 1, 1, 1)).expand(-1, 3, self.resolution, self.resolution).clamp(0, 1)

    def encode(self, images: Tensor) -> Tensor:
        return torch.zeros(len(images), 1)


ROSTER: dict[str, Any] = {
    "generators": [
        {"plugin": "toy_latents", "name": "with"},
        {"plugin": "toy_generator", "name": "without", "parameters": {"noise": 0.3}},
        {"plugin": "toy_exact", "name": "exact"},
    ],
    "detectors": [{"plugin": "toy_detector"}, {"plugin": "power_spectrum"}],
    "arena": {"resolution": 20},  # not the generators': the pipeline has something to do
    "parts": {"parser": ""},
    "audit": {"on_leak": "skip"},
}
SETTINGS: dict[str, Any] = {"steps": 20, "encoder_steps": 3, "rate": 0.1, "distance": "pyramid"}


def player_of(home: Path, watcher: Any, toy_config: Make) -> Play:
    load_plugin_file(TESTS / "toy_latents.py")

    def play(
        *,
        home: Path = home,
        over: dict[str, Any] | None = None,
        executor: SerialExecutor | None = None,
        **settings: Any,
    ) -> tuple[Kept, Bench]:
        return play_protocol(
            "reproject",
            toy_config(**{**ROSTER, **(over or {})}),
            home=home,
            observer=watcher,
            executor=executor,
            parameters={**SETTINGS, **settings},
        )

    return play


@pytest.fixture
def play(tmp_path: Path, toy_config: Make, watcher: Any) -> Play:
    return player_of(tmp_path / "home", watcher, toy_config)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, toy_config: Make, module_watcher: Any) -> tuple[Kept, Bench, Play]:
    """Played once for whoever only looks at it; and what plays it once more."""
    again = player_of(tmp_path_factory.mktemp("reprojected"), module_watcher, toy_config)
    return *again(), again


def jobs_of(watcher: Any, task: str) -> list[Any]:
    return [job for job in watcher.ran if job.task.endswith(f":{task}")]


def results_of(bench: Bench, watcher: Any, player: str) -> dict[str, tuple[str, Result]]:
    """Keys and results of a generator's reprojections, by split."""
    jobs = [job for job in jobs_of(watcher, "reproject") if job.player == player]
    return {job.payload["split"]: (job.key, bench.store.read(job.key)) for job in jobs}


# One job


def context_of(
    generator: Generator,
    plugin: str,
    photographs: Pixels,
    *,
    split: str = "val",
    val: Result | None = None,
    **over: Any,
) -> Context:
    spec = PlayerSpec(name=plugin, plugin=plugin, parameters={}, fingerprint=generators.players.fingerprint(plugin))
    arguments = ReprojectArguments(
        **{
            "generator": spec.identity(),
            "split": split,
            "persons": tuple(index // 2 for index in range(len(photographs))),
            "steps": 150,
            "check_every": 15,
            "rate": 0.1,
            "batch": 4,
            "distance": ChosenDistance(name="pyramid"),
            "arena_resolution": SIDE,
            "colour": "grey",
            **over,
        }
    )
    inputs = {"version": Result(record={}, arrays=state_arrays(generator))}
    inputs["real"] = Result(record={}, arrays={"images": photographs})
    if val is not None:
        inputs["val"] = val
    return Context(key="job", payload=asdict(arguments), places={}, inputs=inputs, report=lambda *_: None)


def known_images(generator: Generator, n: int) -> tuple[Tensor, Pixels]:
    """Latents, and their images as they lie in pools."""
    z = generator.latents(n, rng=torch.Generator().manual_seed(3))
    with torch.no_grad():
        return z, images.quantise(generator.decode(z), colour="grey")


@pytest.fixture(scope="module")
def toy() -> Generator:
    load_plugin_file(TESTS / "toy_latents.py")
    player: Generator = generators.players.build("toy_latents", {})
    return player


def test_a_latent_that_is_known_is_found_again(toy: Generator) -> None:
    z, photographs = known_images(toy, 6)
    result = reproject(context_of(toy, "toy_latents", photographs))
    record = result.figures(Reprojected)
    found = torch.from_numpy(result.arrays["z"].copy())
    assert record.start == "mean latent"
    assert (found - z).abs().max() < 0.25
    assert (found - z).abs().mean() < 0.1 * z.abs().mean()
    assert result.arrays["levels_end"].max() < 1
    assert result.arrays["distance_end"].max() < 0.1 * result.arrays["distance_start"].min()
    assert np.abs(result.arrays["val"].astype(int) - photographs).max() <= 3


def test_each_photograph_is_sought_by_itself(toy: Generator) -> None:
    """Its company of a batch moves nothing beyond rounding."""
    _, photographs = known_images(toy, 6)
    whole = reproject(context_of(toy, "toy_latents", photographs, steps=20, check_every=5))
    alone = reproject(context_of(toy, "toy_latents", photographs, steps=20, check_every=5, batch=1))
    assert np.abs(whole.arrays["z"] - alone.arrays["z"]).max() < 1e-3


def test_val_says_where_to_begin_and_where_to_stop(toy: Generator) -> None:
    _, photographs = known_images(toy, 4)
    decided = Reprojected(
        sizes={"val": 2}, start="mean latent", steps=4, early=2, curve=(Look(steps=0, distance=1, levels=9),),
        is_exact=False,
    )  # fmt: skip
    val = Result(record=asdict(decided))
    result = reproject(context_of(toy, "toy_latents", photographs, split="test", val=val, check_every=2))
    record = result.figures(Reprojected)
    assert record.steps == 4
    assert [look.steps for look in record.curve] == [0, 2, 4]
    longer = reproject(context_of(toy, "toy_latents", photographs, check_every=2))
    assert longer.figures(Reprojected).steps > 4
    assert record.curve[-1].distance == pytest.approx(longer.figures(Reprojected).curve[2].distance)


def test_the_first_look_from_which_little_is_gained_is_chosen() -> None:
    def curve(*distances: float) -> list[Look]:
        return [Look(steps=10 * place, distance=distance, levels=0) for place, distance in enumerate(distances)]

    assert choose_look(curve(1, 0.5, 0.3, 0.299, 0.298, 0.2975, 0.2)) == 2
    assert choose_look(curve(1, 0.5, 0.3, 0.299, 0.298, 0.29)) == 5  # three more bring 3%
    assert choose_look(curve(1, 0.5)) == 1
    assert choose_look(curve(0.1, 0.2, 0.3, 0.4)) == 0
    assert choose_look(curve(0.3, 0.2, 0.25)) == 1


def test_on_val_no_more_is_kept_than_was_chosen(toy: Generator) -> None:
    _, photographs = known_images(toy, 4)
    result = reproject(context_of(toy, "toy_latents", photographs, steps=300, check_every=20))
    record = result.figures(Reprojected)
    assert record.steps < record.curve[-1].steps == 300
    chosen = next(look for look in record.curve if look.steps == record.steps)
    assert result.arrays["distance_end"].mean() == pytest.approx(chosen.distance, rel=1e-5)


def test_an_encoder_tells_latents_of_samples_that_it_did_not_learn(toy: Generator) -> None:
    spec = PlayerSpec(name="toy", plugin="toy_latents", parameters={}, fingerprint={})
    arguments = encoder.EncoderArguments(generator=spec.identity(), steps=150, batch=32, colour="grey")
    version = Result(record={}, arrays=state_arrays(toy))
    context = Context(
        key="job", payload=asdict(arguments), places={}, inputs={"version": version}, report=lambda *_: None
    )
    trained = encoder.train_latent_encoder(context)
    assert trained.figures(encoder.TrainedEncoder).explained > 0.5
    _, photographs = known_images(toy, 4)
    begun = context_of(toy, "toy_latents", photographs, steps=1)
    result = reproject(Context(**{**vars(begun), "inputs": {**begun.inputs, "encoder": trained}}))
    record = result.figures(Reprojected)
    assert record.start == "trained encoder"
    assert record.starts["trained encoder"] < 0.7 * record.starts["mean latent"]


@pytest.mark.parametrize("colour", ["grey", "rgb"])
def test_where_the_arena_is_grey_reprojections_are(colour: str) -> None:
    photographs = np.full((3, SIDE, SIDE, 3), 150, dtype=np.uint8)
    result = reproject(context_of(ToyTinted(), "toy_tinted", photographs, steps=8, check_every=2, colour=colour))
    pool = result.arrays["val"]
    assert np.array_equal(pool[..., 0], pool[..., 2]) == (colour == "grey")
    levels = result.arrays["levels_end"].max()
    assert levels < 6 if colour == "grey" else levels > 15  # of a tint that no latent takes away


def test_photographs_are_held_against_the_same_person_s_and_another_s() -> None:
    same, other = neighbours([7, 7, 7, 3, 3, 5])
    assert same == [(0, 1), (1, 2), (2, 0), (3, 4), (4, 3)]
    assert other == [(0, 3), (1, 4), (2, 3), (3, 5), (4, 5), (5, 0)]
    assert neighbours([1, 1]) == ([(0, 1), (1, 0)], [])


# A game


def test_pairs_are_right(played: tuple[Kept, Bench, Play], module_watcher: Any) -> None:
    _, bench, _ = played
    for player in ("with", "exact"):
        results = results_of(bench, module_watcher, player)
        assert set(results) == set(SPLITS)
        for split, (key, result) in results.items():
            pool, n = f"{key}:{split}", len(bench.source.photographs[split])  # type: ignore[index]
            assert what_is_known(pool, bench.store) == ("target", "target_person")
            assert bench.store.read(beside(pool, "target")).arrays["images"].tolist() == list(range(n))
            persons = bench.store.read(who_is_on(pool, bench.store)["target_person"]).arrays["images"]
            assert persons.tolist() == bench.source.persons(split)  # type: ignore[arg-type]
            assert len(result.arrays[split]) == n


def test_what_a_generator_gives_back_is_the_paired_photograph(
    played: tuple[Kept, Bench, Play], module_watcher: Any
) -> None:
    """Place by place and to the byte, as detectors see it: both sides went through one pipeline."""
    _, bench, _ = played
    reals = bench.real_pools(SIDE)
    for split, (key, _) in results_of(bench, module_watcher, "exact").items():
        assert np.array_equal(bench.pixels(f"{key}:{split}"), bench.pixels(reals[split]))


def test_pools_go_through_the_pipeline(played: tuple[Kept, Bench, Play], module_watcher: Any) -> None:
    _, bench, _ = played
    for split, (_, result) in results_of(bench, module_watcher, "with").items():
        pool, end = result.arrays[split], result.arrays["end"]
        assert pool.dtype == np.uint8
        assert pool.shape[1:] == (20, 20, 3)
        assert end.shape[1:] == (SIDE, SIDE, 3)
        assert np.array_equal(pool, images.to_arena(end, resolution=20))
        assert np.array_equal(pool[..., 0], pool[..., 1])  # ORL is grey


def test_test_decides_nothing(played: tuple[Kept, Bench, Play], module_watcher: Any) -> None:
    _, bench, _ = played
    test = {bench.reals_at(SIDE)["test"], bench.real_pools(SIDE)["test"]}
    reads = {job.key: set(job.inputs.values()) for job in module_watcher.ran}
    results = results_of(bench, module_watcher, "with")
    for job in module_watcher.ran:
        of_test = job.task.endswith(":reproject") and job.payload["split"] == "test"
        if not of_test and job.stage not in {"score", "sample"}:
            assert not reads[job.key] & test, job.label
            assert not any(read.startswith(results["test"][0]) for read in reads[job.key]), job.label
    assert [set(job.inputs) for job in jobs_of(module_watcher, "train_latent_encoder")] == [{"version"}]
    for key, result in (results["train"], results["test"]):
        assert results["val"][0] in reads[key]
        assert result.record["steps"] == results["val"][1].record["steps"]


def test_detectors_learn_samples_reprojections_or_both(played: tuple[Kept, Bench, Play], module_watcher: Any) -> None:
    _, bench, _ = played
    [entered] = list(bench.enter("with"))
    key = {split: f"{found[0]}:{split}" for split, found in results_of(bench, module_watcher, "with").items()}
    of: dict[str, list[Mapping[str, str]]] = {
        "with": [entered.pools], "with~reals": [key], "with+with~reals": [entered.pools, key]
    }  # fmt: skip
    trainings = [job for job in jobs_of(module_watcher, "defend") if job.player == "toy_detector"]
    assert len(trainings) == 3
    for job in trainings:
        [group] = [name for name in of if f"on {name}," in job.what]
        fakes = {read for name, read in job.inputs.items() if name.startswith("fake_")}
        assert fakes == {pools[split] for pools in of[group] for split in ("train", "val")}


def test_what_was_trained_on_is_in_brackets(played: tuple[Kept, Bench, Play]) -> None:
    log, *_ = played
    seen = {"with": {"with"}, "with~reals": {"with~reals"}, "with+with~reals": {"with", "with~reals"}}
    rows = log.tables["average precision"]
    assert {row["trained on"] for row in rows} == set(seen)
    for row in rows:
        columns = {"with", "without", "exact", "with~reals"}
        assert {name for name in columns if row[name].startswith("[")} == seen[row["trained on"]]
        assert "exact~reals" not in row
    table = [text.get_text() for text in log.figures["average precision"].axes[0].texts]
    assert any("NAME~reals: what generator NAME makes of the real photographs" in text for text in table)
    assert {f"trained on {group}" for group in seen} <= set(table)


def test_what_reprojections_are_worth_is_told_on_generators_that_neither_saw(played: tuple[Kept, Bench, Play]) -> None:
    log, *_ = played
    rows = {(row["learned"], row["detector"]): row for row in log.tables["reprojections in place of samples"]}
    assert len(rows) == 2 * 2
    ap = {
        (row["trained on"], row["detector"], row["tested on"]): row["AP"] for row in log.tables["every pair"]
    }  # fmt: skip
    for group, learn in (("with~reals", "reprojections"), ("with+with~reals", "both")):
        row = rows[f"{learn} in place of samples", "toy_detector"]
        assert row["tested on"] == "without, exact"
        means = [np.mean([ap[g, "toy_detector", name] for name in ("without", "exact")]) for g in (group, "with")]
        assert row["gain of AP"] == pytest.approx(means[0] - means[1])
        assert row["from"] < row["gain of AP"] < row["to"]
        assert row["holds"] == (not row["from"] <= 0 <= row["to"])


def test_who_is_passed_over_is_told(played: tuple[Kept, Bench, Play]) -> None:
    log, *_ = played
    rows = {row["generator"]: row["why it has no reprojections to learn"] for row in log.tables["passed over"]}
    assert set(rows) == {"without", "exact"}
    assert "has no latents" in rows["without"]
    assert "gives photographs back" in rows["exact"]


def test_how_near_they_come_is_told_with_intervals_over_people(
    played: tuple[Kept, Bench, Play], module_watcher: Any
) -> None:
    log, bench, _ = played
    rows = {row["generator"]: row for row in log.tables["reprojection"]}
    assert set(rows) == {"with", "exact"}
    _, test = results_of(bench, module_watcher, "with")["test"]
    row = rows["with"]
    assert (row["distance"], row["of test"]) == ("pyramid", "80 photographs, 8 people")
    for name in ("start", "end"):
        value, low, high = (
            float(number)
            for number in row[f"at the {name}"].replace("(", "").replace(")", "").replace("to ", "").split()
        )
        assert value == pytest.approx(test.arrays[f"distance_{name}"].mean(), abs=6e-4)
        assert low < value < high
    of_people = test.arrays["distance_end"].reshape(8, 10).mean(1)
    assert high - low > 2 * of_people.std(ddof=1) / 8**0.5  # photographs of a person are alike
    assert rows["exact"]["at the end"].startswith("0.000")
    assert rows["exact"]["start"] == "own encoder"
    assert row["same person"] < row["another person"]


def test_fakes_of_people_are_drawn_with_them(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    told: dict[str, Any] = {}
    real = SharedResamples

    def remember(persons: Any, fakes: Any, **rest: Any) -> SharedResamples:
        told.update(fakes)
        return real(persons, fakes, **rest)

    monkeypatch.setattr("fakeoff.protocols.generalize.protocol.SharedResamples", remember)
    _, bench = play(
        over={"generators": ROSTER["generators"][:1], "detectors": ROSTER["detectors"][1:]},
        learn=("reprojections",), steps=2, encoder_steps=0,
    )  # fmt: skip
    assert told == {"with": 16, "with~reals": [bench.source.persons("test")]}


def test_pictures_say_what_they_show(played: tuple[Kept, Bench, Play], module_watcher: Any) -> None:
    log, bench, _ = played
    _, test = results_of(bench, module_watcher, "with")["test"]
    figure = log.figures["reprojections of with"]
    assert len(figure.axes) == 5 * 8
    title = figure.get_suptitle()
    assert "What with makes of real photographs of test" in title
    assert "pyramid to the photograph, 0 is identical" in title
    labels = [axes.get_ylabel() for axes in figure.axes[::8]]
    assert labels[0].startswith("real photograph")
    assert labels[1].startswith("start: ")
    under = [axes.get_xlabel() for axes in figure.axes[24:32]]
    assert under == [f"{value:.2f}" for value in test.arrays["distance_end"][::10]]
    [curve] = log.figures["quality over steps"].axes
    assert curve.get_ylabel().startswith("pyramid")
    scale = {text.get_text().replace("\n", " "): text.get_position()[1] for text in curve.texts}
    _, val = results_of(bench, module_watcher, "with")["val"]
    assert scale["another photograph of the same person"] == pytest.approx(val.arrays["distance_same"].mean())
    assert scale["another person"] == pytest.approx(val.arrays["distance_other"].mean())
    [with_, exact] = [text.get_text() for text in curve.get_legend().get_texts()]
    assert "started by: " in with_
    assert exact == "exact, gives them back as they are"


def test_played_again_nothing_is_computed(played: tuple[Kept, Bench, Play], module_watcher: Any) -> None:
    log, _, again = played
    before = len(module_watcher.ran)
    once_more, _ = again()
    assert len(module_watcher.ran) == before
    assert once_more.tables == log.tables


def test_backwards_is_the_same(played: tuple[Kept, Bench, Play], backwards: SerialExecutor, tmp_path: Path) -> None:
    log, _, again = played
    other, _ = again(home=tmp_path / "other", executor=backwards)
    assert other.tables == log.tables


def test_who_breaks_forfeits_and_the_rest_goes_on(play: Play) -> None:
    broken = {"plugin": "toy_broken_latents", "name": "broken"}
    log, bench = play(
        over={"generators": [ROSTER["generators"][0], broken], "detectors": ROSTER["detectors"][1:]},
        learn=("reprojections",), steps=2, encoder_steps=1,
    )  # fmt: skip
    [forfeit] = bench.forfeits
    assert (forfeit.player, forfeit.stage) == ("broken", "encoder")
    assert "decode returned shape" in forfeit.reason
    [row] = log.tables["passed over"]
    assert row["generator"] == "broken"
    assert "forfeited" in row["why it has no reprojections to learn"]
    assert {row["trained on"] for row in log.tables["average precision"]} == {"with~reals"}
    assert all(row["broken"] for row in log.tables["average precision"])


def test_only_who_is_asked_for_is_projected_into(play: Play, watcher: Any) -> None:
    two = [{"plugin": "toy_latents", "name": name} for name in ("with", "other")]
    log, _ = play(
        over={"generators": two, "detectors": ROSTER["detectors"][1:]},
        learn=("reprojections",), project=("with",), steps=2, encoder_steps=0,
    )  # fmt: skip
    assert {job.player for job in jobs_of(watcher, "reproject")} == {"with"}
    [row] = log.tables["passed over"]
    assert (row["generator"], row["why it has no reprojections to learn"].split()[0]) == ("other", "nobody")
    assert all(row["other"] for row in log.tables["average precision"])  # met all the same


def test_a_distance_that_cannot_be_had_is_told(play: Play, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FAKEOFF_ASSETS", str(tmp_path / "none"))
    log, _ = play(
        over={"generators": [{"plugin": "toy_latents", "name": "with", "parameters": {"resolution": 32}}],
              "detectors": ROSTER["detectors"][1:]},
        learn=("reprojections",), steps=1, encoder_steps=0, distance="lpips",
    )  # fmt: skip
    [row] = log.tables["reprojection"]
    assert row["distance"] == "pyramid"
    assert row["not the distance that was wanted"] == "the asset 'lpips' is missing; run: fakeoff assets pull lpips"
    assert "pull lpips" in log.figures["reprojections of with"].get_suptitle()
    assert row["start"] == "mean latent"


@pytest.mark.parametrize(
    ("over", "settings", "message"),
    [
        ({"generators": ROSTER["generators"][1:2]}, {}, "no generator that plays here has latents"),
        ({}, {"train_on": ("nobody",)}, "train_on names 'nobody'"),
        ({}, {"project": ("nobody",)}, "project names 'nobody'"),
        ({}, {"train_on": ("with",), "project": ("exact",)}, "train_on names 'with', which project leaves out"),
        ({"defend": {"adversarial": 0.5}}, {}, "set defend.adversarial=0"),
    ],
)
def test_what_cannot_be_played_is_refused_before_anything_is(
    play: Play, watcher: Any, over: dict[str, Any], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(PluginError, match=message):
        play(over=over, **settings)
    assert not watcher.ran


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learn": ("fakes",)}, "learn names some of samples, reprojections, both"),
        ({"learn": ()}, "learn names some"),
        ({"steps": 0}, "at least 1"),
    ],
)
def test_bad_parameters_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        protocols.load("reproject")(**settings)
