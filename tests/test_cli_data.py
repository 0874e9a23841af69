"""``fakeoff data`` on videos as people have them: some damaged, some short, some of another frame rate."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from fakeoff.arena.videos import held
from fakeoff.cli import main
from tests.arena.videos import (
    WholeFrame,
    face_frames,
    fake_path,
    mask_path,
    original_path,
    write_faceforensics,
    write_grey,
    write_grey_faceforensics,
    write_video,
)

PAIRS = (("000", "003"), ("001", "004"), ("002", "005"))


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


def extract(kind: str, folder: Path, out: Path, *options: str) -> Result:
    return CliRunner().invoke(main, ["data", kind, str(folder), "--out", str(out), "--frames", "3", *options])


def assert_refused(done: Result, *said: str, out: Path) -> None:
    """One line that says all of this, and nothing written."""
    assert done.exit_code == 2, done.output
    assert not [words for words in said if words not in done.output], done.output
    assert "Traceback" not in done.output
    assert not out.exists()


@pytest.fixture
def whole_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """No faces: videos may be small and grey."""
    monkeypatch.setattr("fakeoff.arena.videos.cutting._cropper", lambda _: WholeFrame())


@pytest.fixture
def grey(tmp_path: Path, whole_frames: None) -> Path:
    return write_grey_faceforensics(tmp_path / "ff", pairs=PAIRS)


def write_lists(folder: Path, *splits: Sequence[object]) -> Path:
    folder.mkdir(exist_ok=True)
    for name, ids in zip(("train", "val", "test"), splits, strict=True):
        (folder / f"{name}.json").write_text(json.dumps(ids))
    return folder


def test_a_folder_of_nothing_is_one_line(tmp_path: Path) -> None:
    assert_refused(extract("dfdc", tmp_path, tmp_path / "out"), "no original video in", out=tmp_path / "out")


class TestOptions:
    @pytest.mark.parametrize(
        ("options", "said"),
        [
            (["--methods", ","], "',' names none; leave --methods out"),
            (["--methods", ""], "'' names none; leave --methods out"),
            (["--compression", " , "], "names none; leave --compression out"),
            (["--margin", "nan"], "--margin nan: give a number from 0.5 to 4"),
            (["--margin", "inf"], "0.5<=x<=4"),
        ],
    )
    def test_values_that_say_nothing(self, grey: Path, tmp_path: Path, options: list[str], said: str) -> None:
        assert_refused(extract("faceforensics", grey, tmp_path / "out", *options), said, out=tmp_path / "out")


class TestSplits:
    @pytest.mark.parametrize(
        ("train", "said"),
        [
            ([[0, 3]], "has 0 where an id in quotes is expected"),
            ([[["000"]]], 'has ["000"] where an id in quotes is expected'),
            (["000", "003"], "is no list of pairs of ids"),
            ({"000": "003"}, "is no list of pairs of ids"),
            ([], "is empty, and a game needs people in each split: give some to train"),
            ([[]], "is empty"),
            ([["001", "004"]], "'001' in train and in val"),
            ([["888", "889"]], "no original video is left for train: add videos of the people of train.json, or give"),
        ],
    )
    def test_lists_that_cannot_be_followed(self, grey: Path, tmp_path: Path, train: list[object], said: str) -> None:
        everybody = [["002", "005"], ["000", "003"]] if train == [["888", "889"]] else [["002", "005"]]
        lists = write_lists(tmp_path / "lists", train, [["001", "004"]], everybody)
        done = extract("faceforensics", grey, tmp_path / "out", "--splits", str(lists))
        assert_refused(done, said, out=tmp_path / "out")

    def test_lists_of_other_people(self, grey: Path, tmp_path: Path) -> None:
        lists = write_lists(tmp_path / "lists", [["0", "3"]], [["1", "4"]], [["2", "5"]])
        done = extract("faceforensics", grey, tmp_path / "out", "--splits", str(lists))
        assert_refused(
            done, "name nobody of these videos: they have '0', say, and the videos '000'", out=tmp_path / "out"
        )

    def test_lists_that_a_video_contradicts_name_it(self, grey: Path, tmp_path: Path) -> None:
        lists = write_lists(tmp_path / "lists", [["000"]], [["003", "001"]], [["002"]])
        done = extract("faceforensics", grey, tmp_path / "out", "--splits", str(lists))
        said = (
            "Deepfakes 000_003 joins people of two lists of --splits, '000' of train and '003' of val: mend the lists"
        )
        assert_refused(done, said, out=tmp_path / "out")

    def test_who_is_in_no_list_is_said(self, grey: Path, tmp_path: Path) -> None:
        write_grey_faceforensics(grey, pairs=[("006", "007")])
        lists = write_lists(tmp_path / "lists", [["000", "003"]], [["001", "004"]], [["002"]])
        done = extract("faceforensics", grey, tmp_path / "out", "--splits", str(lists))
        assert done.exit_code == 0, done.output
        assert "note: people in no list of --splits (3): 005, 006, 007; they are with those in whose" in done.output
        assert [path.parent.name for path in (tmp_path / "out").glob("real/*/005")] == ["test"]

    def test_people_who_are_bound_are_told_what_helps(self, tmp_path: Path) -> None:
        for name in ("Celeb-real/id0_0000.mp4", "Celeb-real/id1_0000.mp4", "Celeb-real/id2_0000.mp4",
                     "Celeb-synthesis/id0_id1_0000.mp4", "Celeb-synthesis/id1_id2_0000.mp4"):  # fmt: skip
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).touch()
        done = extract("celeb-df", tmp_path, tmp_path / "out")
        said = ("such as Celeb-synthesis id0_id1_0000", "put Celeb-DF's List_of_testing_videos.txt into the folder")
        assert_refused(done, *said, out=tmp_path / "out")
        assert "--splits" not in done.output

    def test_bound_people_of_faceforensics_are_told_what_helps(self, grey: Path, tmp_path: Path) -> None:
        write_grey(fake_path(grey, "000_001"), 50)
        done = extract("faceforensics", grey, tmp_path / "out")
        assert_refused(done, "in 2 group(s)", "such as Deepfakes 000_001", "--methods", out=tmp_path / "out")
        assert "--splits" not in done.output

    def test_one_original_is_too_few(self, tmp_path: Path) -> None:
        (tmp_path / "metadata.json").write_text(json.dumps({"a.mp4": {"label": "REAL"}}))
        (tmp_path / "a.mp4").touch()
        done = extract("dfdc", tmp_path, tmp_path / "out")
        assert_refused(done, "1 original video(s)", "give originals of at least 3", out=tmp_path / "out")
        assert "bound" not in done.output


class TestGame:
    def test_a_method_that_lacks_a_split_would_be_split_by_file(self, grey: Path, tmp_path: Path) -> None:
        write_grey_faceforensics(grey, pairs=PAIRS, methods=("F2F",))
        for name in ("000_003", "003_000"):
            fake_path(grey, name).write_bytes(b"")
        done = extract("faceforensics", grey, tmp_path / "out")
        assert done.exit_code == 1
        assert "game.toml leaves out Deepfakes: it has no frames in" in done.output
        game = tomllib.loads((tmp_path / "out" / "game.toml").read_text())
        assert [each["name"] for each in game["generators"]] == ["F2F"]

    def test_a_split_without_originals_cannot_be_played(self, grey: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        assert extract("faceforensics", grey, out).exit_code == 0
        for name in ("000", "003"):
            original_path(grey, name).write_bytes(b"no video")
        done = extract("faceforensics", grey, out)
        assert done.exit_code == 1
        assert "no game.toml is written: no frame of an original is in" in done.output
        reason = "cannot be read as a video: moov atom not found"
        lines = [line for line in done.output.splitlines() if reason in line]
        assert lines == [f"not used: original {name}: {reason}" for name in ("000", "003")]
        assert not (out / "game.toml").exists()

    def test_originals_alone_are_no_game(self, grey: Path, tmp_path: Path) -> None:
        for path in fake_path(grey, "x").parent.glob("*"):
            path.unlink()
        done = extract("faceforensics", grey, tmp_path / "out")
        assert done.exit_code == 0, done.output
        assert "no game.toml is written: there is no manipulation to play, only originals" in done.output
        assert "plays it" not in done.output

    def test_a_bad_mask_leaves_its_video_in(self, grey: Path, tmp_path: Path) -> None:
        write_grey(mask_path(grey, "000_003"), 200).write_bytes(b"")
        write_grey(mask_path(grey, "003_000"), 200, n=3)
        done = extract("faceforensics", grey, tmp_path / "out")
        assert done.exit_code == 1
        assert "not used: masks of Deepfakes 000_003: 'Deepfakes/masks/videos/000_003.mp4' the file" in done.output
        assert "masks that end before their videos, and the frames that lack one: Deepfakes 003_000 (1)" in done.output
        assert "game.toml plays Deepfakes without masks: 2 of its 18 frames have one" in done.output
        assert "masks" not in (tmp_path / "out" / "game.toml").read_text()

    def test_two_files_of_one_name_are_named(self, grey: Path, tmp_path: Path) -> None:
        write_grey(original_path(grey, "000").with_suffix(".avi"), 50, n=9)
        actors = grey / "original_sequences" / "actors" / "c23" / "videos" / "001.mp4"
        write_grey(actors, 60)
        write_grey(fake_path(grey, "000_003").with_suffix(".mkv"), 50)
        done = extract("faceforensics", grey, tmp_path / "out")
        assert done.exit_code == 1
        for one, other in (
            ("original_sequences/youtube/c23/videos/000.avi", "original_sequences/youtube/c23/videos/000.mp4"),
            ("original_sequences/actors/c23/videos/001.mp4", "original_sequences/youtube/c23/videos/001.mp4"),
            ("Deepfakes/c23/videos/000_003.mkv", "Deepfakes/c23/videos/000_003.mp4"),
        ):
            [line] = [line for line in done.output.splitlines() if one in line]
            assert f"{other}' has the same name, and is taken; rename or remove one of them" in line
        means = {np.asarray(Image.open(path)).mean() for path in (tmp_path / "out").glob("real/*/000/*")}
        assert means == {100}

    def test_what_a_system_leaves_beside_files_is_no_video(self, grey: Path, tmp_path: Path) -> None:
        original_path(grey, "._000").write_bytes(b"Mac OS X")
        assert extract("faceforensics", grey, tmp_path / "out").exit_code == 0


def test_one_extraction_at_a_time_into_a_folder(grey: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with held(out):
        assert_refused(extract("faceforensics", grey, out), f"another fakeoff writes to '{out}'", out=tmp_path / "none")
        assert list(out.iterdir()) == []
    assert not out.exists()  # nothing was written to it
    assert extract("faceforensics", grey, out).exit_code == 0
