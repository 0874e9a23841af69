"""Parts in MLflow, read back with MLflow alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from PIL import Image

from fakeoff.arena.parsers import PARTS
from fakeoff.leaderboard.mlflow_log import tournament_id
from fakeoff.protocols.records import TournamentRecord

Make = Callable[..., Any]

DETECTORS, GENERATORS = ("first", "second"), ("toy_generator", "toy_fixed_generator")


@pytest.fixture(scope="module")
def runs(home: Path, client: Make) -> dict[str, Run]:
    return _runs(client(home))


def test_a_detectors_parts_are_the_mean_over_the_newest_generators(
    home: Path, client: Make, runs: dict[str, Run], scoreboard: dict[str, Any]
) -> None:
    cells = _by_versions(scoreboard["parts"])
    for name in DETECTORS:
        points = _points(client(home), runs[name])
        for part in PARTS:
            expected = [
                np.mean([cells["toy_generator", r, name, r][part], cells["toy_fixed_generator", 0, name, r][part]])
                for r in range(3)
            ]
            assert points[f"part/{part}"] == [(r, pytest.approx(share)) for r, share in enumerate(expected)]


def test_a_generators_parts_are_the_mean_over_the_newest_detectors(
    home: Path, client: Make, runs: dict[str, Run], scoreboard: dict[str, Any]
) -> None:
    cells = _by_versions(scoreboard["parts"])
    for name in GENERATORS:
        points = _points(client(home), runs[name])
        for part in PARTS:
            # One that is never finetuned meets new detectors all the same.
            newest = (0, 0, 0) if name == "toy_fixed_generator" else (0, 1, 2)
            expected = [np.mean([cells[name, newest[r], judge, r][part] for judge in DETECTORS]) for r in range(3)]
            assert points[f"part/{part}"] == [(r, pytest.approx(share)) for r, share in enumerate(expected)]
        assert sum(points[f"part/{part}"][-1][1] for part in PARTS) == pytest.approx(1)


def test_the_shift_is_there_from_round_1_for_those_who_took_part(
    home: Path, client: Make, runs: dict[str, Run], scoreboard: dict[str, Any]
) -> None:
    shifts = {(s["generator"], s["generator_round"], s["detector"]): s for s in scoreboard["part_shifts"]}
    assert set(shifts) == {("toy_generator", r, name) for r in (1, 2) for name in DETECTORS}
    for metric, figure in (("part_shift", "tv"), ("part_shift_null", "tv_null")):
        targets = [
            next(s for s in scoreboard["part_shifts"] if s["generator_round"] == r and s["is_target"]) for r in (1, 2)
        ]
        attacker = _points(client(home), runs["toy_generator"])[metric]
        assert attacker == [(r, target["shift"][figure]) for r, target in enumerate(targets, start=1)]
        for name in DETECTORS:
            expected = [(r, shifts["toy_generator", r, name]["shift"][figure]) for r in (1, 2)]
            assert _points(client(home), runs[name])[metric] == expected
        assert metric not in runs["toy_fixed_generator"].data.metrics


def test_the_pictures_are_there_round_by_round_and_not_blank(
    home: Path, client: Make, runs: dict[str, Run], record: TournamentRecord, tmp_path: Path
) -> None:
    tournament = runs[f"tournament {tournament_id(record)}"]
    every, attacked = [f"round-00{r}.png" for r in range(3)], ["round-001.png", "round-002.png"]
    folders = {
        ("first", "parts"): every,
        ("second", "parts"): every,
        ("first", "heatmaps/toy_generator"): every,
        ("first", "heatmaps/toy_fixed_generator"): every,
        ("second", "heatmaps/toy_generator"): every,
        ("toy_generator", "part_shift"): attacked,
        (tournament.info.run_name, "part_shift"): attacked,
        ("first", "part_shift"): [],
        ("toy_fixed_generator", "part_shift"): [],
        ("toy_generator", "parts"): [],
        ("toy_generator", "heatmaps"): [],
    }
    for (name, folder), expected in folders.items():
        found = client(home).list_artifacts(runs[name].info.run_id, folder)
        assert [file.path for file in found] == [f"{folder}/{file}" for file in expected], (name, folder)
    for name, path in (
        ("first", "parts/round-000.png"),
        ("second", "heatmaps/toy_generator/round-002.png"),
        ("toy_generator", "part_shift/round-001.png"),
        (tournament.info.run_name, "part_shift/round-002.png"),
    ):
        local = client(home).download_artifacts(runs[name].info.run_id, path, str(tmp_path))
        with Image.open(local) as image:
            assert image.format == "PNG"
            assert min(image.size) >= 400
            assert np.asarray(image.convert("RGB")).std() > 10, f"{path} is blank"


def test_the_slider_has_the_same_pictures(home: Path, client: Make, runs: dict[str, Run]) -> None:
    for name, key, steps in (
        ("first", "parts", (0, 1, 2)),
        ("first", "heatmaps of toy_generator", (0, 1, 2)),
        ("toy_generator", "parts before and after", (1, 2)),
    ):
        files = [Path(f.path).name for f in client(home).list_artifacts(runs[name].info.run_id, "images")]
        shown = {
            int(file.split("+")[2]) for file in files if file.startswith(f"{key}+step+") and "compressed" not in file
        }
        assert shown == set(steps)


def test_without_parts_nothing_of_them_is_logged(
    new_home: Path, client: Make, make_config: Make, play_in: Make, replaying: Make
) -> None:
    executor = replaying()
    scoreboard = play_in(make_config(rounds=1, parts={"parser": ""}), new_home, executor)
    assert not {"parse", "look", "shift"} & set(executor.ran)
    assert (scoreboard["parts"], scoreboard["part_shifts"]) == ([], [])
    for name, run in _runs(client(new_home)).items():
        assert not [metric for metric in run.data.metrics if metric.startswith("part")], name
        folders = {artifact.path for artifact in client(new_home).list_artifacts(run.info.run_id)}
        assert not {"parts", "heatmaps", "part_shift"} & folders, name


def _runs(client: MlflowClient) -> dict[str, Run]:
    [experiment] = [found for found in client.search_experiments() if found.name != "Default"]
    return {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}


def _points(client: MlflowClient, run: Run) -> dict[str, list[tuple[int, float]]]:
    return {
        metric: sorted((point.step, point.value) for point in client.get_metric_history(run.info.run_id, metric))
        for metric in run.data.metrics
        if metric.startswith("part")
    }


def _by_versions(cells: list[dict[str, Any]]) -> dict[tuple[str, int, str, int], dict[str, float]]:
    return {
        (c["generator"], c["generator_round"], c["detector"], c["detector_round"]): c["fake"]["parts"] for c in cells
    }
