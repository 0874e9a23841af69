"""Every way in which a player may misbehave, in one tournament on a real Ray: it pays for it, and nobody else."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from fakeoff.arena.images.reals import open_source
from fakeoff.arena.jobs import Outcome
from fakeoff.arena.jobs.executors import SerialExecutor
from fakeoff.arena.jobs.ray_executor import RayExecutor
from fakeoff.arena.jobs.store import Store
from fakeoff.arena.players.plugins import load_plugin_file
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.play import play
from fakeoff.protocols.attack_defend import play_tournament
from fakeoff.protocols.config import TournamentConfig, parse_config

BAD = Path(__file__).parent / "bad_players.py"

SAID = {
    "raises": ("attack", "raised RuntimeError: the plugin's own bug"),
    "returns_nan": ("attack", "train_step returned nan for 'own_loss' at step 0"),
    "samples_nan": ("sample", "sample returned NaN or infinite values"),
    "wrong_shape": ("sample", "sample returned shape"),
    "wrong_range": ("sample", "images lie in [0, 1]"),
    "loops": ("attack", "computed for longer than 9 s of CPU time (compute.job_seconds)"),
    "loops_in_native_code": ("attack", "computed for longer than 9 s of CPU time (compute.job_seconds)"),
    "hogs": ("attack", "took more than 2 GB of memory (compute.job_gigabytes)"),
    "tampers": ("attack", "changed the weights of the frozen detector"),
    "seeds_globally": ("attack", "drew from or wrote to the global random state of torch"),
    "draws_globally": ("sample", "made other images when it was asked again with the same rng"),
    "elsewhere": ("sample", "sample returned a tensor on meta, and the images are on cpu"),
    "mixes_devices": ("attack", "raised RuntimeError: Tensor on device"),
    "exits": ("attack", "raised SystemExit: 3"),
    "segfaults": ("attack", "its worker process died"),
}
"""What each says and at which stage; nobody is told off for printing."""

# Each of these takes its process with it, or all the time that it may take.
ONLY_ON_RAY = {"segfaults", "loops_in_native_code", "loops"}


def small(generators: list[str]) -> TournamentConfig:
    return parse_config(
        {
            "rounds": 1,
            "generators": [{"plugin": name} for name in ("toy_generator", *generators)],
            "detectors": [{"plugin": "toy_detector"}],
            "arena": {"resolution": 16},
            "pools": {"train_fakes": 32, "val_fakes": 16, "test_fakes": 16},
            "attack": {"steps": 4, "batch": 4},
            # The fakes of round 0 alone, so that the good generator meets the same detector in any company.
            "defend": {"steps": 20, "batch": 8, "check_every": 10, "history": "latest"},
            "score": {"resamples": 100, "through": []},
            "parts": {"parser": ""},
            "audit": {"on_leak": "skip"},
            "compute": {
                "attack_threads": 1,
                "device": "cpu",
                "precision": "float32",
                "job_seconds": 9.0,
                "job_gigabytes": 2.0,
            },
        },
        where="test",
    )


@pytest.fixture(scope="module")
def played(
    tmp_path_factory: pytest.TempPathFactory, toys: Path, make_home: Callable[[Path], Path], quick_pictures: None
) -> tuple[Path, dict[str, Any], str]:
    """A tournament of all of them and one good player: its home, its scoreboard, and what was on the screen."""
    load_plugin_file(BAD)
    home = make_home(tmp_path_factory.mktemp("home"))
    screen = io.StringIO()
    with contextlib.redirect_stdout(screen), pytest.MonkeyPatch.context() as patch:
        # Who does not heed its limit is killed all the same; ten seconds more of looping would show nothing.
        patch.setattr("fakeoff.arena.watch.GRACE_SECONDS", 3.0)
        scoreboard = play(
            small(["prints", *SAID]),
            home=Home(home),
            executor=RayExecutor(workers=2),
            console=Console(file=screen, width=200),
        )
    return home, scoreboard.to_json(), screen.getvalue()


def test_each_forfeits_and_is_told_why(played: tuple[Path, dict[str, Any], str]) -> None:
    _, scoreboard, _ = played
    found = {forfeit["player"]: forfeit for forfeit in scoreboard["forfeits"]}
    assert set(found) >= set(SAID)
    for player, (stage, reason) in SAID.items():
        assert reason in found[player]["reason"], found[player]
        assert (found[player]["stage"], found[player]["kind"]) == (stage, "generator")


def test_nobody_else_does(played: tuple[Path, dict[str, Any], str]) -> None:
    _, scoreboard, _ = played
    assert len(scoreboard["forfeits"]) == len(SAID)
    versions = {(cell["generator"], cell["generator_round"]) for cell in scoreboard["cells"]}
    entered_bad = {"draws_globally"}  # it misbehaves from the start
    assert versions == {
        *(("toy_generator", round_) for round_ in (0, 1)),
        *(("prints", round_) for round_ in (0, 1)),
        *((name, 0) for name in set(SAID) - entered_bad),
    }
    assert {(cell["detector"], cell["detector_round"]) for cell in scoreboard["cells"]} == {
        ("toy_detector", 0),
        ("toy_detector", 1),
    }


def test_each_has_its_line_on_the_screen(played: tuple[Path, dict[str, Any], str]) -> None:
    _, _, screen = played
    lines = screen.splitlines()
    for player, (_, reason) in SAID.items():
        assert [line for line in lines if player in line and "FORFEIT" in line and reason in line], player
    assert "Traceback" not in screen


def test_what_is_printed_is_kept_aside_and_named_and_costs_nothing(played: tuple[Path, dict[str, Any], str]) -> None:
    home, _, screen = played
    assert screen.count("a line of the plugin's own") == 1
    (line,) = [line for line in screen.splitlines() if "a line of the plugin's own" in line]
    assert "prints printed 4 line(s)" in line
    (kept,) = Home(home).output.glob("attack-prints@1-*.txt")
    assert kept.read_text() == "a line of the plugin's own\n" * 4


def test_playing_on_tries_the_failed_again_and_computes_nothing_else(played: tuple[Path, dict[str, Any], str]) -> None:
    home, scoreboard, _ = played
    kept = json.loads((home / "scoreboard.json").read_text())
    assert kept == json.loads(json.dumps(scoreboard))
    serially = [name for name in SAID if name not in ONLY_ON_RAY]
    witness = _Witness()
    again = play_tournament(
        small(serially),
        source=open_source("orl"),
        store=Store(Home(home).store),
        executor=SerialExecutor(),
        observer=witness,
    )
    assert {forfeit.player for forfeit in again.forfeits} == set(serially)
    reasons = {f["player"]: f["reason"] for f in scoreboard["forfeits"]}
    assert all(forfeit.reason == reasons[forfeit.player] for forfeit in again.forfeits)  # the same without Ray
    # Another company makes other detectors, and so another attack in round 1; round 0's fakes are there.
    assert not [label for label in witness.done if "enter" in label]
    assert len([label for label in witness.done if "sample toy_generator" in label]) == 1


class _Witness:
    """Remembers which jobs came to something."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def finished(self, outcome: Outcome) -> None:
        self.done += [outcome.job.label] if outcome.result is not None else []

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


def test_the_page_about_it_says_what_is_said() -> None:
    page = (Path(__file__).parents[1] / "docs" / "misbehaviour.md").read_text()
    assert [reason for _, reason in SAID.values() if reason not in page] == []
