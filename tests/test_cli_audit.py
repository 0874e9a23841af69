from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from fakeoff.arena.images import save_png
from fakeoff.cli import main


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders of 24 noise pictures each, as PNG."""
    rng = np.random.default_rng(0)
    for name in ("real", "fake"):
        save_png(rng.integers(0, 256, (24, 32, 32, 3), dtype=np.uint8), tmp_path / name, prefix="p")
    return tmp_path / "real", tmp_path / "fake"


def audit(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["audit", *map(str, arguments)])


def test_clean_folders_exit_0(sides: tuple[Path, Path]) -> None:
    result = audit(*sides)
    assert result.exit_code == 0, result.output
    assert "24 reals against 24 fakes" in result.output
    assert "No leak" in result.output


def test_a_leak_exits_1_and_says_what_where_and_what_to_do(sides: tuple[Path, Path]) -> None:
    for path in list(sides[1].glob("*.png")):
        Image.open(path).save(path.with_suffix(".jpg"))
        path.unlink()
    (sides[1] / "[bold]notes.txt").write_text("no image")
    result = audit(*sides)
    assert result.exit_code == 1, result.output
    assert "leak  file format: JPEG on 100% of 24 fakes and 0% of 24 reals" in result.output
    assert "save both as PNG; see docs/audit.md" in result.output
    assert "[bold]notes.txt" in result.output  # a file's name is no markup
    assert result.output.index("leak  ") < result.output.index("note  ")


def test_json_is_the_whole_report_and_the_same_each_time(sides: tuple[Path, Path]) -> None:
    first, second = (audit(*sides, "--json", "--seed", 3).stdout for _ in range(2))
    assert first == second
    report = json.loads(first)
    assert (report["leak"], report["seed"], report["findings"]) == (False, 3, [])
    assert report["real"]["images"] == {"all": 24}


def test_bad_input_is_one_line_and_exits_2(sides: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for arguments in ((sides[0], tmp_path / "nowhere"), (sides[0], tmp_path / "empty"), (sides[0], sides[0])):
        result = audit(*arguments)
        assert result.exit_code == 2, result.output
        assert len(result.stderr.strip().splitlines()) == 1
        assert "Traceback" not in result.output


def test_what_a_game_takes_for_reals_is_a_folder_here_too(sides: tuple[Path, Path]) -> None:
    result = audit("orl", sides[1])
    assert "400 reals against 24 fakes" in result.output


def test_splits_are_known_by_all_their_names_and_what_is_left_out_says_what_it_is(sides: tuple[Path, Path]) -> None:
    for index, path in enumerate(sorted(sides[0].glob("*.png"))):
        split = sides[0] / ("Train", "valid", "testing")[index % 3]
        split.mkdir(exist_ok=True)
        path.rename(split / path.name)
    (sides[0] / "clip.mp4").write_bytes(b"\0\0\0\x18ftypisom")
    report = json.loads(audit(*sides, "--json").stdout)
    assert report["real"]["images"] == {"test": 8, "train": 8, "val": 8}
    assert "a video: cut frames out of it" in report["real"]["left_out"][0]["reason"]


def test_one_thread_says_the_same_as_many(sides: tuple[Path, Path]) -> None:
    assert audit(*sides, "--json", "--workers", 1).stdout == audit(*sides, "--json", "--workers", 3).stdout


def test_progress_is_a_plain_line_now_and_then_off_a_terminal(
    sides: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert audit(*sides).stderr == ""  # it was over before there was anything to say
    monkeypatch.setattr("fakeoff.leaderboard.terminal.audit_progress._EVERY_SECONDS", -1)
    said = audit(*sides, "--json")
    assert json.loads(said.stdout)["leak"] is False
    lines = said.stderr.splitlines()
    assert (lines[0], lines[-2], lines[-1]) == ("1 of 24 files read", "48 of 48 files read", "measuring")
