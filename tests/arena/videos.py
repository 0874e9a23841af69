"""Small videos of ORL's faces, encoded as H.264, and what an extraction makes of a folder of them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
from PIL import Image

from fakeoff.arena.images.reals import Split, orl_faces
from fakeoff.arena.videos import (
    Extracted,
    Extraction,
    Kind,
    assign_people,
    extract,
    plan_extraction,
    read_collection,
    write_game,
)
from fakeoff.arena.videos.faces import Crop

Frames = Sequence[npt.NDArray[np.uint8]]

WIDTH, HEIGHT = 192, 160
FACE = (92, 112)
"""Of an ORL photograph as it is."""


def face_frames(person: int, *, n: int = 12, tint: int = 0, at: tuple[int, int] = (40, 30)) -> Frames:
    """A photograph of a person that moves to the right over a still background, two pixels a frame.

    Args:
        person: Which of ORL's 40.
        n: Frames.
        tint: Added to the red of the face: what a manipulation of these tests changes.
        at: Left and top of the photograph in the first frame.
    """
    photographs = [p for split in orl_faces().photographs.values() for p in split if p.group == f"s{person + 1}"]
    face = np.asarray(Image.open(photographs[0].path).convert("RGB")).astype(int)
    face[..., 0] += tint
    rng = np.random.default_rng(person)
    background = np.full((HEIGHT, WIDTH, 3), 96) + rng.integers(-6, 7, (HEIGHT, WIDTH, 1))
    frames = []
    for index in range(n):
        frame = background.copy()
        left, top = at[0] + 2 * index, at[1]
        frame[top : top + FACE[1], left : left + FACE[0]] = face
        frames.append(frame.clip(0, 255).astype(np.uint8))
    return frames


def write_video(path: Path, frames: Frames, *, fps: int = 25, codec: str = "libx264", **options: str) -> Path:
    """Encodes frames, as H.264 nearly without loss where nothing else is said."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = frames[0].shape[:2]
    with av.open(str(path), "w") as container:
        given = options or {"crf": "4", "preset": "ultrafast"}
        stream = container.add_stream(codec, rate=Fraction(fps), options=given)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
        container.mux(stream.encode())
    return path


def write_faceforensics(
    root: Path, *, pairs: Sequence[tuple[int, int]], method: str = "Deepfakes", compression: str = "c23"
) -> Path:
    """A folder like that of FaceForensics++: both originals of each pair, and each with the other's face."""
    for one, other in pairs:
        for target, source in ((one, other), (other, one)):
            write_video(
                root / "original_sequences" / "youtube" / compression / "videos" / f"{target:03d}.mp4",
                face_frames(target),
            )
            made = root / "manipulated_sequences" / method
            write_video(made / compression / "videos" / f"{target:03d}_{source:03d}.mp4", face_frames(target, tint=60))
    return root


def run_extraction(
    root: Path,
    out: Path,
    *,
    kind: Kind = "faceforensics",
    frames: int = 3,
    methods: Sequence[str] = (),
    published: Mapping[str, Split] | None = None,
    notes: list[str] | None = None,
) -> list[Extracted]:
    """All of ``fakeoff data KIND`` but what it prints."""
    collection = read_collection(root, kind, methods=methods)
    plan = plan_extraction(collection, out, Extraction(frames=frames))
    said = [] if notes is None else notes
    said += plan.notes
    return extract(plan, assign_people(plan.collection, published), note=said.append)


class WholeFrame:
    """Takes all of a frame for the face, where a test is not about faces: videos may be small and grey."""

    def crops(self, frames: Frames) -> list[Crop | None]:
        return [Crop(left=0, top=0, side=min(frame.shape[:2])) for frame in frames]


def write_grey(path: Path, grey: int, *, n: int = 4, size: tuple[int, int] = (32, 48)) -> Path:
    """A small video of one grey."""
    return write_video(path, [np.full((*size, 3), grey, np.uint8)] * n)


def original_path(root: Path, name: str, *, compression: str = "c23") -> Path:
    return root / "original_sequences" / "youtube" / compression / "videos" / f"{name}.mp4"


def fake_path(root: Path, name: str, *, method: str = "Deepfakes", compression: str = "c23") -> Path:
    return root / "manipulated_sequences" / method / compression / "videos" / f"{name}.mp4"


def mask_path(root: Path, name: str, *, method: str = "Deepfakes") -> Path:
    return root / "manipulated_sequences" / method / "masks" / "videos" / f"{name}.mp4"


def write_grey_faceforensics(
    root: Path, *, pairs: Sequence[tuple[str, str]], methods: Sequence[str] = ("Deepfakes",), compression: str = "c23"
) -> Path:
    """As :func:`write_faceforensics`, of :func:`write_grey`: each video has a grey of its own, by its name."""
    for one, other in pairs:
        for target, source in ((one, other), (other, one)):
            write_grey(original_path(root, target, compression=compression), 100 + int(target) % 100)
            for method in methods:
                path = fake_path(root, f"{target}_{source}", method=method, compression=compression)
                write_grey(path, 20 + int(target) % 60 + len(method))
    return root


def play(root: Path, out: Path, **options: Any) -> list[Extracted]:
    """An extraction with its game."""
    results = run_extraction(root, out, **options)
    write_game(out, results, resolution=64)
    return results


def contents(out: Path) -> dict[str, bytes]:
    """All files; in the configuration, the folder by one name."""
    every = {path.relative_to(out).as_posix(): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}
    every |= {f"{path.relative_to(out).as_posix()}/": b"" for path in out.rglob("*") if path.is_dir()}
    if "game.toml" in every:
        every["game.toml"] = every["game.toml"].replace(str(out.resolve()).encode(), b"OUT")
    return every


def assert_as_at_once(root: Path, out: Path, scratch: Path, **options: Any) -> None:
    """The folder is what a fresh extraction of the same videos makes."""
    shutil.rmtree(scratch, ignore_errors=True)
    play(root, scratch, **options)
    assert contents(out) == contents(scratch)


def splits_on_disk(out: Path) -> dict[str, set[str]]:
    """In which splits each person is seen, as whose video or as whose face."""
    seen: dict[str, set[str]] = {}
    for tree in (out / "real", *(out / "fake").glob("*"), *(out / "masks").glob("*")):
        for folder in tree.glob("*/*"):
            for person in folder.name.split("_"):
                seen.setdefault(person, set()).add(folder.parent.name)
    return seen
