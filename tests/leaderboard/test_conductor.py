"""What is the same for every game in a home, whoever plays."""

from __future__ import annotations

import io
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from fakeoff.arena.errors import ConfigError, PluginError, StoreError
from fakeoff.arena.jobs import Job
from fakeoff.arena.jobs.executors import Load, Observer, SerialExecutor
from fakeoff.arena.jobs.unfinished import Unfinished
from fakeoff.leaderboard.conduct.beside import Beside
from fakeoff.leaderboard.conduct.conductor import conducted
from fakeoff.leaderboard.home.home import Home
from fakeoff.protocols.attack_defend import play_on, tournament_spec
from fakeoff.protocols.measures.tournament import TournamentRecord

Make = Callable[..., Any]


class Watched(SerialExecutor):
    """Remembers how it was left."""

    def __init__(self) -> None:
        super().__init__()
        self.left: list[str] = []

    def start(self, job: Job, *, load: Load, observer: Observer, unfinished: Unfinished | None = None) -> None:
        self.left.append("started")
        super().start(job, load=load, observer=observer, unfinished=unfinished)

    def abandon(self) -> None:
        self.left.append("abandoned")
        super().abandon()

    def close(self) -> None:
        self.left.append("closed")
        super().close()


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO(), width=200)


def test_a_home_is_held_and_its_store_swept_while_a_game_is_conducted(
    tmp_path: Path, make_config: Make, console: Console
) -> None:
    home, executor = Home(tmp_path), Watched()
    half_written = home.store / "writing-something"
    half_written.mkdir(parents=True)
    with conducted(make_config(), home=home, executor=executor, console=console) as conductor:
        assert not half_written.exists()
        assert conductor.store.root == home.store
        other = Watched()
        with (
            pytest.raises(StoreError, match="another fakeoff is playing"),
            conducted(make_config(), home=home, executor=other, console=console),
        ):
            pass
        assert executor.left == []
    assert executor.left == ["closed"]
    with home.locked():
        pass


def test_what_is_left_out_and_how_it_computes_are_said_first(
    tmp_path: Path, make_config: Make, jpegs: Path, console: Console
) -> None:
    reals = tmp_path / "reals"
    shutil.copytree(jpegs, reals)
    (reals / "notes.txt").write_text("no image")
    config = make_config(reals={"source": str(reals)})
    with conducted(config, home=Home(tmp_path / "home"), executor=SerialExecutor(), console=console):
        pass
    left_out, recognised, computing = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert left_out.startswith("left out notes.txt: ")
    assert re.match(r"reals: \d+ images of \d+ people in \d+ folders; split by the hash of names: ", recognised)
    assert computing.startswith("training in float32 on ")


def test_a_game_that_fails_leaves_no_job_and_no_worker(tmp_path: Path, make_config: Make, console: Console) -> None:
    executor, config = Watched(), make_config()

    def fail() -> None:
        with (
            conducted(config, home=Home(tmp_path), executor=executor, console=console) as conductor,
            conductor.bench(tournament_spec(config)) as bench,
        ):
            bench.enter()
            raise RuntimeError("my own bug")

    with pytest.raises(RuntimeError, match="my own bug"):
        fail()
    assert executor.left[-3:] == ["abandoned", "closed", "closed"]


def test_players_that_do_not_exist_are_told_before_a_job_starts(
    tmp_path: Path, make_config: Make, console: Console
) -> None:
    executor, config = Watched(), make_config(generators=[{"plugin": "toy_generatr"}])
    with (
        pytest.raises(PluginError, match="toy_generator"),
        conducted(config, home=Home(tmp_path), executor=executor, console=console) as conductor,
        conductor.bench(tournament_spec(config)),
    ):
        pytest.fail("there is no such bench")
    assert executor.left == ["closed"]


def test_a_finished_round_is_told_with_its_record_and_is_shown(
    tmp_path: Path, make_config: Make, replaying: Make, console: Console
) -> None:
    config, rounds = make_config(rounds=1), []

    def on_round(record: TournamentRecord, beside: Beside) -> None:
        beside.do(lambda: rounds.append((record.round, len(record.matches))))

    with (
        conducted(config, home=Home(tmp_path), executor=replaying(), console=console) as conductor,
        conductor.bench(tournament_spec(config), on_round=on_round) as bench,
    ):
        record = play_on(bench)
    assert rounds == [(0, 4), (1, len(record.matches))]
    assert "round 1" in console.file.getvalue()  # type: ignore[attr-defined]


def test_without_a_meaning_rounds_pass_in_silence(
    tmp_path: Path, make_config: Make, replaying: Make, console: Console
) -> None:
    config = make_config(rounds=0)
    with (
        conducted(config, home=Home(tmp_path), executor=replaying(), console=console) as conductor,
        conductor.bench(tournament_spec(config)) as bench,
    ):
        play_on(bench)
    printed = console.file.getvalue()  # type: ignore[attr-defined]
    assert "toy_generator" in printed
    assert "round 0" not in printed


@pytest.mark.parametrize(("colour", "channels", "grey"), [("rgb", 1, True), ("rgb", 3, False), ("grey", 1, False)])
@pytest.mark.parametrize("on_leak", ["refuse", "report"])
def test_a_grey_generator_in_a_colour_arena_is_told_before_anything_is_played(
    tmp_path: Path, make_config: Make, console: Console, colour: str, channels: int, grey: bool, on_leak: str
) -> None:
    forger = {"name": "forger", "plugin": "pgan", "parameters": {"channels": channels, "weights": ""}}
    config = make_config(generators=[forger], arena={"resolution": 64, "colour": colour}, audit={"on_leak": on_leak})
    executor = Watched()
    with (
        conducted(config, home=Home(tmp_path), executor=executor, console=console) as conductor,
        conductor.bench(tournament_spec(config)) as bench,
    ):
        said = console.file.getvalue()  # type: ignore[attr-defined]
        if grey and on_leak == "refuse":
            with pytest.raises(ConfigError, match=r"'forger' makes grey images.*nothing was computed") as refused:
                bench.enter()
            assert refused.value.mend == ("--set", "arena.colour=grey")
    assert ("generator 'forger' makes grey images" in said and "channels = 3" in said) == (grey and on_leak == "report")
    assert "started" not in executor.left


def test_weights_that_are_not_all_taken_are_told_before_anything_is_played(
    tmp_path: Path, make_config: Make, console: Console
) -> None:
    from torchvision.models import shufflenet_v2_x0_5

    torch.save(shufflenet_v2_x0_5(weights=None).state_dict(), tmp_path / "published.pth")
    named = {"plugin": "torchvision:shufflenet_v2_x0_5", "parameters": {"weights": str(tmp_path / "published.pth")}}
    config = make_config(detectors=[named, {"plugin": "torchvision:shufflenet_v2_x0_5", "name": "from_scratch"}])
    with (
        conducted(config, home=Home(tmp_path), executor=Watched(), console=console) as conductor,
        conductor.bench(tournament_spec(config)),
    ):
        said = " ".join(console.file.getvalue().split())  # type: ignore[attr-defined]
    assert "detector 'shufflenet_v2_x0_5': of 'published.pth' the head for 1000 classes (fc.bias, fc.weight)" in said
    assert "is left out, and begins anew" in said
    assert "from_scratch'" not in said
