from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from fakeoff.generators.gan import augment as module
from fakeoff.generators.gan.augment import augment


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(n: int = 8, channels: int = 3, side: int = 16) -> Tensor:
    return torch.rand(n, channels, side, side, generator=rng(99)) * 2 - 1


@pytest.mark.parametrize(("channels", "side"), [(1, 4), (1, 8), (3, 16), (3, 64)])
def test_shape_and_type_stay(channels: int, side: int) -> None:
    batch = images(4, channels, side)
    out = augment(batch, rng=rng())
    assert out.shape == batch.shape
    assert out.dtype == batch.dtype
    assert torch.isfinite(out).all()
    assert not torch.equal(out, batch)


def test_the_seed_decides_and_global_randomness_is_left_alone() -> None:
    before = torch.get_rng_state()
    assert torch.equal(augment(images(), rng=rng(1)), augment(images(), rng=rng(1)))
    assert not torch.equal(augment(images(), rng=rng(1)), augment(images(), rng=rng(2)))
    assert torch.equal(torch.get_rng_state(), before)


def test_each_image_gets_a_transform_of_its_own() -> None:
    batch = images(1).expand(8, -1, -1, -1)
    out = augment(batch, rng=rng())
    assert len({image.numpy().tobytes() for image in out}) == 8


def test_the_transform_does_not_depend_on_what_it_is_applied_to() -> None:
    """Reals and fakes may differ only as they did before: pixels are moved and scaled, alike for both."""
    blank = torch.zeros(8, 3, 16, 16)
    dots = blank.clone()
    dots[:, :, 8, 8] = 1
    moved = [module._translate(batch, rng(3)) for batch in (dots, dots * 2)]
    assert torch.equal(moved[0] * 2, moved[1])


def test_the_gradient_passes_to_the_images() -> None:
    batch = images().requires_grad_()
    augment(batch, rng=rng()).square().sum().backward()
    assert batch.grad is not None
    reached = (batch.grad != 0).float().mean((1, 2, 3))
    assert (reached > 0.4).all()


def test_brightness_shifts_an_image_as_a_whole_both_ways_within_its_limit() -> None:
    batch = images(64)
    shift = module._brightness(batch, rng()) - batch
    assert (shift.flatten(1).std(1) < 1e-6).all()
    amounts = shift.mean((1, 2, 3)) / module._BRIGHTNESS
    assert -1 - 1e-5 <= amounts.min() < -0.6
    assert 0.6 < amounts.max() <= 1 + 1e-5


def test_contrast_scales_about_an_images_own_mean_within_its_limits() -> None:
    batch = images(64) + 3
    out = module._contrast(batch, rng())
    assert torch.allclose(out.mean((1, 2, 3)), batch.mean((1, 2, 3)), atol=1e-5)
    low, high = module._CONTRAST
    assert low < 1 < high
    factors = out.flatten(1).std(1) / batch.flatten(1).std(1)
    assert low - 1e-4 <= factors.min() < (low + 1) / 2
    assert (high + 1) / 2 < factors.max() <= high + 1e-4


def test_translation_moves_pixels_by_up_to_an_eighth_and_fills_with_zeros() -> None:
    batch = torch.arange(1, 257).float().view(1, 1, 16, 16).expand(200, 1, 16, 16)
    seen = set()
    for image in module._translate(batch, rng())[:, 0].numpy():
        inside = np.argwhere(image > 0)
        (top, left), (bottom, right) = inside.min(0), inside.max(0)
        number = int(image[top, left]) - 1
        shift = (number // 16 - int(top), number % 16 - int(left))
        expected = np.zeros((16, 16), np.float32)
        expected[top : bottom + 1, left : right + 1] = batch[0, 0].numpy()[
            top + shift[0] : bottom + shift[0] + 1, left + shift[1] : right + shift[1] + 1
        ]
        assert np.array_equal(image, expected)
        seen.add(shift)
    assert {y for y, _ in seen} == {x for _, x in seen} == {-2, -1, 0, 1, 2}
