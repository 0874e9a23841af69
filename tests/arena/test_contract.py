"""How the contract is run: by pytest in a plugin's repository, and by the command line."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import nn

from fakeoff.arena.contract import Check, Contract, run_contract
from fakeoff.arena.contract import other_process as fresh_process
from fakeoff.arena.contract.breaches import ContractBreach, asking, players_line
from fakeoff.arena.contract.other_process import FreshProcessError, Recipe, answer_of
from fakeoff.arena.errors import PluginError
from fakeoff.arena.players.plugins import load_plugin_file
from fakeoff.arena.players.registry import Registry
from fakeoff.arena.seeds import global_states
from fakeoff.detectors import players as detectors
from fakeoff.detectors.contract import DetectorContract
from fakeoff.generators import players as generators
from fakeoff.generators.contract import GeneratorContract

TOYS = Path(__file__).parents[1] / "toy_players.py"

PLUGIN_TESTS = """
import torch
from torch import nn
from torch.nn import functional as F

from fakeoff.arena.parsers.contract import ParserContract
from fakeoff.detectors.contract import DetectorContract
from fakeoff.generators import Generator
from fakeoff.generators.contract import GeneratorContract


class Noise(Generator):
    def __init__(self, *, resolution: int = 16) -> None:
        super().__init__()
        self.resolution = resolution

    def sample(self, n, *, rng):
        return torch.rand(n, 3, self.resolution, self.resolution, generator=rng)


class Twice(Noise):
    def sample(self, n, *, rng):
        return 2 * super().sample(n, rng=rng)


class TestNoise(GeneratorContract):
    player = Noise
    parameters = {"resolution": 8}


class TestTwice(GeneratorContract):
    player = Twice


class TestShared(GeneratorContract):
    def test_of_our_own(self):
        assert self.build().resolution == 16


class TestNoiseWithMore(TestShared):
    player = Noise
"""


class Thing(nn.Module):
    """What the contract below is about."""

    def __init__(self, *, size: int = 1) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.rand(size))


class ThingContract(Contract[Thing]):
    registry: ClassVar[Registry[Any]] = Registry("thing", interface=Thing)
    interface = Thing
    ran: ClassVar[list[str]] = []

    def test_one(self) -> None:
        """The first thing.

        More about it.
        """
        self.ran.append("one")
        self.kept("costly", lambda: self.ran.append("costly"))

    def test_two(self) -> None:
        """The second thing."""
        self.kept("costly", lambda: self.ran.append("costly"))
        raise ContractBreach(expected="a\nb", came="c", mend="d  e")

    def test_three(self) -> None:
        """The third thing."""
        self.needs(self.test_one, self.test_two)
        self.ran.append("never")

    def test_four(self) -> None:
        """The fourth thing."""
        raise unittest.SkipTest("not for this one")

    def test_five(self) -> None:
        """The fifth thing."""
        self.needs(self.test_four)

    def test_six(self) -> None:
        assert self.ran == ["a plugin's own assertion"]


@pytest.fixture
def ran() -> Iterator[list[str]]:
    ThingContract.ran.clear()
    yield ThingContract.ran
    ThingContract.ran.clear()


def test_every_check_is_run_and_says_how_it_went(ran: list[str]) -> None:
    done = list(run_contract(ThingContract.of(Thing)))
    assert [(check.name.removeprefix("test_"), check.state) for check in done] == [
        ("it_is_built_the_same_each_time", "passed"),
        ("one", "passed"),
        ("two", "failed"),
        ("three", "skipped"),
        ("four", "skipped"),
        ("five", "skipped"),
        ("six", "failed"),
    ]
    _, one, two, three, four, five, six = done
    assert one.title == "The first thing"
    assert (two.expected, two.came, two.mend, two.reason) == ("a b", "c", "d e", "")
    assert three.reason == "needs a check that failed: The second thing"
    assert five.reason == four.reason == "not for this one"
    assert (six.title, six.mend) == ("test_six", "see the test")
    assert "AssertionError" in six.came
    assert all(check.seconds >= 0 for check in done)
    assert ran.count("costly") == 1


def test_only_what_is_named_is_run_and_nothing_is_kept_afterwards(ran: list[str]) -> None:
    contract = ThingContract.of(Thing, {"size": 3})
    for _ in range(2):
        assert [check.name for check in run_contract(contract, only=["test_one"])] == ["test_one"]
    assert ran == ["one", "costly", "one", "costly"]
    assert contract._kept == {}


def test_checks_that_take_long_come_last() -> None:
    for contract in (GeneratorContract, DetectorContract):
        assert contract.checks()[-2:] == ("test_it_moves_to_another_device", "test_it_works_in_another_process")
        assert contract.checks()[0] == "test_it_is_built_the_same_each_time"
        assert all(vars_of(contract, name).__doc__ for name in contract.checks())


def vars_of(contract: type[Any], name: str) -> Any:
    return getattr(contract, name)


def failed(contract: type[Contract[Any]], *names: str) -> Check:
    (check,) = [check for check in run_contract(contract, only=names) if check.state == "failed"]
    return check


def test_a_name_that_nobody_has_is_a_breach_with_a_suggestion() -> None:
    check = failed(GeneratorContract.of("pgam"), "test_it_is_built_the_same_each_time")
    assert "unknown generator 'pgam'; did you mean 'pgan'?" in check.came


def test_a_parameter_that_it_does_not_take_is_a_breach() -> None:
    check = failed(GeneratorContract.of("pgan", {"resolutoin": 16}), "test_it_is_built_the_same_each_time")
    assert "has no parameter 'resolutoin'; did you mean 'resolution'?" in check.came


def test_weights_that_do_not_fit_the_parameters_are_a_breach() -> None:
    check = failed(GeneratorContract.of("pgan", {"resolution": 16}), "test_it_is_built_the_same_each_time")
    assert "'pgan-orl-64.safetensors' do not fit" in check.came
    assert "weights = ''" in check.mend


@pytest.mark.parametrize("player", [Thing, Thing()])
def test_what_is_no_player_of_this_kind_is_a_breach(player: Any) -> None:
    check = failed(DetectorContract.of(player), "test_it_is_built_the_same_each_time")
    assert "no detector" in check.came or "no class" in check.came
    assert "Detector" in check.mend


def test_a_registered_class_is_the_same_as_its_name_and_keeps_its_plugin_file() -> None:
    load_plugin_file(TOYS)
    toy = generators.load("toy_generator")
    for player in ("toy_generator", toy):
        contract = GeneratorContract.of(player)()
        assert contract.registered() == (generators, "toy_generator")
        recipe = contract._recipe()
        assert recipe.player == "toy_generator"
        assert recipe.plugin_file == str(TOYS)
        assert "class ToyGenerator" in recipe.plugin_text


@pytest.mark.parametrize("name", ["toy_generator", "toy_fixed_generator"])
def test_the_toy_generators_keep_their_contract(name: str) -> None:
    load_plugin_file(TOYS)
    assert [check for check in run_contract(GeneratorContract.of(name)) if check.state == "failed"] == []


@pytest.mark.parametrize("name", ["toy_detector", "toy_brightness"])
def test_the_toy_detectors_keep_their_contract(name: str) -> None:
    load_plugin_file(TOYS)
    assert [check for check in run_contract(DetectorContract.of(name)) if check.state == "failed"] == []


def test_a_class_path_is_checked_like_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shop.py").write_text(
        "from fakeoff.detectors import Detector\n\n"
        "class Bright(Detector):\n    def score(self, images):\n        return images.mean((1, 2, 3))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    fresh_process.close()  # the one that is there does not know this path
    done = list(run_contract(DetectorContract.of("shop:Bright")))
    assert [check for check in done if check.state == "failed"] == []
    assert done[-1].state == "passed"
    assert "shop:Bright" not in detectors


def test_the_contract_leaves_global_randomness_as_it_was() -> None:
    before = global_states()
    list(run_contract(ThingContract.of(Thing)))
    assert global_states() == before


def test_an_exception_is_told_with_the_players_own_line() -> None:
    def of_the_player() -> None:
        torch.zeros(2) + torch.zeros(3)

    with pytest.raises(ContractBreach) as caught, asking("sample(1, rng=rng)", mend="look twice"):
        of_the_player()
    assert caught.value.came.startswith("it raised RuntimeError: The size of tensor a (2)")
    assert caught.value.mend.startswith("mend test_contract.py:")
    assert caught.value.mend.endswith("in of_the_player (look twice)")
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert players_line(ValueError("never raised")) is None


def test_what_a_user_can_mend_is_no_line_of_code() -> None:
    with pytest.raises(ContractBreach) as caught, asking("score(images)"):
        raise PluginError("the model gives one value; set output = logit")
    assert caught.value.mend == "the message says it"
    assert "set output = logit" in caught.value.came


def test_interrupting_is_no_breach() -> None:
    with pytest.raises(KeyboardInterrupt), asking("sample(1, rng=rng)"):
        raise KeyboardInterrupt


def test_pytest_runs_it_in_a_plugins_repository(tmp_path: Path) -> None:
    (tmp_path / "test_plugin.py").write_text(PLUGIN_TESTS)
    # The strictest of configurations, and one that would collect the contracts that are imported.
    (tmp_path / "pytest.ini").write_text(
        "[pytest]\naddopts = --strict-markers --strict-config\nfilterwarnings = error\n"
        "python_classes = Test *Contract\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "-rs", "-p", "no:cacheprovider", "--tb=short"],
        cwd=tmp_path, capture_output=True, text=True, check=False, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    lines = done.stdout.splitlines()
    outcomes = {line.split()[0]: line.split()[1] for line in lines if "::test_" in line and "%]" in line}
    classes = {name.split("::")[1] for name in outcomes}
    assert classes == {"TestNoise", "TestTwice", "TestNoiseWithMore"}, done.stdout
    prefix = "test_plugin.py::Test"
    broken = [name for name, outcome in outcomes.items() if outcome == "FAILED"]
    assert broken == [f"{prefix}Twice::test_samples_are_images"], done.stdout
    assert outcomes[f"{prefix}Noise::test_it_works_in_another_process"] == "PASSED"
    assert outcomes[f"{prefix}NoiseWithMore::test_of_our_own"] == "PASSED"
    assert outcomes[f"{prefix}Noise::test_training_measures_finite_numbers"] == "SKIPPED"
    assert outcomes[f"{prefix}Twice::test_the_seed_decides_the_samples"] == "SKIPPED"
    assert "it has neither train_step nor fit: it plays as it came" in done.stdout
    said = textwrap.dedent("""\
        E     expected: sample(1, rng=rng) returns float32 (1, 3, 16, 16) in [0, 1]
        E         came: values from""")
    assert said in done.stdout, done.stdout
    assert "E         mend: images.clamp(0, 1)" in done.stdout
    assert done.returncode == 1


def recipe(**over: Any) -> Recipe:
    given: dict[str, Any] = {
        "contract": "fakeoff.generators.contract:GeneratorContract",
        "player": "toy_fixed_generator",
        "plugin_file": str(TOYS),
        "plugin_text": TOYS.read_text(),
        "parameters": {"resolution": 8},
        "settings": {},
        "threads": 1,
    }
    return Recipe(**{**given, **over})


def test_another_interpreter_answers_and_none_meets_a_player_twice() -> None:
    fresh_process.close()
    first = answer_of(recipe())
    process = fresh_process._interpreter
    assert answer_of(recipe(parameters={"resolution": 9})) != first
    assert fresh_process._interpreter is process
    assert answer_of(recipe()) == first
    assert fresh_process._interpreter is not process
    fresh_process.close()
    assert fresh_process._interpreter is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("import no_such_module", "no_such_module"),
        ("raise SystemExit(4)", "SystemExit: 4"),
        ("import ctypes; ctypes.CDLL(None)._exit(5)", "exit code 5"),
    ],
)
def test_why_another_interpreter_gave_no_answer_is_told(text: str, says: str) -> None:
    with pytest.raises(FreshProcessError, match=says):
        answer_of(recipe(plugin_text=text))
    assert (fresh_process._interpreter is None) == ("exit code" in says)


def test_what_a_player_prints_does_not_come_between() -> None:
    noisy = TOYS.read_text() + "\nimport os\nprint('first'); os.system('echo second')\n"
    assert answer_of(recipe(plugin_text=noisy)) == answer_of(recipe())
