"""The images of both sides, as the audit sees them."""

from __future__ import annotations

import hashlib
import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import UnidentifiedImageError

from fakeoff.arena.errors import DataError
from fakeoff.arena.images import Pixels
from fakeoff.arena.images.folders import Entry, LeftOut
from fakeoff.arena.images.kinds import examine, unidentified
from fakeoff.arena.images.looking import in_order
from fakeoff.arena.images.reals import find_files
from fakeoff.arena.images.splits import given_people, given_splits
from fakeoff.protocols.forensics import format_traces, image_files
from fakeoff.protocols.forensics.pixels import Floats, central_crop
from fakeoff.protocols.forensics.reading import Nobody, Watch
from fakeoff.protocols.forensics.report import SIDES, SideName

_MEASURED_AT_MOST = 256  # of each side: enough to find a trace in a tenth of the images


SMALLEST_SIDE = 32


@dataclass(kw_only=True, slots=True)
class AuditedImage:
    """What is kept of an image: about 2 kB, and a crop of its pixels only if they are measured.

    A folder may hold 100 000 images, whose crops would take 5 GB.
    """

    name: str
    side: SideName
    split: str
    size: tuple[int, int]
    thumbnail: bytes
    pixels_sha256: bytes
    group: str
    crop: Pixels | None = None
    file_sha256: bytes | None = None
    file_bytes: int | None = None
    categories: dict[str, str] = field(default_factory=dict)
    measures: dict[str, float] = field(default_factory=dict)

    @property
    def pixels(self) -> Pixels:
        """The crop of an image that was drawn."""
        assert self.crop is not None
        return self.crop


def _audited(pixels: Pixels, *, name: str, side: SideName, split: str, group: str) -> AuditedImage:
    height, width = pixels.shape[:2]
    content = hashlib.sha256(f"{width}x{height}".encode())
    content.update(np.ascontiguousarray(pixels).data)
    return AuditedImage(
        name=name,
        side=side,
        split=split,
        size=(height, width),
        thumbnail=format_traces.thumbnail(pixels).tobytes(),
        pixels_sha256=content.digest(),
        group=group,
        crop=central_crop(pixels),
    )


def draw(found: Iterable[AuditedImage], *, seed: int) -> list[AuditedImage]:
    """All images of a side; those that are to be measured keep the crop of their pixels.

    These are the first in the order of a hash of their names, which is a random one that is known before a file is
    read: no more crops than are needed are ever held, and the next image stands in for one that cannot be read.
    """
    images: list[AuditedImage] = []
    last_first: list[tuple[int, str, AuditedImage]] = []
    for image in found:
        images.append(image)
        rank = hashlib.sha256(f"{seed}:{image.name}".encode(errors="surrogateescape")).digest()
        entry = (-int.from_bytes(rank), image.name, image)
        if len(last_first) < _MEASURED_AT_MOST:
            heapq.heappush(last_first, entry)
        else:
            heapq.heappushpop(last_first, entry)[2].crop = None
    return images


def take_pools(pools: Mapping[str, Pixels], side: SideName) -> Iterator[AuditedImage]:
    """The images of one side's pools, by split."""
    for split, pixels in pools.items():
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[3] != 3:
            raise DataError(f"{side}/{split} is {pixels.dtype} {pixels.shape}; the audit takes uint8 (n, h, w, 3)")
        for index, image in enumerate(pixels):
            name = f"{side}/{split}/{index:05d}"
            yield _audited(image, name=name, side=side, split=split, group=name)


@dataclass(frozen=True, kw_only=True)
class _File:
    """A file of a folder that is to be looked at, and what its place says of it."""

    path: Path
    name: str
    split: str
    group: str


def read_folder(
    root: str | Path, side: SideName, *, left_out: list[LeftOut], workers: int = 1, watch: Watch | None = None
) -> Iterator[AuditedImage]:
    """The images of a folder, of ORL or of an asset, each with a crop; what cannot be read is noted in ``left_out``.

    Args:
        root: The folder.
        side: Whose it is.
        left_out: Where to note.
        workers: Threads.
        watch: Who is told of each file.
    """
    files = list(_find_files(root))
    watch = watch or Nobody()
    watch.found(len(files))
    for seen in in_order(lambda file: _look(file, side), files, workers=workers):
        watch.read()
        if isinstance(seen, LeftOut):
            left_out.append(seen)
        else:
            yield seen


def _find_files(root: str | Path) -> Iterator[_File | LeftOut]:
    found: list[Entry] = []
    for entry in find_files(root):
        # What is no picture has no say in which folders are people.
        if reason := entry.reason or getattr(examine(entry.path), "reason", ""):
            yield LeftOut(name=entry.name, reason=reason)
        else:
            found.append(entry)
    names = [entry.name for entry in found]
    for entry, split, person in zip(found, given_splits(names), given_people(names), strict=True):
        yield _File(path=Path(entry.path), name=entry.name, split=split or "all", group=person)


def _look(file: _File | LeftOut, side: SideName) -> AuditedImage | LeftOut:
    """What is seen of one file, whatever the others are."""
    if isinstance(file, LeftOut):
        return file
    try:
        read = image_files.read_file(file.path)
    except UnidentifiedImageError:
        return LeftOut(name=file.name, reason=unidentified(file.path).reason)
    except DataError as error:
        return LeftOut(name=file.name, reason=str(error))
    image = _audited(read.pixels, name=f"{side}/{file.name}", side=side, split=file.split, group=f"{side}/{file.group}")
    image.file_sha256 = read.sha256
    image.file_bytes = read.size
    image.categories = read.traces
    return image


def grouped(
    images: Iterable[AuditedImage], key: Callable[[AuditedImage], tuple[int, ...]]
) -> dict[tuple[int, ...], list[AuditedImage]]:
    """Images by what a key says of them."""
    groups: dict[tuple[int, ...], list[AuditedImage]] = defaultdict(list)
    for image in images:
        groups[key(image)].append(image)
    return groups


def by_shape(images: Iterable[AuditedImage]) -> Iterable[list[AuditedImage]]:
    """Images of the same height and width together."""
    return grouped(images, lambda image: image.pixels.shape).values()


def green(images: Sequence[AuditedImage]) -> Floats:
    """The green of images of one shape; float32 ``(n, h, w)``."""
    return np.stack([image.pixels[..., 1] for image in images]).astype(np.float32)


def by_side(images: Sequence[AuditedImage]) -> list[npt.NDArray[np.intp]]:
    """Where the reals are among images, and where the fakes."""
    return [np.flatnonzero([image.side == side for image in images]) for side in SIDES]
