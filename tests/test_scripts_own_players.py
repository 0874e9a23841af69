"""A script that defines a player itself: it plays in this process, and elsewhere is told at the start what to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys

import torch
import fakeoff
from fakeoff import detectors, generators
from fakeoff.arena.errors import FakeoffError


@generators.register("mine")
class Mine(generators.Generator):
    resolution = 16

    def sample(self, n, *, rng):
        return torch.rand(n, 3, 16, 16, generator=rng)


@detectors.register("eye")
class Eye(detectors.Detector):
    def score(self, images):
        return images.mean((1, 2, 3))


home, where, scored_again, generator, *eyes = sys.argv[1:]
config = {
    "rounds": 0,
    "generators": [{"plugin": generator}],
    "detectors": [{"plugin": "resnet18_layer1"}, *({"plugin": eye} for eye in eyes)],
    "arena": {"resolution": 16},
    "parts": {"parser": ""},
    "pools": {"train_fakes": 32, "val_fakes": 16, "test_fakes": 16},
    "defend": {"steps": 2, "batch": 4, "check_every": 2},
    "score": {"resamples": 100, "scored_again": int(scored_again)},
    "compute": {"device": "cpu", "precision": "float32"},
}
place = {"serial": True} if where == "serial" else {"workers": 1}
try:
    game = fakeoff.play(config, home=home, **place)
except FakeoffError as error:
    print("refused:", error)
else:
    print("played:", len(game.record.matches), "forfeits:", len(game.record.forfeits))
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("script") / "mine.py"
    path.write_text(SCRIPT)
    return path


def _last_line(script: Path, home: Path, *arguments: str) -> str:
    command = [sys.executable, str(script), str(home), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=script.parent)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_in_this_process_it_plays(script: Path, tmp_path: Path) -> None:
    assert _last_line(script, tmp_path, "serial", "0", "mine", "eye") == "played: 2 forfeits: 0"


@pytest.mark.parametrize(
    ("arguments", "player", "who", "way_out"),
    [
        (
            ("ray", "0", "mine"),
            "generator 'mine' is defined in the script 'mine.py'",
            "workers cannot find it",
            "play with serial=True",
        ),
        (("ray", "8", "pgan", "eye"), "detector 'eye'", "workers", "play with serial=True and score.scored_again = 0"),
        (("serial", "8", "mine", "eye"), "detector 'eye'", "the fresh process", "play with score.scored_again = 0"),
        (("serial", "0", "__main__:Mine"), "'__main__:Mine'", "only this process knows", "package.module:Class"),
    ],
)
def test_where_another_process_needs_it_it_is_refused_at_the_start(
    script: Path, tmp_path: Path, arguments: tuple[str, ...], player: str, who: str, way_out: str
) -> None:
    said = _last_line(script, tmp_path, *arguments)
    assert said.startswith(f"refused: {player}")
    assert who in said
    assert "put it in a file of its own and load that: load_plugin_file" in said
    assert said.endswith(way_out)
    assert not (tmp_path / "store").exists()
