"""Encodings of manipulations against those of their originals: within pairs, over people."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from fakeoff.arena.videos import MANIFEST
from fakeoff.arena.videos.encodings import Encoding
from fakeoff.cli import main
from fakeoff.protocols.forensics import audit
from fakeoff.protocols.forensics.encodings import Pair, compare_encodings, encoding_findings
from tests.arena.test_encodings import moving
from tests.arena.videos import WholeFrame, fake_path, original_path, play, write_video

PLAIN = Encoding(
    codec="h264", profile="High", size="640x480", frames=100, frames_per_second=25, bits_per_second=100_000,
    frames_per_keyframe=100, reordered=True, quantiser=23, rate_control="crf 23.0",
)  # fmt: skip
PEOPLE = [("000", "003"), ("001", "004"), ("002", "005"), ("006", "007"), ("008", "009")]


def pairs(rng: np.random.Generator, *, people: int, each: int, ratio: float, spread: float = 0.1) -> list[Pair]:
    """Scenes of very different bit rate, each of which its manipulation shows, too."""
    made = []
    for person in range(people):
        own = np.exp(rng.normal(0, spread))  # what all manipulations of a person have in common
        for _ in range(each):
            scene = 100_000 * np.exp(rng.normal(0, 1))
            fake = scene * ratio * own * np.exp(rng.normal(0, 0.02))
            sides = (replace(PLAIN, bits_per_second=scene), replace(PLAIN, bits_per_second=fake))
            made.append(Pair(method="M", person=f"{person}", real=sides[0], fake=sides[1]))
    return made


def test_within_pairs_a_small_ratio_is_seen_among_scenes_that_differ_tenfold() -> None:
    [found] = compare_encodings(pairs(np.random.default_rng(0), people=20, each=3, ratio=0.7))
    rate = found.contrasts[0]
    assert rate.ends is not None
    assert rate.ends[0] < 0.7 < rate.ends[1] < 0.8
    assert rate.certain
    assert rate.material
    assert found.mixtures == ()
    assert "60 pairs of 20 people" in found.sentence


def test_the_interval_covers_what_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        [found] = compare_encodings(pairs(rng, people=8, each=4, ratio=0.5, spread=0.3))
        ends = found.contrasts[0].ends
        assert ends is not None
        covered += ends[0] <= 0.5 <= ends[1]
    assert covered >= 180  # 190 are expected; over pairs, as if each were its own, it would be some 130


def test_chance_is_no_difference() -> None:
    rng = np.random.default_rng(1)
    certain = 0
    for _ in range(100):
        [found] = compare_encodings(pairs(rng, people=10, each=2, ratio=1.0, spread=0.3))
        certain += any(contrast.certain for contrast in found.contrasts)
    assert certain <= 2


@given(st.integers(1, 12), st.integers(1, 4))
@settings(max_examples=25)
def test_the_same_encoding_on_both_sides_is_nothing(people: int, each: int) -> None:
    rng = np.random.default_rng(0)
    same = [replace(pair, fake=pair.real) for pair in pairs(rng, people=people, each=each, ratio=1)]
    [found] = compare_encodings(same)
    assert not any(contrast.certain for contrast in found.contrasts)
    assert found.contrasts[0].change == pytest.approx(1)
    assert found.mixtures == ()


@given(st.integers(2, 12))
@settings(max_examples=10)
def test_turned_round_it_is_the_inverse(people: int) -> None:
    made = pairs(np.random.default_rng(people), people=people, each=2, ratio=0.6)
    [one] = compare_encodings(made)
    [other] = compare_encodings([replace(pair, real=pair.fake, fake=pair.real) for pair in made])
    assert one.contrasts[0].change * other.contrasts[0].change == pytest.approx(1)


def test_another_codec_is_told_with_how_often() -> None:
    made = [
        replace(pair, fake=replace(pair.fake, codec="mpeg4", quantiser=None, rate_control=""))
        for pair in pairs(np.random.default_rng(0), people=12, each=1, ratio=1)
    ]
    [found] = compare_encodings(made)
    codec = next(mixture for mixture in found.mixtures if mixture.name == "codec")
    assert (codec.real, codec.fake, codec.differ, codec.distance) == ({"h264": 12}, {"mpeg4": 12}, 12, 1)
    assert codec.p < 0.005
    assert "quantiser" not in {contrast.name for contrast in found.contrasts}
    assert "codec mpeg4 against h264, other in 12 pairs" in found.sentence


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two methods: one encoded as the originals were, one far more coarsely."""
    root = tmp_path_factory.mktemp("ff")
    for one, other in PEOPLE:
        for target, source in ((one, other), (other, one)):
            frames = moving(int(target), n=6)
            write_video(original_path(root, target), frames, crf="18")
            for method, crf in (("Alike", "18"), ("Coarse", "40")):
                write_video(fake_path(root, f"{target}_{source}", method=method), frames, crf=crf)
    return root


@pytest.fixture
def whole_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fakeoff.arena.videos.cutting._cropper", lambda _: WholeFrame())


def test_the_audit_of_an_extraction_says_what_its_frames_do_not_show(
    collection: Path, tmp_path: Path, whole_frames: None
) -> None:
    out = tmp_path / "out"
    play(collection, out, frames=2)
    [found] = encoding_findings(out / "real", out / "fake")
    assert found.gravity == "leak"
    assert found.sentence.startswith("video encoding: Coarse has 0.")
    assert "10 pairs of 10 people" in found.sentence
    assert "rate control crf 40.0 against crf 18.0, other in 10 pairs" in found.sentence
    assert "quantiser" in found.sentence
    assert "-crf 23" in found.advice
    assert encoding_findings(out / "real", out / "fake" / "Alike") == []
    assert encoding_findings(out / "real", out / "fake" / "Coarse") == [found]
    # A split has too few people for a leak.
    [note] = encoding_findings(out / "real" / "test", out / "fake" / "Coarse" / "test")
    assert note.gravity == "note"
    assert "too few people" in note.sentence
    assert encoding_findings(out / "fake", out / "real") == []
    assert encoding_findings(tmp_path, out / "fake") == []
    printed = CliRunner().invoke(main, ["audit", str(out / "real"), str(out / "fake" / "Coarse")])
    assert printed.exit_code == 1, printed.output
    assert "video encoding" in printed.output


def test_the_end_of_an_extraction_says_it_in_a_line(collection: Path, tmp_path: Path, whole_frames: None) -> None:
    arguments = ["data", "faceforensics", str(collection), "--out", str(tmp_path / "out"), "--frames", "2"]
    printed = CliRunner().invoke(main, [*arguments, "--workers", "1"])
    assert printed.exit_code == 0, printed.output
    lines = [line for line in printed.output.splitlines() if line.startswith("encodings: ")]
    assert [line.split()[1] for line in lines] == ["Alike", "Coarse"]
    assert "Alike has 1 times the bit rate of its originals (95%: 1 to 1)" in lines[0]
    assert "kb/s, in 10 pairs of 10 people" in lines[1]


def test_the_audit_knows_an_extraction_by_its_file() -> None:
    assert audit.VIDEOS == MANIFEST
