from __future__ import annotations

import numpy as np
import pytest
import torch

from fakeoff.detectors import degradation
from fakeoff.detectors.degradation import SUBSAMPLINGS, Floats, blur, compress, degrade


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(n: int, side: int = 16, *, grey: bool = False) -> torch.Tensor:
    images = torch.rand(n, 1 if grey else 3, side, side, generator=rng(9))
    return images.expand(-1, 3, -1, -1).contiguous()


def colourful(side: int = 32) -> degradation.Pixels:
    """One grey value, and colours that change from pixel to pixel: all that there is to lose is chroma."""
    pixels = np.full((side, side, 3), 128, dtype=np.uint8)
    pixels[::2, ::2, 0], pixels[1::2, 1::2, 2] = 255, 255
    return pixels


class Watched:
    """Takes the place of blur and JPEG, and keeps what is asked of them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.sigmas: dict[int, float] = {}
        self.jpegs: dict[int, tuple[int, str]] = {}
        monkeypatch.setattr(degradation, "blur", self._blur)
        monkeypatch.setattr(degradation, "compress", self._compress)

    def _blur(self, image: Floats, *, sigma: float) -> Floats:
        self.sigmas[self._number(image * 255)] = sigma
        return image

    def _compress(self, image: degradation.Pixels, *, quality: int, subsampling: str) -> degradation.Pixels:
        self.jpegs[self._number(image)] = quality, subsampling
        return image

    def _number(self, levels: np.ndarray) -> int:  # type: ignore[type-arg]
        high, low, _ = np.rint(levels[0, 0]).astype(int)
        return int(high) * 256 + int(low)


def numbered(n: int) -> torch.Tensor:
    """Images of one pixel that carry their number."""
    index = torch.arange(n)
    return torch.stack([index // 256, index % 256, torch.zeros(n, dtype=torch.long)], 1).view(n, 3, 1, 1) / 255


@pytest.mark.parametrize("probability", [0.1, 0.5])
def test_blur_and_jpeg_meet_an_image_each_with_the_probability(
    monkeypatch: pytest.MonkeyPatch, probability: float
) -> None:
    watched, n = Watched(monkeypatch), 4000
    degrade(numbered(n), probability=probability, rng=rng())
    both = watched.sigmas.keys() & watched.jpegs.keys()
    for share, expected in (
        (len(watched.sigmas) / n, probability),
        (len(watched.jpegs) / n, probability),
        (len(both) / n, probability**2),  # one says nothing of the other
    ):
        assert share == pytest.approx(expected, abs=4 * (expected * (1 - expected) / n) ** 0.5)


def test_strengths_are_drawn_evenly_from_their_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    watched = Watched(monkeypatch)
    degrade(numbered(4000), probability=1, rng=rng())
    sigmas = np.array(list(watched.sigmas.values()))
    qualities = np.array([quality for quality, _ in watched.jpegs.values()])
    assert 0 <= sigmas.min() < 0.01
    assert 2.99 < sigmas.max() < 3
    assert set(qualities) == set(range(30, 101))
    for values, low, high in ((sigmas, 0, 3), (qualities, 30, 100)):
        shares = np.histogram(values, bins=4, range=(low, high))[0] / 4000
        assert shares == pytest.approx([0.25] * 4, abs=0.035)
    at_half = [subsampling == "4:2:0" for _, subsampling in watched.jpegs.values()]
    assert np.mean(at_half) == pytest.approx(0.5, abs=0.035)
    assert {subsampling for _, subsampling in watched.jpegs.values()} == set(SUBSAMPLINGS)


def test_the_rng_decides_alone_and_moves_on_by_the_same_whatever_happens() -> None:
    images, moved = noise(8), []
    torch.manual_seed(1)
    first = degrade(images, probability=0.5, rng=rng(3))
    torch.manual_seed(2)
    assert torch.equal(degrade(images, probability=0.5, rng=rng(3)), first)
    assert not torch.equal(degrade(images, probability=0.5, rng=rng(4)), first)
    for probability in (0, 0.5, 1):
        drawn = rng(3)
        degrade(images, probability=probability, rng=drawn)
        moved.append(drawn.get_state())
    assert torch.equal(moved[0], moved[1])
    assert torch.equal(moved[0], moved[2])


def test_what_is_not_chosen_stays_to_the_last_bit_and_nothing_is_written_to() -> None:
    images = noise(64)
    before = images.clone()
    assert torch.equal(degrade(images, probability=0, rng=rng()), before)
    some = degrade(images, probability=0.3, rng=rng())
    stayed = [torch.equal(a, b) for a, b in zip(some, images, strict=True)]
    assert 0.3 < np.mean(stayed) < 0.7  # 0.49 meet neither
    assert torch.equal(images, before)
    every = degrade(images, probability=1, rng=rng())
    assert not any(torch.equal(a, b) for a, b in zip(every, images, strict=True))
    assert every.shape == images.shape
    assert every.dtype == torch.float32
    assert 0 <= every.min() < every.max() <= 1


def test_grey_stays_grey() -> None:
    degraded = degrade(noise(32, grey=True), probability=1, rng=rng())
    assert torch.equal(degraded[:, 0], degraded[:, 1])
    assert torch.equal(degraded[:, 0], degraded[:, 2])


def test_blur_is_a_gaussian_of_its_sigma_and_keeps_the_channels_apart() -> None:
    image = np.zeros((41, 41, 3), dtype=np.float32)
    image[20, 20, 1] = 1
    blurred = blur(image, sigma=2.0)
    offsets = np.arange(41) - 20
    assert blurred[..., 1].sum() == pytest.approx(1, abs=1e-5)
    assert not blurred[..., [0, 2]].any()
    for axis in (0, 1):
        assert (blurred[..., 1].sum(axis) * offsets**2).sum() == pytest.approx(4, rel=0.01)
    flat = np.full((9, 9, 3), 0.7, dtype=np.float32)
    assert blur(flat, sigma=3.0) == pytest.approx(flat, abs=1e-6)  # the border is mirrored, not black
    assert np.array_equal(blur(image, sigma=0.0), image)


def test_jpeg_loses_more_at_a_lower_quality_and_the_two_samplings_differ_in_chroma_alone() -> None:
    def lost(pixels: degradation.Pixels, **how: int | str) -> float:
        return float(np.abs(compress(pixels, **how).astype(int) - pixels).mean())  # type: ignore[arg-type]

    textured = (noise(1, 32)[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    assert lost(textured, quality=30, subsampling="4:4:4") > 2 * lost(textured, quality=95, subsampling="4:4:4")
    assert lost(colourful(), quality=95, subsampling="4:2:0") > 5 * lost(colourful(), quality=95, subsampling="4:4:4")
    grey = np.repeat(textured[..., :1], 3, axis=2)
    at_half, at_full = (compress(grey, quality=50, subsampling=sampling) for sampling in SUBSAMPLINGS)
    assert np.array_equal(at_half, at_full)
