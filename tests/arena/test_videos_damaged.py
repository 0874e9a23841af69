"""Masks that come, go or are damaged, and folders that an extraction refuses or cannot write to."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from fakeoff.arena.errors import DataError, FakeoffError
from fakeoff.arena.videos import write_game
from tests.arena.videos import (
    WholeFrame,
    assert_as_at_once,
    contents,
    fake_path,
    mask_path,
    play,
    run_extraction,
    splits_on_disk,
    write_grey,
    write_grey_faceforensics,
)

PAIRS = (("000", "003"), ("001", "004"), ("002", "005"), ("006", "007"))


@pytest.fixture(autouse=True)
def whole_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """No faces: what is tested is which files lie where."""
    monkeypatch.setattr("fakeoff.arena.videos.cutting._cropper", lambda _: WholeFrame())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_grey_faceforensics(tmp_path / "ff", pairs=PAIRS)


class TestMasks:
    @pytest.mark.parametrize("change", ["arrives", "vanishes", "changes"])
    def test_one_that_comes_later_is_noticed(self, root: Path, tmp_path: Path, change: str) -> None:
        out = tmp_path / "out"
        names = [path.stem for path in fake_path(root, "x").parent.glob("*.mp4")]
        for name in names:
            write_grey(mask_path(root, name), 200)
        mask = mask_path(root, "000_003")
        if change == "arrives":
            mask.unlink()
        play(root, out)
        assert ("masks =" in (out / "game.toml").read_text()) == (change != "arrives")
        if change == "vanishes":
            mask.unlink()
        else:
            write_grey(mask, 100, n=6)
        play(root, out)
        assert ("masks =" in (out / "game.toml").read_text()) == (change != "vanishes")
        assert_as_at_once(root, out, tmp_path / "fresh")

    def test_frames_after_its_end_have_none(self, root: Path, tmp_path: Path) -> None:
        for name in (path.stem for path in fake_path(root, "x").parent.glob("*.mp4")):
            write_grey(mask_path(root, name), 100)
        write_grey(mask_path(root, "000_003"), 100, n=3)
        out = tmp_path / "out"
        results = run_extraction(root, out)
        [fake] = results[0].manipulations
        assert (fake.frames, fake.masks, fake.masks_missing) == (3, 2, 1)
        assert {path.name for path in out.glob("masks/*/*/000_003/*")} == {"00.png", "01.png"}  # and no white one
        game = write_game(out, results, resolution=64)
        assert game.notes == ("game.toml plays Deepfakes without masks: 23 of its 24 frames have one",)
        assert game.path is not None
        assert "masks" not in game.path.read_text()

    @pytest.mark.parametrize(
        ("content", "reason"),
        [
            (b"", "the file is empty"),
            (b"no video", "cannot be read as a video: moov atom not found"),
            (None, "has 32x16 pixels where its original has 48x32"),
        ],
    )
    def test_a_bad_one_leaves_its_video_in(
        self, root: Path, tmp_path: Path, content: bytes | None, reason: str
    ) -> None:
        mask = mask_path(root, "000_003")
        write_grey(mask, 200, size=(16, 32))
        if content is not None:
            mask.write_bytes(content)
        found, *_ = run_extraction(root, tmp_path / "out")
        assert found.manipulations[0].frames == 3
        assert found.problems == (
            f"masks of Deepfakes 000_003: 'Deepfakes/masks/videos/000_003.mp4' {reason}; "
            "the video is used without them",
        )
        assert not (tmp_path / "out" / "masks").exists()


class TestRefusals:
    def test_another_compression(self, root: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        play(root, out)
        before = contents(out)
        other = write_grey_faceforensics(tmp_path / "c40", pairs=PAIRS, compression="c40")
        with pytest.raises(DataError, match="was made with compression = c23, and not with compression = c40"):
            play(other, out)
        assert contents(out) == before

    def test_a_folder_of_before_this_was_noted(self, root: Path, tmp_path: Path) -> None:
        (tmp_path / "videos.jsonl").write_text('{"frames": 3, "margin": 1.3}\n')
        with pytest.raises(DataError, match="which did not say of what: give another --out"):
            play(root, tmp_path)

    def test_images_of_which_nothing_is_known(self, root: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        play(root, out)
        (out / "videos.jsonl").unlink()
        with pytest.raises(DataError, match=r"has a folder 'real' and no videos\.jsonl.*give another --out"):
            play(root, out)

    @pytest.mark.parametrize(
        ("damage", "reason"),
        [
            (lambda line: b"\xff\xfe" + line, "it is no JSON object"),
            (lambda line: line[: len(line) // 2], "it is no JSON object"),
            (lambda _: b"[]", "it is no JSON object"),
            (lambda _: b'{"original": ' + b"9" * 5000 + b"}", "it is no JSON object"),
            (lambda _: b'{"original": "000"}', "it lacks 'files'"),
            (lambda line: line.replace(b'"split": "', b'"split": "x'), "it names no split"),
            (
                lambda line: line.replace(b'"original": "001"', b'"original": "../001"'),
                "'../001' is no name of a video",
            ),
            (lambda line: line.replace(b'"original": "001"', b'"original": ""'), "'' is no name of a video"),
            (lambda line: line.replace(b'"frames": 3', b'"frames": "3"'), "a count is no number"),
            (lambda line: line.replace(b'"people": ["001"]', b'"people": []'), "it does not say who is in it"),
            (lambda line: line.replace(b'"name"', b'"nom"'), "is damaged"),
            (lambda line: json.dumps(json.loads(line) | {"files": 5}).encode(), "it names no files"),
        ],
    )
    def test_a_damaged_line(self, root: Path, tmp_path: Path, damage: Callable[[bytes], bytes], reason: str) -> None:
        out = tmp_path / "out"
        play(root, out)
        manifest = out / "videos.jsonl"
        lines = manifest.read_bytes().split(b"\n")
        whole = contents(out)
        manifest.write_bytes(b"\n".join([*lines[:2], damage(lines[2]), *lines[3:]]))
        before = contents(out)
        with pytest.raises(DataError) as caught:
            play(root, out)
        said = str(caught.value)
        assert said.startswith(f"line 3 of '{manifest}' is damaged")
        assert reason in said
        assert said.endswith("delete it and run again, and its video is read again")
        assert contents(out) == before
        manifest.write_bytes(b"\n".join([*lines[:2], *lines[3:]]))
        play(root, out)
        assert contents(out) == whole

    @pytest.mark.parametrize("line", [b"", b"[]", b"\xff", b"{"])
    def test_a_damaged_first_line(self, root: Path, tmp_path: Path, line: bytes) -> None:
        (tmp_path / "videos.jsonl").write_bytes(line + b"\n")
        with pytest.raises(DataError, match=r"line 1 of '.*' is damaged.*give another --out"):
            play(root, tmp_path)

    @pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
    @pytest.mark.parametrize("where", ["image", "manifest", "game"])
    def test_a_full_disk(self, root: Path, tmp_path: Path, where: str) -> None:
        out = tmp_path / "out"
        play(root, tmp_path / "elsewhere")
        [split] = splits_on_disk(tmp_path / "elsewhere")["001"]
        place = (
            out / {"image": f"real/{split}/001/00.partial", "manifest": "videos.partial", "game": "game.partial"}[where]
        )
        place.parent.mkdir(parents=True)
        place.symlink_to("/dev/full")
        if where == "image":
            (out / "videos.jsonl").write_bytes((tmp_path / "elsewhere" / "videos.jsonl").read_bytes())
        with pytest.raises(
            FakeoffError, match=r"cannot be written \(No space left on device\).*kept.*same command again"
        ):
            play(root, out)
        place.unlink()
        play(root, out)
        assert_as_at_once(root, out, tmp_path / "fresh")
