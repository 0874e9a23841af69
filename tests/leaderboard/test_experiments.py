"""An experiment in a home: one result file, one run in MLflow, and nothing twice."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from PIL import Image
from rich.console import Console

from fakeoff.arena.errors import ConfigError, FakeoffError, PluginError
from fakeoff.arena.jobs import Job
from fakeoff.arena.jobs.executors import SerialExecutor
from fakeoff.arena.players.plugins import load_plugin_file
from fakeoff.leaderboard.experiments import experiment_text, play_experiment
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.play import plays_a_tournament
from fakeoff.leaderboard.terminal.experiment_tables import csv_text, markdown_text, print_experiment

Make = Callable[..., Any]

TOY_PROTOCOLS = Path(__file__).parents[1] / "toy_protocols.py"
BAD_PLAYERS = Path(__file__).parents[1] / "bad_players.py"


class Counting(SerialExecutor):
    """Remembers the tasks that it ran, may run them backwards, and may be interrupted at the n-th of them."""

    def __init__(self, *, backwards: bool = False, interrupt_at: int = 0) -> None:
        super().__init__()
        self.ran: list[str] = []
        self._backwards, self._interrupt_at = backwards, interrupt_at

    def has_room(self, job: Job) -> bool:
        return self._backwards or super().has_room(job)

    def take(self) -> tuple[Any, ...]:
        taken = self._waiting.pop() if self._backwards else super().take()
        self.ran.append(taken[0].task.partition(":")[2])
        if len(self.ran) == self._interrupt_at:
            raise KeyboardInterrupt
        return taken


@pytest.fixture(scope="session")
def play_toys(toys: Path, toy_config: Make) -> Callable[..., dict[str, Any]]:
    """Plays the toy experiment in a home."""
    load_plugin_file(TOY_PROTOCOLS)

    def play(
        home: Path, *, executor: Any = None, plugin: str = "toy_experiment", name: str = "", **over: Any
    ) -> dict[str, Any]:
        parameters = over.pop("parameters", {})
        config = toy_config(protocol={"plugin": plugin, "parameters": parameters}, **over)
        quiet = Console(file=io.StringIO())
        return play_experiment(config, home=Home(home), executor=executor or Counting(), console=quiet, name=name)

    return play


@pytest.fixture(scope="module")
def _whole(tmp_path_factory: pytest.TempPathFactory, make_home: Make, play_toys: Make) -> tuple[Path, tuple[str, ...]]:
    home = make_home(tmp_path_factory.mktemp("experiment"))
    executor = Counting()
    play_toys(home, executor=executor)
    return home, tuple(executor.ran)


@pytest.fixture(scope="module")
def played(_whole: tuple[Path, tuple[str, ...]]) -> Path:
    """A home in which the toy experiment was played. Read it, do not write."""
    return _whole[0]


@pytest.fixture(scope="module")
def all_tasks(_whole: tuple[Path, tuple[str, ...]]) -> tuple[str, ...]:
    """What ran in it, in order."""
    return _whole[1]


def _result(home: Path, name: str = "toy_experiment") -> dict[str, Any]:
    return json.loads((home / "experiments" / f"{name}.json").read_text())  # type: ignore[no-any-return]


def _runs(client: MlflowClient) -> list[Run]:
    [experiment] = [found for found in client.search_experiments() if found.name != "Default"]
    assert experiment.name == "fakeoff orl 16px grey"
    return client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])


def _points(client: MlflowClient, run: Run) -> dict[str, list[tuple[int, float]]]:
    return {
        name: sorted((point.step, point.value) for point in client.get_metric_history(run.info.run_id, name))
        for name in run.data.metrics
    }


def _artifacts(client: MlflowClient, run: Run, folder: str = "") -> list[str]:
    found = []
    for artifact in client.list_artifacts(run.info.run_id, folder or None):
        found += _artifacts(client, run, artifact.path) if artifact.is_dir else [artifact.path]
    return found


def test_the_result_file_holds_what_was_logged_and_what_decided_it(played: Path) -> None:
    result = _result(played)
    assert (result["experiment"], result["protocol"]) == ("toy_experiment", "toy_experiment")
    assert result["parameters"] == {"scale": 1.0, "fails": ""}
    assert result["code"]["protocol"] == {"version": load_plugin_file(TOY_PROTOCOLS).sha256}
    assert set(result["code"]["detectors"]) == {"toy_detector"}
    assert result["config"]["attack"]["steps"] == 4
    assert result["data"]["source"] == "orl"
    [row, attacked] = result["tables"]["brightness"]
    assert (row["version"], attacked["version"], row["targets"]) == ("toy_generator@0", "toy_generator@1", None)
    assert result["points"]["brightness/toy_generator"] == {"0": row["brightness"], "1": attacked["brightness"]}
    assert (result["figures"], result["files"], result["forfeits"], result["leaks"]) == (
        ["bars"],
        ["notes.txt"],
        [],
        {},
    )
    text = (played / "experiments" / "toy_experiment.json").read_text()
    assert text == experiment_text(result)
    assert str(played) not in text
    assert str(TOY_PROTOCOLS.parent) not in text


def test_figures_tables_and_files_lie_beside_it(played: Path) -> None:
    folder = played / "experiments" / "toy_experiment"
    assert {path.name for path in folder.iterdir()} == {"bars.png", "brightness.csv", "notes.txt"}
    assert np.asarray(Image.open(folder / "bars.png")).std() > 20
    assert (folder / "notes.txt").read_bytes() == b"bright\n"
    rows = list(csv.DictReader(io.StringIO((folder / "brightness.csv").read_text())))
    assert [float(row["brightness"]) for row in rows] == [
        row["brightness"] for row in _result(played)["tables"]["brightness"]
    ]


def test_the_same_experiment_gives_the_same_bytes_in_any_order(played: Path, new_home: Path, play_toys: Make) -> None:
    play_toys(new_home, executor=Counting(backwards=True))
    one, other = (
        {path.name: path.read_bytes() for path in (home / "experiments").rglob("*.*")} for home in (played, new_home)
    )
    assert one == other


def test_it_is_one_run_beside_the_tournaments(played: Path, client: Make) -> None:
    [run] = _runs(client(played))
    tags = run.data.tags
    assert (run.info.run_name, run.info.status) == ("toy_experiment", "FINISHED")
    assert (tags["arena.kind"], tags["arena.protocol"], tags["forfeits"]) == ("experiment", "toy_experiment", "0")
    assert run.data.params["protocol.scale"] == "1.0"
    assert run.data.params["protocol"] == "toy_experiment"
    assert run.data.params["attack.steps"] == "4"
    result = _result(played)
    assert _points(client(played), run) == {
        name: [(int(step), pytest.approx(value, rel=1e-5)) for step, value in of.items()]
        for name, of in result["points"].items()
    }
    note = tags["mlflow.note.content"]
    assert note.startswith("How bright the fakes are, before and after an attack.")
    assert "Args:" not in note
    assert "| toy_generator@0 |" in note


def test_its_tables_figures_and_files_are_artifacts(played: Path, client: Make) -> None:
    [run] = _runs(client(played))
    found = _artifacts(client(played), run)
    images = [path for path in found if path.startswith("images/bars+step+0+")]
    assert len(images) == 2  # the slider's, in full and compressed
    assert set(found) - set(images) == {
        "toy_experiment.json",
        "tables/brightness.csv",
        "figures/bars.png",
        "files/notes.txt",
    }

    def local(path: str) -> Path:
        return Path(client(played).download_artifacts(run.info.run_id, path))

    folder = played / "experiments" / "toy_experiment"
    assert local("tables/brightness.csv").read_bytes() == (folder / "brightness.csv").read_bytes()
    assert json.loads(local("toy_experiment.json").read_text()) == _result(played)
    shown, kept = (np.asarray(Image.open(path)) for path in (local("figures/bars.png"), folder / "bars.png"))
    assert (shown[..., :3] == kept).all()


def test_playing_again_computes_and_logs_nothing(new_home: Path, play_toys: Make, client: Make) -> None:
    first = play_toys(new_home)
    [before] = _runs(client(new_home))
    again = Counting()
    assert play_toys(new_home, executor=again) == first
    assert again.ran == []
    [after] = _runs(client(new_home))
    assert (after.info.run_id, after.info.end_time) == (before.info.run_id, before.info.end_time)
    assert _points(client(new_home), after) == _points(client(new_home), before)


@pytest.mark.parametrize("job", [1, 9, 12])
def test_an_interrupted_experiment_is_killed_and_goes_on_in_the_same_run(
    played: Path, all_tasks: Sequence[str], new_home: Path, play_toys: Make, client: Make, job: int
) -> None:
    first, second = Counting(interrupt_at=job), Counting()
    with pytest.raises(KeyboardInterrupt):
        play_toys(new_home, executor=first)
    [killed] = _runs(client(new_home))
    assert killed.info.status == "KILLED"
    play_toys(new_home, executor=second)
    [finished] = _runs(client(new_home))
    assert (finished.info.run_id, finished.info.status) == (killed.info.run_id, "FINISHED")
    assert (*first.ran[:-1], *second.ran) == all_tasks  # nothing twice
    [expected] = _runs(client(played))
    assert _points(client(new_home), finished) == _points(client(played), expected)
    assert _result(new_home) == _result(played)


@pytest.mark.parametrize(
    ("fails", "reason"),
    [
        (
            "raises",
            r"protocol 'toy_experiment' raised ValueError: the experiment's own bug \(toy_protocols.py, line \d+\)",
        ),
        ("exits", r"protocol 'toy_experiment' raised SystemExit: 3 \(toy_protocols.py, line \d+\)"),
        ("job", r"the job 'one' failed: gave up at one \(toy_protocols.py, line \d+\)"),
        ("nan", r"logged 'brightness' = nan at step 3; .* \(toy_protocols.py, line \d+\)"),
        ("misuses", r"detector versions were given where generator versions are wanted \(toy_protocols.py, line \d+\)"),
    ],
)
def test_an_experiment_that_fails_says_where_in_one_line_and_loses_nothing_computed(
    played: Path, new_home: Path, play_toys: Make, client: Make, fails: str, reason: str
) -> None:
    with pytest.raises(PluginError, match=reason) as caught:
        play_toys(new_home, parameters={"fails": fails})
    assert "\n" not in str(caught.value)
    [run] = _runs(client(new_home))
    assert run.info.status == "FAILED"
    assert run.data.tags["arena.failure"] == str(caught.value)
    # What was logged until then is there.
    assert (
        _points(client(new_home), run)["brightness/toy_generator"]
        == _points(client(played), _runs(client(played))[0])["brightness/toy_generator"]
    )
    assert not (new_home / "experiments" / "toy_experiment.json").exists()
    # Mended by a parameter: it is another run, and all jobs are there.
    mended = Counting()
    play_toys(new_home, executor=mended)
    assert mended.ran == []
    assert [run.info.status for run in _runs(client(new_home))] == ["FAILED", "FINISHED"]


def test_where_a_repeated_experiment_fails_its_own_place_is_told(new_home: Path, play_toys: Make) -> None:
    parameters = {"protocol": "toy_experiment", "parameters": {"fails": "raises"}, "seeds": 2}
    reason = r"protocol 'replicates' raised ValueError: the experiment's own bug \(toy_protocols.py, line \d+\)"
    with pytest.raises(PluginError, match=reason):
        play_toys(new_home, plugin="replicates", parameters=parameters)


def test_points_logged_before_a_failure_are_not_doubled(
    new_home: Path, play_toys: Make, client: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("fakeoff.leaderboard.experiments._write", full)
        with pytest.raises(OSError, match="No space left"):
            play_toys(new_home)
    [failed] = _runs(client(new_home))
    assert failed.info.status == "FAILED"
    play_toys(new_home)
    [finished] = _runs(client(new_home))
    assert (finished.info.run_id, finished.info.status) == (failed.info.run_id, "FINISHED")
    assert "arena.failure" not in finished.data.tags
    assert all(
        len(points) == len({step for step, _ in points}) for points in _points(client(new_home), finished).values()
    )


def test_a_player_that_misbehaves_forfeits_and_the_experiment_goes_on(
    new_home: Path, play_toys: Make, client: Make
) -> None:
    load_plugin_file(BAD_PLAYERS)
    generators = [{"plugin": "raises"}, {"plugin": "toy_generator"}]
    result = play_toys(new_home, generators=generators)
    [forfeit] = result["forfeits"]
    assert (forfeit["player"], forfeit["round"], forfeit["stage"]) == ("raises", 1, "attack")
    labels = [row["version"] for row in result["tables"]["brightness"]]
    assert labels == ["raises@0", "toy_generator@0", "toy_generator@1"]
    [run] = _runs(client(new_home))
    assert (run.info.status, run.data.tags["forfeits"]) == ("FINISHED", "1")
    printed = Console(file=io.StringIO(), width=120)
    print_experiment(result, printed, folder=Home(new_home).experiments)
    assert "the plugin's own bug" in printed.file.getvalue()  # type: ignore[attr-defined]


def test_other_parameters_and_edited_code_are_other_runs(
    new_home: Path, play_toys: Make, client: Make, tmp_path: Path
) -> None:
    play_toys(new_home)
    play_toys(new_home, parameters={"scale": 2.0})
    edited = tmp_path / "edited" / "toy_protocols.py"
    edited.parent.mkdir()
    text = TOY_PROTOCOLS.read_text().replace('register("toy_experiment")', 'register("edited_experiment")')
    edited.write_text(text.replace('bench.file("notes.txt"', 'bench.file("remarks.txt"'))
    load_plugin_file(edited)
    play_toys(new_home, plugin="edited_experiment", name="toy_experiment")
    runs = _runs(client(new_home))
    assert [run.data.tags["arena.protocol"] for run in runs] == [*["toy_experiment"] * 2, "edited_experiment"]
    assert [run.data.params["protocol.scale"] for run in runs] == ["1.0", "2.0", "1.0"]
    # The result is the last one's, and what only the others wrote is gone.
    assert _result(new_home)["files"] == ["remarks.txt"]
    folder = new_home / "experiments" / "toy_experiment"
    assert {path.name for path in folder.iterdir()} == {"bars.png", "brightness.csv", "remarks.txt"}


def test_what_a_job_may_take_and_what_to_do_about_leaks_decide_nothing(
    new_home: Path, play_toys: Make, client: Make
) -> None:
    play_toys(new_home)
    compute = {"attack_threads": 1, "device": "cpu", "precision": "float32", "job_seconds": 900.0}
    again = Counting()
    play_toys(new_home, executor=again, compute=compute, audit={"on_leak": "report"})
    assert again.ran == []
    assert len(_runs(client(new_home))) == 1
    play_toys(new_home, seed=1)
    assert len(_runs(client(new_home))) == 2


def test_files_that_somebody_else_put_there_stay(new_home: Path, play_toys: Make) -> None:
    folder = new_home / "experiments" / "toy_experiment"
    folder.mkdir(parents=True)
    (folder / "mine.txt").write_text("mine")
    victim = new_home / "victim.txt"
    victim.write_text("precious")
    damaged = {"figures": [], "tables": {}, "files": ["../../victim.txt"]}
    (new_home / "experiments" / "toy_experiment.json").write_text(json.dumps(damaged))
    play_toys(new_home)
    assert (folder / "mine.txt").read_text() == "mine"
    assert victim.read_text() == "precious"


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"parameters": {"scal": 2}}, PluginError, "has no parameter 'scal'; did you mean 'scale'"),
        ({"parameters": {"scale": "bright"}}, PluginError, "parameter 'scale' = 'bright'"),
        ({"parameters": {"fails": "never"}}, PluginError, "parameter 'fails' = 'never'"),
        ({"plugin": "toy_experimnt"}, PluginError, "unknown protocol 'toy_experimnt'; did you mean 'toy_experiment'"),
        (
            {"plugin": "pretrain", "parameters": {"steps": 0}},
            PluginError,
            "'pretrain' cannot be built: ValueError: steps",
        ),
        ({"name": "../up"}, ConfigError, "'../up' cannot be the name of an experiment"),
        ({"generators": [{"plugin": "toy_generatr"}]}, PluginError, "unknown generator 'toy_generatr'"),
    ],
)
def test_what_cannot_be_played_is_refused_before_anything_is_logged(
    new_home: Path, play_toys: Make, client: Make, given: dict[str, Any], error: type[FakeoffError], message: str
) -> None:
    with pytest.raises(error) as caught:
        play_toys(new_home, **given)
    assert message in str(caught.value)
    assert not (new_home / "mlflow.json").exists()
    assert not (new_home / "experiments").exists()


def test_an_experiment_may_be_named_by_its_class(new_home: Path, play_toys: Make) -> None:
    parameters = {"steps": 2, "batch": 4}
    result = play_toys(new_home, plugin="fakeoff.protocols.pretrain:Pretrain", parameters=parameters)
    assert result["experiment"] == "Pretrain"
    assert (new_home / "experiments" / "Pretrain" / "toy_generator.safetensors").is_file()


def test_tables_are_printed_to_be_read(played: Path) -> None:
    printed = Console(file=io.StringIO(), width=120)
    print_experiment(_result(played), printed, folder=played / "experiments")
    text = printed.file.getvalue()  # type: ignore[attr-defined]
    assert "Experiment toy_experiment: orl faces, 16 px, grey" in text
    brightness = _result(played)["tables"]["brightness"][0]["brightness"]
    assert f"{brightness:.4g}" in text
    assert str(played / "experiments" / "toy_experiment.json") in text


def test_csv_is_exact_and_markdown_is_short() -> None:
    rows: list[Any] = [{"a|b": 1 / 3, "n": None, "yes": True}, {"a|b": 123456.7, "n": "x, y", "yes": False}]
    assert list(csv.reader(io.StringIO(csv_text(rows)))) == [
        ["a|b", "n", "yes"],
        [repr(1 / 3), "", "True"],
        ["123456.7", "x, y", "False"],
    ]
    assert markdown_text(rows) == (
        "| a\\|b | n | yes |\n| --- | --- | --- |\n| 0.3333 | - | yes |\n| 123457 | x, y | no |"
    )


def test_rules_that_derive_from_the_tournaments_are_played_as_they_are(
    new_home: Path, play_toys: Make, toy_config: Make
) -> None:
    load_plugin_file(TOY_PROTOCOLS.with_name("toy_rules.py"))
    own = {"plugin": "own_rules", "parameters": {"noted": 7.0}}
    assert not plays_a_tournament(toy_config(protocol=own))
    assert plays_a_tournament(toy_config())
    result = play_toys(new_home, plugin="own_rules", parameters={"noted": 7.0}, rounds=1)
    assert result["points"]["noted"] == {"0": 7.0}
    assert {row["generator"] for row in result["tables"]["matches"]} == {"toy_generator@0", "toy_generator@1"}
