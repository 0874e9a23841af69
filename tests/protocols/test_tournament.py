from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fakeoff.arena.errors import ConfigError, PluginError
from fakeoff.arena.jobs import Outcome
from fakeoff.arena.jobs.executors import SerialExecutor
from fakeoff.arena.jobs.store import Store
from fakeoff.leaderboard.scoreboard import build_scoreboard, scoreboard_text
from fakeoff.protocols.measures.tournament import TournamentRecord

Play = Callable[..., tuple[TournamentRecord, Any]]
Config = Callable[..., Any]


def _cells(record: TournamentRecord) -> dict[tuple[str, str], Any]:
    return {(match.generator.label, match.detector.label): match.figures for match in record.matches}


def test_every_version_meets_every_version(play: Play, toy_config: Config) -> None:
    record, _ = play(toy_config(rounds=2))
    labels = [f"toy_generator@{i}" for i in range(3)], [f"toy_detector@{i}" for i in range(3)]
    assert set(_cells(record)) == {(g, d) for g in labels[0] for d in labels[1]}
    assert not record.forfeits


def test_the_target_of_an_attack_is_the_last_rounds_detector(play: Play, toy_config: Config) -> None:
    record, _ = play(toy_config(rounds=2))
    targets = {(m.generator.label, m.detector.label) for m in record.matches if m.is_target}
    assert targets == {("toy_generator@1", "toy_detector@0"), ("toy_generator@2", "toy_detector@1")}


class LiesAboutTest(SerialExecutor):
    """Turns every score of test round."""

    def wait(self) -> Outcome:
        outcome = super().wait()
        if outcome.job.stage == "score":
            assert outcome.result is not None
            turned = {"scores": 1 - outcome.result.arrays["scores"]}
            arrays = {**outcome.result.arrays, **turned}
            return dataclasses.replace(outcome, result=dataclasses.replace(outcome.result, arrays=arrays))
        return outcome


def test_test_decides_nothing(play: Play, toy_config: Config) -> None:
    """The better detector on val is attacked, whatever test says of both."""
    config = toy_config(
        rounds=2,
        detectors=[
            {"plugin": "toy_detector", "name": "a_blind_one", "parameters": {"learning_rate": 1e-9}},
            {"plugin": "toy_detector", "name": "b_sees"},
        ],
        defend={"steps": 200, "batch": 16, "check_every": 20},
    )
    truth, _ = play(config, home="truth")
    lies, _ = play(config, home="lies", executor=LiesAboutTest())
    for record in (truth, lies):
        assert [v.targets for v in record.versions if v.targets] == [("b_sees@0",), ("b_sees@1",)]
    assert [v.key for v in truth.versions] == [v.key for v in lies.versions]
    assert {m.figures.auc for m in truth.matches} != {m.figures.auc for m in lies.matches}


def test_an_attack_lowers_the_frozen_targets_recall(play: Play, toy_config: Config) -> None:
    config = toy_config(
        attack={"steps": 60, "batch": 8, "rate": 0.05, "weight": 5.0},
        defend={"steps": 200, "batch": 16, "check_every": 20},
    )
    record, _ = play(config)
    cells = _cells(record)
    assert cells["toy_generator@0", "toy_detector@0"].recall_fake > 0.9
    assert cells["toy_generator@1", "toy_detector@0"].recall_fake < 0.5
    assert cells["toy_generator@1", "toy_detector@1"].recall_fake > 0.9


def test_the_same_tournament_gives_the_same_bytes_in_any_order(
    play: Play, toy_config: Config, backwards: SerialExecutor
) -> None:
    config = toy_config(
        generators=[{"plugin": "toy_generator"}, {"plugin": "toy_fixed_generator"}],
        detectors=[{"plugin": "toy_detector"}, {"plugin": "toy_detector", "name": "b", "parameters": {"init_seed": 1}}],
    )
    one, _ = play(config, home="one")
    other, _ = play(config, home="other", executor=backwards)
    assert scoreboard_text(build_scoreboard(one)) == scoreboard_text(build_scoreboard(other))


def test_what_was_played_is_not_played_again(play: Play, toy_config: Config) -> None:
    first, ran = play(toy_config())
    again, ran_again = play(toy_config())
    assert ran.ran
    assert not ran_again.ran
    assert build_scoreboard(first) == build_scoreboard(again)


def test_more_rounds_play_only_what_is_new(play: Play, toy_config: Config) -> None:
    play(toy_config(rounds=1))
    _, ran = play(toy_config(rounds=2))
    assert {label.split(":")[0] for label in ran.labels} == {"round 2"}


def test_a_new_detector_changes_no_other_match(play: Play, toy_config: Config) -> None:
    attack = {"steps": 4, "batch": 4, "target": "toy_detector"}
    other = {"plugin": "toy_detector", "name": "newcomer", "parameters": {"init_seed": 7}}
    alone, _ = play(toy_config(attack=attack, rounds=2), home="alone")
    company, _ = play(
        toy_config(attack=attack, rounds=2, detectors=[{"plugin": "toy_detector"}, other]), home="company"
    )
    before, after = _cells(alone), _cells(company)
    assert {key: after[key] for key in before} == before
    assert len(after) == 2 * len(before)


def test_a_new_generator_leaves_round_0s_other_fakes_alone(play: Play, toy_config: Config) -> None:
    alone, _ = play(toy_config(rounds=0), home="alone")
    both = [{"plugin": "toy_generator"}, {"plugin": "toy_fixed_generator"}]
    company, _ = play(toy_config(rounds=0, generators=both), home="company")
    versions = {version.label: version.key for version in company.versions}
    pools = {version.label: version.pools for version in company.versions}
    assert versions["toy_generator@0"] == alone.versions[-1].key
    assert pools["toy_generator@0"] == alone.versions[-1].pools


def test_another_seed_gives_other_fakes(play: Play, toy_config: Config) -> None:
    one, _ = play(toy_config(rounds=0), home="one")
    other, _ = play(toy_config(rounds=0, seed=1), home="other")
    assert one.versions[-1].pools["test"] != other.versions[-1].pools["test"]


def test_training_never_reads_a_test_pool_and_val_alone_stops_it_and_sets_thresholds(
    play: Play, toy_config: Config
) -> None:
    record, ran = play(toy_config(rounds=2))
    test_pools = {version.pools["test"] for version in record.versions if version.pools}
    test_pools |= {pools["test"] for pools in record.real_pools.values()}
    readers = {job.task.rpartition(":")[2] for job in ran.ran if test_pools & set(job.inputs.values())}
    assert readers == {"audit", "cost", "floor", "parse"}
    held = {
        split: {version.pools[split] for version in record.versions if version.pools}
        | {pools[split] for pools in record.real_pools.values()}
        for split in ("train", "val")
    }
    assert not held["train"] & held["val"]
    defences = [job for job in ran.ran if job.task.endswith(":defend")]
    assert len(defences) == 3
    for job in defences:
        for split, keys in held.items():
            given = {key for name, key in job.inputs.items() if name.split("_")[1:2] == [split]}
            assert given
            assert given <= keys
    judgings = [version.on_val for version in record.versions if version.kind == "detector"]
    assert len(judgings) == 3
    for judging in judgings:
        assert judging is not None
        assert {*judging.mixture.reals, *judging.mixture.fakes} <= held["val"]


def test_splits_share_no_fake_image(play: Play, toy_config: Config, tmp_path: Path) -> None:
    record, _ = play(toy_config(rounds=0))
    store = Store(tmp_path / "home" / "store")
    pools = next(version.pools for version in record.versions if version.pools)
    seen = [{image.tobytes() for image in store.read(key).arrays["images"]} for key in pools.values()]
    assert not (seen[0] & seen[1])
    assert not (seen[0] & seen[2])
    assert not (seen[1] & seen[2])


def test_all_as_target_attacks_every_detector(play: Play, toy_config: Config) -> None:
    two = [{"plugin": "toy_detector"}, {"plugin": "toy_detector", "name": "b", "parameters": {"init_seed": 1}}]
    record, _ = play(toy_config(detectors=two, attack={"steps": 2, "batch": 4, "target": "all"}))
    attacked = next(v for v in record.versions if v.label == "toy_generator@1")
    assert set(attacked.targets) == {"b@0", "toy_detector@0"}


def test_latest_history_trains_on_the_newest_fakes_alone(play: Play, toy_config: Config) -> None:
    _, ran = play(toy_config(defend={"steps": 2, "batch": 8, "check_every": 2, "history": "latest"}))
    last = ran.ran[ran.labels.index("round 1: defend toy_detector@1")]
    assert sum(name.startswith("fake_train") for name in last.inputs) == 1


def test_players_that_cannot_be_trained_keep_their_place(play: Play, toy_config: Config, bad_players: Path) -> None:
    config = toy_config(
        generators=[{"plugin": "toy_fixed_generator"}],
        detectors=[{"plugin": "fixed_brightness"}, {"plugin": "toy_detector"}],
        attack={"steps": 2, "batch": 4, "target": "toy_detector"},
    )
    record, _ = play(config)
    assert {v.label for v in record.versions} == {
        "toy_fixed_generator@0",
        "fixed_brightness@0",  # and no fixed_brightness@1: a state that did not change is no new version
        "toy_detector@0",  # and it learned nothing new: there were no new fakes
    }
    assert not record.forfeits


def test_a_state_that_did_not_change_is_no_new_version(play: Play, toy_config: Config, bad_players: Path) -> None:
    """Or a generator would be said never to have been set against what it was set against."""
    config = toy_config(
        rounds=2,
        detectors=[{"plugin": "unmoved_by_training"}, {"plugin": "toy_detector"}],
        attack={"steps": 4, "batch": 4, "rate": 0.05, "target": "unmoved_by_training"},
    )
    record, _ = play(config)
    detectors = {v.label for v in record.versions if v.kind == "detector"}
    assert detectors == {"unmoved_by_training@0", *(f"toy_detector@{i}" for i in range(3))}
    assert [v.targets for v in record.versions if v.targets] == [("unmoved_by_training@0",)] * 2
    assert len({v.key for v in record.versions}) == len(record.versions)
    [generator] = build_scoreboard(record).to_json()["standings"]["generators"]
    assert generator["matches"] == 3  # evasion before the three of toy_detector alone
    assert not record.forfeits


@pytest.mark.parametrize(
    ("player", "stage", "reason"),
    [
        ("raises", "attack", "the plugin's own bug"),
        ("returns_nan", "attack", "nan"),
        ("samples_nan", "sample", "NaN"),
        ("wrong_shape", "sample", "(64, 1, 16, 16), not (64, 3, 16, 16)"),
        ("wrong_range", "sample", "[0, 1]"),
        ("exits", "attack", "SystemExit"),
        ("tampers", "attack", "frozen detector"),
    ],
)
def test_a_generator_that_misbehaves_forfeits_alone(
    play: Play, toy_config: Config, bad_players: Path, player: str, stage: str, reason: str
) -> None:
    both = [{"plugin": player}, {"plugin": "toy_generator"}]
    record, _ = play(toy_config(generators=both, rounds=2))
    (forfeit,) = record.forfeits
    assert (forfeit.player, forfeit.round, forfeit.stage) == (player, 1, stage)
    assert reason in forfeit.reason
    labels = {match.generator.label for match in record.matches}
    assert labels == {f"{player}@0", "toy_generator@0", "toy_generator@1", "toy_generator@2"}


def test_a_detector_that_scores_nan_forfeits_alone(play: Play, toy_config: Config, bad_players: Path) -> None:
    both = [{"plugin": "scores_nan"}, {"plugin": "toy_detector"}]
    record, _ = play(toy_config(detectors=both))
    assert [(f.player, f.stage) for f in record.forfeits] == [("scores_nan", "defend")]
    assert {match.detector.player for match in record.matches} == {"toy_detector"}


def test_an_unknown_target_is_refused(play: Play, toy_config: Config) -> None:
    with pytest.raises(ConfigError, match="did you mean 'toy_detector'"):
        play(toy_config(attack={"target": "toy_detectr"}))


def test_an_unknown_player_is_refused(play: Play, toy_config: Config) -> None:
    with pytest.raises(PluginError, match="unknown detector 'xceptoin_block2'; did you mean 'xception_block2'"):
        play(toy_config(detectors=[{"plugin": "xceptoin_block2"}]))


def test_a_champion_without_a_gradient_is_passed_over_and_that_is_said(
    play: Play, toy_config: Config, bad_players: Path
) -> None:
    config = toy_config(detectors=[{"plugin": "sees_without_gradient"}, {"plugin": "toy_detector"}])
    record, _ = play(config)
    assert [v.targets for v in record.versions if v.targets] == [("toy_detector@0",)]
    [passed] = record.passed_over
    assert (passed.detector, passed.round) == ("sees_without_gradient@0", 1)
    assert passed.reason == "no gradient flows from its evasion_loss to the images"
    # It plays like anybody else; only nobody attacked it.
    assert not record.forfeits
    assert not any(m.is_target for m in record.matches if m.detector.player == "sees_without_gradient")
    assert build_scoreboard(record).to_json()["passed_over"] == [dataclasses.asdict(passed)]


def test_nobody_attacks_where_nobody_can_be_attacked(play: Play, toy_config: Config, bad_players: Path) -> None:
    for target in ("champion", "all"):
        record, _ = play(
            toy_config(detectors=[{"plugin": "sees_without_gradient"}], attack={"target": target, "steps": 2}),
            home=target,
        )
        assert [v.label for v in record.versions if v.kind == "generator"] == ["toy_generator@0"]
        assert [p.detector for p in record.passed_over] == ["sees_without_gradient@0"]
        assert not record.forfeits


def test_a_target_by_name_that_cannot_be_attacked_is_refused(play: Play, toy_config: Config, bad_players: Path) -> None:
    with pytest.raises(ConfigError, match="target 'sees_without_gradient' cannot be attacked: no gradient flows"):
        play(
            toy_config(
                detectors=[{"plugin": "sees_without_gradient"}, {"plugin": "toy_detector"}],
                attack={"target": "sees_without_gradient"},
            )
        )


@pytest.mark.parametrize(
    ("player", "reason"),
    [
        ("only_trains", "never called extra_loss(), so that it was trained and attacked nothing"),
        ("attacks_the_detached", "gave extra_loss() fakes without a gradient"),
        ("drops_the_extra_loss", "called extra_loss(), but no gradient of it ever came back"),
        ("never_steps", "is the same to the last weight after 4 steps, so that nothing was trained"),
    ],
)
def test_an_attack_that_attacks_nothing_is_a_forfeit(
    play: Play, toy_config: Config, bad_players: Path, player: str, reason: str
) -> None:
    record, _ = play(toy_config(generators=[{"plugin": player}, {"plugin": "toy_generator"}]))
    [forfeit] = record.forfeits
    assert (forfeit.player, forfeit.stage) == (player, "attack")
    assert forfeit.reason.startswith(reason)
    assert {v.label for v in record.versions if v.kind == "generator"} == {
        f"{player}@0",
        "toy_generator@0",
        "toy_generator@1",
    }
