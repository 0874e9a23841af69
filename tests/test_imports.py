"""What a game waits for before its first job: imports that nobody uses yet."""

from __future__ import annotations

import subprocess
import sys

import pytest

DRIVER = """
from fakeoff import detectors, generators
from fakeoff.leaderboard.game import play
for name in ("resnet18_layer1", "xception_block1", "meso_inception4", "cnn_aug_p05", "ensemble"):
    detectors.players.load(name)
generators.players.load("pgan")
"""


def _imported(code: str) -> set[str]:
    told = subprocess.run(
        [sys.executable, "-c", f"{code}\nimport sys; print(' '.join(sys.modules))"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(told.stdout.split())


@pytest.mark.parametrize("library", ["torchvision", "torch._dynamo", "sklearn", "skimage", "pandas", "mlflow", "ray"])
def test_a_driver_imports_no_library_that_only_jobs_compute_with(library: str, driver: set[str]) -> None:
    assert library not in driver


@pytest.fixture(scope="module")
def driver() -> set[str]:
    return _imported(DRIVER)


@pytest.mark.parametrize("library", ["matplotlib", "torchvision", "sklearn", "mlflow", "ray"])
def test_pictures_are_scored_without_libraries_that_only_draw_or_play(library: str, scorer: set[str]) -> None:
    assert library not in scorer


@pytest.fixture(scope="module")
def scorer() -> set[str]:
    return _imported("import fakeoff.leaderboard.scoring.score, fakeoff.leaderboard.terminal.scoring")


def test_whoever_watches_the_workers_needs_no_pytorch() -> None:
    assert "torch" not in _imported("import fakeoff.arena.watch")


def test_two_folders_are_audited_without_pytorch_and_a_clean_audit_without_scikit_learn() -> None:
    imported = _imported(
        "import fakeoff.protocols.forensics.audit, fakeoff.leaderboard.terminal.audit_tables, "
        "fakeoff.leaderboard.terminal.audit_progress"
    )
    assert not {"torch", "sklearn", "scipy.stats", "pandas"} & imported


LATE = """
import random
import numpy as np
from fakeoff.detectors.resnet import TruncatedResNet18
from fakeoff.protocols.forensics.probing import probe
from fakeoff.protocols.forensics.sides import take_pools
from fakeoff.protocols.score.distances import eigenface_kid, ssim
before = random.getstate()
images = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), dtype=np.uint8)
eigenface_kid(images, images[::-1], basis=images)
ssim(images, images)
probe(list(take_pools({"test": images}, "real")), np.random.default_rng(0))
TruncatedResNet18()
assert random.getstate() == before, "an import drew"
"""


def test_what_is_imported_late_draws_from_nobody() -> None:
    # scikit-learn imports rich where it is installed, and that draws from Python's own generator.
    assert {"sklearn", "skimage", "torchvision", "rich.style"} <= _imported(LATE)


COMMAND = """
import contextlib, io
from fakeoff.cli import main
with contextlib.redirect_stdout(io.StringIO()):
    main({words}, standalone_mode=False)
"""


@pytest.mark.parametrize(
    "words", [["run", "--print-config"], ["run", "--help"], ["--version"], ["assets", "list"]], ids=" ".join
)
def test_what_is_only_told_takes_no_pytorch(words: list[str]) -> None:
    imported = _imported(COMMAND.format(words=words))
    assert not {"torch", "scipy", "sklearn", "mlflow", "ray"} & imported


def test_a_home_is_opened_without_pytorch() -> None:
    assert "torch" not in _imported("import fakeoff.leaderboard.home.home, fakeoff.arena.jobs.store")
