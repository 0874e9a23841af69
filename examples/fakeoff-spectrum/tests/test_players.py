"""What this player promises beyond the contract."""

from __future__ import annotations

import math

import pytest
import torch
from fakeoff_spectrum.players import SpectrumDetector
from torch import Tensor

from fakeoff.detectors import Batch

BANDS = 32


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def grey(plane: Tensor) -> Tensor:
    return plane[:, None].expand(-1, 3, -1, -1)


def test_white_noise_has_a_flat_profile_at_its_variance() -> None:
    noise = 0.5 + 0.1 * torch.randn(64, 96, 96, generator=rng())
    luma = SpectrumDetector().profile(grey(noise))[:, :BANDS].mean(0)
    # The outermost rings hold a handful of frequencies each, and a mean of logarithms lies below the logarithm.
    assert (luma[2:-2] - math.log(0.1**2)).abs().max() < 0.15


@pytest.mark.parametrize(("h", "w"), [(64, 64), (128, 128), (50, 81), (16, 16)])
@pytest.mark.parametrize("frequency", [0.15, 0.3])
def test_a_wave_stands_at_its_frequency_whatever_the_size(h: int, w: int, frequency: float) -> None:
    x = torch.arange(w, dtype=torch.float32)
    wave = 0.5 + 0.4 * torch.sin(2 * math.pi * frequency * x).expand(1, h, w)
    luma = SpectrumDetector().profile(grey(wave))[0, :BANDS]
    # Cycles a pixel, from the first ring to the corner of the spectrum.
    place = torch.linspace(1 / min(h, w), 0.5**0.5, BANDS)[luma.argmax()]
    assert place == pytest.approx(frequency, abs=0.75 / min(h, w) + 0.02)


def test_a_mirrored_or_turned_image_has_the_same_profile() -> None:
    detector, images = SpectrumDetector(), torch.rand(2, 3, 40, 40, generator=rng())
    expected = detector.profile(images)
    for other in (images.flip(-1), images.flip(-2), images.transpose(-1, -2)):
        assert torch.allclose(detector.profile(other), expected, atol=1e-3)


def test_the_border_does_not_stand_in_the_spectrum() -> None:
    ramp = torch.linspace(0, 1, 64).expand(1, 64, 64)  # smooth, but it jumps from one border to the other
    noise = 0.5 + 0.01 * torch.randn(1, 64, 64, generator=rng())
    profile = SpectrumDetector().profile(grey(torch.cat([ramp, noise])))[:, :BANDS]
    assert (profile[0, BANDS // 2 :] < profile[1, BANDS // 2 :]).all()


def test_grey_images_have_no_chroma() -> None:
    profile = SpectrumDetector().profile(grey(torch.rand(2, 32, 32, generator=rng())))
    assert profile[:, BANDS:].std() < 1e-4
    assert profile[:, :BANDS].min() > profile[:, BANDS:].max()


def test_chroma_is_read_where_luma_is_the_same() -> None:
    noise = 0.1 * torch.randn(2, 32, 32, generator=rng())
    images = torch.full((2, 3, 32, 32), 0.5)
    images[:, 0] += noise
    images[:, 1] -= noise * 0.299 / 0.587
    profile = SpectrumDetector().profile(images)
    assert profile[:, :BANDS].max() < profile[:, 2 * BANDS :].min()


def test_an_image_that_is_too_small_is_refused() -> None:
    with pytest.raises(ValueError, match="40 x 15 pixels are too small"):
        SpectrumDetector().score(torch.rand(1, 3, 15, 40))
    with pytest.raises(ValueError, match="bands is 1"):
        SpectrumDetector(bands=1)


def test_it_tells_upsampled_images_from_sharp_ones() -> None:
    """What it is made for: a texture, and its like after an up-sampling layer."""
    detector = SpectrumDetector()
    draw = rng(1)

    def batch(n: int) -> tuple[Tensor, Tensor]:
        sharp = torch.rand(n, 3, 32, 32, generator=draw)
        upsampled = torch.nn.functional.interpolate(torch.rand(n, 3, 16, 16, generator=draw), scale_factor=2)
        return torch.cat([sharp, upsampled]), torch.arange(2 * n) >= n

    for _ in range(60):
        shown, truth = batch(8)
        measured = detector.train_step(Batch(images=shown, is_fake=truth), rng=draw)
    images, is_fake = batch(32)
    scores = detector.eval().score(images)
    assert scores[is_fake].min() > scores[~is_fake].max()
    assert measured["accuracy"] == 1.0
