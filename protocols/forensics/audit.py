"""The audit: could reals and fakes be told apart by their format alone?

Section 3.2 of the paper: a difference of codecs alone gives perfect average precision. The audit compares traces of
format (:mod:`fakeoff.protocols.forensics.format_traces`) between the sides, looks for pictures that are there twice,
and trains a small probe on nothing but the traces. A generator's own artefacts are not its business.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from fakeoff.arena.errors import DataError
from fakeoff.arena.images import Pixels
from fakeoff.arena.images.looking import cores
from fakeoff.arena.images.reals import LeftOut
from fakeoff.protocols.forensics import format_traces
from fakeoff.protocols.forensics.comparing import compare, judge, tells_of_rarer
from fakeoff.protocols.forensics.comparing_numbers import SHAPE, compare_numbers, judge_numbers
from fakeoff.protocols.forensics.duplicates import NAMED_AT_MOST, duplicates
from fakeoff.protocols.forensics.measuring import measure
from fakeoff.protocols.forensics.pixels import BLOCK, luma
from fakeoff.protocols.forensics.probing import probe, probe_findings
from fakeoff.protocols.forensics.reading import Nobody, Watch
from fakeoff.protocols.forensics.report import SEE, SIDES, AuditReport, Finding, Side, SideName
from fakeoff.protocols.forensics.sides import SMALLEST_SIDE, AuditedImage, draw, read_folder, take_pools

_FEWEST_FOR_PERIODS = 32

VIDEOS = "videos.jsonl"
"""The file of an extraction of videos; see :data:`fakeoff.arena.videos.MANIFEST`."""


_PERIOD_EXCESS = 1.2  # natural log of power over that of the neighbouring frequencies


def audit_folders(
    real: str | Path, fake: str | Path, *, seed: int = 0, workers: int | None = None, watch: Watch | None = None
) -> AuditReport:
    """Audits two folders of image files, searched in depth.

    Sub-folders ``train``, ``val`` and ``test`` are splits, and duplicates are looked for across them. Files that are
    no image are left out and named; damaged ones likewise, with a note. Of folders that were extracted from videos the
    videos' encodings are compared, too.

    Args:
        real: The photographs; ``orl`` and an asset by its name, too.
        fake: The generated images; likewise.
        seed: Of the draws; the same seed gives the same report.
        workers: Threads that read files; as many as there are cores by default. The report is the same.
        watch: Who is told how far it is.

    Raises:
        AssetError: An asset is not pulled yet, or it is damaged.
        DataError: No such folder, the same folder twice, or no usable image.
    """
    if Path(real).resolve() == Path(fake).resolve():
        raise DataError(f"'{real}' was given as both sides; give a folder of reals and another of fakes")
    workers, watch = workers or cores(), watch or Nobody()
    images: list[AuditedImage] = []
    left_out: dict[SideName, list[LeftOut]] = {"real": [], "fake": []}
    for side, root in zip(SIDES, (real, fake), strict=True):
        found = draw(read_folder(root, side, left_out=left_out[side], workers=workers, watch=watch), seed=seed)
        if not found:
            first = f" ({left_out[side][0].name}: {left_out[side][0].reason})" if left_out[side] else ""
            raise DataError(f"no usable image in '{root}'{first}; give a folder of {side} images")
        images += found
    watch.measuring()
    for noted in left_out.values():  # some are known by their names, before others are read
        noted.sort(key=lambda file: file.name.split("/"))
    return _audit(images, left_out=left_out, seed=seed, more=_video_findings(Path(real), Path(fake), seed=seed))


def _video_findings(real: Path, fake: Path, *, seed: int) -> list[Finding]:
    """What is told of the videos behind two folders; what reads that imports PyTorch, so only where there are any."""
    if not any((above / VIDEOS).is_file() for above in real.resolve().parents):
        return []
    from fakeoff.protocols.forensics.encodings import encoding_findings

    return encoding_findings(real, fake, seed=seed)


def audit_pools(real: Mapping[str, Pixels], fake: Mapping[str, Pixels], *, seed: int = 0) -> AuditReport:
    """Audits decoded pools: traces that survive decoding, and duplicates. Reads no file; a pure function.

    Args:
        real: uint8 ``(n, h, w, 3)`` by the name of the split.
        fake: Likewise.
        seed: Of the draws; the same seed gives the same report.

    Raises:
        DataError: A side is empty, or is not uint8 ``(n, h, w, 3)``.
    """
    images: list[AuditedImage] = []
    for side, pools in zip(SIDES, (real, fake), strict=True):
        found = draw(take_pools(pools, side), seed=seed)
        if not found:
            raise DataError(f"no {side} images; the audit compares two sides")
        images += found
    return _audit(images, left_out={}, seed=seed)


def _audit(
    images: Sequence[AuditedImage],
    *,
    left_out: Mapping[SideName, Sequence[LeftOut]],
    seed: int,
    more: Sequence[Finding] = (),
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
    measure(measured)
    in_pixels = dict.fromkeys(name for image in measured for name in image.categories)
    pixel_checks = [name for name in in_pixels if name not in file_checks]

    comparisons = [compare(check, images, rng) for check in file_checks]
    comparisons += [compare(check, measured, rng) for check in pixel_checks]
    varied = [comparison for comparison in comparisons if comparison is not None]
    numbers = compare_numbers(images)
    tests = len(varied) + len(numbers)
    findings = [finding for comparison in varied if (finding := judge(comparison, tests=tests))]
    telling = [finding for finding in findings if finding.check != "size" or not tells_of_rarer(finding)]
    in_numbers = judge_numbers(numbers, tests=tests, seed=seed, found=telling)
    findings = [*(telling if {finding.check for finding in in_numbers} & set(SHAPE) else findings), *in_numbers]
    # A small probe makes something of any number that varies, so it is shown those that are a leak by themselves.
    shown = {finding.check for finding in findings if finding.gravity == "leak"} & set(SHAPE)
    for image in measured:
        image.measures |= {check: SHAPE[check](image.size) for check in shown}
    findings += duplicates(images)
    probed = probe(measured, rng)
    findings += probe_findings(probed, {side: sum(sides[side].images.values()) for side in SIDES})
    if not {finding.check for finding in findings} & {"interpolation", "JPEG history"}:
        findings += _periodicity_findings(measured)
    findings += [*more, *_left_out_findings(sides)]
    findings.sort(key=lambda finding: finding.gravity != "leak")
    return AuditReport(
        real=sides["real"],
        fake=sides["fake"],
        measured=len(measured),
        comparisons=tests,
        findings=tuple(findings),
        probe=probed,
        seed=seed,
    )


def _periodicity_findings(images: Sequence[AuditedImage]) -> list[Finding]:
    """A note where one side's second derivative has a period that the other's has not."""
    sizes = Counter(image.size for image in images)
    both = [size for size in sizes if min(size) >= SMALLEST_SIDE]
    of_size = {size: [[i for i in images if i.size == size and i.side == side] for side in SIDES] for size in both}
    usable = [size for size in both if min(len(side) for side in of_size[size]) >= _FEWEST_FOR_PERIODS]
    if not usable:
        return []
    size = max(usable, key=lambda size: (sizes[size], size))
    (frequencies, real), (_, fake) = (
        format_traces.periodicity(np.stack([luma(image.pixels) for image in side])) for side in of_size[size]
    )
    excess = np.maximum(real, fake)
    stands_out = np.where((excess > _PERIOD_EXCESS) & (np.abs(real - fake) > _PERIOD_EXCESS), excess, -np.inf)
    if any(image.categories["JPEG history"] != "none" for side in of_size[size] for image in side):
        off_blocks = np.abs(BLOCK * frequencies - np.rint(BLOCK * frequencies))
        stands_out[off_blocks < BLOCK * np.diff(frequencies).min()] = -np.inf  # how deep blocks show is content
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
            advice=f"if no generator made the {periodic}, look for a resize on that side; {SEE}",
            figures={"frequency": float(frequencies[at]), "real": float(real[at]), "fake": float(fake[at])},
        )
    ]


def _left_out_findings(sides: Mapping[SideName, Side]) -> list[Finding]:
    findings = []
    for side in SIDES:
        left_out = sides[side].left_out
        if left_out:
            named = "; ".join(f"{file.name} ({file.reason})" for file in left_out[:NAMED_AT_MOST])
            more = f" and {len(left_out) - NAMED_AT_MOST} more" if len(left_out) > NAMED_AT_MOST else ""
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
