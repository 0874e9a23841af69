"""Plugins from the command line: by file, by class path, by entry point; and protocols and settings of a run."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from fakeoff.arena.players.registry import Registry
from fakeoff.cli import main
from fakeoff.detectors import players as detectors
from fakeoff.generators import players as generators

pytestmark = pytest.mark.usefixtures("quick_pictures")

TOYS = Path(__file__).parent / "toy_players.py"

SMALL = """
rounds = 0
arena.resolution = 16
pools = { train_fakes = 32, val_fakes = 16, test_fakes = 16 }
defend = { steps = 20, batch = 8, check_every = 10 }
score.resamples = 100
parts.parser = ""
audit.on_leak = "skip"
compute = { attack_threads = 1, precision = "float32" }
"""

Call = Callable[..., Result]


@pytest.fixture
def call(toys: Path, tmp_path: Path, make_home: Callable[[Path], Path], monkeypatch: pytest.MonkeyPatch) -> Call:
    monkeypatch.chdir(tmp_path)
    make_home(tmp_path / "fakeoff-home")
    (tmp_path / "small.toml").write_text(SMALL)
    return lambda *arguments: CliRunner().invoke(main, arguments)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The toys as an importable package; its classes are not registered."""
    root = tmp_path / "site"
    (root / "importable_toys").mkdir(parents=True)
    code = TOYS.read_text()
    lines = [
        line for line in code.splitlines() if not line.startswith(("@register", "from fakeoff.detectors import reg"))
    ]
    (root / "importable_toys" / "__init__.py").write_text("")
    (root / "importable_toys" / "players.py").write_text("\n".join(lines))
    monkeypatch.syspath_prepend(str(root))
    for registry in (generators, detectors):
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    return root / "importable_toys"


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package with an entry point whose module fails, and one that claims a built-in's name."""
    root = tmp_path / "broken-site"
    (root / "broken_player").mkdir(parents=True)
    (root / "broken_player" / "__init__.py").write_text("import no_such_library")
    info = root / "broken_player-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken-player\nVersion: 0.1\n")
    (info / "entry_points.txt").write_text(
        "[fakeoff.generators]\nbroken_gan = broken_player:GAN\n[fakeoff.detectors]\nxception_block5 = broken_player:D\n"
    )
    monkeypatch.syspath_prepend(str(root))
    for registry in (generators, detectors):
        _read_packages_again(registry, monkeypatch)


def _read_packages_again(registry: Registry[object], monkeypatch: pytest.MonkeyPatch) -> None:
    kept = {name: entry for name, entry in registry._entries.items() if entry.version is not None}
    monkeypatch.setattr(registry, "_entries", kept)
    monkeypatch.setattr(registry, "_contested", {})
    monkeypatch.setattr(registry, "_asked_packages", False)


def _one_line(result: Result) -> str:
    assert result.exit_code == 2, result.output
    assert "Traceback" not in result.output
    (line,) = result.stderr.strip().splitlines()
    return line


def _played(home: str = "fakeoff-home") -> set[tuple[str, str]]:
    scoreboard = json.loads((Path(home) / "scoreboard.json").read_text())
    return {(cell["generator"], cell["detector"]) for cell in scoreboard["cells"]}


def test_a_class_path_plays_from_a_configuration(call: Call, package: Path) -> None:
    players = '[[generators]]\nplugin = "importable_toys.players:ToyGenerator"\n'
    players += '[[detectors]]\nplugin = "importable_toys.players:ToyDetector"\nname = "mine"\n'
    Path("classes.toml").write_text(SMALL + players)
    result = call("run", "classes.toml", "--serial")
    assert result.exit_code == 0, result.output
    assert _played() == {("ToyGenerator", "mine")}


def test_a_class_path_plays_from_the_command_line(call: Call, package: Path) -> None:
    names = ("--generators", "importable_toys.players:ToyGenerator", "--detectors", "toy_detector")
    result = call("run", "small.toml", "--serial", *names)
    assert result.exit_code == 0, result.output
    assert _played() == {("ToyGenerator", "toy_detector")}


def test_a_configuration_cannot_run_what_is_no_player(call: Call) -> None:
    line = _one_line(call("run", "small.toml", "--serial", "--generators", "shutil:rmtree"))
    assert "shutil:rmtree' from shutil (shutil:rmtree) is no class but function" in line
    line = _one_line(call("run", "small.toml", "--serial", "--generators", "../evil:GAN"))
    assert "is no class path; write package.module:Class" in line


def test_a_broken_plugin_stops_what_needs_it_and_nothing_else(call: Call, broken: None) -> None:
    listed = call("plugins")
    assert listed.exit_code == 0, listed.output
    assert "broken_gan" in listed.output
    assert "no_such_library" not in sys.modules
    assert (
        call("run", "small.toml", "--generators", "toy_generator", "--detectors", "toy_detector", "--serial").exit_code
        == 0
    )
    line = _one_line(call("run", "small.toml", "--serial", "--generators", "broken_gan"))
    assert "'broken_gan' from broken-player 0.1 (broken_player:GAN) does not load" in line
    assert "No module named 'no_such_library'" in line
    assert "no_such_library" in _one_line(call("plugins", "show", "broken_gan"))


def test_a_name_that_two_claim_stops_what_needs_it_and_names_both(call: Call, broken: None) -> None:
    assert call("plugins").exit_code == 0
    line = _one_line(call("run", "small.toml", "--serial", "--detectors", "xception_block5"))
    assert "two detectors are called 'xception_block5': one from fakeoff, one from broken-player 0.1" in line
    toys = ("--generators", "toy_generator", "--detectors", "toy_detector")
    assert call("run", "small.toml", "--serial", *toys).exit_code == 0


def test_show_tells_what_a_player_takes(call: Call) -> None:
    output = call("plugins", "show", "pgan").output
    for word in ("generator", "trainable", "latent", "resolution", "Height and width", "pgan-orl-64"):
        assert word in output
    found = json.loads(call("plugins", "show", "pgan", "--json").output)
    assert "resolution" in json.dumps(found)
    assert "did you mean 'pgan'" in _one_line(call("plugins", "show", "pgna"))


def test_the_list_is_json_on_demand(call: Call) -> None:
    found = {(player["kind"], player["name"]) for player in json.loads(call("plugins", "--json").output)}
    assert {("generator", "pgan"), ("detector", "xception_block2"), ("parser", "face_unet")} <= found
    assert {("protocol", "attack_defend"), ("protocol", "pretrain")} <= found


def test_a_family_is_listed_once_and_its_members_are_shown_and_refused_by_name(call: Call) -> None:
    listed = {player["name"]: player for player in json.loads(call("plugins", "--json").output)}
    assert "learning_rate" in [parameter["name"] for parameter in listed["torchvision:ARCHITECTURE"]["parameters"]]
    assert "timm:ARCHITECTURE" in listed
    output = call("plugins", "show", "torchvision:resnet18").output
    for word in ("torchvision:resnet18, a detector", "architecture='resnet18'", "learning_rate"):
        assert word in output
    refused = "torchvision has no classifier 'resnet19'; near: resnet18"
    assert refused in _one_line(call("run", "small.toml", "--serial", "--detectors", "torchvision:resnet19"))
    assert refused in _one_line(call("plugins", "check", "torchvision:resnet19"))
    assert refused in _one_line(call("plugins", "show", "torchvision:resnet19"))
    cut = ("--set", "after=layer9")
    assert "torchvision:resnet18 has no block 'layer9'" in _one_line(call("plugins", "check", "truncated", *cut))


def test_new_writes_a_package_once(call: Call) -> None:
    result = call("plugins", "new", "generator", "my_own")
    assert result.exit_code == 0, result.output
    assert (Path("my-own") / "src" / "my_own" / "players.py").is_file()
    assert "fakeoff plugins check my_own" in result.output
    assert "is there already" in _one_line(call("plugins", "new", "generator", "my_own"))
    assert call("plugins", "new", "detector", "my_other", "--into", "deep/er").exit_code == 0
    assert (Path("deep") / "er" / "my-other" / "pyproject.toml").is_file()


def test_a_setting_goes_over_the_file(call: Call) -> None:
    shown = call("run", "small.toml", "--print-config", "--set", "defend.steps=7", "--set", "arena.colour=rgb").output
    assert "steps = 7 " in shown
    assert 'colour = "rgb"' in shown
    assert "unknown key 'defend.stepz'; did you mean 'steps'?" in _one_line(call("run", "--set", "defend.stepz=7"))
    assert "'defend.steps' is no setting: there is no '='" in _one_line(call("run", "--set", "defend.steps"))
    assert "is no setting" in _one_line(call("run", "--set", "rounds=1\nseed=2"))


def test_a_protocol_is_played_instead_of_the_tournament(call: Call) -> None:
    options = ("--protocol", "pretrain", "--generators", "toy_generator", "--set", "protocol.parameters.steps=5")
    result = call("run", "small.toml", "--serial", *options)
    assert result.exit_code == 0, result.output
    assert (Path("fakeoff-home") / "experiments" / "pretrain" / "toy_generator.safetensors").is_file()
    assert not (Path("fakeoff-home") / "scoreboard.json").exists()


def test_an_unknown_protocol_or_parameter_is_one_line(call: Call) -> None:
    assert "unknown protocol 'pretrian'; did you mean 'pretrain'?" in _one_line(call("run", "--protocol", "pretrian"))
    wrong = ("--protocol", "pretrain", "--set", "protocol.parameters.stpes=5")
    assert "'pretrain' has no parameter 'stpes'; did you mean 'steps'?" in _one_line(call("run", "--serial", *wrong))
    zero = ("--protocol", "pretrain", "--set", "protocol.parameters.steps=0")
    assert "steps are at least 1" in _one_line(call("run", "--serial", *zero))


def test_places_to_run_exclude_each_other(call: Call) -> None:
    line = _one_line(call("run", "--serial", "--ray-address", "auto"))
    assert line == "fakeoff: --serial and --ray-address exclude each other; give one"
