"""Frames of a collection's videos as folders of images: the same crop of an original and of all that was made of it."""

from __future__ import annotations

import contextlib
import functools
import json
import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from fakeoff.arena.errors import DataError
from fakeoff.arena.images.reals import Split
from fakeoff.arena.parsers import FaceParser, parsers
from fakeoff.arena.players.specs import load_weights, write_spec
from fakeoff.arena.videos.faces import Crop, FaceCropper, Frame
from fakeoff.arena.videos.frames import read_frames, read_instants
from fakeoff.arena.videos.layout import Collection, Video

MANIFEST = "videos.jsonl"
"""Which videos are done: a line of settings, then a line for each original."""

_WHITE = 255


@dataclass(frozen=True, kw_only=True)
class Extraction:
    """How frames are taken.

    Attributes:
        frames: Of each original, evenly spread over it.
        margin: The side of a crop, in heights or widths of the face's oval; 1.3 is the field's custom.
    """

    frames: int = 10
    margin: float = 1.3


@dataclass(frozen=True, kw_only=True)
class OfMethod:
    """What became of a manipulation of an original.

    Attributes:
        method: That made it.
        name: Of the video.
        frames: That were written.
        missing: Frames of the original after its end.
        masks: Whether there are masks beside.
        problem: Why there is nothing; empty where there is.
    """

    method: str
    name: str
    frames: int = 0
    missing: int = 0
    masks: bool = False
    problem: str = ""


@dataclass(frozen=True, kw_only=True)
class Extracted:
    """What became of an original and of its manipulations.

    Attributes:
        original: Its name.
        split: Of all of them.
        frames: That were written.
        short: How many frames it has, where that is fewer than were wanted; else 0.
        without_face: Frames in which no face was found; they are left out on both sides.
        manipulations: Of it.
        problem: Why there is nothing; empty where there is.
        bytes: Of the files, by place: a video that changed is read again.
    """

    original: str
    split: Split
    frames: int = 0
    short: int = 0
    without_face: int = 0
    manipulations: tuple[OfMethod, ...] = ()
    problem: str = ""
    bytes: Mapping[str, int] = field(default_factory=dict)

    @property
    def problems(self) -> tuple[str, ...]:
        """What could not be read, one line each, with the video's name."""
        mine = [f"original {self.original}: {self.problem}"] if self.problem else []
        return (*mine, *(f"{each.method} {each.name}: {each.problem}" for each in self.manipulations if each.problem))


def extract(
    collection: Collection,
    splits: Mapping[str, Split],
    out: Path,
    settings: Extraction,
    *,
    workers: int = 1,
    report: Callable[[Extracted], None] = lambda _: None,
) -> list[Extracted]:
    """Writes frames as PNG files; what was done before is left as it is.

    ``OUT/real/SPLIT/ORIGINAL/03.png`` is the fourth frame of an original, ``OUT/fake/METHOD/SPLIT/VIDEO/03.png`` is
    what a manipulation shows at the same instant, cut out at the same place, and
    ``OUT/masks/METHOD/SPLIT/VIDEO/03.png`` is what was changed there.

    ``OUT/videos.jsonl`` says what is done: killed and begun again, the files are the same.

    Args:
        collection: The videos.
        splits: Of each original, by name.
        out: The folder.
        settings: How.
        workers: Processes.
        report: Told of each original as it is done, or was before.

    Returns:
        What became of each original, in order.

    Raises:
        DataError: The folder was made with other settings.
        FakeoffError: PyAV is not installed.
    """
    out.mkdir(parents=True, exist_ok=True)
    done = _read_manifest(out / MANIFEST, settings)
    results: list[Extracted] = []
    wanted = [
        _Wanted(video=video, manipulations=collection.manipulations.get(name, ()), split=splits[name])
        for name, video in collection.originals.items()
    ]
    todo = {each.video.name: each for each in wanted if not _is_done(done.get(each.video.name), each)}
    work = functools.partial(_extract_one, out=out, settings=settings)
    with _mapped(work, [*todo.values()], workers) as fresh, (out / MANIFEST).open("a", encoding="utf-8") as manifest:
        for name in collection.originals:
            found = next(fresh) if name in todo else done[name]
            if name in todo:
                manifest.write(json.dumps(asdict(found)) + "\n")
                manifest.flush()
                os.fsync(manifest.fileno())
            results.append(found)
            report(found)
    _rewrite(out / MANIFEST, settings, results)
    return results


@dataclass(frozen=True, kw_only=True)
class _Wanted:
    """An original and what was made of it: all that a process is told."""

    video: Video
    manipulations: tuple[Video, ...]
    split: Split

    def sizes(self) -> dict[str, int]:
        """Bytes of the files, by place."""
        videos = (self.video, *self.manipulations)
        return {f"{video.method}/{video.name}": video.path.stat().st_size for video in videos}


@contextlib.contextmanager
def _mapped(work: Callable[[_Wanted], Extracted], wanted: list[_Wanted], workers: int) -> Iterator[Iterator[Extracted]]:
    if workers <= 1 or len(wanted) <= 1:
        yield map(work, wanted)
        return
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            yield pool.map(work, wanted)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


@functools.cache
def _cropper(margin: float) -> FaceCropper:
    """One for each process: the network and the cascade are read once."""
    torch.set_num_threads(1)
    spec = write_spec(parsers, name="face_unet", plugin="face_unet", parameters={})
    parser: FaceParser = parsers.build("face_unet", spec.parameters)
    if spec.weights is not None:
        load_weights(parser, spec.weights)
    return FaceCropper(parser.eval(), margin=margin)


def _extract_one(wanted: _Wanted, *, out: Path, settings: Extraction) -> Extracted:
    video, split, sizes = wanted.video, wanted.split, wanted.sizes()
    name = video.name

    def nothing(problem: str, *, without_face: int = 0) -> Extracted:
        left_out = tuple(
            OfMethod(method=each.method, name=each.name, problem=f"of its original {name}: {problem}")
            for each in wanted.manipulations
        )
        return Extracted(
            original=name,
            split=split,
            problem=problem,
            without_face=without_face,
            manipulations=left_out,
            bytes=sizes,
        )

    try:
        instants = read_instants(video.path)
        places = instants.spread(settings.frames)
        frames = read_frames(video.path, places, instants)
    except DataError as error:
        return nothing(str(error))
    found = _cropper(settings.margin).crops(frames)
    crops = {place: crop for place, crop in enumerate(found) if crop is not None}
    if not crops:
        return nothing(f"no face was found in {len(frames)} frames", without_face=len(frames))
    for place, crop in crops.items():
        _save(crop.of(frames[place]), out / "real" / split / name / f"{place:02d}.png")
    seconds = {place: instants.seconds[places[place]] for place in crops}
    return Extracted(
        original=name,
        split=split,
        frames=len(crops),
        short=len(instants.ticks) if len(instants.ticks) < settings.frames else 0,
        without_face=len(frames) - len(crops),
        manipulations=tuple(
            _manipulation(each, split, out=out, crops=crops, seconds=seconds, size=frames[0].shape[:2])
            for each in wanted.manipulations
        ),
        bytes=sizes,
    )


def _manipulation(
    video: Video,
    split: Split,
    *,
    out: Path,
    crops: Mapping[int, Crop],
    seconds: Mapping[int, float],
    size: tuple[int, ...],
) -> OfMethod:
    try:
        frames = _at(video.path, seconds, size)
        masks = {} if video.mask is None else _at(video.mask, seconds, size)
    except DataError as error:
        return OfMethod(method=video.method, name=video.name, problem=str(error))
    if not frames:
        return OfMethod(method=video.method, name=video.name, problem="it ends before the first frame that is wanted")
    for place, frame in frames.items():
        folder = Path(video.method) / split / video.name
        _save(crops[place].of(frame), out / "fake" / folder / f"{place:02d}.png")
        if video.mask is not None:
            mask = masks.get(place)
            changed = np.full(size, _WHITE, np.uint8) if mask is None else _luma(mask)
            _save(crops[place].of(changed), out / "masks" / folder / f"{place:02d}.png")
    return OfMethod(
        method=video.method,
        name=video.name,
        frames=len(frames),
        missing=len(crops) - len(frames),
        masks=video.mask is not None,
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
        raise DataError(f"{width}x{height} pixels where its original has {size[1]}x{size[0]}")
    return {place: frames[at] for place, at in shown.items()}


def _luma(frame: Frame) -> Frame:
    return np.asarray(Image.fromarray(frame).convert("L"))


def _save(pixels: Frame, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    Image.fromarray(np.ascontiguousarray(pixels)).save(partial, format="PNG")
    partial.replace(path)


def _is_done(found: Extracted | None, wanted: _Wanted) -> bool:
    """Whether all of an original's videos were read, and are what they were."""
    return found is not None and not found.problems and dict(found.bytes) == wanted.sizes()


def _read_manifest(path: Path, settings: Extraction) -> dict[str, Extracted]:
    """What was done, by original; a last line that was cut off by a crash is left out."""
    if not path.exists() or not path.read_text(encoding="utf-8").strip():
        path.write_text(json.dumps(asdict(settings)) + "\n", encoding="utf-8")
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    before = _parsed(lines[0])
    if before != asdict(settings):
        said = " and ".join(f"{name} = {value}" for name, value in (before or {}).items()) or "something else"
        raise DataError(f"'{path.parent}' was made with {said}: give another --out, or the same settings")
    done = {}
    for line in lines[1:]:
        if (entry := _parsed(line)) is not None and "original" in entry:
            manipulations = tuple(OfMethod(**each) for each in entry.pop("manipulations"))
            done[entry["original"]] = Extracted(**entry, manipulations=manipulations)
    whole = path.read_text(encoding="utf-8")
    if not whole.endswith("\n"):
        path.write_text(whole[: whole.rfind("\n") + 1], encoding="utf-8")
    return done


def _parsed(line: str) -> dict[str, Any] | None:
    try:
        found = json.loads(line)
    except json.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def _rewrite(path: Path, settings: Extraction, results: list[Extracted]) -> None:
    """One line for each original, in order, whatever was redone."""
    lines = [json.dumps(asdict(settings)), *(json.dumps(asdict(found)) for found in results)]
    partial = path.with_suffix(".partial")
    partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
    partial.replace(path)
