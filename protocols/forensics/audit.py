"""The audit: could reals and fakes be told apart by their format alone?

Section 3.2 of the paper: a difference of codecs alone gives perfect average precision. The audit compares traces of
format (:mod:`fakeoff.protocols.forensics.format_traces`) between the sides, looks for pictures that are there twice,
and trains a small probe on nothing but the traces. A generator's own artefacts are not its business.
"""

from __future__ import annotations

import hashlib
import heapq
import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import UnidentifiedImageError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fakeoff.arena.errors import DataError
from fakeoff.arena.images import Pixels
from fakeoff.arena.images.reals import SPLITS, LeftOut
from fakeoff.arena.jobs import Context, Result
from fakeoff.protocols.forensics import format_traces
from fakeoff.protocols.score import metrics
from fakeoff.protocols.score.part_shift import total_variation

Gravity: TypeAlias = Literal["leak", "note"]
SideName: TypeAlias = Literal["real", "fake"]
SIDES: tuple[SideName, SideName] = ("real", "fake")

VERSION = 3

SIGNIFICANCE = 0.01
"""Of all comparisons together (Bonferroni)."""
MATERIAL = 0.05
"""Total variation distance between the sides, beyond what chance gives, from which a difference is a leak."""
PROBE_MARGIN = 0.05
"""A probe whose AP's lower bound exceeds prevalence by more is a leak."""

_DRAWS = 9999
_RESAMPLES = 500
_MEASURED_AT_MOST = 256  # of each side: enough to find a trace in a tenth of the images
_SEARCHED_AT_MOST = 48
# What content alone reaches. Below it the probe sees nothing, or a generator's smoother faces would count as format.
_CONTENT_SCORE = 4.5
_CONTENT_GAPS = 0.03
_SMALLEST_SIDE = 32
_FEWEST_FOR_A_TEST = 8
_STRIKING = 0.5  # a distance worth a note even among too few images
_FEWEST_FOR_A_PROBE = 20
_FEWEST_OF_A_SIZE = 4
_FEWEST_FOR_PERIODS = 32
_PERIOD_EXCESS = 1.2  # natural log of power over that of the neighbouring frequencies
_CATEGORIES_AT_MOST = 50
_FOLDS = 5
_NAMED_AT_MOST = 3
_HASH_DISTANCE = 6  # of 63 bits
_SAME_THUMBNAIL = 0.985  # correlation
_HASH_CHUNK = 1024
_HASH_PAIRS = 2**17  # compared at once: 1 MB
_PREVALENCE = 0.5

_ABSENT = ("none", "complete")

_SEE = "see docs/audit.md"
_SAME_PIPELINE = f"pass both sides through the same crop and resize and save both as PNG; {_SEE}"
_ADVICE: Mapping[str, str] = {
    "JPEG history": "an image keeps JPEG's grid when it is saved again as PNG: start from lossless files, or pass both "
    f"sides through the same JPEG; {_SEE}",
    "interpolation": "resize both sides from the same size with the same kernel, downwards if you can; " + _SEE,
    "histogram": "use the same bit depth, palette and contrast on both sides; " + _SEE,
    "colours": "pass both sides through the same colour conversion (luminance, if one side is grey); " + _SEE,
    "duplicates": "remove one of the two, or move them into one split; " + _SEE,
}


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One difference of format, or one kind of duplicates.

    Attributes:
        check: The trace.
        gravity: ``leak`` fails the audit, ``note`` does not.
        sentence: What was found, with numbers.
        advice: What to do next.
        figures: The numbers.
    """

    check: str
    gravity: Gravity
    sentence: str
    advice: str
    figures: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Probe:
    """A logistic regression that sees format traces only, judged out of fold.

    Attributes:
        ap: Average precision; fake is positive, at 50/50 prevalence.
        ap_interval: 95% by bootstrap over images.
        prevalence: The AP of chance.
        n_real: Measured reals.
        n_fake: Measured fakes.
        features: The traces that it saw; those that never vary are left out.
        strongest: The feature with the largest weight, or empty.
    """

    ap: float
    ap_interval: tuple[float, float]
    prevalence: float
    n_real: int
    n_fake: int
    features: tuple[str, ...]
    strongest: str


@dataclass(frozen=True, kw_only=True)
class Side:
    """What was audited of one side: images by split, and the files left out."""

    images: dict[str, int]
    left_out: tuple[LeftOut, ...] = field(default=())


@dataclass(frozen=True, kw_only=True)
class AuditReport:
    """The outcome; JSON-able through :func:`dataclasses.asdict`.

    Attributes:
        real: What was audited.
        fake: Likewise.
        measured: Images whose pixels were measured, of both sides; drawn at random from larger ones.
        comparisons: Traces that varied and were tested.
        findings: Leaks first.
        probe: None where a side has too few images.
        seed: Of the draws.
    """

    real: Side
    fake: Side
    measured: int
    comparisons: int
    findings: tuple[Finding, ...]
    probe: Probe | None
    seed: int

    @property
    def leaks(self) -> tuple[Finding, ...]:
        """The findings that fail the audit."""
        return tuple(finding for finding in self.findings if finding.gravity == "leak")


@dataclass(kw_only=True, slots=True)
class _AuditedImage:
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
    categories: dict[str, str] = field(default_factory=dict)
    measures: dict[str, float] = field(default_factory=dict)

    @property
    def pixels(self) -> Pixels:
        """The crop of an image that was drawn."""
        assert self.crop is not None
        return self.crop


def _audited(pixels: Pixels, *, name: str, side: SideName, split: str, group: str) -> _AuditedImage:
    height, width = pixels.shape[:2]
    content = hashlib.sha256(f"{width}x{height}".encode())
    content.update(np.ascontiguousarray(pixels).data)
    return _AuditedImage(
        name=name,
        side=side,
        split=split,
        size=(height, width),
        thumbnail=format_traces.thumbnail(pixels).tobytes(),
        pixels_sha256=content.digest(),
        group=group,
    )


def _draw(found: Iterable[tuple[_AuditedImage, Pixels]], *, seed: int) -> list[_AuditedImage]:
    """All images of a side; those that are to be measured keep a crop of their pixels.

    These are the first in the order of a hash of their names, which is a random one that is known before a file is
    read: no more crops than are needed are ever held, and the next image stands in for one that cannot be read.
    """
    images: list[_AuditedImage] = []
    last_first: list[tuple[int, str, _AuditedImage]] = []
    for image, pixels in found:
        images.append(image)
        image.crop = format_traces.central_crop(pixels)
        rank = hashlib.sha256(f"{seed}:{image.name}".encode(errors="surrogateescape")).digest()
        entry = (-int.from_bytes(rank), image.name, image)
        if len(last_first) < _MEASURED_AT_MOST:
            heapq.heappush(last_first, entry)
        else:
            heapq.heappushpop(last_first, entry)[2].crop = None
    return images


def audit_folders(real: Path, fake: Path, *, seed: int = 0) -> AuditReport:
    """Audits two folders of image files, searched in depth.

    Sub-folders ``train``, ``val`` and ``test`` are splits, and duplicates are looked for across them. Files that are
    no image are left out and named; damaged ones likewise, with a note.

    Args:
        real: The photographs.
        fake: The generated images.
        seed: Of the draws; the same seed gives the same report.

    Raises:
        DataError: No such folder, the same folder twice, or no usable image.
    """
    if real.resolve() == fake.resolve():
        raise DataError(f"'{real}' was given as both sides; give a folder of reals and another of fakes")
    images: list[_AuditedImage] = []
    left_out: dict[SideName, list[LeftOut]] = {"real": [], "fake": []}
    for side, root in zip(SIDES, (real, fake), strict=True):
        found = _draw(_read_folder(root, side, left_out=left_out[side]), seed=seed)
        if not found:
            first = f" ({left_out[side][0].name}: {left_out[side][0].reason})" if left_out[side] else ""
            raise DataError(f"no usable image in '{root}'{first}; give a folder of {side} images")
        images += found
    return _audit(images, left_out=left_out, seed=seed)


def audit_pools(real: Mapping[str, Pixels], fake: Mapping[str, Pixels], *, seed: int = 0) -> AuditReport:
    """Audits decoded pools: traces that survive decoding, and duplicates. Reads no file; a pure function.

    Args:
        real: uint8 ``(n, h, w, 3)`` by the name of the split.
        fake: Likewise.
        seed: Of the draws; the same seed gives the same report.

    Raises:
        DataError: A side is empty, or is not uint8 ``(n, h, w, 3)``.
    """
    images: list[_AuditedImage] = []
    for side, pools in zip(SIDES, (real, fake), strict=True):
        found = _draw(_take_pools(pools, side), seed=seed)
        if not found:
            raise DataError(f"no {side} images; the audit compares two sides")
        images += found
    return _audit(images, left_out={}, seed=seed)


def audit(context: Context) -> Result:
    """Audits a generator version's pools against the reals that belong to it.

    Payload: ``seed``. Inputs: ``real_train``, ``real_val``, ``real_test``, ``fake_train``, ``fake_val``, ``fake_test``.
    """
    pools: dict[str, dict[str, Pixels]]
    pools = {side: {split: context.inputs[f"{side}_{split}"].arrays["images"] for split in SPLITS} for side in SIDES}
    report = audit_pools(pools["real"], pools["fake"], seed=context.payload["seed"])
    return Result(record=json.loads(json.dumps(asdict(report))))


def _take_pools(pools: Mapping[str, Pixels], side: SideName) -> Iterator[tuple[_AuditedImage, Pixels]]:
    for split, pixels in pools.items():
        if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[3] != 3:
            raise DataError(f"{side}/{split} is {pixels.dtype} {pixels.shape}; the audit takes uint8 (n, h, w, 3)")
        for index, image in enumerate(pixels):
            name = f"{side}/{split}/{index:05d}"
            yield _audited(image, name=name, side=side, split=split, group=name), image


def _read_folder(root: Path, side: SideName, *, left_out: list[LeftOut]) -> Iterator[tuple[_AuditedImage, Pixels]]:
    if not root.is_dir():
        raise DataError(f"no folder at '{root}'; give a folder of {side} images")
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root)
        if any(part.startswith(".") for part in relative.parts):
            continue
        if path.is_symlink():  # it could lead out of the folder
            left_out.append(LeftOut(name=relative.as_posix(), reason="a link"))
            continue
        if not path.is_file():
            continue
        try:
            file = format_traces.read_file(path)
        except UnidentifiedImageError:
            left_out.append(LeftOut(name=relative.as_posix(), reason="not an image"))
            continue
        except DataError as error:
            left_out.append(LeftOut(name=relative.as_posix(), reason=str(error)))
            continue
        first = relative.parts[0]
        split = first if first in SPLITS and len(relative.parts) > 1 else "all"
        image = _audited(
            file.pixels,
            name=f"{side}/{relative.as_posix()}",
            side=side,
            split=split,
            group=f"{side}/{relative.parent.as_posix()}",
        )
        image.file_sha256 = file.sha256
        image.categories = file.traces
        yield image, file.pixels


def _audit(
    images: Sequence[_AuditedImage], *, left_out: Mapping[SideName, Sequence[LeftOut]], seed: int
) -> AuditReport:
    rng = np.random.default_rng(seed)
    sides = {
        side: Side(
            images=dict(sorted(Counter(image.split for image in images if image.side == side).items())),
            left_out=tuple(left_out.get(side, ())),
        )
        for side in SIDES
    }
    for image in images:
        height, width = image.size
        image.categories["size"] = f"{width}x{height}"
    file_checks = list(dict.fromkeys(name for image in images for name in image.categories))
    measured = [image for image in images if image.crop is not None]
    _measure(measured)
    in_pixels = dict.fromkeys(name for image in measured for name in image.categories)
    pixel_checks = [name for name in in_pixels if name not in file_checks]

    comparisons = [_compare(check, images, rng) for check in file_checks]
    comparisons += [_compare(check, measured, rng) for check in pixel_checks]
    varied = [comparison for comparison in comparisons if comparison is not None]
    findings = [finding for comparison in varied if (finding := _judge(comparison, tests=len(varied)))]
    findings += _duplicates(images)
    probe = _probe(measured, rng)
    findings += _probe_findings(probe, {side: sum(sides[side].images.values()) for side in SIDES})
    if not {finding.check for finding in findings} & {"interpolation", "JPEG history"}:
        findings += _periodicity_findings(measured)
    findings += _left_out_findings(sides)
    findings.sort(key=lambda finding: finding.gravity != "leak")
    return AuditReport(
        real=sides["real"],
        fake=sides["fake"],
        measured=len(measured),
        comparisons=len(varied),
        findings=tuple(findings),
        probe=probe,
        seed=seed,
    )


def _measure(images: Sequence[_AuditedImage]) -> None:
    """Adds the pixels' traces."""
    for image in images:
        image.categories["colours"] = format_traces.colours(image.pixels)
    images = [image for image in images if min(image.size) >= _SMALLEST_SIDE]
    _measure_jpeg(images)
    # A resize depends on the size of the whole image; the other traces can be looked for where crops are of one shape.
    for size, same_size in _grouped(images, lambda image: image.size).items():
        _measure_interpolation(same_size, _green(same_size), height=size[0])
    for same_shape in _by_shape(images):
        for image, gaps in zip(same_shape, format_traces.histogram_gaps(_green(same_shape)), strict=True):
            image.measures["histogram gaps"] = max(float(gaps) - _CONTENT_GAPS, 0.0)
            image.categories["histogram"] = "missing levels" if gaps > format_traces.HISTOGRAM_GAPS else "complete"


def _grouped(
    images: Iterable[_AuditedImage], key: Callable[[_AuditedImage], tuple[int, ...]]
) -> dict[tuple[int, ...], list[_AuditedImage]]:
    groups: dict[tuple[int, ...], list[_AuditedImage]] = defaultdict(list)
    for image in images:
        groups[key(image)].append(image)
    return groups


def _by_shape(images: Iterable[_AuditedImage]) -> Iterable[list[_AuditedImage]]:
    return _grouped(images, lambda image: image.pixels.shape).values()


def _green(images: Sequence[_AuditedImage]) -> format_traces.Floats:
    return np.stack([image.pixels[..., 1] for image in images]).astype(np.float32)


def _by_side(images: Sequence[_AuditedImage]) -> list[npt.NDArray[np.intp]]:
    return [np.flatnonzero([image.side == side for image in images]) for side in SIDES]


def _measure_jpeg(images: Sequence[_AuditedImage]) -> None:
    # The phases are looked for on each side, but every image is measured on each of them: the sides are treated alike.
    phases = {(0, 0)} | {
        format_traces.find_grid_phase([format_traces.luma(image.pixels) for image in searched])
        for side in SIDES
        for searched in _searched_for_grids(image for image in images if image.side == side)
    }
    for same_shape in _by_shape(images):
        crops = np.stack([format_traces.luma(image.pixels) for image in same_shape])
        grids = [(phase, format_traces.jpeg_grid(crops, phase=phase)) for phase in sorted(phases)]
        for index, image in enumerate(same_shape):
            phase, grid = max(grids, key=lambda entry: entry[1].score[index])
            score = float(grid.score[index])
            image.measures["JPEG grid"] = float(np.clip(score - _CONTENT_SCORE, 0, _CONTENT_SCORE))
            where = "" if phase == (0, 0) else f", its grid beginning at row {phase[0]}, column {phase[1]}"
            # In ranges: the estimate of a single image may be off by one or two.
            quality = int(grid.quality[index])
            image.categories["JPEG history"] = (
                f"JPEG of quality {_quality_range(quality)}{where}" if score > format_traces.JPEG_SCORE else "none"
            )


def _searched_for_grids(images: Iterable[_AuditedImage]) -> Iterator[list[_AuditedImage]]:
    """Images of one shape, which may have a history in common; those of rare shapes together."""
    rest: list[_AuditedImage] = []
    for same_shape in _by_shape(images):
        if len(same_shape) >= _FEWEST_OF_A_SIZE:
            yield same_shape
        else:
            rest += same_shape
    if rest:
        yield rest


def _quality_range(quality: int) -> str:
    low = next(edge for edge in (98, 93, 85, 70, 0) if quality >= edge)
    return {98: "98 to 100", 93: "93 to 97", 85: "85 to 92", 70: "70 to 84", 0: "below 70"}[low]


def _measure_interpolation(images: Sequence[_AuditedImage], green: format_traces.Floats, *, height: int) -> None:
    candidates = set()
    for side in _by_side(images):
        if len(side) >= _FEWEST_OF_A_SIZE:
            sample = side[np.linspace(0, len(side) - 1, min(_SEARCHED_AT_MOST, len(side))).astype(int)]
            candidates.add(format_traces.find_interpolation(green[sample], height=height))
    fits = [
        (found, format_traces.fit_interpolation(green, found, height=height))
        for found in candidates
        if found is not None
    ]
    fits.sort(key=lambda entry: (entry[0].source, entry[0].kernel))
    for index, image in enumerate(images):
        image.categories["interpolation"] = "none"
        image.measures["interpolation"] = 0.0
        for found, fit in fits:
            if fit.carried[index] and fit.contrast[index] > image.measures["interpolation"]:
                image.measures["interpolation"] = min(float(fit.contrast[index]), 2.0)
                image.categories["interpolation"] = f"enlarged from {found.source} to {height} rows, {found.kernel}"


@dataclass(frozen=True, kw_only=True)
class _Comparison:
    """A categorical trace on both sides: counts ``(2, categories)`` and how they differ."""

    check: str
    names: list[str]
    counts: npt.NDArray[np.int64]
    distance: float
    by_chance: float
    p: float


def _compare(check: str, images: Iterable[_AuditedImage], rng: np.random.Generator) -> _Comparison | None:
    """Permutation test of the total variation distance; None where the trace never varies or a side lacks it."""
    counted = Counter((image.side, image.categories[check]) for image in images if check in image.categories)
    totals = Counter[str]()
    for (_, name), count in counted.items():
        totals[name] += count
    names = [name for name, _ in sorted(totals.items(), key=lambda entry: (-entry[1], entry[0]))]
    kept, rest = names[:_CATEGORIES_AT_MOST], names[_CATEGORIES_AT_MOST:]
    counts = np.array([[counted[side, name] for name in kept] for side in SIDES], dtype=np.int64)
    if rest:
        kept = [*kept, "another"]
        counts = np.column_stack([counts, [sum(counted[side, name] for name in rest) for side in SIDES]])
    n_real, n_fake = (int(total) for total in counts.sum(1)) if len(kept) else (0, 0)
    if len(kept) < 2 or not n_real or not n_fake:
        return None
    distance = float(total_variation(counts[0] / n_real, counts[1] / n_fake))
    # Labels dealt at random: the reals' counts are multivariate hypergeometric.
    dealt = rng.multivariate_hypergeometric(counts.sum(0), n_real, size=_DRAWS, method="marginals")
    by_chance = total_variation(dealt / n_real, (counts.sum(0) - dealt) / n_fake)
    p = float((1 + np.sum(by_chance >= distance - 1e-12)) / (1 + _DRAWS))
    return _Comparison(
        check=check,
        names=kept,
        counts=counts,
        distance=distance,
        by_chance=float(np.mean(by_chance)),
        p=p,
    )


def _judge(comparison: _Comparison, *, tests: int) -> Finding | None:
    n_real, n_fake = (int(total) for total in comparison.counts.sum(1))
    shares = comparison.counts / comparison.counts.sum(1, keepdims=True)
    significant = comparison.p < SIGNIFICANCE / tests
    excess = comparison.distance - comparison.by_chance
    few = min(n_real, n_fake) < _FEWEST_FOR_A_TEST and comparison.distance >= _STRIKING
    if not significant and not few:
        return None
    # Said of what is there, not of what is missing, and of the fakes first.
    told = [index for index, name in enumerate(comparison.names) if name not in _ABSENT]
    gaps = (shares[1] - shares[0]).round(9)
    most = max(told or range(len(gaps)), key=lambda index: (abs(gaps[index]), gaps[index]))
    gravity: Gravity = "leak" if significant and excess >= MATERIAL else "note"
    caveat = "; too few images to rule out chance" if few and not significant else ""
    percent = [_percent(shares[side, most]) for side in (0, 1)]
    return Finding(
        check=comparison.check,
        gravity=gravity,
        sentence=f"{comparison.check}: {comparison.names[most]} on {percent[1]} of {n_fake} fakes and {percent[0]} of "
        f"{n_real} reals{caveat}",
        advice=_ADVICE.get(comparison.check, _SAME_PIPELINE),
        figures={
            "p": comparison.p,
            "distance": comparison.distance,
            "distance_by_chance": comparison.by_chance,
            "real": dict(zip(comparison.names, comparison.counts[0].tolist(), strict=True)),
            "fake": dict(zip(comparison.names, comparison.counts[1].tolist(), strict=True)),
        },
    )


def _percent(share: float) -> str:
    # 99.9% is not all of them.
    return f"{share:.0%}" if share in (0, 1) or 0.01 <= share <= 0.99 else f"{share:.1%}"


def _duplicates(images: Sequence[_AuditedImage]) -> list[Finding]:
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


def _where(first: _AuditedImage, second: _AuditedImage) -> str | None:
    if first.side != second.side:
        return "reals and fakes"
    return f"two splits of the {first.side}s" if first.split != second.split else None


def _duplicate_finding(
    images: Sequence[_AuditedImage], where: str, pairs: Sequence[tuple[int, int]], *, what: str, same_bytes: int | None
) -> Finding:
    # A collapsed generator makes much the same again, a memorising one nearly its reals, a face swap resembles its
    # source: that is the generator. The same pixels anywhere, or photographs in two splits, are the data: a detector
    # that knows pictures by heart would be right on "held-out" ones.
    exactly = same_bytes is not None
    leak = exactly or where == "two splits of the reals"
    named = "; ".join(f"{images[a].name} = {images[b].name}" for a, b in pairs[:_NAMED_AT_MOST])
    more = f" and {len(pairs) - _NAMED_AT_MOST} more" if len(pairs) > _NAMED_AT_MOST else ""
    count = f"{len(pairs)} pair{'s' if len(pairs) != 1 else ''}"
    figures: dict[str, Any] = {"pairs": len(pairs), "images": [[images[a].name, images[b].name] for a, b in pairs[:50]]}
    if same_bytes is not None:
        figures["same_bytes"] = same_bytes
    return Finding(
        check="duplicates" if exactly else "near duplicates",
        gravity="leak" if leak else "note",
        sentence=f"{what} in {where}: {count}, {named}{more}",
        advice=_ADVICE["duplicates"],
        figures=figures,
    )


def _near_duplicates(images: Sequence[_AuditedImage]) -> list[tuple[int, int]]:
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


def _thumbnails(images: Sequence[_AuditedImage], indices: npt.NDArray[np.intp]) -> Pixels:
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


def _probe(images: Sequence[_AuditedImage], rng: np.random.Generator) -> Probe | None:
    is_fake = np.array([image.side == "fake" for image in images])
    counts = int((~is_fake).sum()), int(is_fake.sum())
    if min(counts) < _FEWEST_FOR_A_PROBE:
        return None
    columns = _features(images)
    scores = np.full(len(images), 0.5)
    strongest = ""
    if columns:
        table = np.column_stack(list(columns.values()))
        groups = _groups(images)
        kind = StratifiedKFold if groups is None else StratifiedGroupKFold
        folds = kind(_FOLDS, shuffle=True, random_state=int(rng.integers(2**31)))
        weights = np.zeros(len(columns))
        for train, test in folds.split(table, is_fake, groups):
            model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000))
            model.fit(table[train], is_fake[train])
            scores[test] = model.predict_proba(table[test])[:, 1]
            weights += np.abs(model[-1].coef_[0])
        strongest = list(columns)[int(weights.argmax())]
    figures = metrics.evaluate(
        scores[~is_fake], scores[is_fake], val_threshold=0.5, resamples=_RESAMPLES, confidence=0.95, rng=rng
    )
    ap, interval = figures["ap"], figures["ap_ci"]
    assert isinstance(ap, float)
    assert isinstance(interval, list)
    return Probe(
        ap=ap,
        ap_interval=(interval[0], interval[1]),
        prevalence=_PREVALENCE,
        n_real=counts[0],
        n_fake=counts[1],
        features=tuple(columns),
        strongest=strongest,
    )


def _features(images: Sequence[_AuditedImage]) -> dict[str, npt.NDArray[np.float64]]:
    """Measures as they are, categories as indicators; what never varies, or is rarer than in 1%, is left out."""
    columns: dict[str, npt.NDArray[np.float64]] = {}
    for name in sorted({name for image in images for name in image.measures}):
        columns[name] = np.array([image.measures.get(name, 0.0) for image in images])
    for check in sorted({check for image in images for check in image.categories}):
        values = Counter(image.categories.get(check, "") for image in images)
        for value, count in sorted(values.items()):
            if 0.01 * len(images) <= count <= 0.99 * len(images):
                columns[f"{check}: {value}"] = np.array(
                    [float(image.categories.get(check, "") == value) for image in images]
                )
    return {name: column for name, column in columns.items() if np.ptp(column) > 0}


def _groups(images: Sequence[_AuditedImage]) -> list[str] | None:
    """Sub-folders (people, scenes), where each side has enough of them for every fold; else None."""
    folders = [len({image.group for image in images if image.side == side}) for side in SIDES]
    grouped = min(folders) >= 2 * _FOLDS and max(folders) < len(images) / 2
    return [image.group for image in images] if grouped else None


def _probe_findings(probe: Probe | None, images: Mapping[SideName, int]) -> list[Finding]:
    if probe is None:
        sentence = (
            f"too few images for the probe: {images['real']} reals and {images['fake']} fakes, "
            f"{_FEWEST_FOR_A_PROBE} of each are needed"
        )
        advice = f"audit more images; {_SEE}"
        return [
            Finding(
                check="probe",
                gravity="note",
                sentence=sentence,
                advice=advice,
                figures={str(side): n for side, n in images.items()},
            )
        ]
    low, high = probe.ap_interval
    if low <= probe.prevalence + PROBE_MARGIN:
        return []
    return [
        Finding(
            check="probe",
            gravity="leak",
            sentence=f"probe: a classifier that sees only traces of format has AP {probe.ap:.3f} ({low:.3f} to "
            f"{high:.3f}), where chance has {probe.prevalence:.3f}; its strongest trace is {probe.strongest}",
            advice=_SAME_PIPELINE,
            figures={"ap": probe.ap, "ap_interval": [low, high], "prevalence": probe.prevalence},
        )
    ]


def _periodicity_findings(images: Sequence[_AuditedImage]) -> list[Finding]:
    """A note where one side's second derivative has a period that the other's has not."""
    sizes = Counter(image.size for image in images)
    both = [size for size in sizes if min(size) >= _SMALLEST_SIDE]
    of_size = {size: [[i for i in images if i.size == size and i.side == side] for side in SIDES] for size in both}
    usable = [size for size in both if min(len(side) for side in of_size[size]) >= _FEWEST_FOR_PERIODS]
    if not usable:
        return []
    size = max(usable, key=lambda size: (sizes[size], size))
    (frequencies, real), (_, fake) = (
        format_traces.periodicity(np.stack([format_traces.luma(image.pixels) for image in side]))
        for side in of_size[size]
    )
    excess = np.maximum(real, fake)
    stands_out = np.where((excess > _PERIOD_EXCESS) & (np.abs(real - fake) > _PERIOD_EXCESS), excess, -np.inf)
    at = int(stands_out.argmax())
    if not np.isfinite(stands_out[at]):
        return []
    periodic, other = ("fakes", "reals") if fake[at] > real[at] else ("reals", "fakes")
    return [
        Finding(
            check="periodicity",
            gravity="note",
            sentence=f"periodicity: the {periodic} repeat every {1 / frequencies[at]:.3g} rows, the {other} do not "
            f"(log power {excess[at]:.1f} against {min(real[at], fake[at]):.1f}); an enlargement, perhaps compressed "
            "after it, does that, and so does a generator's own upsampling: the audit cannot tell which",
            advice=f"if no generator made the {periodic}, look for a resize on that side; {_SEE}",
            figures={"frequency": float(frequencies[at]), "real": float(real[at]), "fake": float(fake[at])},
        )
    ]


def _left_out_findings(sides: Mapping[SideName, Side]) -> list[Finding]:
    findings = []
    for side in SIDES:
        left_out = sides[side].left_out
        if left_out:
            named = "; ".join(f"{file.name} ({file.reason})" for file in left_out[:_NAMED_AT_MOST])
            more = f" and {len(left_out) - _NAMED_AT_MOST} more" if len(left_out) > _NAMED_AT_MOST else ""
            findings.append(
                Finding(
                    check="left out",
                    gravity="note",
                    sentence=f"{len(left_out)} file(s) of the {side}s left out: {named}{more}",
                    advice="mend or remove them",
                    figures={"files": len(left_out)},
                )
            )
    return findings
