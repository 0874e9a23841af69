"""Pictures that are there twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from fakeoff.arena.images import Pixels
from fakeoff.protocols.forensics import format_traces
from fakeoff.protocols.forensics.report import ADVICE, Finding
from fakeoff.protocols.forensics.sides import AuditedImage

NAMED_AT_MOST = 3


_HASH_DISTANCE = 6  # of 63 bits


_SAME_THUMBNAIL = 0.985  # correlation


_HASH_CHUNK = 1024


_HASH_PAIRS = 2**17  # compared at once: 1 MB


def duplicates(images: Sequence[AuditedImage]) -> list[Finding]:
    """The same picture on both sides, or in two splits of one side."""
    findings = []
    same_pixels: dict[bytes, list[int]] = defaultdict(list)
    for index, image in enumerate(images):
        same_pixels[image.pixels_sha256].append(index)
    exact: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for members in same_pixels.values():
        places: dict[tuple[str, str], int] = {}
        for index in members:
            places.setdefault((images[index].side, images[index].split), index)
        ordered = list(places.values())
        for position, first in enumerate(ordered):
            for second in ordered[position + 1 :]:
                if (where := _where(images[first], images[second])) is not None:
                    exact[where].append((first, second))
    for where, pairs in sorted(exact.items()):
        same_bytes = sum(
            images[a].file_sha256 is not None and images[a].file_sha256 == images[b].file_sha256 for a, b in pairs
        )
        findings.append(_duplicate_finding(images, where, pairs, what="the same pixels", same_bytes=same_bytes))
    near: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for first, second in _near_duplicates(images):
        where = _where(images[first], images[second])
        if where is not None and images[first].pixels_sha256 != images[second].pixels_sha256:
            near[where].append((first, second))
    for where, pairs in sorted(near.items()):
        findings.append(_duplicate_finding(images, where, pairs, what="nearly the same picture", same_bytes=None))
    return findings


def _where(first: AuditedImage, second: AuditedImage) -> str | None:
    if first.side != second.side:
        return "reals and fakes"
    return f"two splits of the {first.side}s" if first.split != second.split else None


def _duplicate_finding(
    images: Sequence[AuditedImage], where: str, pairs: Sequence[tuple[int, int]], *, what: str, same_bytes: int | None
) -> Finding:
    # A collapsed generator makes much the same again, a memorising one nearly its reals, a face swap resembles its
    # source: that is the generator. The same pixels anywhere, or photographs in two splits, are the data: a detector
    # that knows pictures by heart would be right on "held-out" ones.
    exactly = same_bytes is not None
    leak = exactly or where == "two splits of the reals"
    named = "; ".join(f"{images[a].name} = {images[b].name}" for a, b in pairs[:NAMED_AT_MOST])
    more = f" and {len(pairs) - NAMED_AT_MOST} more" if len(pairs) > NAMED_AT_MOST else ""
    count = f"{len(pairs)} pair{'s' if len(pairs) != 1 else ''}"
    figures: dict[str, Any] = {"pairs": len(pairs), "images": [[images[a].name, images[b].name] for a, b in pairs[:50]]}
    if same_bytes is not None:
        figures["same_bytes"] = same_bytes
    return Finding(
        check="duplicates" if exactly else "near duplicates",
        gravity="leak" if leak else "note",
        sentence=f"{what} in {where}: {count}, {named}{more}",
        advice=ADVICE["duplicates"],
        figures=figures,
    )


def _near_duplicates(images: Sequence[AuditedImage]) -> list[tuple[int, int]]:
    """Pairs, upright or mirrored, whose DCT hashes are close and whose thumbnails correlate.

    Of each image only the nearest in each other place (a side's split) is given.
    """
    hashes = [format_traces.perceptual_hashes(_thumbnails(images, part)) for part in _chunks(np.arange(len(images)))]
    upright = np.concatenate([part.upright for part in hashes])
    mirrored = np.concatenate([part.mirrored for part in hashes])
    places = sorted({(image.side, image.split) for image in images})
    members = [np.flatnonzero([(image.side, image.split) == place for image in images]) for place in places]
    pairs: set[tuple[int, int]] = set()
    for rows, columns in combinations(members, 2):
        for theirs, direction in ((upright, 1), (mirrored, -1)):
            nearest, distance = _nearest(upright[rows], theirs[columns])
            for part in _chunks(np.flatnonzero(distance <= _HASH_DISTANCE)):
                first, second = rows[part], columns[nearest[part]]
                seen = _thumbnails(images, first), _thumbnails(images, second)[:, :, ::direction]
                same = format_traces.likeness(*seen) >= _SAME_THUMBNAIL
                pairs.update(zip(first[same].tolist(), second[same].tolist(), strict=True))
    return sorted(pairs)


def _chunks(indices: npt.NDArray[np.intp]) -> Iterator[npt.NDArray[np.intp]]:
    for start in range(0, len(indices), _HASH_CHUNK):
        yield indices[start : start + _HASH_CHUNK]


def _thumbnails(images: Sequence[AuditedImage], indices: npt.NDArray[np.intp]) -> Pixels:
    side = format_traces.THUMBNAIL_SIDE
    kept = b"".join(images[index].thumbnail for index in indices)
    return np.frombuffer(kept, dtype=np.uint8).reshape(-1, side, side)


def _nearest(
    hashes: npt.NDArray[np.uint64], others: npt.NDArray[np.uint64]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.uint8]]:
    """For each hash the first of the nearest others, and how many bits differ; a few rows at a time."""
    nearest, distance = np.empty(len(hashes), np.intp), np.empty(len(hashes), np.uint8)
    step = max(1, _HASH_PAIRS // len(others))
    for start in range(0, len(hashes), step):
        rows = slice(start, start + step)
        bits = np.bitwise_count(hashes[rows, None] ^ others)
        nearest[rows] = bits.argmin(1)
        distance[rows] = bits.min(1)
    return nearest, distance
