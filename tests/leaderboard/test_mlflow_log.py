"""MLflow's store is read back with MLflow alone: nobody who has MLflow needs our code."""

from __future__ import annotations

import ast
import json
import re
import shutil
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.entities import Experiment, Run
from PIL import Image

from fakeoff import leaderboard
from fakeoff.arena.errors import StoreError
from fakeoff.arena.jobs.store import Store
from fakeoff.arena.players.plugins import load_plugin_file
from fakeoff.arena.seeds import digest
from fakeoff.leaderboard.formats.markdown import escape
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.mlflow.mlflow_log import MlflowLog, tournament_id
from fakeoff.leaderboard.mlflow.standings import HEADLINES
from fakeoff.leaderboard.mlflow.views import COMPARED, VIEWS, view_address
from fakeoff.leaderboard.plots import plots
from fakeoff.leaderboard.scoreboard import Scoreboard, build_scoreboard
from fakeoff.leaderboard.verdict.summary import summarise
from fakeoff.protocols.config import LIMITS, TournamentConfig
from fakeoff.protocols.measures.tournament import TournamentRecord

pytestmark = pytest.mark.usefixtures("quick_pictures")

Make = Callable[..., Any]

BAD_PLAYERS = Path(__file__).parents[1] / "bad_players.py"

_LEGAL_NAME = re.compile(r"^[\w\-.: ]+(/[\w\-.: ]+)?$")


def test_one_experiment_holds_a_tournament_its_players_and_their_jobs(
    home: Path, client: Make, record: TournamentRecord
) -> None:
    assert _experiment(client(home)).name == "fakeoff orl 16px grey"
    runs = _runs(client(home))
    kinds = {name: run.data.tags["arena.kind"] for name, run in runs.items()}
    jobs = {f"defend {name}@{round_}" for name in ("first", "second") for round_ in range(3)}
    jobs |= {"attack toy_generator@1", "attack toy_generator@2"}
    name = tournament_id(record)
    assert kinds == {
        f"tournament {name}": "tournament",
        **dict.fromkeys(("first", "second", "toy_generator", "toy_fixed_generator"), "player"),
        **dict.fromkeys(jobs, "job"),
    }
    assert {run.data.tags["arena.tournament"] for run in runs.values()} == {name}
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    roles = {name: run.data.tags["arena.role"] for name, run in runs.items() if kinds[name] == "player"}
    assert roles == {
        "first": "detector",
        "second": "detector",
        "toy_generator": "generator",
        "toy_fixed_generator": "generator",
    }


def test_a_players_steps_are_the_rounds_from_0(home: Path, client: Make) -> None:
    for name in ("first", "second", "toy_generator", "toy_fixed_generator"):
        [headline] = [one for one in _points(client(home), name) if one in HEADLINES.values()]
        assert [step for step, _ in _points(client(home), name)[headline]] == [0, 1, 2]
        assert "mlflow.parentRunId" not in _runs(client(home))[name].data.tags


def test_the_last_headline_is_the_scoreboards(home: Path, client: Make, scoreboard: dict[str, Any]) -> None:
    runs = _runs(client(home))
    for row in scoreboard["standings"]["detectors"]:
        metrics = runs[row["player"]].data.metrics
        logged = [metrics[name] for name in (HEADLINES["detector"], "mean_auc", "mean_ap", "mean_accuracy")]
        assert logged == _shown([row["worst_auc"], row["mean_auc"], row["mean_ap"], row["mean_accuracy"]])
    for row in scoreboard["standings"]["generators"]:
        metrics = runs[row["player"]].data.metrics
        # A generator that is not finetuned meets new detectors too: its evasion moves with every round.
        assert metrics[HEADLINES["generator"]] == _shown(row["evasion"])
        assert metrics.get("target_evasion") == _shown(row["target_evasion"])


def test_matches_and_costs_are_there_round_by_round(home: Path, client: Make, scoreboard: dict[str, Any]) -> None:
    attacker, fixed = _points(client(home), "toy_generator"), _points(client(home), "toy_fixed_generator")
    defender = _points(client(home), "second")
    cells = {(c["generator"], c["generator_round"], c["detector"], c["detector_round"]): c for c in scoreboard["cells"]}
    for metric in ("ap", "auc", "accuracy", "ece", "tpr_at_5_fpr"):
        # The generator's version of the step against the opponent's version of the name.
        assert attacker[f"{metric}/first:1"] == [
            (r, _shown(cells["toy_generator", r, "first", 1][metric])) for r in (1, 2)
        ]
        assert fixed[f"{metric}/first:1"] == [
            (r, _shown(cells["toy_fixed_generator", 0, "first", 1][metric])) for r in (1, 2)
        ]
        assert defender[f"{metric}/toy_generator:1"] == [
            (r, _shown(cells["toy_generator", 1, "second", r][metric])) for r in (1, 2)
        ]
    ssim = [cost["ssim_to_first"] for cost in scoreboard["costs"] if cost["generator"] == "toy_generator"]
    assert attacker["cost/ssim_to_first"] == [(round_, _shown(value)) for round_, value in enumerate(ssim)]
    assert ssim[0] == 1.0
    assert not [name for name in defender if name.startswith("cost/")]


def test_the_frozen_target_is_shown_before_after_and_retrained(
    home: Path, client: Make, scoreboard: dict[str, Any], record: TournamentRecord
) -> None:
    [target] = [a["targets"][0] for a in scoreboard["attacks"] if a["round"] == 1]
    name = target.partition("@")[0]
    cells = {(c["generator"], c["generator_round"], c["detector"], c["detector_round"]): c for c in scoreboard["cells"]}
    points = _points(client(home), f"tournament {tournament_id(record)}")
    for side, versions in {"before": (0, 0), "after": (1, 0), "retrained": (1, 1)}.items():
        for metric in ("accuracy", "brier", "ece"):
            expected = cells["toy_generator", versions[0], name, versions[1]][metric]
            assert points[f"frozen target/toy_generator vs {name}: {metric} {side}"][0] == (1, _shown(expected))


def test_jobs_lie_under_their_player_with_training_curves(home: Path, client: Make) -> None:
    runs = _runs(client(home))
    for name, run in runs.items():
        if run.data.tags["arena.kind"] == "job":
            player = name.split()[1].partition("@")[0]
            assert run.data.tags["mlflow.parentRunId"] == runs[player].info.run_id
            assert re.fullmatch("[0-9a-f]{64}", run.data.tags["arena.result"])
    attack = _points(client(home), "attack toy_generator@1")
    assert {name: [step for step, _ in points] for name, points in attack.items()} == {
        "train/own_loss": [1, 2, 3, 4],
        "train/extra_loss": [1, 2, 3, 4],
    }
    assert runs["attack toy_generator@1"].data.tags["arena.targets"] in ("first@0", "second@0")
    defence = _points(client(home), "defend second@2")
    assert len(defence["train/loss"]) == 20
    assert [step for step, _ in defence["val/accuracy"]] == [10, 20]
    assert {"threshold", "threshold_at_5_fpr", "threshold_at_1_fpr"} <= set(defence)


def test_metric_names_are_legal_with_one_slash_at_most(home: Path, client: Make) -> None:
    names = {name for run in _runs(client(home)).values() for name in run.data.metrics}
    assert len(names) > 40
    assert [name for name in names if not _LEGAL_NAME.match(name)] == []


def test_artifacts_are_the_config_the_scoreboard_the_matrices_and_the_faces(
    home: Path, client: Make, record: TournamentRecord
) -> None:
    run = f"tournament {tournament_id(record)}"
    files = _artifacts(client(home), run)
    assert {"config.toml", "scoreboard.json", "duels.png"} <= set(files)
    assert [name for name in files if name.startswith("payoff/")] == [f"payoff/round-00{r}.png" for r in range(3)]
    assert _local(client(home), run, "scoreboard.json").read_bytes() == (home / "scoreboard.json").read_bytes()
    assert _toml(client(home), run, "config.toml") == tomllib.loads((home / "config.toml").read_text())
    faces = [name for name in _artifacts(client(home), "toy_generator") if name.startswith("faces/")]
    assert faces == [f"faces/round-00{r}.png" for r in range(3)]
    assert [n for n in _artifacts(client(home), "toy_fixed_generator") if "faces/" in n] == ["faces/round-000.png"]
    for file in (*faces, "payoff/round-002.png"):
        owner = "toy_generator" if file in faces else run
        pixels = np.asarray(Image.open(_local(client(home), owner, file)).convert("RGB"))
        assert pixels.std() > 10, f"{file} is blank"


def test_parameters_are_the_configuration(home: Path, client: Make, record: TournamentRecord) -> None:
    run = _runs(client(home))[f"tournament {tournament_id(record)}"]
    assert run.data.params["attack.steps"] == "4"
    assert run.data.params["detectors.1.parameters.init_seed"] == "1"
    assert run.data.params["reals.source"] == "orl"
    assert "rounds" not in run.data.params  # may grow, and MLflow's parameters cannot
    assert (run.data.tags["rounds"], run.data.tags["forfeits"]) == ("2", "0")


def test_players_say_whose_they_are_whom_they_met_and_how(home: Path, client: Make, record: TournamentRecord) -> None:
    runs = _runs(client(home))
    for name, opponents in {"first": "toy_generator, toy_fixed_generator", "toy_generator": "first, second"}.items():
        tags, params = runs[name].data.tags, runs[name].data.params
        assert (tags["tournament"], tags["opponents"], tags["rounds"]) == (tournament_id(record), opponents, "2")
        assert params["attack.steps"] == "4"
        assert not [key for key in params if key.startswith(("generators.", "detectors.", "rounds"))]
    assert runs["second"].data.params["parameters.init_seed"] == "1"
    assert runs["second"].data.params["plugin"] == "toy_detector"


def test_headline_metrics_sort_first_and_no_metric_is_called_a_score(home: Path, client: Make) -> None:
    for run in _runs(client(home)).values():
        names = sorted(run.data.metrics, key=str.casefold)
        if run.data.tags["arena.kind"] == "player":
            assert names[0] == HEADLINES[run.data.tags["arena.role"]]
        assert not [name for name in names if "score" in name]


def test_the_experiment_says_what_is_in_it_with_links_to_its_views(home: Path, client: Make) -> None:
    experiment = _experiment(client(home))
    said = experiment.tags["mlflow.note.content"]
    for view in (*VIEWS, *COMPARED):
        address = view_address("", experiment.experiment_id, view.key).removeprefix("/")
        assert f"[{view.name}]({address})" in said
    assert "`pgan:1`" in said
    assert "P(fake)" in said


def test_a_home_of_an_earlier_release_is_brought_up_to_date(
    home: Path, new_home: Path, client: Make, make_config: Make, play_in: Make, replaying: Make
) -> None:
    play_in(make_config(), new_home, replaying())
    state = json.loads((new_home / "mlflow.json").read_text())
    [name] = state
    old = {"attack toy_generator@1": "attack toy_generator:1"}
    runs = _runs(client(new_home))
    for title, before in old.items():
        client(new_home).update_run(runs[title].info.run_id, name=before)
    client(new_home).log_metric(runs["first"].info.run_id, "score", 0.5, step=2)
    (new_home / "mlflow.json").write_text(json.dumps({name: {**state[name], "contents": 5}}))
    play_in(make_config(), new_home, replaying())
    again = _runs(client(new_home))
    assert again.keys() == runs.keys()
    assert {run.info.run_id for run in again.values()} == {run.info.run_id for run in runs.values()}
    assert again["first"].data.metrics["score"] == 0.5, "nothing is taken away"
    assert _points(client(new_home), "second") == _points(client(home), "second")


def test_every_page_says_what_its_headline_is(home: Path, client: Make) -> None:
    runs = _runs(client(home))
    assert "worst-case AUC" in runs["first"].data.tags["mlflow.note.content"]
    assert "evasion" in runs["toy_generator"].data.tags["mlflow.note.content"]


def test_the_tournaments_page_begins_with_the_game_in_words(
    home: Path, scoreboard: dict[str, Any], client: Make
) -> None:
    [note] = [
        run.data.tags["mlflow.note.content"]
        for run in _runs(client(home)).values()
        if run.data.tags.get("arena.kind") == "tournament"
    ]
    assert note.startswith("After round 2:\n\n- ")
    for sentence in summarise(Scoreboard.from_json(scoreboard)).said:
        assert escape(sentence) in note
    assert "scoreboard.json" in note


def test_playing_again_leaves_the_store_alone(
    home: Path, client: Make, make_config: Make, play_in: Make, replaying: Make
) -> None:
    before = _contents(client(home)), _ends(client(home))
    play_in(make_config(), home, replaying())
    assert (_contents(client(home)), _ends(client(home))) == before


def test_playing_on_logs_only_what_is_new(
    home: Path, new_home: Path, client: Make, make_config: Make, play_in: Make, replaying: Make
) -> None:
    play_in(make_config(rounds=1), new_home, replaying())
    short = _contents(client(new_home))
    ids = {name: run.info.run_id for name, run in _runs(client(new_home)).items()}
    play_in(make_config(rounds=2), new_home, replaying())
    assert {name: run.info.run_id for name, run in _runs(client(new_home)).items()}.items() >= ids.items()
    assert len(_experiments(client(new_home))) == 1
    # No doubled point and no doubled image: it is as if two rounds had been played at once.
    assert _contents(client(new_home)) == _contents(client(home)) != short
    assert (new_home / "scoreboard.json").read_bytes() == (home / "scoreboard.json").read_bytes()

    # Fewer rounds again: the log keeps what it has.
    play_in(make_config(rounds=1), new_home, replaying())
    assert _contents(client(new_home)) == _contents(client(home))


def test_what_to_do_about_a_leak_may_change_from_run_to_run(
    home: Path, new_home: Path, client: Make, make_config: Make, play_in: Make, replaying: Make
) -> None:
    play_in(make_config(rounds=1), new_home, replaying())
    before = _runs(client(new_home))
    [tournament] = [name for name, run in before.items() if run.data.tags["arena.kind"] == "tournament"]
    assert before[tournament].data.tags["on_leak"] == "refuse"
    play_in(make_config(audit={"on_leak": "report"}), new_home, replaying())
    after = _runs(client(new_home))
    assert {name: after[name].info.run_id for name in before} == {name: run.info.run_id for name, run in before.items()}
    assert after[tournament].data.tags["on_leak"] == "report"
    assert "audit.on_leak" not in after[tournament].data.params  # it could not change
    assert _toml(client(new_home), tournament, "config.toml")["audit"]["on_leak"] == "report"
    # But for that, it is as if two rounds had been played at once.
    expected = _contents(client(home))
    expected[tournament][2]["on_leak"] = "report"
    assert _contents(client(new_home)) == expected


def test_an_interrupted_tournament_is_killed_and_resumes_to_the_same_end(
    home: Path,
    new_home: Path,
    client: Make,
    make_config: Make,
    play_in: Make,
    replaying: Make,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # In the middle of a stage: the second detector's defence of round 1.
    with pytest.raises(KeyboardInterrupt):
        play_in(make_config(), new_home, replaying(interrupt_at=("defend", 4)))
    assert _statuses(client(new_home)) == {"KILLED"}
    assert {step for step, _ in _points(client(new_home), "first")[HEADLINES["detector"]]} == {0}

    # While round 1 is being logged: players and all pictures but the last are there.
    real = plots.duel_chart

    def interrupted(scoreboard: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr(plots, "duel_chart", interrupted)
    with pytest.raises(KeyboardInterrupt):
        play_in(make_config(), new_home, replaying())
    assert _statuses(client(new_home)) == {"KILLED"}
    assert {step for step, _ in _points(client(new_home), "first")[HEADLINES["detector"]]} == {0, 1}
    monkeypatch.setattr(plots, "duel_chart", real)

    # Before anything new was logged.
    with pytest.raises(KeyboardInterrupt):
        play_in(make_config(), new_home, replaying(interrupt_at=("defend", 1)))
    assert _statuses(client(new_home)) == {"KILLED"}

    executor = replaying()
    play_in(make_config(), new_home, executor)
    assert executor.ran.count("defend") == 2  # of round 2 alone, whose attack had begun before round 1 was scored
    assert _statuses(client(new_home)) == {"FINISHED"}
    assert _contents(client(new_home)) == _contents(client(home))
    assert (new_home / "scoreboard.json").read_bytes() == (home / "scoreboard.json").read_bytes()


def test_an_interrupt_while_playing_on_says_so(
    new_home: Path, client: Make, make_config: Make, play_in: Make, replaying: Make
) -> None:
    play_in(make_config(rounds=0), new_home, replaying())
    assert _statuses(client(new_home)) == {"FINISHED"}
    with pytest.raises(KeyboardInterrupt):
        play_in(make_config(rounds=1), new_home, replaying(interrupt_at=("attack", 1)))
    assert _statuses(client(new_home)) == {"KILLED"}


def test_a_forfeited_players_run_failed_and_says_why(
    new_home: Path, client: Make, make_config: Make, play_in: Make, replaying: Make
) -> None:
    load_plugin_file(BAD_PLAYERS)
    config = make_config(
        rounds=1,
        generators=[{"plugin": "raises", "name": "twin"}],
        detectors=[{"plugin": "scores_nan"}, {"plugin": "toy_detector", "name": "twin"}],
    )
    scoreboard = play_in(config, new_home, replaying())
    runs = client(new_home).search_runs([_experiment(client(new_home)).experiment_id])
    players = {
        (run.data.tags["arena.role"], run.info.run_name): run for run in runs if run.data.tags["arena.kind"] == "player"
    }
    assert {key: run.info.status for key, run in players.items()} == {
        ("detector", "scores_nan"): "FAILED",
        ("detector", "twin"): "FINISHED",
        ("generator", "twin"): "FAILED",
    }
    tags = players["detector", "scores_nan"].data.tags
    assert tags["arena.forfeit"] == "round 0: defend: score returned NaN or infinite values"
    assert players["generator", "twin"].data.tags["arena.forfeit"] == (
        "round 1: attack: raised RuntimeError: the plugin's own bug"
    )
    assert "arena.forfeit" not in players["detector", "twin"].data.tags
    [tournament] = [run for run in runs if run.data.tags["arena.kind"] == "tournament"]
    assert (tournament.info.status, tournament.data.tags["forfeits"]) == ("FINISHED", "2")
    # A generator and a detector of one name do not mix their figures.
    [defender], [attacker] = scoreboard["standings"]["detectors"], scoreboard["standings"]["generators"]
    assert players["detector", "twin"].data.metrics[HEADLINES["detector"]] == _shown(defender["worst_auc"])
    assert players["generator", "twin"].data.metrics[HEADLINES["generator"]] == _shown(attacker["evasion"])
    defences = client(new_home).get_metric_history(players["detector", "twin"].info.run_id, "mean_auc")
    assert [point.step for point in defences] == [0, 1]
    assert "mean_auc" not in players["generator", "twin"].data.metrics


def test_a_deleted_database_is_written_anew(
    home: Path, tmp_path: Path, results: Store, client: Make, record: TournamentRecord
) -> None:
    # What it remembers having logged went with the database.
    shutil.copy(home / "mlflow.json", tmp_path / "mlflow.json")
    MlflowLog(Home(tmp_path), results).log_round(record, build_scoreboard(record))
    assert _statuses(client(tmp_path)) == {"FINISHED"}
    assert [step for step, _ in _points(client(tmp_path), "first")[HEADLINES["detector"]]] == [2]


def test_a_database_that_is_none_is_put_aside(tmp_path: Path, results: Store, record: TournamentRecord) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"this is no database" * 100)
    MlflowLog(Home(tmp_path), results).log_round(record, build_scoreboard(record))
    assert (tmp_path / "mlflow.db.damaged").read_bytes().startswith(b"this is no database")
    assert (tmp_path / "mlflow.db").read_bytes().startswith(b"SQLite format 3")


def test_a_damaged_state_is_one_readable_error(new_home: Path, results: Store, record: TournamentRecord) -> None:
    (new_home / "mlflow.json").write_text("{")
    with pytest.raises(StoreError, match=r"mlflow.json' is damaged; delete it"):
        MlflowLog(Home(new_home), results).log_round(record, build_scoreboard(record))


def test_a_plugins_curves_may_be_called_anything(
    new_home: Path, results: Store, client: Make, record: TournamentRecord, monkeypatch: pytest.MonkeyPatch
) -> None:
    curves = {"G loss (fake) @ 64px, 100%": [1.0], "a/b/c": [2.0], "..": [3.0], "": [4.0], "x" * 400: [5.0]}
    read = Store.read

    def with_odd_names(self: Store, key: str) -> Any:
        result = read(self, key)
        return type(result)(record={**result.record, "curves": curves}, arrays=result.arrays)

    monkeypatch.setattr(Store, "read", with_odd_names)
    MlflowLog(Home(new_home), results).log_round(record, build_scoreboard(record))
    names = set(_points(client(new_home), "attack toy_generator@2"))
    assert "train/G loss _fake_ : 64px_ 100_" in names
    assert "train/a_b_c" in names
    assert len([name for name in names if name.startswith("train/")]) == len(curves)


def test_the_tournaments_id_is_the_same_for_more_rounds_and_another_for_anything_else(
    record: TournamentRecord, make_config: Callable[..., TournamentConfig]
) -> None:
    def name(**over: Any) -> str:
        return tournament_id(TournamentRecord(**{**vars(record), "config": make_config(**over)}))

    assert name(rounds=2) == name(rounds=7)
    assert len({name(), name(seed=1), name(attack={"steps": 5}), name(arena={"resolution": 32})}) == 4
    # What to do about a leak decides no figure.
    assert len({name(audit={"on_leak": on_leak}) for on_leak in ("refuse", "report", "skip")}) == 1
    parts: tuple[dict[str, Any], ...] = ({}, {"parser": ""}, {"random_patches": 4})
    assert len({name(parts=of) for of in parts}) == len(parts)


def test_a_tournament_of_0_1_is_the_same_one_now(record: TournamentRecord) -> None:
    # Its configuration had neither parts nor an audit nor searches nor chains, no other protocol and no limits.
    left_out: dict[str, Any] = dict.fromkeys(("rounds", "audit", "parts", "search", "protocol"), True)
    left_out |= {"compute": set(LIMITS), "score": {"through"}, "reals": {"group", "table", "split_folders"}}
    config = record.config.model_dump(mode="json", exclude=left_out)
    config["reals"]["source"] = record.source_name
    assert tournament_id(record) == digest([config, record.data])[:10]


def test_mlflow_is_imported_where_it_is_used() -> None:
    # It takes seconds, and reads the environment that is set just before.
    for file in Path(leaderboard.__file__).parent.glob("*.py"):
        for node in ast.parse(file.read_text()).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not any(name.partition(".")[0] == "mlflow" for name in names), file


def _shown(value: Any) -> Any:
    """As many digits as MLflow is told."""
    return None if value is None else pytest.approx(value, rel=1e-5, abs=1e-9)


def _experiments(client: MlflowClient) -> list[Experiment]:
    return [experiment for experiment in client.search_experiments() if experiment.name != "Default"]


def _experiment(client: MlflowClient) -> Experiment:
    [experiment] = _experiments(client)
    return experiment


def _runs(client: MlflowClient) -> dict[str, Run]:
    runs = client.search_runs([_experiment(client).experiment_id])
    assert len({run.info.run_name for run in runs}) == len(runs)
    return {run.info.run_name: run for run in runs}


def _points(client: MlflowClient, name: str) -> dict[str, list[tuple[int, float]]]:
    run = _runs(client)[name]
    return {
        metric: sorted((point.step, point.value) for point in client.get_metric_history(run.info.run_id, metric))
        for metric in run.data.metrics
    }


def _artifacts(client: MlflowClient, name: str) -> list[str]:
    run = _runs(client)[name].info.run_id
    found = []
    for artifact in client.list_artifacts(run):
        found += (
            [file.path for file in client.list_artifacts(run, artifact.path)] if artifact.is_dir else [artifact.path]
        )
    return sorted(found)


def _local(client: MlflowClient, name: str, path: str) -> Path:
    return Path(client.download_artifacts(_runs(client)[name].info.run_id, path))


def _text(client: MlflowClient, name: str, path: str) -> Any:
    return json.loads(_local(client, name, path).read_text())


def _toml(client: MlflowClient, name: str, path: str) -> dict[str, Any]:
    return tomllib.loads(_local(client, name, path).read_text())


def _statuses(client: MlflowClient) -> set[str]:
    return {run.info.status for run in _runs(client).values()}


def _ends(client: MlflowClient) -> dict[str, int]:
    return {name: run.info.end_time for name, run in _runs(client).items()}


def _contents(client: MlflowClient) -> dict[str, Any]:
    """All that was logged, without ids and times."""
    contents = {}
    for name, run in _runs(client).items():
        # An image's file name holds its time and a random part.
        files = [re.sub(r"\+timestamp\+\d+\+[0-9a-f-]+", "", file) for file in _artifacts(client, name)]
        tags = {key: value for key, value in run.data.tags.items() if not key.startswith("mlflow.parent")}
        contents[name] = (_points(client, name), files, tags, run.data.params, run.info.status)
    return contents
