"""`fakeoff plugins check` on players that keep their contract, break it, or are none."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fakeoff.cli import main

TOYS = Path(__file__).parents[1] / "toy_players.py"
BAD = Path(__file__).parents[1] / "bad_players.py"

BROKEN = """
import torch
from fakeoff.generators import Generator, register

@register("forgets_rng")
class ForgetsRng(Generator):
    def __init__(self, *, resolution: int = 16) -> None:
        super().__init__()
        self.resolution = resolution

    def sample(self, n, *, rng):
        return torch.rand(n, 3, self.resolution, self.resolution)
"""

Call = Callable[..., Result]


@pytest.fixture
def call(toys: Path) -> Call:
    return lambda *arguments: CliRunner().invoke(main, ["plugins", "check", *arguments])


def _one_line(result: Result) -> str:
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.strip().splitlines()
    return line


def test_a_player_that_keeps_its_contract_is_told_so_check_by_check(call: Call) -> None:
    result = call("toy_detector", "--plugin", str(TOYS))
    assert result.exit_code == 0, result.output
    assert "toy_detector keeps its contract" in result.output
    assert result.output.count("\n ok ") >= 15
    assert "FAIL" not in result.output


def test_a_player_that_breaks_it_is_told_what_came_and_how_to_mend_it(call: Call, tmp_path: Path) -> None:
    (tmp_path / "broken_for_check.py").write_text(BROKEN)
    result = call("forgets_rng", "--plugin", str(tmp_path / "broken_for_check.py"))
    assert result.exit_code == 1, result.output
    assert "forgets_rng breaks its contract" in result.output
    for word in ("FAIL", "expected:", "came:", "to mend:", "generator=rng"):
        assert word in result.output
    assert "Traceback" not in result.output
    assert "more wait for what failed" in result.output  # one mistake is told once
    assert "needs a check that failed" not in result.output


def test_json_says_the_same(call: Call) -> None:
    result = call("toy_fixed_generator", "--json")
    checks = json.loads(result.stdout)
    assert {check["state"] for check in checks} == {"passed", "skipped"}
    assert all(check["title"] for check in checks)
    assert result.exit_code == 0


def test_parameters_are_given_to_its_constructor(call: Call) -> None:
    assert "resolution=32" in call("toy_fixed_generator", "--set", "resolution=32").output
    line = _one_line(call("toy_fixed_generator", "--set", "resolutoin=32"))
    assert "no parameter 'resolutoin'; did you mean 'resolution'?" in line
    assert "is no setting" in _one_line(call("toy_fixed_generator", "--set", "resolution"))
    assert "--resolution is for detectors" in _one_line(call("toy_fixed_generator", "--resolution", "32"))


def test_a_class_path_finds_its_kind(call: Call) -> None:
    result = call("fakeoff.detectors.resnet:TruncatedResNet18", "--json")
    assert result.exit_code == 0, result.output
    assert len(json.loads(result.stdout)) >= 15


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("toy_detecter", "there is no player 'toy_detecter'; did you mean 'toy_detector'? See: fakeoff plugins"),
        ("pretrain", "'pretrain' is a protocol, and those have no contract"),
        ("collections:OrderedDict", "'collections:OrderedDict' derives from no interface"),
        ("nowhere.at_all:Player", "no module named 'nowhere'"),
    ],
)
def test_what_is_no_player_is_said_in_one_line(call: Call, name: str, said: str) -> None:
    assert said in _one_line(call(name))


def test_a_name_of_two_kinds_has_to_say_which(call: Call, tmp_path: Path) -> None:
    twice = BROKEN.replace("forgets_rng", "named_twice") + (
        "\nfrom fakeoff.detectors import Detector, register as r\n"
        '@r("named_twice")\nclass D(Detector):\n    def score(self, images):\n        return images.mean((1, 2, 3))\n'
    )
    (tmp_path / "twice.py").write_text(twice)
    option = ("--plugin", str(tmp_path / "twice.py"))
    assert "is a generator and a detector; say which: --kind generator" in _one_line(call("named_twice", *option))
    assert "named_twice keeps its contract" in call("named_twice", "--kind", "detector", *option).output


def test_where_nothing_failed_nothing_waits(call: Call) -> None:
    """What it cannot do is skipped, and says why."""
    for name in ("toy_fixed_generator", "toy_brightness"):
        result = call(name)
        assert result.exit_code == 0, result.output
        assert "for what failed" not in result.output
        assert "it has neither train_step nor fit" in result.output
