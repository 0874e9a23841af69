"""Videos as folders of images: who is in which split, the same crop on both sides, and files that are damaged."""

from __future__ import annotations

import builtins
import json
import multiprocessing
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fakeoff.arena.errors import DataError, FakeoffError
from fakeoff.arena.images.reals import folder_source
from fakeoff.arena.images.splits import Grouping
from fakeoff.arena.videos import (
    Collection,
    Extraction,
    assign_people,
    extract,
    plan_extraction,
    read_collection,
    read_published,
    write_game,
)
from fakeoff.arena.videos.frames import read_frames, read_instants
from fakeoff.arena.videos.manifest import header_of, read_manifest
from tests.arena.videos import HEIGHT, WIDTH, face_frames, run_extraction, write_faceforensics, write_video

SETTINGS = Extraction(frames=3)
PAIRS = ((0, 3), (1, 4), (2, 5))


@pytest.fixture(scope="module")
def faceforensics(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_faceforensics(tmp_path_factory.mktemp("ff"), pairs=PAIRS)


@pytest.fixture(scope="module")
def extracted(faceforensics: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    out = tmp_path_factory.mktemp("out")
    return out, run_extraction(faceforensics, out)


def pictures(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.png"))}


def pixels(path: Path) -> Any:
    return np.asarray(Image.open(path)).astype(int)


class TestFrames:
    def test_they_are_those_of_their_instants(self, tmp_path: Path) -> None:
        grey = [np.full((32, 32, 3), 20 * index, np.uint8) for index in range(12)]
        path = write_video(tmp_path / "a.mp4", grey)
        instants = read_instants(path)
        assert len(instants.ticks) == 12
        assert instants.seconds[1] == pytest.approx(1 / 25)
        places = instants.spread(4)
        assert places == (1, 4, 7, 10)
        means = [frame.mean() for frame in read_frames(path, places, instants)]
        assert means == pytest.approx([20 * place for place in places], abs=3)

    def test_another_frame_rate_shows_the_same_instants(self, tmp_path: Path) -> None:
        slow = read_instants(write_video(tmp_path / "a.mp4", [np.zeros((32, 32, 3), np.uint8)] * 10, fps=25))
        fast = read_instants(write_video(tmp_path / "b.mp4", [np.zeros((32, 32, 3), np.uint8)] * 20, fps=50))
        assert [fast.shown_at(second) for second in slow.seconds] == list(range(0, 20, 2))
        assert [slow.shown_at(second) for second in fast.seconds[:4]] == [0, 0, 1, 1]

    def test_after_the_end_there_is_nothing(self, tmp_path: Path) -> None:
        short = read_instants(write_video(tmp_path / "a.mp4", [np.zeros((32, 32, 3), np.uint8)] * 5))
        assert short.shown_at(4 / 25) == 4
        assert short.shown_at(5 / 25) is None

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "^the file is empty$"),
            (b"no video at all" * 50, "^cannot be read as a video: moov atom not found$"),
            (b"\0" * 4096, "^cannot be read as a video: moov atom not found$"),
            (b"ffconcat version 1.0\nfile other.mp4\n", "^cannot be read as a video: no MP4, AVI or Matroska file$"),
        ],
    )
    def test_what_is_no_video_is_said(self, tmp_path: Path, content: bytes, message: str) -> None:
        path = tmp_path / "a.mp4"
        path.write_bytes(content)
        with pytest.raises(DataError, match=message):
            read_instants(path)

    def test_a_playlist_opens_no_other_file(self, tmp_path: Path) -> None:
        write_video(tmp_path / "other.mp4", face_frames(0, n=3))
        path = tmp_path / "a.mp4"
        path.write_text("ffconcat version 1.0\nfile other.mp4\n")
        with pytest.raises(DataError, match="no MP4, AVI or Matroska file"):
            read_instants(path)

    def test_what_cannot_be_decoded_is_said_without_libavs_numbers(self, tmp_path: Path) -> None:
        path = write_video(tmp_path / "a.mp4", face_frames(0))
        whole = path.read_bytes()
        start = whole.find(b"mdat") + 100
        path.write_bytes(whole[:start] + b"\xff" * 2000 + whole[start + 2000 :])
        with pytest.raises(DataError) as caught:
            read_frames(path, (1, 5), read_instants(path))
        assert str(caught.value).startswith(("cannot be read as a video: ", "damaged: "))
        assert not [word for word in ("Errno", "Error:", "last error log", "()") if word in str(caught.value)]

    def test_a_file_that_may_not_be_read_is_said(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match=r"^cannot be opened: No such file or directory$"):
            read_instants(tmp_path / "none.mp4")

    def test_pyav_is_named_where_it_is_missing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        real = builtins.__import__

        def without(name: str, *arguments: Any, **keywords: Any) -> Any:
            if name == "av":
                raise ImportError(name)
            return real(name, *arguments, **keywords)

        monkeypatch.setattr(builtins, "__import__", without)
        with pytest.raises(FakeoffError, match=r"pip install 'fakeoff\[video\]'"):
            read_instants(tmp_path / "a.mp4")


class TestSplit:
    def test_whoever_is_in_a_video_together_is_in_one_split(self, faceforensics: Path) -> None:
        split_of = assign_people(read_collection(faceforensics, "faceforensics"))
        assert set(split_of.values()) == {"train", "val", "test"}
        for one, other in PAIRS:
            assert split_of[f"{one:03d}"] == split_of[f"{other:03d}"]

    def test_the_published_lists_decide(self, faceforensics: Path, tmp_path: Path) -> None:
        for split, (one, other) in zip(("test", "train", "val"), PAIRS, strict=True):
            (tmp_path / f"{split}.json").write_text(json.dumps([[f"{one:03d}", f"{other:03d}"]]))
        split_of = assign_people(read_collection(faceforensics, "faceforensics"), read_published(tmp_path))
        assert split_of == {"000": "test", "003": "test", "001": "train", "004": "train", "002": "val", "005": "val"}

    def test_lists_that_a_video_contradicts_are_refused(self, faceforensics: Path, tmp_path: Path) -> None:
        for split, ids in (("test", ["000", "001"]), ("train", ["003", "004"]), ("val", ["002", "005"])):
            (tmp_path / f"{split}.json").write_text(json.dumps([ids]))
        with pytest.raises(DataError, match="joins people of"):
            assign_people(read_collection(faceforensics, "faceforensics"), read_published(tmp_path))

    def test_people_who_are_all_bound_cannot_be_divided(self, tmp_path: Path) -> None:
        root = tmp_path / "ff"
        for name in ("original_sequences/youtube/c23/videos/000.mp4", "original_sequences/youtube/c23/videos/001.mp4",
                     "original_sequences/youtube/c23/videos/002.mp4", "manipulated_sequences/F/c23/videos/000_001.mp4",
                     "manipulated_sequences/F/c23/videos/001_002.mp4"):  # fmt: skip
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).touch()
        with pytest.raises(DataError, match="bound together in 1 group"):
            assign_people(read_collection(root, "faceforensics"))

    def test_a_thousand_originals_are_divided_as_published(self) -> None:
        collection = Collection(kind="faceforensics", originals={}, manipulations={})
        from fakeoff.arena.videos import Video

        originals = {
            name: Video(path=Path(name), name=name, method="", people=(name,), original=name)
            for name in (f"{place:03d}" for place in range(1000))
        }
        swaps = {
            f"{place:03d}": (
                Video(path=Path(), name="", method="F", people=(f"{place:03d}", f"{place ^ 1:03d}"), original=""),
            )
            for place in range(1000)
        }
        collection = Collection(kind="faceforensics", originals=originals, manipulations=swaps)
        found = list(assign_people(collection).values())
        assert [found.count(split) for split in ("train", "val", "test")] == [720, 140, 140]


class TestLayout:
    def test_compressions_are_not_mixed_unless_asked(self, faceforensics: Path, tmp_path: Path) -> None:
        root = tmp_path / "ff"
        shutil.copytree(faceforensics, root)
        write_faceforensics(root, pairs=PAIRS[:1], compression="c40")
        with pytest.raises(DataError, match=r"c23 and c40.*--compression c23"):
            read_collection(root, "faceforensics")
        assert len(read_collection(root, "faceforensics", compressions=["c40"]).originals) == 2
        both = read_collection(root, "faceforensics", compressions=["c23", "c40"])
        assert {"000-c23", "000-c40"} <= set(both.originals)
        assert both.manipulations["000-c40"][0].name == "000_003-c40"
        with pytest.raises(DataError, match="no videos of compression 'raw'"):
            read_collection(root, "faceforensics", compressions=["raw"])

    def test_actors_are_pairs_too(self, tmp_path: Path) -> None:
        for name in ("original_sequences/actors/c23/videos/01__outside_talking_still_laughing.mp4",
                     "manipulated_sequences/DeepFakeDetection/c23/videos/"
                     "01_02__outside_talking_still_laughing__YVGY8LOK.mp4"):  # fmt: skip
            (tmp_path / name).parent.mkdir(parents=True)
            (tmp_path / name).touch()
        collection = read_collection(tmp_path, "faceforensics")
        [[video]] = collection.manipulations.values()
        assert (video.original, video.people) == ("01__outside_talking_still_laughing", ("01", "02"))

    def test_celeb_df(self, tmp_path: Path) -> None:
        for name in ("Celeb-real/id0_0000.mp4", "Celeb-real/id1_0000.mp4", "YouTube-real/00000.mp4",
                     "Celeb-synthesis/id0_id1_0000.mp4", "Celeb-synthesis/id7_id1_0000.mp4"):  # fmt: skip
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).touch()
        (tmp_path / "List_of_testing_videos.txt").write_text("1 YouTube-real/00000.mp4\n1 Celeb-real/id0_0000.mp4\n")
        collection = read_collection(tmp_path, "celeb-df")
        assert set(collection.originals) == {"id0_0000", "id1_0000", "00000"}
        assert [video.name for video in collection.manipulations["id0_0000"]] == ["id0_id1_0000"]
        assert collection.originals["id0_0000"].split == "test"
        assert "id7_id1_0000: its original 'id7_0000' is not there" in collection.problems[0]

    def test_dfdc(self, tmp_path: Path) -> None:
        part = tmp_path / "dfdc_train_part_0"
        part.mkdir()
        listed = {
            "real.mp4": {"label": "REAL", "split": "train", "original": None},
            "fake.mp4": {"label": "FAKE", "split": "train", "original": "real.mp4"},
            "../outside.mp4": {"label": "REAL", "split": "train"},
            "absent.mp4": {"label": "REAL", "split": "train"},
        }
        for name in ("real.mp4", "fake.mp4", "../outside.mp4"):
            (part / name).touch()
        (part / "metadata.json").write_text(json.dumps(listed))
        collection = read_collection(tmp_path, "dfdc")
        assert set(collection.originals) == {"real"}
        assert [(video.name, video.method, video.split) for video in collection.manipulations["real"]] == [
            ("fake", "DFDC", None)
        ]

    @pytest.mark.parametrize("kind", ["faceforensics", "celeb-df", "dfdc"])
    def test_a_folder_of_something_else_is_refused(self, tmp_path: Path, kind: Any) -> None:
        with pytest.raises(DataError, match="no original video"):
            read_collection(tmp_path, kind)
        with pytest.raises(DataError, match="no folder"):
            read_collection(tmp_path / "none", kind)


class TestExtraction:
    def test_a_fake_is_cut_out_as_its_original_is(self, extracted: tuple[Path, list[Any]]) -> None:
        out, results = extracted
        assert [found.frames for found in results] == [3] * 6
        assert not [found.problems for found in results if found.problems]
        real, fake = (sorted((out / side).rglob("*.png")) for side in ("real", "fake"))
        assert len(real) == len(fake) == 18
        [one] = (out / "real").glob("*/000/01.png")
        split = one.parts[-3]
        other = out / "fake" / "Deepfakes" / split / "000_003" / "01.png"
        difference = pixels(other) - pixels(one)
        assert difference.shape[0] == difference.shape[1] >= 60
        # The same face at the same place, redder: were the crops a pixel apart, green would differ at every edge.
        assert np.median(difference[..., 0]) == pytest.approx(60, abs=12)
        assert np.abs(difference[..., 1]).mean() < 4

    def test_the_face_is_in_it_and_moves_with_it(self, extracted: tuple[Path, list[Any]]) -> None:
        out, _ = extracted
        for folder in (out / "real").glob("*/*"):
            frames = [pixels(path)[..., 0] for path in sorted(folder.glob("*.png"))]
            sides = [len(frame) for frame in frames]
            assert max(sides) - min(sides) <= 12
            assert all(60 <= side <= HEIGHT for side in sides)
            inner = [
                frame[side // 3 : -side // 3, side // 3 : -side // 3] for frame, side in zip(frames, sides, strict=True)
            ]
            assert all(part.std() > 10 for part in inner)  # a face, and not the wall

    def test_its_splits_are_those_of_the_game(self, extracted: tuple[Path, list[Any]]) -> None:
        out, results = extracted
        source = folder_source(out / "real", grouping=Grouping(), skip_corrupt=False)
        for split, photographs in source.photographs.items():
            names = {found.original for found in results if found.split == split}
            assert {photograph.name.split("/")[1] for photograph in photographs} == names

    def test_run_again_nothing_is_done_and_the_files_are_the_same(
        self, extracted: tuple[Path, list[Any]], faceforensics: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        out, results = extracted
        before = pictures(out)
        monkeypatch.setattr("fakeoff.arena.videos.cutting.read_frames", None)  # it would raise
        assert run_extraction(faceforensics, out) == results
        assert pictures(out) == before

    def test_killed_and_begun_again_it_is_the_same(
        self, extracted: tuple[Path, list[Any]], faceforensics: Path, tmp_path: Path
    ) -> None:
        out, results = extracted
        collection = read_collection(faceforensics, "faceforensics")
        told = 0

        def stop(_: Any) -> None:
            nonlocal told
            told += 1
            if told == 2:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            extract(plan_extraction(collection, tmp_path, SETTINGS), assign_people(collection), report=stop)
        with (tmp_path / "videos.jsonl").open("a") as manifest:
            manifest.write('{"original": "00')  # a line that the power went off in
        assert run_extraction(faceforensics, tmp_path) == results
        assert pictures(tmp_path) == pictures(out)
        assert (tmp_path / "videos.jsonl").read_bytes() == (out / "videos.jsonl").read_bytes()

    @pytest.mark.parametrize("workers", [1, 2])
    def test_what_was_made_of_an_original_without_a_face_is_named_too(self, tmp_path: Path, workers: int) -> None:
        root = write_faceforensics(tmp_path / "ff", pairs=PAIRS[:1])
        wall = [np.full((HEIGHT, WIDTH, 3), 96, np.uint8)] * 4
        write_video(root / "original_sequences" / "youtube" / "c23" / "videos" / "000.mp4", wall)
        collection = read_collection(root, "faceforensics")
        splits: dict[str, Any] = {"000": "train", "003": "test"}
        plan = plan_extraction(collection, tmp_path / "out", SETTINGS)
        lost, whole = extract(plan, splits, workers=workers)
        assert lost.problems == (
            "original 000: no face was found in 3 frames",
            "Deepfakes 000_003: its original 000 could not be used",
        )
        assert (whole.frames, whole.problems) == (3, ())

    def test_other_settings_are_refused(self, extracted: tuple[Path, list[Any]], faceforensics: Path) -> None:
        out, _ = extracted
        before = pictures(out)
        with pytest.raises(DataError, match=r"was made with frames = 3, and not with frames = 4: give another --out"):
            run_extraction(faceforensics, out, frames=4)
        assert pictures(out) == before

    def test_a_killed_process_is_said_and_what_was_done_is_kept(
        self, extracted: tuple[Path, list[Any]], faceforensics: Path, tmp_path: Path
    ) -> None:
        out, results = extracted
        collection = read_collection(faceforensics, "faceforensics")

        def kill(_: Any) -> None:
            for child in multiprocessing.active_children():
                child.kill()

        with pytest.raises(FakeoffError, match=r"one of the processes was killed, perhaps for want of memory.*again"):
            extract(plan_extraction(collection, tmp_path, SETTINGS), assign_people(collection), workers=2, report=kill)
        assert read_manifest(tmp_path, header_of(collection, SETTINGS))["000"] == results[0]
        assert run_extraction(faceforensics, tmp_path) == results
        assert pictures(tmp_path) == pictures(out)

    def test_the_game_that_is_written_plays_the_folder(self, extracted: tuple[Path, list[Any]]) -> None:
        import tomllib

        out, results = extracted
        path = write_game(out, results, resolution=64).path
        assert path is not None
        game = tomllib.loads(path.read_text())
        assert game["generators"][0]["name"] == "Deepfakes"
        assert Path(game["generators"][0]["parameters"]["folder"]) == out / "fake" / "Deepfakes"
        assert Path(game["reals"]["source"]) == out / "real"
