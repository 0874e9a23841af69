"""The audit: could reals and fakes be told apart by their format alone?

Section 3.2 of the paper: a difference of codecs alone gives perfect average precision. The audit compares traces of
format (:mod:`fakeoff.protocols.format_traces`) between the sides, looks for pictures that are there twice, and trains
a small probe on nothing but the traces. A generator's own artefacts are not its business.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
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
from fakeoff.arena.jobs import Context, Result
from fakeoff.arena.reals import SPLITS, LeftOut, read_image
from fakeoff.protocols import format_traces, metrics

Gravity: TypeAlias = Literal["leak", "note"]
SideName: TypeAlias = Literal["real", "fake"]
SIDES: tuple[SideName, SideName] = ("real", "fake")

VERSION = 1

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


@dataclass(kw_only=True)
class _Item:
    """One image on its way through the audit. Only a crop of its pixels is kept, or a folder would fill the memory."""

    name: str
    side: SideName
    split: str
    size: tuple[int, int]
    crop: Pixels
    thumbnail: Pixels
    pixels_sha256: bytes
    group: str
    file_sha256: str | None = None
    categories: dict[str, str] = field(default_factory=dict)
    measures: dict[str, float] = field(default_factory=dict)


def _item(pixels: Pixels, *, name: str, side: SideName, split: str, group: str) -> _Item:
    height, width = pixels.shape[:2]
    content = hashlib.sha256(f"{width}x{height}".encode() + np.ascontiguousarray(pixels).tobytes())
    return _Item(
        name=name,
        side=side,
        split=split,
        size=(height, width),
        crop=format_traces.central_crop(pixels),
        thumbnail=format_traces.thumbnail(pixels),
        pixels_sha256=content.digest(),
        group=group,
    )


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
    items: list[_Item] = []
    left_out: dict[SideName, tuple[LeftOut, ...]] = {}
    for side, root in zip(SIDES, (real, fake), strict=True):
        found, left_out[side] = _read_folder(root, side)
        items += found
    return _audit(items, left_out=left_out, seed=seed)


def audit_pools(real: Mapping[str, Pixels], fake: Mapping[str, Pixels], *, seed: int = 0) -> AuditReport:
    """Audits decoded pools: traces that survive decoding, and duplicates. Reads no file; a pure function.

    Args:
        real: uint8 ``(n, h, w, 3)`` by the name of the split.
        fake: Likewise.
        seed: Of the draws; the same seed gives the same report.

    Raises:
        DataError: A side is empty, or is not uint8 ``(n, h, w, 3)``.
    """
    items = []
    for side, pools in zip(SIDES, (real, fake), strict=True):
        for split, pixels in pools.items():
            if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[3] != 3:
                raise DataError(f"{side}/{split} is {pixels.dtype} {pixels.shape}; the audit takes uint8 (n, h, w, 3)")
            for index, image in enumerate(pixels):
                name = f"{side}/{split}/{index:05d}"
                items.append(_item(image, name=name, side=side, split=split, group=name))
        if not any(item.side == side for item in items):
            raise DataError(f"no {side} images; the audit compares two sides")
    return _audit(items, left_out={}, seed=seed)


def audit(context: Context) -> Result:
    """Audits a generator version's pools against the reals that belong to it.

    Payload: ``seed``. Inputs: ``real_train``, ``real_val``, ``real_test``, ``fake_train``, ``fake_val``, ``fake_test``.
    """
    pools: dict[str, dict[str, Pixels]]
    pools = {side: {split: context.inputs[f"{side}_{split}"].arrays["images"] for split in SPLITS} for side in SIDES}
    report = audit_pools(pools["real"], pools["fake"], seed=context.payload["seed"])
    return Result(record=json.loads(json.dumps(asdict(report))))


def _read_folder(root: Path, side: SideName) -> tuple[list[_Item], tuple[LeftOut, ...]]:
    if not root.is_dir():
        raise DataError(f"no folder at '{root}'; give a folder of {side} images")
    items, left_out = [], []
    for path in sorted(root.rglob("*")):
        relative = path.relative_to(root)
        if path.is_symlink() or not path.is_file() or any(part.startswith(".") for part in relative.parts):
            continue
        try:
            pixels = np.asarray(read_image(path).convert("RGB"), dtype=np.uint8)
            categories = format_traces.file_traces(path)
        except UnidentifiedImageError:
            left_out.append(LeftOut(name=relative.as_posix(), reason="not an image"))
            continue
        except DataError as error:
            left_out.append(LeftOut(name=relative.as_posix(), reason=str(error)))
            continue
        first = relative.parts[0]
        split = first if first in SPLITS and len(relative.parts) > 1 else "all"
        item = _item(
            pixels,
            name=f"{side}/{relative.as_posix()}",
            side=side,
            split=split,
            group=f"{side}/{relative.parent.as_posix()}",
        )
        item.file_sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        item.categories = categories
        items.append(item)
    if not items:
        first_left = f" ({left_out[0].name}: {left_out[0].reason})" if left_out else ""
        raise DataError(f"no usable image in '{root}'{first_left}; give a folder of {side} images")
    return items, tuple(left_out)


def _audit(items: Sequence[_Item], *, left_out: Mapping[SideName, tuple[LeftOut, ...]], seed: int) -> AuditReport:
    rng = np.random.default_rng(seed)
    sides = {
        side: Side(
            images=dict(sorted(Counter(item.split for item in items if item.side == side).items())),
            left_out=left_out.get(side, ()),
        )
        for side in SIDES
    }
    for item in items:
        height, width = item.size
        item.categories["size"] = f"{width}x{height}"
    file_checks = list(dict.fromkeys(name for item in items for name in item.categories))
    measured = _draw(items, rng)
    _measure(measured)
    in_pixels = dict.fromkeys(name for item in measured for name in item.categories)
    pixel_checks = [name for name in in_pixels if name not in file_checks]

    comparisons = [_compare(check, items, rng) for check in file_checks]
    comparisons += [_compare(check, measured, rng) for check in pixel_checks]
    varied = [comparison for comparison in comparisons if comparison is not None]
    findings = [finding for comparison in varied if (finding := _judge(comparison, tests=len(varied)))]
    findings += _duplicates(items)
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


def _draw(items: Sequence[_Item], rng: np.random.Generator) -> list[_Item]:
    drawn: list[_Item] = []
    for side in SIDES:
        mine = [item for item in items if item.side == side]
        if len(mine) > _MEASURED_AT_MOST:
            chosen = np.sort(rng.choice(len(mine), _MEASURED_AT_MOST, replace=False))
            mine = [mine[index] for index in chosen]
        drawn += mine
    return drawn


def _measure(items: Sequence[_Item]) -> None:
    """Adds the pixels' traces; images of one size at a time."""
    by_size: dict[tuple[int, int], list[_Item]] = defaultdict(list)
    for item in items:
        item.categories["colours"] = format_traces.colours(item.crop)
        by_size[item.size].append(item)
    for size, same_size in by_size.items():
        if min(size) < _SMALLEST_SIDE:
            continue
        images = format_traces.luma(np.stack([item.crop for item in same_size]))
        green = np.stack([item.crop[..., 1] for item in same_size]).astype(np.float32)
        _measure_jpeg(same_size, images)
        _measure_interpolation(same_size, green, height=size[0])
        for item, gaps in zip(same_size, format_traces.histogram_gaps(green), strict=True):
            item.measures["histogram gaps"] = max(float(gaps) - _CONTENT_GAPS, 0.0)
            item.categories["histogram"] = "missing levels" if gaps > format_traces.HISTOGRAM_GAPS else "complete"


def _by_side(items: Sequence[_Item]) -> list[npt.NDArray[np.intp]]:
    return [np.flatnonzero([item.side == side for item in items]) for side in SIDES]


def _measure_jpeg(items: Sequence[_Item], images: format_traces.Floats) -> None:
    # The phase is looked for on each side, but every image is measured on each of them: the sides are treated alike.
    phases = {(0, 0)} | {format_traces.find_grid_phase(images[side]) for side in _by_side(items) if len(side)}
    grids = [(phase, format_traces.jpeg_grid(images, phase=phase)) for phase in sorted(phases)]
    for index, item in enumerate(items):
        phase, grid = max(grids, key=lambda entry: entry[1].score[index])
        score = float(grid.score[index])
        item.measures["JPEG grid"] = float(np.clip(score - _CONTENT_SCORE, 0, _CONTENT_SCORE))
        where = "" if phase == (0, 0) else f", its grid beginning at row {phase[0]}, column {phase[1]}"
        # In ranges: the estimate of a single image may be off by one or two.
        quality = int(grid.quality[index])
        item.categories["JPEG history"] = (
            f"JPEG of quality {_quality_range(quality)}{where}" if score > format_traces.JPEG_SCORE else "none"
        )


def _quality_range(quality: int) -> str:
    low = next(edge for edge in (98, 93, 85, 70, 0) if quality >= edge)
    return {98: "98 to 100", 93: "93 to 97", 85: "85 to 92", 70: "70 to 84", 0: "below 70"}[low]


def _measure_interpolation(items: Sequence[_Item], images: format_traces.Floats, *, height: int) -> None:
    candidates = set()
    for side in _by_side(items):
        if len(side) >= _FEWEST_OF_A_SIZE:
            sample = side[np.linspace(0, len(side) - 1, min(_SEARCHED_AT_MOST, len(side))).astype(int)]
            candidates.add(format_traces.find_interpolation(images[sample], height=height))
    fits = [
        (found, format_traces.fit_interpolation(images, found, height=height))
        for found in candidates
        if found is not None
    ]
    fits.sort(key=lambda entry: (entry[0].source, entry[0].kernel))
    for index, item in enumerate(items):
        item.categories["interpolation"] = "none"
        item.measures["interpolation"] = 0.0
        for found, fit in fits:
            if fit.carried[index] and fit.contrast[index] > item.measures["interpolation"]:
                item.measures["interpolation"] = min(float(fit.contrast[index]), 2.0)
                item.categories["interpolation"] = f"enlarged from {found.source} to {height} rows, {found.kernel}"


@dataclass(frozen=True, kw_only=True)
class _Comparison:
    """A categorical trace on both sides: counts ``(2, categories)`` and how they differ."""

    check: str
    names: list[str]
    counts: npt.NDArray[np.int64]
    distance: float
    by_chance: float
    p: float


def _compare(check: str, items: Iterable[_Item], rng: np.random.Generator) -> _Comparison | None:
    """Permutation test of the total variation distance; None where the trace never varies or a side lacks it."""
    counted = Counter((item.side, item.categories[check]) for item in items if check in item.categories)
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
    distance = _total_variation(counts[0], counts[1])
    # Labels dealt at random: the reals' counts are multivariate hypergeometric.
    dealt = rng.multivariate_hypergeometric(counts.sum(0), n_real, size=_DRAWS, method="marginals")
    by_chance = _total_variation(dealt, counts.sum(0) - dealt)
    p = float((1 + np.sum(by_chance >= distance - 1e-12)) / (1 + _DRAWS))
    return _Comparison(
        check=check,
        names=kept,
        counts=counts,
        distance=float(distance),
        by_chance=float(np.mean(by_chance)),
        p=p,
    )


def _total_variation(real: npt.NDArray[np.int64], fake: npt.NDArray[np.int64]) -> Any:
    real_shares, fake_shares = (side / side.sum(-1, keepdims=True) for side in (real, fake))
    return np.abs(real_shares - fake_shares).sum(-1) / 2


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


def _duplicates(items: Sequence[_Item]) -> list[Finding]:
    """The same picture on both sides, or in two splits of one side."""
    findings = []
    same_pixels: dict[bytes, list[int]] = defaultdict(list)
    for index, item in enumerate(items):
        same_pixels[item.pixels_sha256].append(index)
    exact: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for members in same_pixels.values():
        places: dict[tuple[str, str], int] = {}
        for index in members:
            places.setdefault((items[index].side, items[index].split), index)
        ordered = list(places.values())
        for position, first in enumerate(ordered):
            for second in ordered[position + 1 :]:
                if (where := _where(items[first], items[second])) is not None:
                    exact[where].append((first, second))
    for where, pairs in sorted(exact.items()):
        same_bytes = sum(
            items[a].file_sha256 is not None and items[a].file_sha256 == items[b].file_sha256 for a, b in pairs
        )
        findings.append(_duplicate_finding(items, where, pairs, what="the same pixels", same_bytes=same_bytes))
    near: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for first, second in _near_duplicates(items):
        where = _where(items[first], items[second])
        if where is not None and items[first].pixels_sha256 != items[second].pixels_sha256:
            near[where].append((first, second))
    for where, pairs in sorted(near.items()):
        findings.append(_duplicate_finding(items, where, pairs, what="nearly the same picture", same_bytes=None))
    return findings


def _where(first: _Item, second: _Item) -> str | None:
    if first.side != second.side:
        return "reals and fakes"
    return f"two splits of the {first.side}s" if first.split != second.split else None


def _duplicate_finding(
    items: Sequence[_Item], where: str, pairs: Sequence[tuple[int, int]], *, what: str, same_bytes: int | None
) -> Finding:
    # A collapsed generator repeats itself, a memorising one repeats its reals, a face swap resembles its source: that
    # is the generator. The same pixels as a real, or photographs in two splits, are the data.
    exactly = same_bytes is not None
    leak = where == "two splits of the reals" or (exactly and where == "reals and fakes")
    named = "; ".join(f"{items[a].name} = {items[b].name}" for a, b in pairs[:_NAMED_AT_MOST])
    more = f" and {len(pairs) - _NAMED_AT_MOST} more" if len(pairs) > _NAMED_AT_MOST else ""
    count = f"{len(pairs)} pair{'s' if len(pairs) != 1 else ''}"
    figures: dict[str, Any] = {"pairs": len(pairs), "images": [[items[a].name, items[b].name] for a, b in pairs[:50]]}
    if same_bytes is not None:
        figures["same_bytes"] = same_bytes
    return Finding(
        check="duplicates" if exactly else "near duplicates",
        gravity="leak" if leak else "note",
        sentence=f"{what} in {where}: {count}, {named}{more}",
        advice=_ADVICE["duplicates"],
        figures=figures,
    )


def _near_duplicates(items: Sequence[_Item]) -> list[tuple[int, int]]:
    """Pairs, upright or mirrored, whose DCT hashes are close and whose thumbnails correlate.

    Of each image only the nearest in each other place (a side's split) is given.
    """
    described = format_traces.perceptual_hashes(np.stack([item.thumbnail for item in items]))
    upright, mirrored = (bits.astype(np.float32) * 2 - 1 for bits in (described.upright, described.mirrored))
    thumbnails = described.thumbnails
    flipped = thumbnails[:, :, ::-1]
    places = sorted({(item.side, item.split) for item in items})
    place = np.array([places.index((item.side, item.split)) for item in items])
    bits = upright.shape[1]
    pairs: set[tuple[int, int]] = set()
    for start in range(0, len(items), _HASH_CHUNK):
        rows = np.arange(start, min(start + _HASH_CHUNK, len(items)))
        for hashes, others in ((upright, thumbnails), (mirrored, flipped)):
            distance = (bits - upright[rows] @ hashes.T) / 2
            for other in range(1, len(places)):
                columns = np.flatnonzero(place == other)
                nearest = columns[distance[:, columns].argmin(1)]
                close = (distance[rows - start, nearest] <= _HASH_DISTANCE) & (place[rows] < other)
                likeness = np.einsum("nij,nij->n", thumbnails[rows[close]], others[nearest[close]])
                same = likeness / thumbnails[0].size >= _SAME_THUMBNAIL
                pairs.update(zip(rows[close][same].tolist(), nearest[close][same].tolist(), strict=True))
    return sorted(pairs)


def _probe(items: Sequence[_Item], rng: np.random.Generator) -> Probe | None:
    is_fake = np.array([item.side == "fake" for item in items])
    counts = int((~is_fake).sum()), int(is_fake.sum())
    if min(counts) < _FEWEST_FOR_A_PROBE:
        return None
    columns = _features(items)
    scores = np.full(len(items), 0.5)
    strongest = ""
    if columns:
        table = np.column_stack(list(columns.values()))
        groups = _groups(items)
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


def _features(items: Sequence[_Item]) -> dict[str, npt.NDArray[np.float64]]:
    """Measures as they are, categories as indicators; what never varies, or is rarer than in 1%, is left out."""
    columns: dict[str, npt.NDArray[np.float64]] = {}
    for name in sorted({name for item in items for name in item.measures}):
        columns[name] = np.array([item.measures.get(name, 0.0) for item in items])
    for check in sorted({check for item in items for check in item.categories}):
        values = Counter(item.categories.get(check, "") for item in items)
        for value, count in sorted(values.items()):
            if 0.01 * len(items) <= count <= 0.99 * len(items):
                columns[f"{check}: {value}"] = np.array(
                    [float(item.categories.get(check, "") == value) for item in items]
                )
    return {name: column for name, column in columns.items() if np.ptp(column) > 0}


def _groups(items: Sequence[_Item]) -> list[str] | None:
    """Sub-folders (people, scenes), where each side has enough of them for every fold; else None."""
    folders = [len({item.group for item in items if item.side == side}) for side in SIDES]
    grouped = min(folders) >= 2 * _FOLDS and max(folders) < len(items) / 2
    return [item.group for item in items] if grouped else None


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


def _periodicity_findings(items: Sequence[_Item]) -> list[Finding]:
    """A note where one side's second derivative has a period that the other's has not."""
    sizes = Counter(item.size for item in items)
    both = [size for size in sizes if min(size) >= _SMALLEST_SIDE]
    of_size = {size: [[i for i in items if i.size == size and i.side == side] for side in SIDES] for size in both}
    usable = [size for size in both if min(len(side) for side in of_size[size]) >= _FEWEST_FOR_PERIODS]
    if not usable:
        return []
    size = max(usable, key=lambda size: (sizes[size], size))
    (frequencies, real), (_, fake) = (
        format_traces.periodicity(format_traces.luma(np.stack([item.crop for item in side]))) for side in of_size[size]
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
