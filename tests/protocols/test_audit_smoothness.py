"""What JPEG makes of a smooth picture is no trace of anything but JPEG."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
import pytest
from PIL import Image

from fakeoff.arena.images import Pixels
from fakeoff.protocols.forensics import format_traces
from fakeoff.protocols.forensics.audit import audit_pools
from fakeoff.protocols.forensics.jpeg_grid import jpeg_grid
from fakeoff.protocols.forensics.pixels import Floats, luma
from fakeoff.protocols.forensics.recompression import Recompressed, rows_off
from fakeoff.protocols.forensics.report import AuditReport

N = 14


@cache
def waves(side: int, *, first: int, sigma: float, colour: bool = False) -> Pixels:
    """Smooth pictures with sensor noise, drawn at their size: the same field at any size."""
    at = np.arange(side) / side
    pictures = []
    for seed in range(first, first + N):
        rng = np.random.default_rng(seed)
        channels = []
        for _ in range(3 if colour else 1):
            k = rng.uniform(-6, 6, (60, 2))
            down, across = (np.exp(2j * np.pi * np.outer(at, of)) for of in k.T)
            heights = rng.normal(size=60) / (1 + np.hypot(*k.T)) * np.exp(2j * np.pi * rng.random(60))
            field = ((down * heights) @ across.T).real
            channels.append((field - field.min()) / np.ptp(field) * 200 + 25)
        drawn = np.stack(channels * (1 if colour else 3), axis=-1)
        pictures.append((drawn + rng.normal(0, sigma, (side, side, 1))).round().clip(0, 255).astype(np.uint8))
    return np.stack(pictures)


def saved(pixels: Pixels, *qualities: int) -> Pixels:
    for quality in qualities:
        decoded = []
        for picture in pixels:
            file = io.BytesIO()
            Image.fromarray(picture).save(file, "JPEG", quality=quality)
            decoded.append(np.asarray(Image.open(file)))
        pixels = np.stack(decoded)
    return pixels


def enlarged(pixels: Pixels, side: int) -> Pixels:
    return np.stack([np.asarray(Image.fromarray(picture).resize((side, side), 3)) for picture in pixels])


def leaks(real: Pixels, fake: Pixels) -> set[str]:
    return {finding.check for finding in report(real, fake).leaks}


def report(real: Pixels, fake: Pixels) -> AuditReport:
    return audit_pools({"all": real}, {"all": fake})


@pytest.mark.parametrize("side", [64, 256])
@pytest.mark.parametrize("qualities", [(75,), (90,), (75, 90)])
def test_smoother_pictures_that_were_saved_alike_are_clean(side: int, qualities: tuple[int, ...]) -> None:
    # JPEG sets the smoother ones' highest frequencies to nothing, as if eight rows had been made of seven.
    real, fake = waves(side, first=0, sigma=5), waves(side, first=500, sigma=2)
    assert report(saved(real, *qualities), saved(fake, *qualities)).findings[:-1] == ()  # the last: too few to probe


def test_so_are_such_in_colour_whose_quality_two_tables_explain() -> None:
    real, fake = waves(128, first=0, sigma=5, colour=True), waves(128, first=500, sigma=2, colour=True)
    assert not leaks(saved(real, 75, 90), saved(fake, 75, 90))


def test_the_same_pictures_really_enlarged_are_a_leak_whatever_was_before_that() -> None:
    real, small = waves(256, first=0, sigma=5), waves(224, first=500, sigma=5)
    for before in ((), (75,)):
        (leak,) = report(real, enlarged(saved(small, *before), 256)).leaks
        assert leak.sentence.startswith("interpolation: enlarged from 224 to 256 rows, ")
        assert "on 100% of 14 fakes and 0% of 14 reals" in leak.sentence


def test_an_enlargement_that_only_one_side_compressed_is_a_leak_by_its_jpeg() -> None:
    real, small = waves(256, first=0, sigma=2), waves(224, first=500, sigma=2)
    assert leaks(real, saved(enlarged(small, 256), 75)) == {"JPEG history"}


def test_of_two_savings_the_last_is_named() -> None:
    twice = jpeg_grid(luma(saved(waves(128, first=0, sigma=5), 75, 90)))
    assert set(twice.quality.tolist()) <= set(range(88, 93))
    other_way = jpeg_grid(luma(saved(waves(128, first=0, sigma=5), 90, 75)))
    assert set(other_way.quality.tolist()) <= {74, 75, 76}


def test_another_quality_of_smooth_pictures_is_a_leak() -> None:
    real, fake = waves(128, first=0, sigma=2), waves(128, first=500, sigma=2)
    assert leaks(saved(real, 75), saved(fake, 95)) == {"JPEG history"}


def test_a_picture_is_moved_off_the_rows_of_a_resize() -> None:
    assert [rows_off(ratio) for ratio in (7 / 8, 3 / 4, 5 / 8)] == [4, 2, 4]
    assert rows_off(1 / 2) in (3, 5)


def test_what_is_moved_keeps_as_many_coefficients_and_what_has_no_history_stays_as_it_is() -> None:
    images: Floats = luma(saved(waves(64, first=0, sigma=5)[:2], 75)).round()
    moved = Recompressed(images, [(0, 0), None]).moved(4)
    assert (moved[1] == images[1]).all()
    coefficients = [(np.abs(_spectrum(picture)) > 1.5).sum() for picture in (images[0], moved[0])]
    assert coefficients[1] == pytest.approx(coefficients[0], rel=0.1)
    again = Recompressed(moved[:1], [(0, 0)]).moved(4)[0]
    assert np.abs(again[8:-8] - images[0, 16:]).mean() < 3  # eight rows further up, and little else


def _spectrum(picture: Floats) -> Floats:
    from fakeoff.protocols.forensics.jpeg_grid import block_spectrum

    return block_spectrum(picture[None], (0, 0))


def test_where_a_pictures_levels_end_none_are_missing() -> None:
    smooth = waves(256, first=0, sigma=0)[:, 100:164, 100:164, 1].astype(np.float32)  # a few dozen levels
    assert np.abs(format_traces.histogram_gaps(smooth)).max() < 0.005


def test_what_flat_blocks_leave_out_is_no_gap_and_what_is_left_out_of_textured_ones_is() -> None:
    row, column = np.mgrid[0:128, 0:128]
    slow = (110 + 40 * np.sin(row / 80) * np.cos(column / 110))[None, ..., None].repeat(3, axis=3)
    flat = saved(slow.round().astype(np.uint8), 30)[..., 1].astype(np.float32)
    assert format_traces.histogram_gaps(flat).max() > 0.3
    assert format_traces.histogram_gaps(flat, phases=[(0, 0)]).max() < format_traces.HISTOGRAM_GAPS
    seven_bits = saved(waves(256, first=0, sigma=5), 90)[:, 64:192, 64:192, 1] // 2 * 2
    assert format_traces.histogram_gaps(seven_bits.astype(np.float32), phases=[(0, 0)] * N).min() > 0.3
