"""The faces of one original, and of all that was made of it, cut out at the same places: the work of one process."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from fakeoff.arena.errors import DataError
from fakeoff.arena.images.reals import Split
from fakeoff.arena.parsers import FaceParser, parsers
from fakeoff.arena.players.specs import load_weights, write_spec
from fakeoff.arena.videos.encodings import Encoding, encoding_of
from fakeoff.arena.videos.faces import Crop, FaceCropper, Frame
from fakeoff.arena.videos.frames import read_frames, read_instants
from fakeoff.arena.videos.layout import Video
from fakeoff.arena.videos.manifest import Extracted, Extraction, OfMethod, writing
from fakeoff.arena.videos.places import fake_keys, folder_of, original_key


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """An original and what was made of it: all that a process is told.

    Attributes:
        video: The original.
        manipulations: To be cut out.
        kept: Manipulations that were cut out before, and whose files are no longer there.
        files: What tells each of them, and of those that were kept, from another; as they were when this was planned.
        split: Of all of them.
    """

    video: Video
    manipulations: tuple[Video, ...]
    kept: tuple[OfMethod, ...]
    files: Mapping[str, str]
    split: Split

    def result(self, found: tuple[OfMethod, ...], **rest: int | str | Encoding | None) -> Extracted:
        """What became of it."""
        every = sorted((*found, *self.kept), key=lambda each: (each.method, each.name))
        return Extracted(
            original=self.video.name,
            people=self.video.people,
            own=self.video.split,
            split=self.split,
            manipulations=tuple(every),
            files=self.files,
            **rest,  # type: ignore[arg-type]
        )


def cut_out(wanted: Wanted, *, out: Path, settings: Extraction) -> Extracted:
    """Writes the images of an original and of what was made of it, and removes those that were there before.

    Args:
        wanted: What.
        out: The folder.
        settings: How.

    Returns:
        What became of it; a video that cannot be used has its reason in there.

    Raises:
        FakeoffError: An image cannot be written, or PyAV is not installed.
    """
    video, split = wanted.video, wanted.split
    problem, without_face = "", 0
    crops: dict[int, Crop] = {}
    frames: list[Frame] = []
    try:
        instants = read_instants(video.path)
        places = instants.spread(settings.frames)
        frames = read_frames(video.path, places, instants)
    except DataError as error:
        problem = str(error)
    else:
        found = _cropper(settings.margin).crops(frames)
        crops = {place: crop for place, crop in enumerate(found) if crop is not None}
        without_face = len(frames) - len(crops)
        problem = "" if crops else f"no face was found in {len(frames)} frames"
    _write(folder_of(out, original_key(video.name), split), {n: crop.of(frames[n]) for n, crop in crops.items()})
    if problem:
        for each in wanted.manipulations:
            _write_fake(each, split, {}, {}, out=out)
        lost = f"its original {video.name} could not be used"
        return wanted.result(
            tuple(OfMethod.of(each, problem=lost) for each in wanted.manipulations),
            problem=problem,
            without_face=without_face,
        )
    seconds = {place: instants.seconds[places[place]] for place in crops}
    return wanted.result(
        tuple(
            _manipulation(each, split, out=out, crops=crops, seconds=seconds, size=frames[0].shape[:2])
            for each in wanted.manipulations
        ),
        frames=len(crops),
        short=len(instants.ticks) if len(instants.ticks) < settings.frames else 0,
        without_face=without_face,
        encoding=encoding_of(video.path),
    )


@functools.cache
def _cropper(margin: float) -> FaceCropper:
    """One for each process: the network and the cascade are read once."""
    torch.set_num_threads(1)
    spec = write_spec(parsers, name="face_unet", plugin="face_unet", parameters={})
    parser: FaceParser = parsers.build("face_unet", spec.parameters)
    if spec.weights is not None:
        load_weights(parser, spec.weights)
    return FaceCropper(parser.eval(), margin=margin)


def _manipulation(
    video: Video,
    split: Split,
    *,
    out: Path,
    crops: Mapping[int, Crop],
    seconds: Mapping[int, float],
    size: tuple[int, ...],
) -> OfMethod:
    frames: dict[int, Frame] = {}
    problem = mask_problem = ""
    try:
        frames = _at(video.path, seconds, size)
        if not frames:
            problem = "it ends before the first frame that is wanted"
    except DataError as error:
        problem = str(error)
    masks: dict[int, Frame] = {}
    if video.mask is not None and frames:
        try:
            masks = {n: _luma(mask) for n, mask in _at(video.mask, seconds, size).items() if n in frames}
        except DataError as error:
            mask_problem = f"'{'/'.join(video.mask.parts[-4:])}' {error}; the video is used without them"
    _write_fake(
        video,
        split,
        {place: crops[place].of(frame) for place, frame in frames.items()},
        {place: crops[place].of(mask) for place, mask in masks.items()},
        out=out,
    )
    if problem:
        return OfMethod.of(video, problem=problem)
    return OfMethod.of(
        video,
        frames=len(frames),
        missing=len(crops) - len(frames),
        masks=len(masks),
        masks_missing=len(frames) - len(masks) if video.mask is not None and not mask_problem else 0,
        mask_problem=mask_problem,
        encoding=encoding_of(video.path),
    )


def _at(path: Path, seconds: Mapping[int, float], size: tuple[int, ...]) -> dict[int, Frame]:
    """What a video shows at the instants of its original; what lies after its end is left out."""
    instants = read_instants(path)
    shown = {place: at for place, second in seconds.items() if (at := instants.shown_at(second)) is not None}
    if not shown:
        return {}
    order = sorted(set(shown.values()))
    frames = dict(zip(order, read_frames(path, order, instants), strict=True))
    height, width = frames[order[0]].shape[:2]
    if (height, width) != tuple(size):
        raise DataError(f"has {width}x{height} pixels where its original has {size[1]}x{size[0]}")
    return {place: frames[at] for place, at in shown.items()}


def _luma(frame: Frame) -> Frame:
    return np.asarray(Image.fromarray(frame).convert("L"))


def _write_fake(
    video: Video, split: Split, frames: Mapping[int, Frame], masks: Mapping[int, Frame], *, out: Path
) -> None:
    for key, pictures in zip(fake_keys(video.method, video.name), (frames, masks), strict=True):
        _write(folder_of(out, key, split), pictures)


def _write(folder: Path, pictures: Mapping[int, Frame]) -> None:
    """The images of a video, each at once or not at all; what is in the folder besides was of another reading."""
    paths = {folder / f"{place:02d}.png": pixels for place, pixels in pictures.items()}
    for path, pixels in paths.items():
        with writing(path):
            folder.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(".partial")
            Image.fromarray(np.ascontiguousarray(pixels)).save(partial, format="PNG")
            partial.replace(path)
    if folder.is_dir():
        with writing(folder):
            for path in sorted(folder.iterdir()):
                if path not in paths:
                    path.unlink()
            if not paths:
                folder.rmdir()
