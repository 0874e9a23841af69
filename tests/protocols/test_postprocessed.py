"""Matches behind what images go through: who lives on fragile traces is seen, and who does not is left alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from fakeoff.arena.errors import ConfigError
from fakeoff.arena.images.postprocessing import parse_operations, postprocess
from fakeoff.arena.images.reals import open_source
from fakeoff.arena.jobs.executors import SerialExecutor
from fakeoff.arena.jobs.store import Store
from fakeoff.arena.players.plugins import load_plugin_file
from fakeoff.arena.typed import as_record
from fakeoff.protocols.attack_defend import play_tournament
from fakeoff.protocols.config import TournamentConfig, parse_config, print_config
from fakeoff.protocols.measures.fragility import LARGE, stand_behind
from fakeoff.protocols.measures.postprocessed import PostprocessedMatch
from fakeoff.protocols.measures.standings import DetectorStanding, detector_standings
from fakeoff.protocols.measures.tournament import TournamentRecord
from fakeoff.protocols.record.versions import Version
from fakeoff.protocols.score.blind import Judging, Mixture, sides
from fakeoff.protocols.score.intervals import Figure, difference
from tests.protocols.conftest import Watcher

TRACES = Path(__file__).parents[1] / "toy_traces.py"
CHAINS = ("jpeg:75", "resize:0.5", "blur:0.5")


@pytest.fixture(scope="module")
def traced(toy_config: Callable[..., TournamentConfig]) -> Callable[..., TournamentConfig]:
    load_plugin_file(TRACES)

    def make(through: tuple[str, ...] = CHAINS, **over: Any) -> TournamentConfig:
        settings: dict[str, Any] = {
            "rounds": 0,
            "generators": [{"plugin": "toy_watermarked"}],
            "detectors": [{"plugin": "toy_checkers", "name": "fragile"}, {"plugin": "toy_bright", "name": "honest"}],
            "pools": {"train_fakes": 32, "val_fakes": 16, "test_fakes": 32},
            "score": {"resamples": 200, "scored_again": 0, "quality_gate": False, "through": through},
            "parts": {"parser": ""},
            "audit": {"on_leak": "skip"},
        }
        return toy_config(**{**settings, **over})

    return make


def _play(
    config: TournamentConfig, store: Store, executor: SerialExecutor | None = None
) -> tuple[TournamentRecord, Any]:
    watcher = Watcher()
    source, executor = open_source("orl"), executor or SerialExecutor()
    return play_tournament(config, source=source, store=store, executor=executor, observer=watcher), watcher


@pytest.fixture(scope="module")
def played(
    traced: Callable[..., TournamentConfig], tmp_path_factory: pytest.TempPathFactory
) -> tuple[TournamentRecord, Store, list[str]]:
    store = Store(tmp_path_factory.mktemp("traces") / "store")
    record, watcher = _play(traced(), store)
    return record, store, watcher.labels


def _standings(record: TournamentRecord) -> dict[str, DetectorStanding]:
    return {one.player: one for one in detector_standings(record)}


def test_who_lives_on_a_fragile_trace_is_seen_and_who_does_not_is_left_alone(
    played: tuple[TournamentRecord, Store, list[str]],
) -> None:
    standings = _standings(played[0])
    assert {one.mean_auc for one in standings.values()} == {1.0}  # nothing tells them apart as images are
    fragile, honest = standings["fragile"], standings["honest"]
    assert [chain for chain, one in fragile.postprocessed.items() if one.fragile] == ["jpeg:75", "resize:0.5"]
    assert fragile.fragility.startswith(
        "fragile@0 lives on traces that do not survive JPEG of quality 75 and a resize to 0.5 and back: "
        "its mean AUC falls from 1.000 to 0."
    )
    assert list(honest.postprocessed) == list(CHAINS)
    assert not any(one.fragile for one in honest.postprocessed.values())
    assert honest.fragility == ""
    assert min(one.mean_auc for one in honest.postprocessed.values()) > 0.99


def test_both_sides_go_through_and_the_judge_sees_nothing_else(
    played: tuple[TournamentRecord, Store, list[str]],
) -> None:
    record, store, _ = played
    [match] = [one for one in record.postprocessed if one.detector.player == "fragile"]
    detector = _detector()
    reals, fakes = record.real_pools[16]["test"], match.generator.pools["test"]
    for chain, key in match.keys.items():
        mixture = Mixture(reals=(reals,), fakes=(fakes,), seed=record.config.seed)
        [real], [fake] = sides(Judging(key=key, mixture=mixture), store)
        for pool, scores in ((reals, real), (fakes, fake)):
            images = postprocess(store.read(pool).arrays["images"], parse_operations(chain))
            levels = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
            np.testing.assert_allclose(scores, detector.score(levels).numpy(), atol=1e-5)


def test_what_was_lost_is_of_the_same_people_and_draws(played: tuple[TournamentRecord, Store, list[str]]) -> None:
    record = played[0]
    plain = {match.places: match for match in record.matches}
    for match in record.postprocessed:
        row = match.row()
        for chain, told in row.through.items():
            before, after = plain[match.places].drawn["auc"], match.behind[chain]["auc"]
            assert after.draws.shape == before.draws.shape
            lost = difference(after, before, record.config.score.confidence)
            assert (told.auc_change, told.auc_change_ci) == (lost.value, lost.ci)
            assert told.auc - plain[match.places].figures.auc == pytest.approx(told.auc_change)
            # of one match a mean is that match
            standing = _standings(record)[match.detector.player].postprocessed[chain]
            assert (standing.change, standing.worst_auc) == (pytest.approx(told.auc_change), told.auc)


def test_what_was_scored_before_is_not_scored_again(traced: Callable[..., TournamentConfig], tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    without, watcher = _play(traced(()), store)
    assert without.postprocessed == ()
    assert not any("behind" in label for label in watcher.labels)
    assert all(one.postprocessed == {} for one in detector_standings(without))
    _, watcher = _play(traced(("jpeg:75",)), store)
    assert [label.partition(": ")[2] for label in watcher.labels] == [
        "score fragile@0 on toy_watermarked@0 behind jpeg:75",
        "score honest@0 on toy_watermarked@0 behind jpeg:75",
    ]
    both, watcher = _play(traced(("blur:0.5", "jpeg:75")), store)
    assert len(watcher.labels) == 2
    assert all("blur:0.5" in label for label in watcher.labels)
    assert [figures for match in both.matches for figures in [match.figures]] == [
        match.figures for match in without.matches
    ]


def test_whoever_runs_them_in_whatever_order(
    played: tuple[TournamentRecord, Store, list[str]],
    traced: Callable[..., TournamentConfig],
    backwards: SerialExecutor,
    tmp_path: Path,
) -> None:
    again, _ = _play(traced(), Store(tmp_path / "store"), backwards)
    rows = [[as_record(one.row()) for one in record.postprocessed] for record in (played[0], again)]
    assert rows[0] == rows[1]


def test_who_fails_behind_a_chain_forfeits_that_alone(traced: Callable[..., TournamentConfig], tmp_path: Path) -> None:
    config = traced(("resize:0.5", "blur:0.2"), detectors=[{"plugin": "toy_startled", "name": "startled"}])
    record, _ = _play(config, Store(tmp_path / "store"))
    [forfeit] = record.forfeits
    assert (forfeit.stage, forfeit.against) == ("score", "toy_watermarked@0 behind resize:0.5")
    assert "no checkerboard anywhere" in forfeit.reason
    assert len(record.matches) == 1
    assert [list(one.keys) for one in record.postprocessed] == [["blur:0.2"]]
    assert list(_standings(record)["startled"].postprocessed) == ["blur:0.2"]


@pytest.mark.parametrize(
    ("lost", "spread", "fragile"),
    [
        (0.3, 0.01, True),
        (0.3, 0.4, False),
        (LARGE * 0.9, 0.001, False),
        (LARGE * 1.1, 0.001, True),
        (-0.3, 0.01, False),
    ],
)
def test_a_loss_must_be_sure_and_large(lost: float, spread: float, fragile: bool) -> None:
    rng = np.random.default_rng(0)
    noise = rng.normal(size=500)

    def figure(value: float, by: float) -> Figure:
        return Figure(value=value, draws=value + by * noise, units=40, least=1 / 8000)

    match = PostprocessedMatch(
        generator=_version("generator"),
        detector=_version("detector"),
        plain="",
        keys={"jpeg:75": ""},
        confidence=0.95,
        before={"auc": figure(0.6, 0.0)},
        behind={"jpeg:75": {"auc": figure(0.6 - lost, spread)}},
    )
    standing = stand_behind(match.detector, [match], confidence=0.95)["jpeg:75"]
    assert standing.fragile is fragile
    assert standing.change == pytest.approx(-lost)


@pytest.mark.parametrize(
    ("through", "said"),
    [
        (["jpg:75"], "nothing that is done to pictures"),
        (["jpeg:75", "jpeg: 75"], "named twice"),
        ([""], "nothing that is done"),
        (3, r"score\.through"),
    ],
)
def test_what_is_no_chain_is_refused(through: Any, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        parse_config({"score": {"through": through}}, where="test")


def test_chains_are_written_as_a_list_or_typed_with_commas() -> None:
    assert TournamentConfig().score.through == CHAINS
    typed = parse_config({"score": {"through": "resize:0.5 + jpeg:75, blur:1"}}, where="test")
    assert typed.score.through == ("resize:0.5+jpeg:75", "blur:1")
    assert parse_config({"score": {"through": ""}}, where="test").score.through == ()
    assert 'through = ["resize:0.5+jpeg:75", "blur:1"]' in print_config(typed)


def _detector() -> Any:
    from fakeoff import detectors

    return detectors.players.load("toy_checkers")()


def _version(kind: Any) -> Version:
    return Version(kind=kind, player=kind, round=0, key=kind)
