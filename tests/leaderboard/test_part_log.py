"""Parts in MLflow, read back with MLflow alone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from PIL import Image

from fakeoff.arena.parsers import PARTS
from fakeoff.leaderboard.mlflow import columns, mlflow_log
from fakeoff.leaderboard.mlflow.mlflow_log import MlflowLog, tournament_id
from fakeoff.protocols.measures import Audit, Cost, Match
from fakeoff.protocols.measures.tournament import TournamentRecord

pytestmark = pytest.mark.usefixtures("quick_pictures")

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


def test_a_home_of_0_1_gets_its_parts_and_nothing_twice(
    home: Path,
    new_home: Path,
    client: Make,
    make_config: Make,
    play_in: Make,
    replaying: Make,
    record: TournamentRecord,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tournament = f"tournament {tournament_id(record)}"
    with monkeypatch.context() as old:
        old.setattr(mlflow_log, "MEASURES", (Cost, Audit, Match))
        old.setattr(mlflow_log, "shifts_of_round", lambda *_, **__: [])
        old.setattr(MlflowLog, "_log_parts", lambda *_: None)
        old.setattr(columns, "flatten", _without(("parts", "audit"), columns.flatten))
        play_in(make_config(), new_home, replaying())
    before = _runs(client(new_home))
    client(new_home).delete_tag(before[tournament].info.run_id, "on_leak")
    state = json.loads((new_home / "mlflow.json").read_text())
    assert list(state) == [tournament_id(record)]
    assert state[tournament_id(record)].pop("contents") == [mlflow_log._CONTENTS, *record.config.score.through]
    (new_home / "mlflow.json").write_text(json.dumps(state))
    assert not any(_points(client(new_home), run) for run in before.values())
    assert _everything(client(new_home)) != _everything(client(home))

    executor = replaying()
    play_in(make_config(), new_home, executor)
    assert executor.ran == []
    after = _runs(client(new_home))
    assert {name: run.info.run_id for name, run in after.items()} == {
        name: run.info.run_id for name, run in before.items()
    }
    assert all(_points(client(new_home), after[name]) for name in (*DETECTORS, *GENERATORS))
    # As if it had been played with parts from the start: no point, picture or run is there twice.
    assert _everything(client(new_home)) == _everything(client(home))
    for name, run in after.items():
        for metric in run.data.metrics:
            points = client(new_home).get_metric_history(run.info.run_id, metric)
            assert len({point.step for point in points}) == len(points), (name, metric)

    # And only once.
    kept = (new_home / "mlflow.json").read_bytes()
    play_in(make_config(), new_home, replaying())
    assert (new_home / "mlflow.json").read_bytes() == kept
    assert _everything(client(new_home)) == _everything(client(home))


def _without(sections: tuple[str, ...], flatten: Callable[..., Any]) -> Callable[..., Any]:
    def flattened(value: Any, prefix: str = "") -> Any:
        return [(key, item) for key, item in flatten(value, prefix) if key.partition(".")[0] not in sections]

    return flattened


def _everything(client: MlflowClient) -> dict[str, Any]:
    """All metrics, parameters, tags and files, without ids and times."""
    found = {}
    for name, run in _runs(client).items():
        metrics = {
            metric: sorted((point.step, point.value) for point in client.get_metric_history(run.info.run_id, metric))
            for metric in run.data.metrics
        }
        tags = {key: value for key, value in run.data.tags.items() if key != "mlflow.parentRunId"}
        files = _files(client, run.info.run_id, "")
        found[name] = (metrics, run.data.params, tags, files, run.info.status)
    return found


def _files(client: MlflowClient, run: str, folder: str) -> list[str]:
    found: list[str] = []
    for artifact in client.list_artifacts(run, folder):
        # A slider's file name holds its time and a random part.
        name = re.sub(r"\+timestamp\+\d+\+[0-9a-f-]+", "", artifact.path)
        found += _files(client, run, artifact.path) if artifact.is_dir else [name]
    return sorted(found)


def _runs(client: MlflowClient) -> dict[str, Run]:
    [experiment] = [found for found in client.search_experiments() if found.name != "Default"]
    runs = client.search_runs([experiment.experiment_id])
    assert len({run.info.run_name for run in runs}) == len(runs)
    return {run.info.run_name: run for run in runs}


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
