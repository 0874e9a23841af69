"""``fakeoff data`` on videos as people have them: some damaged, some short, some of another frame rate."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from fakeoff.cli import main
from tests.arena.videos import face_frames, write_faceforensics, write_video


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve videos: a damaged manipulation, one that is short, one of another frame rate."""
    root = write_faceforensics(tmp_path_factory.mktemp("ff"), pairs=((0, 3), (1, 4), (2, 5)))
    made = root / "manipulated_sequences" / "Deepfakes"
    whole = (made / "c23" / "videos" / "000_003.mp4").read_bytes()
    (made / "c23" / "videos" / "000_003.mp4").write_bytes(whole[: len(whole) // 3])
    write_video(made / "c23" / "videos" / "001_004.mp4", face_frames(1, n=6, tint=60))
    twice = [frame for frame in face_frames(2, tint=60) for _ in range(2)]
    write_video(made / "c23" / "videos" / "002_005.mp4", twice, fps=50)
    mask = np.zeros_like(face_frames(4)[0])
    mask[30:142, 40:132] = 255
    write_video(made / "masks" / "videos" / "004_001.mp4", [mask] * 12)
    return root


def test_twelve_videos_of_which_three_are_odd(folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ["data", "faceforensics", str(folder), "--out", str(out), "--frames", "3", "--resolution", "64"]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 1, done.output
    reason = "not used: Deepfakes 000_003: cannot be read as a video: moov atom not found\n"
    assert done.output.count(reason) == 1
    assert "manipulations that end before their originals, and the frames that lack: 001_004" in done.output.replace(
        "Deepfakes 001_004", "001_004"
    )
    assert "1/6 000: 3 frames, 0 of manipulations" in done.output
    assert f"fakeoff run {out / 'game.toml'} plays it" in done.output
    assert len(list((out / "real").rglob("*.png"))) == 18
    assert not list((out / "fake").rglob("000_003/*.png"))
    assert len(list((out / "fake").rglob("001_004/*.png"))) == 1  # of 3 instants of 12 frames, one in its 6
    [first] = (out / "real").glob("*/002/02.png")
    faster = out / "fake" / "Deepfakes" / first.parts[-3] / "002_005" / "02.png"
    green = [np.asarray(Image.open(path)).astype(int)[..., 1] for path in (first, faster)]
    assert np.abs(green[0] - green[1]).mean() < 4  # the same instant of a face that moves
    [mask] = (out / "masks").rglob("004_001/01.png")
    changed = np.asarray(Image.open(mask))
    assert changed.mean() > 128

    again = CliRunner().invoke(main, command)
    assert again.exit_code == 1
    assert again.output.count(reason) == 1


def test_a_folder_of_nothing_is_one_line(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["data", "dfdc", str(tmp_path), "--out", str(tmp_path / "out")])
    assert done.exit_code != 0
    assert "no original video in" in done.output
    assert "Traceback" not in done.output
