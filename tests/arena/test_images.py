from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from torch.nn import functional as F

from fakeoff.arena.images import (
    Colour,
    Pixels,
    as_seen,
    crop_square,
    generator_transform,
    grid,
    luminance,
    quantise,
    save_png,
    to_arena,
    to_tensor,
)
from fakeoff.arena.images.pipeline import _has_lanczos

COLOURS: tuple[Colour, ...] = ("grey", "rgb")


def some_pixels(n: int = 2, side: int = 16, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (n, side, side, 3), dtype=np.uint8)


def test_the_crop_is_the_largest_centred_square() -> None:
    pixels = np.zeros((10, 20, 3), np.uint8)
    pixels[:, 5:15] = 255
    square = crop_square(Image.fromarray(pixels))
    assert square.size == (10, 10)
    assert (np.asarray(square) == 255).all()


def test_a_tall_image_is_cropped_at_top_and_bottom() -> None:
    pixels = np.zeros((21, 10, 3), np.uint8)
    pixels[5:15] = 255
    assert (np.asarray(crop_square(Image.fromarray(pixels))) == 255).all()


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("colour", COLOURS)
def test_a_photograph_comes_out_of_the_generators_transform_quantised_and_square(mode: str, colour: Colour) -> None:
    photograph = Image.fromarray(some_pixels(1, 40)[0]).convert(mode)
    pixels = generator_transform(photograph, resolution=16, colour=colour)
    assert pixels.shape == (16, 16, 3)
    assert pixels.dtype == np.uint8
    if mode == "L" or colour == "grey":
        assert (pixels == pixels[..., :1]).all()
    else:
        assert (pixels != pixels[..., :1]).any()


def test_a_photograph_at_the_generators_resolution_passes_through_bit_for_bit() -> None:
    pixels = some_pixels(1, 32)[0]
    assert np.array_equal(generator_transform(Image.fromarray(pixels), resolution=32, colour="rgb"), pixels)


def test_pixels_at_the_arenas_resolution_are_not_touched() -> None:
    pixels = some_pixels()
    assert np.array_equal(to_arena(pixels, resolution=16), pixels)


@pytest.mark.parametrize("resolution", [8, 24])
def test_pixels_are_resized_with_lanczos(resolution: int) -> None:
    pixels = some_pixels()
    resized = to_arena(pixels, resolution=resolution)
    expected = [Image.fromarray(p).resize((resolution, resolution), Image.Resampling.LANCZOS) for p in pixels]
    assert np.array_equal(resized, np.stack([np.asarray(image) for image in expected]))


@pytest.mark.parametrize("arena", [16, 24])
@pytest.mark.parametrize("colour", COLOURS)
def test_real_and_fake_with_the_same_pixels_enter_the_arena_alike(colour: Colour, arena: int) -> None:
    pixels = some_pixels(3)
    real = np.stack([generator_transform(Image.fromarray(p), resolution=16, colour=colour) for p in pixels])
    fake = quantise(to_tensor(pixels), colour=colour)
    # Pillow's luma is in whole numbers and may round to the neighbouring level.
    at_most = 1 if colour == "grey" else 0
    assert np.abs(real.astype(int) - fake).max() <= at_most
    difference = to_arena(real, resolution=arena).astype(int) - to_arena(fake, resolution=arena)
    assert np.abs(difference).max() <= 2 * at_most


def test_grey_reals_and_grey_fakes_are_equal_to_the_last_bit() -> None:
    levels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1).repeat(3, axis=3)
    real = generator_transform(Image.fromarray(levels[0]), resolution=16, colour="grey")
    assert np.array_equal(real, levels[0])
    assert np.array_equal(quantise(to_tensor(levels), colour="grey"), levels)


def test_grey_leaves_no_trace_of_a_generators_faint_chroma() -> None:
    images = to_tensor(some_pixels())
    pixels = quantise(images, colour="grey")
    assert (pixels == pixels[..., :1]).all()
    seen = as_seen(images, resolution=16, colour="grey")
    assert torch.equal(seen[:, 0], seen[:, 1])
    assert torch.equal(seen[:, 0], seen[:, 2])


def test_luminance_weighs_green_most_and_blue_least() -> None:
    red, green, blue = (luminance(torch.eye(3)[i].view(1, 3, 1, 1))[0, 0].item() for i in range(3))
    assert green > red > blue > 0
    assert red + green + blue == pytest.approx(1)


def test_quantisation_clamps_and_rounds_to_the_nearest_level() -> None:
    images = torch.tensor([-0.5, 1.5, 0.4 / 255, 0.6 / 255, 254.6 / 255, 128.0 / 255]).view(1, 1, 1, 6)
    pixels = quantise(images.expand(1, 3, 1, 6), colour="rgb")
    assert pixels[0, 0, :, 0].tolist() == [0, 255, 0, 1, 255, 128]


@given(pixels=hnp.arrays(np.uint8, (2, 4, 4, 3)))
@settings(max_examples=50, deadline=None)
def test_images_at_rest_survive_the_way_to_players_and_back(pixels: Pixels) -> None:
    images = to_tensor(pixels)
    assert images.dtype == torch.float32
    assert images.shape == (2, 3, 4, 4)
    assert np.array_equal(quantise(images, colour="rgb"), pixels)


@given(
    values=hnp.arrays(np.float32, (1, 3, 4, 4), elements=st.floats(-0.25, 1.25, width=32)),
    colour=st.sampled_from(COLOURS),
)
@settings(max_examples=150, deadline=None)
def test_what_an_attack_optimises_through_is_the_quantised_pipeline_bit_for_bit(
    values: np.ndarray, colour: Colour
) -> None:
    images = torch.from_numpy(values)
    at_rest = to_tensor(to_arena(quantise(images, colour=colour), resolution=4))
    assert torch.equal(as_seen(images, resolution=4, colour=colour), at_rest)


@pytest.mark.parametrize("resolution", [8, 16, 24])
@pytest.mark.parametrize("colour", COLOURS)
def test_the_gradient_passes_through_quantisation_and_resizing(colour: Colour, resolution: int) -> None:
    images = (torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0)) * 0.8 + 0.1).requires_grad_()
    as_seen(images, resolution=resolution, colour=colour).mean().backward()
    assert images.grad is not None
    assert (images.grad > 0).float().mean() > 0.95
    assert images.grad.sum().item() == pytest.approx(1, rel=0.05)  # the mean keeps its slope


@pytest.mark.parametrize("resolution", [16, 24, 64])
@pytest.mark.parametrize("colour", COLOURS)
@pytest.mark.parametrize("has_lanczos", [True, False])
def test_at_another_resolution_what_an_attack_sees_is_what_the_judge_sees(
    has_lanczos: bool, colour: Colour, resolution: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    if has_lanczos and not _has_lanczos():
        pytest.skip("this PyTorch has no Lanczos")
    monkeypatch.setattr("fakeoff.arena.images.pipeline._has_lanczos", lambda: has_lanczos)
    rough = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    images = F.interpolate(rough, size=32, mode="bicubic").clamp(0, 1)
    at_rest = to_tensor(to_arena(quantise(images, colour=colour), resolution=resolution))
    seen = as_seen(images, resolution=resolution, colour=colour)
    assert seen.shape == at_rest.shape
    assert torch.equal(seen, (seen * 255).round() / 255)
    distance = (seen - at_rest).abs().mean().item() * 255  # in levels
    if has_lanczos:
        assert distance < 0.3  # Pillow rounds to a level between its two passes
    else:
        assert 0.3 < distance < 2  # what it was everywhere before, and is on a GPU


def test_written_pngs_hold_the_pixels_and_no_metadata(tmp_path: Path) -> None:
    pixels = some_pixels(2)
    paths = save_png(pixels, tmp_path / "new" / "folder", prefix="fake")
    assert [path.name for path in paths] == ["fake-00000.png", "fake-00001.png"]
    for path, image in zip(paths, pixels, strict=True):
        with Image.open(path) as opened:
            assert opened.format == "PNG"
            assert opened.info == {}
            assert np.array_equal(np.asarray(opened), image)


def test_a_grid_lays_images_out_row_by_row_on_white() -> None:
    pixels = np.stack([np.full((4, 4, 3), level, np.uint8) for level in (10, 20, 30)])
    sheet = grid(pixels, columns=2)
    assert sheet.shape == (10, 10, 3)
    assert (sheet[:4, :4] == 10).all()
    assert (sheet[:4, 6:] == 20).all()
    assert (sheet[6:, :4] == 30).all()
    assert (sheet[6:, 6:] == 255).all()
    assert (sheet[4:6] == 255).all()
