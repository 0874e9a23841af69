from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("arena", "commands", "detectors", "generators", "leaderboard", "protocols")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """A wheel that is built from what git tracks, by somebody whose files nobody else may read."""
    folder = tmp_path_factory.mktemp("wheel")
    clone = folder / "clone"
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    for name in filter(None, tracked.stdout.split("\0")):
        source = ROOT / name
        if source.is_file() and not source.is_symlink():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            (clone / name).write_bytes(source.read_bytes())
            (clone / name).chmod(0o600)
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(clone)],
        check=True,
        capture_output=True,
        umask=0o077,
    )
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.fixture
def wheel(built: zipfile.ZipFile) -> list[str]:
    """The names in it."""
    return built.namelist()


def test_the_package_list_is_the_tree() -> None:
    found = {"fakeoff"} | {
        f"fakeoff.{folder.relative_to(ROOT).as_posix().replace('/', '.')}"
        for room in ROOMS
        for folder in [ROOT / room, *(ROOT / room).rglob("*")]
        if folder.is_dir() and list(folder.glob("*.py"))
    }
    assert set(PYPROJECT["tool"]["setuptools"]["packages"]) == found


def test_the_wheel_holds_every_module(wheel: list[str]) -> None:
    modules = {f"fakeoff/{path.relative_to(ROOT).as_posix()}" for room in ROOMS for path in (ROOT / room).rglob("*.py")}
    assert modules | {"fakeoff/__init__.py", "fakeoff/cli.py", "fakeoff/py.typed"} <= set(wheel)


def test_the_wheel_holds_the_weights_and_nothing_private(wheel: list[str]) -> None:
    assert "fakeoff/generators/weights/pgan-orl-64.safetensors" in wheel
    assert "fakeoff/generators/gmm/weights/gmm-orl-64.safetensors" in wheel
    assert not [
        name for name in wheel if name.startswith(("fakeoff/tests", "fakeoff/scripts", "tests", "fakeoff/docs"))
    ]


def test_the_wheel_does_not_know_whose_files_it_was_made_of(built: zipfile.ZipFile) -> None:
    modes = {f"{entry.external_attr >> 16:o}" for entry in built.infolist()}
    assert modes <= {"100644", "100664"}  # setuptools gives RECORD the second


@pytest.mark.slow
def test_two_builds_of_a_commit_are_the_same_bytes() -> None:
    done = subprocess.run([sys.executable, ROOT / "scripts" / "build_twice.py"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert done.stdout.count("same  ") == 2


def test_imports_go_one_way() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


def test_a_users_own_detectors_folder_does_not_collide(tmp_path: Path) -> None:
    (tmp_path / "detectors").mkdir()
    (tmp_path / "detectors" / "__init__.py").write_text("MINE = True\n")
    code = "import detectors, fakeoff.detectors; assert detectors.MINE; assert fakeoff.detectors.players"
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True)


def test_listing_players_imports_no_torch_heavy_module() -> None:
    code = (
        "import sys, fakeoff.generators, fakeoff.detectors; "
        "assert 'torchvision' not in sys.modules; assert 'fakeoff.generators.pgan' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_version_is_said_once_the_same_way() -> None:
    from fakeoff import __version__

    assert __version__ == PYPROJECT["project"]["version"]
    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_every_tracked_python_file_imports_rooms_through_the_package() -> None:
    bare = [
        f"{path.relative_to(ROOT)}: {line}"
        for folder in (*ROOMS, "tests", "scripts", "benchmarks")
        for path in (ROOT / folder).rglob("*.py")
        for line in path.read_text().splitlines()
        if line.startswith(tuple(f"{verb} {room}" for verb in ("import", "from") for room in ROOMS))
    ]
    assert not bare
