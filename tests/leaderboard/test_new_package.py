"""The packages that `fakeoff plugins new` writes: installed into a folder, checked and played as they are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from fakeoff import __version__
from fakeoff.arena.errors import ConfigError, PluginError
from fakeoff.leaderboard.catalogue.new_package import next_steps, write_package

FAKEOFF = Path(sys.executable).with_name("fakeoff")

SMALL = """
rounds = 1
arena.resolution = 16
pools = { train_fakes = 32, val_fakes = 16, test_fakes = 16 }
attack = { steps = 4, batch = 4 }
defend = { steps = 20, batch = 8, check_every = 10 }
score.resamples = 100
compute.attack_threads = 1
"""

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one package of each kind, installed beside this environment as an installer does."""
    root = tmp_path_factory.mktemp("new")
    folders = [write_package("generator", "my_gan", into=root), write_package("detector", "small-patches", into=root)]
    # No build isolation, because that would ask the network.
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    subprocess.run([*command, "--target", str(root / "site"), *map(str, folders)], check=True, capture_output=True)
    return root


@pytest.fixture
def run(installed: Path, tmp_path: Path) -> Run:
    """Runs a program in an empty folder, where the packages are installed."""

    def go(*command: str | Path) -> subprocess.CompletedProcess[str]:
        paths = {"PYTHONPATH": str(installed / "site"), "OMP_NUM_THREADS": "1"}
        return subprocess.run(
            list(map(str, command)),
            cwd=tmp_path,
            env={**os.environ, **paths},
            capture_output=True,
            text=True,
            timeout=300,
        )

    return go


@pytest.mark.parametrize(
    ("name", "options"), [("my_gan", ("--set", "resolution=16")), ("small_patches", ())], ids=["generator", "detector"]
)
def test_a_new_package_keeps_its_contract(run: Run, name: str, options: tuple[str, ...]) -> None:
    done = run(FAKEOFF, "plugins", "check", name, *options)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{name} keeps its contract" in done.stdout
    assert " 0 failed" in done.stdout


def test_its_own_tests_pass(run: Run, installed: Path) -> None:
    test = installed / "my-gan" / "tests" / "test_my_gan.py"
    text = test.read_text()
    assert len(text.strip().splitlines()) == 5
    quick = test.with_name("test_quick.py")
    quick.write_text(text + '    parameters = {"resolution": 16}\n')
    done = run(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", quick)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
    assert "failed" not in done.stdout


@pytest.mark.slow
def test_it_plays_a_round_untouched(run: Run, tmp_path: Path, make_home: Callable[[Path], Path]) -> None:
    make_home(tmp_path / "fakeoff-home")
    (tmp_path / "game.toml").write_text(
        SMALL
        + '[[generators]]\nplugin = "my_gan"\nparameters.resolution = 16\n[[detectors]]\nplugin = "small_patches"\n'
    )
    done = run(FAKEOFF, "run", "game.toml", "--serial")
    assert done.returncode == 0, done.stdout + done.stderr
    scoreboard = json.loads((tmp_path / "fakeoff-home" / "scoreboard.json").read_text())
    assert not scoreboard["forfeits"]
    cells = {(c["generator"], c["generator_round"], c["detector"], c["detector_round"]) for c in scoreboard["cells"]}
    assert cells == {("my_gan", g, "small_patches", d) for g in (0, 1) for d in (0, 1)}
    assert scoreboard["part_shifts"]  # its patches lie where it says


def test_it_is_listed_with_its_release(run: Run) -> None:
    found = json.loads(run(FAKEOFF, "plugins", "--json").stdout)
    (mine,) = [player for player in found if player["name"] == "my_gan"]
    assert mine["kind"] == "generator"
    assert "my-gan" in json.dumps(mine)
    assert "0.1.0" in json.dumps(mine)


def test_names_are_spelt_as_python_and_installers_spell_them(installed: Path) -> None:
    project = tomllib.loads((installed / "small-patches" / "pyproject.toml").read_text())
    assert project["project"]["name"] == "small-patches"
    assert project["project"]["entry-points"] == {
        "fakeoff.detectors": {"small_patches": "small_patches.players:SmallPatches"}
    }
    assert f"fakeoff>={__version__}" in project["project"]["dependencies"]
    # Installing left its own files there.
    written = [path for path in installed.glob("*/**/*") if path.is_file() and "site" not in path.parts]
    files = [path for path in written if not {"build", "my_gan.egg-info", "small_patches.egg-info"} & set(path.parts)]
    assert not [path for path in files if "my_player" in path.name or path.suffix == ".txt"]
    words = ("my_player", "my-player", "MyPlayer", "FAKEOFF_")
    assert not [p for p in files if p.suffix in (".py", ".toml", ".md") and any(w in p.read_text() for w in words)]


def test_its_code_is_formatted_and_linted_as_ours(installed: Path) -> None:
    ruff = Path(sys.executable).with_name("ruff")
    players = [installed / "my-gan" / "src", installed / "small-patches" / "src"]
    for command in (
        ("check", "--isolated", "--select", "E,F,W,I,N,UP,B", "--ignore", "N812", "--line-length", "120"),
        ("format", "--isolated", "--check", "--line-length", "120"),
    ):
        done = subprocess.run([ruff, *command, *players], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_what_comes_next_is_said() -> None:
    said = next_steps(Path("my-gan"), kind="generator", name="my-gan")
    assert "pip install -e my-gan" in said
    assert "fakeoff plugins check my_gan" in said
    assert "fakeoff run --generators my_gan" in said
    assert "my-gan/src/my_gan/players.py" in said


@pytest.mark.parametrize("name", ["MyGAN", "my gan", "1gan", "my__gan", "", "../x", "class", "my_gan_", "a" * 65])
def test_a_name_that_cannot_be_one_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be the name of a generator: use lower-case"):
        write_package("generator", name, into=tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_taken_name_is_refused_with_who_has_it(tmp_path: Path) -> None:
    with pytest.raises(PluginError, match=r"a generator 'pgan' already, from fakeoff; choose another"):
        write_package("generator", "pgan", into=tmp_path)
    with pytest.raises(PluginError, match=r"a module 'numpy' here already"):
        write_package("detector", "numpy", into=tmp_path)


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "their-gan").mkdir()
    with pytest.raises(
        ConfigError, match=r"their-gan' is there already; choose another name, or another folder: --into"
    ):
        write_package("generator", "their_gan", into=tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        write_package("generator", "their_gan", into=tmp_path / "file")
