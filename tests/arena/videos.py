"""Small videos of ORL's faces, encoded as H.264."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import numpy.typing as npt
from PIL import Image

from fakeoff.arena.images.reals import orl_faces

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


def write_video(path: Path, frames: Frames, *, fps: int = 25) -> Path:
    """Encodes frames as H.264, nearly without loss."""
    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = frames[0].shape[:2]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps), options={"crf": "4", "preset": "ultrafast"})
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
