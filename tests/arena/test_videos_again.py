"""An extraction into a folder that holds one already: nobody is in two splits, and it is as if made at once."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from fakeoff.arena.images.reals import SPLITS, Split
from tests.arena.videos import (
    WholeFrame,
    assert_as_at_once,
    fake_path,
    mask_path,
    original_path,
    play,
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


def assert_nobody_is_in_two(out: Path) -> None:
    assert not {person: splits for person, splits in splits_on_disk(out).items() if len(splits) > 1}


def lists(*splits: Sequence[tuple[str, str]]) -> dict[str, Split]:
    """Published lists: pairs of train, of val and of test."""
    return {person: split for split, pairs in zip(SPLITS, splits, strict=True) for pair in pairs for person in pair}


class TestSplits:
    def test_lists_that_are_given_later_move_what_is_there(self, root: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        before = play(root, out)
        taken = {found.original: found.split for found in before}
        of_pair = {pair: taken[pair[0]] for pair in PAIRS}
        # Each pair to the split after its own.
        published = {
            person: SPLITS[(SPLITS.index(split) + 1) % 3] for pair, split in of_pair.items() for person in pair
        }
        notes: list[str] = []
        play(root, out, published=published, notes=notes)
        assert {found: next(iter(splits)) for found, splits in splits_on_disk(out).items()} == published
        [line] = notes
        assert line.startswith(
            "moved, with all that was made of them, because they belong to another split now: 000 to"
        )
        assert line.endswith("and 3 more")
        assert_as_at_once(root, out, tmp_path / "fresh", published=published)

    def test_a_video_is_not_read_again_because_it_moves(
        self, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        play(root, tmp_path / "out", published=lists(PAIRS[:2], PAIRS[2:3], PAIRS[3:]))
        monkeypatch.setattr("fakeoff.arena.videos.cutting.read_frames", None)  # it would raise
        play(root, tmp_path / "out", published=lists(PAIRS[2:], PAIRS[:1], PAIRS[1:2]))
        assert_nobody_is_in_two(tmp_path / "out")

    def test_a_changed_video_and_new_ones_leave_nobody_behind(self, root: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        play(root, out)
        write_grey(original_path(root, "002"), 90, n=5)
        for extra in range(10, 24, 2):
            write_grey_faceforensics(root, pairs=[(f"0{extra}", f"0{extra + 1}")])
        play(root, out)
        assert_nobody_is_in_two(out)
        assert_as_at_once(root, out, tmp_path / "fresh")

    def test_a_new_manipulation_that_binds_two_pairs_brings_them_together(self, root: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        taken = {found.original: found.split for found in play(root, out)}
        other = next(name for name in taken if taken[name] != taken["000"])
        write_grey(fake_path(root, f"000_{other}"), 33)
        play(root, out)
        seen = splits_on_disk(out)
        assert seen["000"] == seen[other] == seen["003"]
        assert_nobody_is_in_two(out)
        assert_as_at_once(root, out, tmp_path / "fresh")

    def test_a_frame_that_is_no_longer_there_is_removed(self, root: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        play(root, out)
        write_grey(original_path(root, "000"), 90, n=2)
        play(root, out)
        assert len(list(out.glob("real/*/000/*.png"))) == len(list(out.glob("fake/*/*/000_003/*.png"))) == 2
        assert_as_at_once(root, out, tmp_path / "fresh")

    def test_a_manipulation_that_is_said_to_be_of_another_original_moves_to_it(self, tmp_path: Path) -> None:
        root, out = tmp_path / "dfdc", tmp_path / "out"
        names = [*"abcdefgh"]
        for place, name in enumerate([*names, "fake"]):
            write_grey(root / f"{name}.mp4", 90 + place)
        listed: dict[str, Any] = {f"{name}.mp4": {"label": "REAL"} for name in names}
        taken: dict[str, str] = {}
        for original in "ab":
            if taken:
                original = next(name for name in names if taken[name] != taken["a"])
            listed["fake.mp4"] = {"label": "FAKE", "original": f"{original}.mp4"}
            (root / "metadata.json").write_text(json.dumps(listed))
            found = play(root, out, kind="dfdc")
            taken = {each.original: each.split for each in found}
            assert [each.original for each in found if each.manipulations] == [original]
            assert [path.parent.name for path in out.glob("fake/DFDC/*/fake")] == [taken[original]]
        assert_as_at_once(root, out, tmp_path / "fresh", kind="dfdc")

    def test_another_video_of_the_same_size_is_read(self, root: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        for grey in (60, 90):
            path = write_grey(original_path(root, "000"), grey)
            room = 9000 - path.stat().st_size  # a box of MP4 that says nothing
            path.write_bytes(path.read_bytes() + room.to_bytes(4, "big") + b"free" + bytes(room - 8))
            play(root, out)
        assert_as_at_once(root, out, tmp_path / "fresh")

    def test_images_that_were_deleted_are_made_again(self, root: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        play(root, out)
        shutil.rmtree(next(out.glob("real/*/000")))
        next(out.glob("fake/*/*/001_004/01.png")).unlink()
        play(root, out)
        assert_as_at_once(root, out, tmp_path / "fresh")

    def test_killed_for_good_while_moving(self, root: Path, tmp_path: Path) -> None:
        """SIGKILL in the middle of it, twice; the folder is looked at as it was left."""
        out = tmp_path / "out"
        orders = [lists(PAIRS[:2], PAIRS[2:3], PAIRS[3:]), lists(PAIRS[2:], PAIRS[:1], PAIRS[1:2])]
        play(root, out, published=orders[0])
        code = """
            import os, signal, sys
            from pathlib import Path
            from tests.arena.videos import run_extraction
            rename, left = Path.rename, [int(sys.argv[4])]
            def killed(path, target):
                left[0] -= 1
                if left[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return rename(path, target)
            Path.rename = killed
            run_extraction(Path(sys.argv[1]), Path(sys.argv[2]), published=eval(sys.argv[3]))
        """
        for renames in (
            3,
            20,
        ):  # 16 folders go out, and then in: the first ends among the former, the second among the latter
            arguments = [str(root), str(out), repr(orders[1]), str(renames)]
            done = subprocess.run([sys.executable, "-c", textwrap.dedent(code), *arguments], check=False)
            assert done.returncode == -signal.SIGKILL
            assert list((out / ".moving").rglob("*.png"))
            assert_nobody_is_in_two(out)
        play(root, out, published=orders[1])
        assert_as_at_once(root, out, tmp_path / "fresh", published=orders[1])


class Killed(BaseException):
    """In place of a signal, of which nothing in the code may know either."""


def killed(_: Path) -> None:
    raise Killed


@pytest.fixture
def kill_after(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], None]]:
    """Ends whatever runs at the given change of the folder from now."""
    left = [1_000_000]

    def counted(change: Callable[..., Any]) -> Callable[..., Any]:
        def changed(*arguments: Any, **keywords: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise Killed
            return change(*arguments, **keywords)

        return changed

    for name in ("rename", "replace", "unlink", "rmdir"):
        monkeypatch.setattr(Path, name, counted(getattr(Path, name)))
    monkeypatch.setattr("fakeoff.arena.videos.places.shutil.rmtree", counted(shutil.rmtree))
    yield lambda changes: left.__setitem__(0, changes)
    left[0] = 1_000_000


class Collector:
    """A user who goes on collecting videos, at random."""

    def __init__(self, root: Path, rng: random.Random, *, gone: bool) -> None:
        self.root, self.rng, self.gone = root, rng, gone
        self.groups = [set(pair) for pair in PAIRS]
        self.asked = {"Deepfakes"}
        self.published: Mapping[str, Split] | None = None
        write_grey_faceforensics(root, pairs=PAIRS, methods=("Deepfakes", "F2F"))

    def act(self) -> None:
        does = ["add", "change", "bind", "mask", "mask", "lists", "hash", "method", "damage"]
        what = self.rng.choice([*does, *(["gone"] * 5 if self.gone else [])])
        fakes = sorted(path.stem for path in fake_path(self.root, "x").parent.glob("*.mp4"))
        one = self.rng.choice(fakes)
        if what == "add":
            names = (f"{len(self.groups):02d}8", f"{len(self.groups):02d}9")
            self.groups.append(set(names))
            write_grey_faceforensics(self.root, pairs=[names], methods=("Deepfakes", "F2F"))
        elif what == "change":
            path = self.rng.choice([original_path(self.root, one[:3]), fake_path(self.root, one)])
            write_grey(path, self.rng.randrange(90, 120), n=self.rng.randrange(2, 9))
        elif what == "gone":
            self.rng.choice([original_path(self.root, one[:3]), fake_path(self.root, one)]).unlink(missing_ok=True)
        elif what == "damage":
            fake_path(self.root, one).write_bytes(b"no video")
        elif what == "bind" and len(self.groups) > 4:
            first, second = (self.groups.pop(self.rng.randrange(len(self.groups))) for _ in range(2))
            self.groups.append(first | second)
            write_grey(fake_path(self.root, f"{min(first)}_{min(second)}"), 44)
        elif what == "mask" and mask_path(self.root, one).exists() and self.rng.random() < 0.5:
            mask_path(self.root, one).unlink()
        elif what == "mask":
            write_grey(mask_path(self.root, one), 200, n=self.rng.randrange(1, 9))
        elif what == "method":
            self.asked.add("F2F")
        self.published = None
        if what == "lists":
            splits = [*SPLITS, *self.rng.choices(SPLITS, k=len(self.groups) - 3)]
            self.rng.shuffle(splits)
            self.published = {
                person: split for group, split in zip(self.groups, splits, strict=True) for person in group
            }


@pytest.mark.parametrize("gone", [False, True])
@pytest.mark.parametrize("seed", range(5))
def test_after_any_sequence_of_runs_the_folder_is_as_made_at_once(
    seed: int, gone: bool, tmp_path: Path, kill_after: Callable[[int], None]
) -> None:
    """Runs with and without lists, videos that come and change and are damaged, masks that come and go, and kills.

    Where videos are gone, too, the folder holds more than is there now; then it is only asked who is in which split.
    """
    rng = random.Random(seed)
    user, out = Collector(tmp_path / "ff", rng, gone=gone), tmp_path / "out"
    for _ in range(6):
        user.act()
        options: Any = {"published": user.published, "methods": sorted(user.asked)}
        if rng.random() < 0.6:
            kill_after(rng.randrange(60))
            with contextlib.suppress(Killed):
                play(user.root, out, **options)
            kill_after(1_000_000)
            assert_nobody_is_in_two(out)
            if rng.random() < 0.5:
                continue  # and go on with something else
        play(user.root, out, **options)
        assert_nobody_is_in_two(out)
        if not gone:
            seen = splits_on_disk(out)
            assert all(len(set.union(*(seen.get(person, set()) for person in group))) <= 1 for group in user.groups)
            assert_as_at_once(user.root, out, tmp_path / "fresh", **options)


class TestKilled:
    def test_a_video_that_could_not_be_read_is_still_said(
        self, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for path in (*fake_path(root, "x").parent.glob("000_*"), *fake_path(root, "x").parent.glob("003_*")):
            path.unlink()
        original_path(root, "000").write_bytes(b"no video")
        before = play(root, tmp_path / "out")
        assert before[0].problems
        with monkeypatch.context() as patch:
            patch.setattr("fakeoff.arena.videos.cutting.read_instants", killed)
            with pytest.raises(Killed):
                play(root, tmp_path / "out")
        assert play(root, tmp_path / "out") == before

    def test_what_was_to_be_removed_is_removed_later(
        self, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        play(root, tmp_path / "out")
        fake_path(root, "000_003").unlink()
        write_grey(original_path(root, "000"), 90, n=7)
        with monkeypatch.context() as patch:
            patch.setattr("fakeoff.arena.videos.places.shutil.rmtree", killed)
            with pytest.raises(Killed):
                play(root, tmp_path / "out")
        assert list(tmp_path.glob("out/fake/*/*/000_003"))
        play(root, tmp_path / "out")
        assert_as_at_once(root, tmp_path / "out", tmp_path / "fresh")


class TestMethods:
    def test_those_of_before_stay(self, root: Path, tmp_path: Path) -> None:
        write_grey_faceforensics(root, pairs=PAIRS, methods=("Deepfakes", "F2F"))
        out = tmp_path / "out"
        play(root, out, methods=["Deepfakes"])
        play(root, out, methods=["F2F"])
        assert 'name = "Deepfakes"' in (out / "game.toml").read_text()
        assert_as_at_once(root, out, tmp_path / "fresh")

    def test_those_of_before_bind_too(self, root: Path, tmp_path: Path) -> None:
        write_grey_faceforensics(root, pairs=PAIRS, methods=("F2F",))
        taken = {found.original: found.split for found in play(root, tmp_path / "unbound", methods=["F2F"])}
        for path in fake_path(root, "x").parent.iterdir():
            path.unlink()
        other = next(name for name in taken if taken[name] != taken["000"])
        write_grey(fake_path(root, f"000_{other}"), 50)
        out = tmp_path / "out"
        play(root, out, methods=["Deepfakes"])
        play(root, out, methods=["F2F"])
        seen = splits_on_disk(out)
        assert seen["000"] == seen["003"] == seen[other]
        assert_nobody_is_in_two(out)

    def test_videos_that_are_gone_are_kept_and_bind(self, root: Path, tmp_path: Path) -> None:
        out = tmp_path / "out"
        before = {found.original: found for found in play(root, out)}
        original_path(root, "000").unlink()
        fake_path(root, "000_003").unlink()
        fake_path(root, "001_004").unlink()
        for extra in range(10, 24, 2):
            write_grey_faceforensics(root, pairs=[(f"0{extra}", f"0{extra + 1}")])
        notes: list[str] = []
        found = {each.original: each for each in play(root, out, notes=notes)}
        assert found["000"].frames == before["000"].frames
        assert [each.frames for each in found["001"].manipulations] == [3]
        assert notes[0].endswith("give another --out): 000, Deepfakes 001_004")
        assert_nobody_is_in_two(out)
        # The original of a manipulation that is gone changes: its crop is of another video now.
        write_grey(original_path(root, "001"), 90, n=7)
        notes = []
        found = {each.original: each for each in play(root, out, notes=notes)}
        assert not found["001"].manipulations
        assert "removed from" in notes[1]
        assert notes[1].endswith("Deepfakes 001_004")
        assert not list(out.glob("fake/*/*/001_004"))
