from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score

from fakeoff.arena.compute import Machine, survey
from fakeoff.arena.jobs import Job, Outcome
from fakeoff.arena.jobs.executors import Load, Observer
from fakeoff.arena.jobs.store import Store
from fakeoff.arena.jobs.unfinished import Unfinished
from fakeoff.arena.parsers import PARTS
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.play import rebuild_scoreboard
from fakeoff.leaderboard.scoreboard import Scoreboard, build_scoreboard, scoreboard_text
from fakeoff.protocols.config import TournamentConfig
from fakeoff.protocols.measures.tournament import TournamentRecord
from fakeoff.protocols.score.blind import patches_of, sides
from fakeoff.protocols.score.patches import TRUTHS

METRICS = (
    *("ap", "ap_real", "auc", "accuracy", "accuracy_val_threshold", "recall_fake", "brier", "ece"),
    *("tpr_at_5_fpr", "fpr_at_5_fpr", "tpr_at_1_fpr", "fpr_at_1_fpr"),
)


class Idle:
    """An executor that must not be needed."""

    here = True

    def has_room(self, job: Job) -> bool:
        return True

    def start(self, job: Job, *, load: Load, observer: Observer, unfinished: Unfinished | None = None) -> None:
        raise AssertionError(f"computed again: {job.label}")

    def wait(self) -> Outcome:
        raise AssertionError("nothing runs")

    def abandon(self) -> None:
        pass

    def machines(self) -> Sequence[Machine]:
        return (survey(),)

    def close(self) -> None:
        pass


def test_it_has_the_keys_that_readers_rely_on(scoreboard: dict[str, Any]) -> None:
    assert scoreboard["schema_version"] == 3
    played = {
        "schema_version",
        "config",
        "data",
        "round",
        "standings",
        "attacks",
        "costs",
        "audits",
        "forfeits",
        "passed_over",
        "unranked",
        "masking",
        "changes",
        "trainings",
        "state",
    }
    assert set(scoreboard) == played | {"cells", "parts", "part_shifts", "quality", "searches"}
    counted = {"n_real", "n_fake", "real_units", "fake_units"}
    described = {"generator", "generator_round", "detector", "detector_round", "is_target", *counted}
    for cell in scoreboard["cells"]:
        figures = {*METRICS, *(f"{metric}_ci" for metric in METRICS)}
        assert set(cell) == described | figures | {"before_softmax", "vote", "postprocessed"}


def test_every_version_meets_every_version_once(scoreboard: dict[str, Any]) -> None:
    met = [
        (cell["generator"], cell["generator_round"], cell["detector"], cell["detector_round"])
        for cell in scoreboard["cells"]
    ]
    generators = [("toy_fixed_generator", 0), *(("toy_generator", round_) for round_ in range(3))]
    detectors = [(name, round_) for name in ("first", "second") for round_ in range(3)]
    assert met == [(*generator, *detector) for generator in generators for detector in detectors]


def test_targets_are_those_of_the_attacks(scoreboard: dict[str, Any]) -> None:
    attacks = {(a["generator"], a["round"]): a["targets"] for a in scoreboard["attacks"]}
    assert set(attacks) == {("toy_generator", 1), ("toy_generator", 2)}
    for cell in scoreboard["cells"]:
        targets = attacks.get((cell["generator"], cell["generator_round"]), [])
        assert cell["is_target"] == (f"{cell['detector']}@{cell['detector_round']}" in targets)
    assert sum(cell["is_target"] for cell in scoreboard["cells"]) == 2


def test_figures_are_those_of_the_stored_scores(
    scoreboard: dict[str, Any], record: TournamentRecord, results: Store
) -> None:
    assert len(record.matches) == len(scoreboard["cells"])
    for match, cell in zip(record.matches, scoreboard["cells"], strict=True):
        real, fake = match.scores(results)
        assert (cell["n_real"], cell["n_fake"]) == (len(real), len(fake)) == (80, 16)
        assert cell["recall_fake"] == pytest.approx((fake >= 0.5).mean())
        # Prevalence is 50/50, whatever the numbers of images.
        assert cell["accuracy"] == pytest.approx(((fake >= 0.5).mean() + (real < 0.5).mean()) / 2)
        scores, labels = np.concatenate([real, fake]), np.repeat([0, 1], [len(real), len(fake)])
        weights = np.repeat([1 / len(real), 1 / len(fake)], [len(real), len(fake)])
        assert cell["auc"] == pytest.approx(roc_auc_score(labels, scores))
        assert cell["ap"] == pytest.approx(average_precision_score(labels, scores, sample_weight=weights))
        assert cell["ap_real"] == pytest.approx(average_precision_score(1 - labels, -scores, sample_weight=weights))
        assert cell["brier"] == pytest.approx(brier_score_loss(labels, scores, sample_weight=weights))


def test_operating_points_are_at_the_thresholds_that_vals_reals_set(
    scoreboard: dict[str, Any], record: TournamentRecord, results: Store
) -> None:
    for match, cell in zip(record.matches, scoreboard["cells"], strict=True):
        assert match.detector.on_val is not None
        val = np.concatenate(sides(match.detector.on_val, results)[0])
        thresholds = match.detector.thresholds(results)
        real, fake = match.scores(results)
        for percent, threshold in (("5", thresholds.at_5_fpr), ("1", thresholds.at_1_fpr)):
            assert threshold is not None
            assert (val >= threshold).mean() <= int(percent) / 100
            assert cell[f"tpr_at_{percent}_fpr"] == pytest.approx((fake >= threshold).mean())
            assert cell[f"fpr_at_{percent}_fpr"] == pytest.approx((real >= threshold).mean())


def test_decisions_are_those_of_the_stored_patches(
    scoreboard: dict[str, Any], record: TournamentRecord, results: Store
) -> None:
    for match, cell in zip(record.matches, scoreboard["cells"], strict=True):
        pools = (*match.judging.mixture.reals, *match.judging.mixture.fakes)
        real, fake = (patches_of(match.judging, pool, results).arrays["patches"] for pool in pools)
        votes, labels = np.concatenate([real, fake]) > 0.5, np.repeat([0, 1], [len(real), len(fake)])
        weights = np.repeat([1 / len(real), 1 / len(fake)], [len(real), len(fake)])
        expected = average_precision_score(labels, votes.mean((1, 2)), sample_weight=weights)
        assert cell["vote"]["ap"] == pytest.approx(expected)
        assert (
            set(cell["before_softmax"])
            == set(cell["vote"])
            == {*("ap", "ap_ci", "auc", "auc_ci", "accuracy", "accuracy_ci")}
        )


def test_cells_of_before_calibration_was_measured_are_read(scoreboard: dict[str, Any]) -> None:
    later = ("brier", "ece", "tpr_at_", "fpr_at_", "before_softmax", "vote")
    cells = [{name: cell[name] for name in cell if not name.startswith(later)} for cell in scoreboard["cells"]]
    read = Scoreboard.from_json({**scoreboard, "cells": cells})
    assert {(cell.brier, cell.ece_ci, cell.tpr_at_1_fpr, cell.vote) for cell in read.cells} == {(None,) * 4}


def test_parts_and_shifts_are_those_of_the_stored_patches(
    scoreboard: dict[str, Any], record: TournamentRecord, results: Store
) -> None:
    assert len(record.looks) == len(scoreboard["parts"]) == len(scoreboard["cells"])
    counted = {}
    of_reals: dict[tuple[str, int], Any] = {}
    for look, cell in zip(record.looks, scoreboard["parts"], strict=True):
        played = (cell["generator"], cell["generator_round"], cell["detector"], cell["detector_round"])
        assert played == (look.generator.player, look.generator.round, look.detector.player, look.detector.round)
        for side, n in zip(TRUTHS, (80, 16), strict=True):
            looked = results.read(look.keys[side])
            for of in ("parts", "random_parts"):
                shares = {part: float((looked.arrays[of] == index).mean()) for index, part in enumerate(PARTS)}
                assert cell[side][of] == pytest.approx(shares)
            assert set(cell[side]) == {"n", "ties", "parts", "parts_ci", "random_parts", "averaged_over", "people"}
            assert cell[side]["people"] is None  # of images from noise nobody is known
            assert (cell[side]["n"], cell[side]["averaged_over"]) == (n, n // 2)
            assert cell[side]["ties"] == looked.record["ties"]
            for part, (low, high) in cell[side]["parts_ci"].items():
                assert 0 <= low <= high <= 1
                assert low - 0.1 <= cell[side]["parts"][part] <= high + 0.1
        counted[played] = cell["fake"]["parts"]
        of_reals.setdefault((look.detector.player, look.detector.round), cell["real"])
        # A detector looks at the same reals whoever its opponent is.
        assert cell["real"] == of_reals[look.detector.player, look.detector.round]
    met = [
        (s["generator"], s["generator_round"], s["detector"], s["detector_round"]) for s in scoreboard["part_shifts"]
    ]
    assert met == [("toy_generator", r, name, r - 1) for r in (1, 2) for name in ("first", "second")]
    for shift in scoreboard["part_shifts"]:
        name, round_ = shift["detector"], shift["generator_round"]
        assert shift["before"] == counted["toy_generator", round_ - 1, name, round_ - 1]
        assert shift["frozen"] == counted["toy_generator", round_, name, round_ - 1]
        assert shift["retrained"] == counted["toy_generator", round_, name, round_]
        moved = sum(abs(shift["retrained"][part] - shift["before"][part]) for part in PARTS)
        assert shift["shift"]["tv"] == pytest.approx(moved / 2)
    targets = {(c["generator"], c["generator_round"], c["detector"]) for c in scoreboard["cells"] if c["is_target"]}
    shifted = {
        (s["generator"], s["generator_round"], s["detector"]) for s in scoreboard["part_shifts"] if s["is_target"]
    }
    assert shifted == targets


def test_intervals_are_ordered_shares_around_their_figure(scoreboard: dict[str, Any]) -> None:
    for cell in scoreboard["cells"]:
        for metric in METRICS:
            low, high = cell[f"{metric}_ci"]
            assert 0 <= low <= high <= 1
            # A percentile interval need not hold the figure, but it cannot lie far from it.
            assert low - 0.1 <= cell[metric] <= high + 0.1


def test_it_says_nothing_of_the_machine_or_the_time(home: Path) -> None:
    text = (home / "scoreboard.json").read_text()
    assert str(home) not in text
    for key, value in _leaves(json.loads(text)):
        assert not re.search(r"time|date|created|updated|second_|seconds|started|host|user", key), key
        if isinstance(value, str):
            assert not re.match(r"/|[A-Za-z]:\\|~", value), f"{key} is a path: {value}"
            assert not re.search(r"\d{4}-\d\d-\d\d|\d\d:\d\d:\d\d", value), f"{key} is a time: {value}"
        elif isinstance(value, int | float):
            assert abs(value) < 1_000_000_000, f"{key} looks like a time: {value}"


def test_a_folder_of_reals_is_called_by_its_name_alone(
    record: TournamentRecord, make_config: Callable[..., TournamentConfig]
) -> None:
    config = make_config(reals={"source": "/home/somebody/faces"})
    of_a_folder = TournamentRecord(**{**vars(record), "config": config, "source_name": "faces"})
    text = scoreboard_text(build_scoreboard(of_a_folder))
    assert "somebody" not in text
    assert json.loads(text)["config"]["reals"]["source"] == "faces"


def test_rebuilt_from_stored_scores_it_is_the_same_file(home: Path) -> None:
    assert scoreboard_text(rebuild_scoreboard(Home(home))).encode() == (home / "scoreboard.json").read_bytes()


def test_playing_again_computes_nothing_and_writes_the_same_bytes(
    home: Path, make_config: Callable[..., TournamentConfig], play_in: Callable[..., dict[str, Any]]
) -> None:
    before = (home / "scoreboard.json").read_bytes()
    ledger = (home / "tournament.json").read_bytes()
    returned = play_in(make_config(), home, Idle())
    assert (home / "scoreboard.json").read_bytes() == before
    assert (home / "tournament.json").read_bytes() == ledger
    assert returned == json.loads(before)


def test_it_is_read_back_as_it_was(record: TournamentRecord, scoreboard: dict[str, Any]) -> None:
    assert Scoreboard.from_json(scoreboard) == build_scoreboard(record)


@pytest.mark.parametrize("data", [{}, True, None, {"schema_version": 2}, {"schema_version": 99}, []])
def test_what_is_no_scoreboard_is_a_value_error(data: Any) -> None:
    with pytest.raises(ValueError, match=r"it lacks|something else stands in it|its schema is 99"):
        Scoreboard.from_json(data)


def test_the_file_refuses_what_is_not_json(record: TournamentRecord) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        scoreboard_text(dataclasses.replace(build_scoreboard(record), data={"ap": float("nan")}))


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for name, item in value.items():
            yield from _leaves(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from _leaves(item, key)
    else:
        yield key, value
