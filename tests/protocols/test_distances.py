from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from fakeoff.arena.images import Pixels
from fakeoff.arena.images.reals import orl_faces
from fakeoff.protocols.score.distances import eigenface_kid, pixel_l1, sliced_wasserstein, ssim

PAIRS = hnp.arrays(np.uint8, (2, 2, 8, 8, 3))


@pytest.fixture(scope="module")
def faces() -> Pixels:
    return orl_faces().load("train", resolution=20, colour="grey")


def blurred(images: Pixels) -> Pixels:
    return ndimage.gaussian_filter(images, sigma=(0, 1, 1, 0))


def noise(images: Pixels) -> Pixels:
    return np.random.default_rng(0).integers(0, 256, images.shape, dtype=np.uint8)


def swd(images: Pixels, others: Pixels, seed: int = 0) -> float:
    return sliced_wasserstein(images, others, rng=np.random.default_rng(seed))


@given(pair=PAIRS)
@settings(max_examples=50, deadline=None)
def test_pixel_distance_is_a_share_symmetric_and_zero_only_for_equals(pair: Pixels) -> None:
    one, other = pair
    assert pixel_l1(one, one) == 0
    assert 0 <= pixel_l1(one, other) <= 1
    assert pixel_l1(one, other) == pixel_l1(other, one)
    assert (pixel_l1(one, other) == 0) == np.array_equal(one, other)


def test_black_and_white_are_one_apart() -> None:
    black = np.zeros((2, 8, 8, 3), np.uint8)
    assert pixel_l1(black, ~black) == 1
    assert pixel_l1(black, black + np.uint8(51)) == pytest.approx(0.2)
    assert pixel_l1(~black, black) == 1  # no wrap-around of uint8


def test_structural_similarity_falls_from_one_as_images_degrade(faces: Pixels) -> None:
    few = faces[:8]
    assert ssim(few, few) == pytest.approx(1)
    assert 1 > ssim(few, blurred(few)) > ssim(few, blurred(blurred(few))) > ssim(few, noise(few))
    assert ssim(few, blurred(few)) == pytest.approx(ssim(blurred(few), few))


def test_pairs_are_compared_image_by_image(faces: Pixels) -> None:
    few = faces[:8]
    assert ssim(few, few[::-1]) < 0.9
    assert pixel_l1(few, few[::-1]) > 0.01
    with pytest.raises(ValueError):
        ssim(few, few[:3])


def test_two_samples_of_the_same_faces_are_near_and_other_images_are_far(faces: Pixels) -> None:
    one, other = faces[::2], faces[1::2]
    same = eigenface_kid(one, other, basis=faces[::3])
    distances = [eigenface_kid(one, images, basis=faces[::3]) for images in (blurred(other), 255 - other, noise(other))]
    assert abs(same) < min(abs(distance) for distance in distances[1:]) / 10
    assert same == pytest.approx(eigenface_kid(other, one, basis=faces[::3]))


def test_the_kernel_distance_is_unbiased(faces: Pixels) -> None:
    """Over many splits of one set it is zero on average, so it must be below zero now and then."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(12):
        order = rng.permutation(len(faces))
        found.append(eigenface_kid(faces[order[:60]], faces[order[60:120]], basis=faces[::3]))
    assert min(found) < 0 < max(found)
    assert abs(np.mean(found)) < 3 * np.std(found) / np.sqrt(len(found))


def test_texture_of_the_same_faces_is_near_and_blur_is_farther_and_noise_farthest(faces: Pixels) -> None:
    one, other = faces[::2], faces[1::2]
    same, blur, noisy = (swd(one, images) for images in (other, blurred(other), noise(other)))
    assert 0 < same < blur / 2 < noisy / 4


def test_texture_is_measured_alike_for_the_same_seed(faces: Pixels) -> None:
    few, others = faces[:20], blurred(faces[20:40])
    assert swd(few, others) == swd(few, others)
    assert swd(few, others, seed=1) == pytest.approx(swd(few, others), rel=0.3)


@pytest.mark.parametrize("side", [16, 17, 33, 50])
def test_texture_is_measured_at_any_resolution(side: int) -> None:
    images = np.random.default_rng(0).integers(0, 256, (4, side, side, 3), dtype=np.uint8)
    assert swd(images, images // 2) > swd(images, images) >= 0


def test_colours_count_by_their_luma() -> None:
    green, blue = (np.zeros((2, 16, 16, 3), np.uint8) for _ in range(2))
    black = green.copy()
    green[..., 1], blue[..., 2] = 255, 255
    assert ssim(black, green) < ssim(black, blue)
