"""How videos were encoded, of real small files."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from fakeoff.arena.errors import DataError
from fakeoff.arena.videos import read_encoding, read_extracted
from fakeoff.arena.videos.encodings import parse_encoding
from fakeoff.arena.videos.manifest import MANIFEST
from tests.arena.videos import Frames, WholeFrame, play, write_grey_faceforensics, write_video


def moving(seed: int, *, n: int = 12, size: tuple[int, int] = (48, 64)) -> Frames:
    """A texture that moves by a pixel a frame, with noise: something for an encoder to do."""
    rng = np.random.default_rng(seed)
    texture = np.repeat(rng.integers(0, 256, (size[0], size[1], 1)), 3, axis=2)
    frames = (np.roll(texture, index, axis=1) // 2 + rng.integers(0, 60, texture.shape) for index in range(n))
    return [frame.clip(0, 255).astype(np.uint8) for frame in frames]


def test_what_a_file_says_of_itself(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mp4", moving(0), crf="23", preset="medium", g="6", bf="2")
    found = read_encoding(path)
    assert (found.codec, found.profile, found.size, found.frames) == ("h264", "High", "64x48", 12)
    assert found.frames_per_second == pytest.approx(25)
    assert found.frames_per_keyframe == 6
    assert found.reordered
    assert found.rate_control == "crf 23.0"
    assert found.quantiser == pytest.approx(23, abs=10)
    # Sound is not there, and a container takes a few hundred bytes.
    assert found.bits_per_second == pytest.approx(path.stat().st_size * 8 / (12 / 25), rel=0.5)


def test_a_coarser_quantiser_takes_fewer_bits(tmp_path: Path) -> None:
    fine, coarse = (read_encoding(write_video(tmp_path / f"{crf}.mp4", moving(0), crf=crf)) for crf in ("15", "40"))
    assert fine.bits_per_second > 3 * coarse.bits_per_second
    assert fine.quantiser is not None
    assert coarse.quantiser is not None
    assert coarse.quantiser - fine.quantiser > 15


def test_another_codec_without_b_frames(tmp_path: Path) -> None:
    found = read_encoding(write_video(tmp_path / "a.avi", moving(0), codec="mpeg4", qscale="5"))
    assert found.codec == "mpeg4"
    assert not found.reordered
    assert found.rate_control == ""


@pytest.mark.parametrize("content", [b"", b"no video at all" * 50])
def test_what_is_no_video_is_said(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(DataError):
        read_encoding(tmp_path / "a.mp4")


def test_the_manifest_keeps_it_and_fills_in_what_was_not_asked_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fakeoff.arena.videos.cutting._cropper", lambda _: WholeFrame())
    root = write_grey_faceforensics(tmp_path / "ff", pairs=(("000", "003"), ("001", "004"), ("002", "005")))
    out = tmp_path / "out"
    play(root, out)
    kept = read_extracted(out)
    sides = [one.encoding for one in kept.values()] + [one.manipulations[0].encoding for one in kept.values()]
    assert {side.codec for side in sides if side} == {"h264"}
    assert all(sides)
    path = out / MANIFEST
    whole = path.read_bytes()
    header, *lines = map(json.loads, whole.splitlines())
    for line in lines:  # as an earlier version wrote it
        del line["encoding"]
        for each in line["manipulations"]:
            del each["encoding"]
    path.write_text("".join(json.dumps(line) + "\n" for line in (header, *lines)))
    assert all(one.encoding is None for one in read_extracted(out).values())
    pictures = {each: each.stat().st_mtime_ns for each in out.rglob("*.png")}
    play(root, out)
    assert path.read_bytes() == whole
    assert pictures == {each: each.stat().st_mtime_ns for each in out.rglob("*.png")}


def test_what_is_no_encoding_is_refused(tmp_path: Path) -> None:
    found = read_encoding(write_video(tmp_path / "a.mp4", moving(0)))
    assert parse_encoding(json.loads(json.dumps(asdict(found)))) == found
    assert parse_encoding(None) is None
    for field, wrong in (("codec", 1), ("quantiser", "x"), ("frames", None)):
        with pytest.raises(ValueError, match="its encoding is none"):
            parse_encoding({**asdict(found), field: wrong})
    with pytest.raises(TypeError):
        parse_encoding({"codec": "h264"})
    assert replace(found, quantiser=None) == parse_encoding({**asdict(found), "quantiser": None})
