"""The power spectrum: what it sees, and that it learns at once."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from fakeoff.arena.players.specs import weights_hash
from fakeoff.detectors import Batch
from fakeoff.detectors.contract import DetectorContract
from fakeoff.detectors.spectrum import PowerSpectrum


class TestPowerSpectrum(DetectorContract):
    player = "power_spectrum"
    resolution = 32


def rng(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def smooth(n: int, *, side: int, seed: int) -> Tensor:
    """What a camera sees: blurred, with a little noise of the sensor."""
    coarse = torch.rand(n, 3, 5, 5, generator=rng(seed))
    seen = F.interpolate(coarse, size=(side, side), mode="bicubic").clamp(0, 1)
    return (seen + 0.02 * torch.randn(seen.shape, generator=rng(seed + 1))).clamp(0, 1)


def upsampled(n: int, *, side: int, seed: int) -> Tensor:
    """The same scenes, whose noise was made at half the size and doubled: a grid of two pixels."""
    coarse = torch.rand(n, 3, 5, 5, generator=rng(seed))
    seen = F.interpolate(coarse, size=(side, side), mode="bicubic").clamp(0, 1)
    noise = 0.02 * torch.randn(n, 3, side // 2, side // 2, generator=rng(seed + 1))
    return (seen + F.interpolate(noise, scale_factor=2)).clamp(0, 1)


def fitted(reals: Tensor, fakes: Tensor, *, seed: int = 0, **parameters: Any) -> PowerSpectrum:
    images, is_fake = torch.cat([reals, fakes]), torch.arange(len(reals) + len(fakes)) >= len(reals)

    def batches() -> Iterator[Batch]:
        for places in torch.randperm(len(images), generator=rng(seed)).split(16):
            yield Batch(images=images[places], is_fake=is_fake[places])

    player = PowerSpectrum(**parameters)
    player.fit(batches, rng=rng(0))
    return player.eval()


def test_it_tells_the_grid_of_upsampled_noise_from_smooth_pictures_at_the_size_it_learned_at_and_at_others() -> None:
    player = fitted(smooth(48, side=32, seed=0), upsampled(48, side=32, seed=10))
    for side in (32, 48, 24):
        real, fake = (player.score(make(32, side=side, seed=20)) for make in (smooth, upsampled))
        assert fake.min() > real.max(), side
        if side == 32:
            assert real.max() < 0.5 < fake.min()


def test_before_it_learned_it_knows_nothing() -> None:
    assert PowerSpectrum().score(smooth(3, side=16, seed=0)).tolist() == [0.5] * 3


def test_the_same_images_in_another_order_teach_it_the_same() -> None:
    sides = smooth(20, side=32, seed=0), upsampled(30, side=32, seed=10)
    first, other = fitted(*sides, seed=0), fitted(*sides, seed=1)
    again = fitted(*sides, seed=0)
    assert weights_hash(first.state_dict()) == weights_hash(again.state_dict())
    shown = smooth(8, side=32, seed=5)
    assert torch.allclose(first.score(shown), other.score(shown), atol=1e-3)  # to the optimiser's tolerance
    assert [value.dtype for value in first.state_dict().values()] == [torch.float64] * 4


def test_more_fakes_than_reals_make_it_no_readier_to_call_fake() -> None:
    """Sides that cannot be told apart: the mean score stays a half, whatever the numbers."""
    reals, fakes = smooth(16, side=16, seed=0), smooth(160, side=16, seed=3)
    player = fitted(reals, fakes, bins=4, inverse_penalty=0.01)
    assert player.score(smooth(200, side=16, seed=7)).mean().item() == pytest.approx(0.5, abs=0.1)


def test_white_noise_has_the_same_power_at_every_radius() -> None:
    noise = 0.5 + 0.1 * torch.randn(200, 1, 64, 64, generator=rng(1)).expand(-1, 3, -1, -1)
    luma = PowerSpectrum(bins=16).profile(noise)[:, :16].mean(0)
    assert luma[1:] == pytest.approx([math.log(0.1**2)] * 15, abs=0.1)


@pytest.mark.parametrize(("h", "w"), [(64, 64), (40, 64), (65, 33), (8, 8)])
def test_a_profile_is_the_mean_of_the_whole_plane_by_radius(h: int, w: int) -> None:
    bins, image = 8, torch.rand(1, 3, h, w, generator=rng(2)).double()
    luma = (image[0] * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(0).numpy()
    window = np.hanning(h)[:, None] * np.hanning(w)
    power = np.abs(np.fft.fft2((luma - luma.mean()) * window)) ** 2 / (window**2).sum()
    radius = np.hypot(*np.meshgrid(np.fft.fftfreq(h), np.fft.fftfreq(w), indexing="ij"))
    place = np.minimum((radius / 0.5**0.5 * bins).astype(int), bins - 1)
    found = PowerSpectrum(bins=bins).profile(image)[0, :bins]
    for ring in range(bins):
        inside = (place == ring) & (radius > 0)
        if inside.any():
            assert found[ring] == pytest.approx(math.log(power[inside].mean() + 1 / (12 * 255**2)), abs=1e-3)
    assert np.isfinite(found).all()


def test_a_grey_image_has_no_chroma_and_a_mirrored_one_the_same_profile() -> None:
    player, image = PowerSpectrum(), torch.rand(2, 3, 24, 24, generator=rng(3))
    assert np.abs(player.profile(image.flip(-1)) - player.profile(image)).max() < 1e-5
    grey = player.profile(image[:, :1].expand(-1, 3, -1, -1))[:, 32:]
    assert np.ptp(grey) < 1e-6


@pytest.mark.parametrize(
    ("parameters", "message"), [({"bins": 1}, "bins is 1"), ({"inverse_penalty": 0.0}, r"inverse_penalty is 0\.0")]
)
def test_what_cannot_be_is_refused(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PowerSpectrum(**parameters)
    with pytest.raises(ValueError, match="9 x 7 pixels are too small for a spectrum; give 8 or more"):
        PowerSpectrum().score(torch.zeros(1, 3, 7, 9))
