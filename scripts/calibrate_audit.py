"""Measures what `fakeoff audit` says of clean folders and of planted leaks; docs/audit.md shows the table.

python scripts/calibrate_audit.py --out docs/results/audit-calibration.json
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter

from fakeoff.arena.images import Pixels, quantise
from fakeoff.arena.images.reals import SPLITS, orl_faces
from fakeoff.arena.players.specs import find_weights
from fakeoff.arena.seeds import rng_from
from fakeoff.generators.pgan import ProgressiveGAN
from fakeoff.protocols.forensics.audit import audit_folders, audit_pools
from fakeoff.protocols.forensics.report import AuditReport
from fakeoff.protocols.rules import referee

RESOLUTION = 64
N_REAL, N_FAKE = 80, 160
N_WAVES = 20  # a side
SAVED = ((75,), (85,), (90,), (95,), (50, 90), (75, 90), (85, 95), (90, 75))  # qualities, of each saving
PGAN: dict[str, Any] = {"plugin": "pgan", "parameters": {}}


def each(pixels: Pixels, change: Callable[[Image.Image], Image.Image]) -> Pixels:
    return np.stack([np.asarray(change(Image.fromarray(image)).convert("RGB")) for image in pixels])


def jpeg(quality: int) -> Callable[[Image.Image], Image.Image]:
    def change(image: Image.Image) -> Image.Image:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        return Image.open(file)

    return change


def enlarged(source: int, kernel: Image.Resampling) -> Callable[[Image.Image], Image.Image]:
    def change(image: Image.Image) -> Image.Image:
        return image.resize((source, source), Image.Resampling.LANCZOS).resize(image.size, kernel)

    return change


def planted() -> Iterator[tuple[str, Callable[[Pixels], Pixels]]]:
    for quality in (75, 80, 85, 90, 92, 95, 96, 97, 98, 99, 100):
        yield f"JPEG quality {quality}", lambda p, q=quality: each(p, jpeg(q))
    yield "JPEG quality 95 on a tenth", lambda p: np.concatenate([each(p[: len(p) // 10], jpeg(95)), p[len(p) // 10 :]])
    for source in (32, 48, 56, 60):
        for kernel in (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS):
            yield (
                f"enlarged from {source}, {kernel.name.lower()}",
                lambda p, s=source, k=kernel: each(p, enlarged(s, k)),
            )
    yield (
        "enlarged from 48, bicubic, then JPEG 90",
        lambda p: each(each(p, enlarged(48, Image.Resampling.BICUBIC)), jpeg(90)),
    )
    yield "7 bits", lambda p: p // 2 * 2
    yield "4 bits", lambda p: p // 16 * 17
    yield "contrast x 1.1", lambda p: np.clip(p * 1.1, 0, 255).round().astype(np.uint8)
    yield "gamma 0.8", lambda p: (255 * (p / 255) ** 0.8).round().astype(np.uint8)
    for sigma in (1, 2):
        yield f"blurred, sigma {sigma}", lambda p, s=sigma: each(p, lambda i: i.filter(ImageFilter.GaussianBlur(s)))
    yield "enlarged from 48, bicubic, then noise", lambda p: noisy(each(p, enlarged(48, Image.Resampling.BICUBIC)))
    yield "WebP quality 80", lambda p: each(p, webp)


def waves(side: int, seed: int, *, highest: float, sigma: float, colour: bool = False) -> Pixels:
    """A smooth picture with sensor noise, drawn at its size: uint8 ``(side, side, 3)``.

    Args:
        side: Pixels.
        seed: Of the picture.
        highest: Cycles per pixel of its finest wave.
        sigma: Of the noise, in grey levels.
        colour: Whether each channel is a picture of its own, half and half with what is common.
    """
    rng = np.random.default_rng(seed)
    at = np.arange(side) / side
    channels = []
    for _ in range(4 if colour else 1):
        frequencies = rng.uniform(-highest * side, highest * side, (120, 2))
        heights = rng.normal(size=120) / (1 + np.hypot(*frequencies.T))
        down, across = (np.exp(2j * np.pi * np.outer(at, of)) for of in frequencies.T)
        field = ((down * heights * np.exp(2j * np.pi * rng.random(120))) @ across.T).real
        channels.append((field - field.min()) / np.ptp(field) * 200 + 25)
    drawn = np.stack([(one + channels[0]) / 2 for one in channels[-3:]] if colour else channels * 3, axis=-1)
    noise = rng.normal(0, sigma, (side, side, 1))
    return (drawn + noise).round().clip(0, 255).astype(np.uint8)


def saved(pixels: Pixels, qualities: tuple[int, ...]) -> Pixels:
    for quality in qualities:
        pixels = each(pixels, jpeg(quality))
    return pixels


def smooth(side: int, *, colour: bool = False) -> list[AuditReport]:
    """Smoother pictures against noisier ones that were saved alike: nothing but content differs."""
    reports = []
    for highest in (0.02, 0.12):
        for sigmas in ((5, 2), (1, 0)):
            drawn = [
                np.stack([waves(side, 1000 * of + i, highest=highest, sigma=s, colour=colour) for i in range(N_WAVES)])
                for of, s in enumerate(sigmas)
            ]
            for qualities in ((), *SAVED):
                real, fake = (saved(pixels, qualities) for pixels in drawn)
                reports.append(audit_pools({"all": real}, {"all": fake}))
    return reports


def resized_waves(*, before: tuple[int, ...], after: tuple[int, ...]) -> list[AuditReport]:
    """Pictures that were enlarged from 448 to 512 against such that were not, saved before that and after it."""
    reports = []
    for kernel in (Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS):
        real = np.stack([waves(512, i, highest=0.12, sigma=5) for i in range(N_WAVES)])
        small = np.stack([waves(448, 1000 + i, highest=0.12, sigma=5) for i in range(N_WAVES)])
        fake = each(saved(small, before), lambda image, k=kernel: image.resize((512, 512), k))
        reports.append(audit_pools({"all": saved(real, after)}, {"all": saved(fake, after)}))
    return reports


def sizes(seed: int, *, apart: int) -> AuditReport:
    """Files whose sizes all differ; those of the fakes are larger by so many pixels."""
    rng = np.random.default_rng(seed)
    with tempfile.TemporaryDirectory() as scratch:
        folders = [Path(scratch) / "real", Path(scratch) / "fake"]
        heights, widths = (100 + rng.permutation(60)[:48] for _ in range(2))
        for index in range(48):
            fake = index >= 24
            shape = heights[index] + fake * apart, widths[index] + fake * apart
            folders[fake].mkdir(exist_ok=True)
            picture = waves(max(shape), 100 * seed + index, highest=0.12, sigma=5)[: shape[0], : shape[1]]
            Image.fromarray(picture).save(folders[fake] / f"{index}.png")
        return audit_folders(*folders, seed=seed)


def noisy(pixels: Pixels) -> Pixels:
    noise = np.random.default_rng(0).normal(0, 1, (*pixels.shape[:3], 1))
    return (pixels + noise).round().clip(0, 255).astype(np.uint8)


def webp(image: Image.Image) -> Image.Image:
    file = io.BytesIO()
    image.save(file, "WEBP", quality=80)
    return Image.open(file)


def outcome(reports: list[AuditReport]) -> dict[str, Any]:
    checks = sorted({leak.check for report in reports for leak in report.leaks})
    notes = sorted({f.check for report in reports for f in report.findings if f.gravity == "note"})
    aps = [report.probe.ap for report in reports if report.probe]
    return {
        "audits": len(reports),
        "flagged": sum(bool(report.leaks) for report in reports),
        "flagged_by": {check: sum(check in {leak.check for leak in r.leaks} for r in reports) for check in checks},
        "noted": notes,
        "probe_ap": [round(float(value), 3) for value in (min(aps), np.median(aps), max(aps))],
    }


def many(n: int) -> dict[str, Any]:
    """What n images a side take; tiny ones, so that it is the audit and not the decoding that is timed."""
    rng = np.random.default_rng(0)
    pools = [{"all": rng.integers(0, 256, (n, 32, 32, 3), dtype=np.uint8)} for _ in range(2)]
    before, begun = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    audit_pools(*pools)
    after = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "images_a_side": n,
        "seconds": round(time.perf_counter() - begun, 1),
        "processor_seconds": round(after.ru_utime - before.ru_utime, 1),
        "megabytes": round((after.ru_maxrss - before.ru_maxrss) / 1024),
    }


def rows(*, halves: int, repeats: int) -> Iterator[tuple[str, Callable[[], list[AuditReport]]]]:
    """The rows of the table: what is audited, and its audits."""
    source = orl_faces()
    photographs = np.concatenate([source.load(split, resolution=RESOLUTION, colour="grey") for split in SPLITS])

    def halved(n_real: int, n_fake: int, audits: int, change: Callable[[Pixels], Pixels]) -> list[AuditReport]:
        reports = []
        for seed in range(audits):
            order = np.random.default_rng(seed).permutation(len(photographs))
            one, other = photographs[order[:n_real]], photographs[order[n_real : n_real + n_fake]]
            reports.append(audit_pools({"all": one}, {"all": change(other)}, seed=seed))
        return reports

    def generated() -> list[AuditReport]:
        generator = referee.build_generator(PGAN, places={"weights": str(find_weights("pgan-orl-64", ProgressiveGAN))})
        fakes = quantise(referee.draw(generator, 560, rng=rng_from("calibrate")).images, colour="grey")
        return [audit_pools({"all": photographs}, {"all": fakes}, seed=seed) for seed in range(repeats)]

    def as_they_are(pixels: Pixels) -> Pixels:
        return pixels

    yield "random halves of the photographs, 200 against 200", lambda: halved(200, 200, halves, as_they_are)
    yield f"photographs, {N_REAL} against {N_FAKE} others", lambda: halved(N_REAL, N_FAKE, halves, as_they_are)
    yield "photographs against pgan@0, 400 against 560", generated
    for name, change in planted():
        yield name, lambda c=change: halved(N_REAL, N_FAKE, repeats, c)
    for side in (64, 128, 256, 512, 1024):
        name = f"smoother waves against noisier ones, never resized, saved alike, {side} px"
        yield name, lambda s=side: smooth(s)
    for side in (256, 512):
        yield f"the same in colour, {side} px", lambda s=side: smooth(s, colour=True)
    for name, before, after in (
        ("waves enlarged from 448 to 512", (), ()),
        ("waves saved as JPEG 75, then enlarged from 448 to 512", (75,), ()),
        ("waves enlarged from 448 to 512, then both sides JPEG 75", (), (75,)),
    ):
        yield name, lambda b=before, a=after: resized_waves(before=b, after=a)
    for name, audits, apart in (
        ("sizes that all differ, alike on both sides", 200, 0),
        ("sizes that all differ, fakes larger", 20, 64),
    ):
        yield name, lambda n=audits, a=apart: [sizes(seed, apart=a) for seed in range(n)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--halves", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--many", type=int, default=70_000)
    parser.add_argument("--only", default="", help="rows whose names hold this; the others keep what is stored")
    arguments = parser.parse_args()
    record: dict[str, Any] = json.loads(arguments.out.read_text()) if arguments.only else {"table": {}}
    if not arguments.only:
        record["many"] = many(arguments.many)  # first, or the peak of memory is another's
        print(record["many"], flush=True)
    begun = time.perf_counter()
    for name, audits in rows(halves=arguments.halves, repeats=arguments.repeats):
        if arguments.only in name:
            record["table"][name] = outcome(audits())
            print(name, record["table"][name], flush=True)
    if not arguments.only:
        record["seconds"] = round(time.perf_counter() - begun)
        rng = np.random.default_rng(0)
        shape = (600, RESOLUTION, RESOLUTION, 3)
        pools = [{split: rng.integers(0, 256, shape, dtype=np.uint8) for split in SPLITS} for _ in range(2)]
        timed = time.perf_counter()
        audit_pools(*pools)
        record |= {
            "command": f"python scripts/calibrate_audit.py --halves {arguments.halves} --repeats {arguments.repeats}",
            "n_real": N_REAL,
            "n_fake": N_FAKE,
            "n_waves": N_WAVES,
            "resolution": RESOLUTION,
            "seconds_for_3_splits_of_600": round(time.perf_counter() - timed, 2),
        }
    arguments.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
