"""What pictures go through on their way, forwards to the byte and backwards by an estimate."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from fakeoff.arena import images
from fakeoff.arena.images.postprocessing import Operation, parse_operations, postprocess, postprocess_through
from fakeoff.arena.images.reals import orl_faces

CHAINS = ("jpeg:75", "blur:1", "resize:0.5", "resize:0.5+blur:0.7+jpeg:30")


@pytest.fixture(scope="module")
def faces() -> images.Pixels:
    return orl_faces().load("test", resolution=64, colour="grey")[:6]


def test_a_chain_is_read_in_its_order() -> None:
    assert parse_operations("resize:0.5 + jpeg:75") == (
        Operation(name="resize", amount=0.5),
        Operation(name="jpeg", amount=75),
    )
    assert parse_operations("") == ()


@pytest.mark.parametrize(
    "text",
    ["jpeg", "jpeg:0", "jpeg:101", "jpeg:7.5", "blur:-1", "blur:nan", "resize:0", "resize:inf", "webp:3", "jpeg:75+"],
)
def test_what_is_no_chain_is_refused_in_a_line_that_says_how_to_write_one(text: str) -> None:
    with pytest.raises(ValueError, match=r"jpeg:|blur:|resize:") as caught:
        parse_operations(text)
    assert "\n" not in str(caught.value)


def test_jpeg_is_what_pillow_writes_and_reads(faces: images.Pixels) -> None:
    kept = io.BytesIO()
    Image.fromarray(faces[0]).save(kept, format="JPEG", quality=30)
    [passed] = postprocess(faces[:1], parse_operations("jpeg:30"))
    assert np.array_equal(passed, np.asarray(Image.open(kept)))
    assert not np.array_equal(passed, faces[0])


@pytest.mark.parametrize("chain", CHAINS)
def test_grey_stays_grey(chain: str, faces: images.Pixels) -> None:
    passed = postprocess(faces, parse_operations(chain))
    assert np.ptp(passed, axis=-1).max() == 0
    assert passed.shape == faces.shape


@pytest.mark.parametrize("chain", CHAINS)
def test_an_attack_is_led_through_the_same_bytes_that_a_judge_is_shown(chain: str, faces: images.Pixels) -> None:
    operations = parse_operations(chain)
    shown = postprocess_through(images.to_tensor(faces), operations)
    assert torch.allclose(shown, images.to_tensor(postprocess(faces, operations)), atol=1e-6)


@pytest.mark.parametrize(("chain", "spreads"), [("jpeg:75", False), ("blur:1", True), ("resize:0.5", True)])
def test_a_gradient_comes_back_as_the_operation_spread_it(chain: str, spreads: bool, faces: images.Pixels) -> None:
    given = images.to_tensor(faces).requires_grad_()
    postprocess_through(given, parse_operations(chain))[:, :, 32, 32].sum().backward()
    gradient = given.grad
    assert gradient is not None
    assert gradient[:, :, 32, 32].min() > 0
    assert (gradient.count_nonzero(dim=(1, 2, 3)) > 3).all() == spreads
    assert gradient.sum((1, 2, 3)).numpy() == pytest.approx(3.0, abs=0.05)  # three channels, and nothing is lost


@pytest.mark.parametrize("sigma", [0.2, 0.5, 1.0, 2.5])
def test_a_blur_is_the_gaussian_that_it_says(sigma: float) -> None:
    """Of one bright pixel the Gaussian itself is left, also where it is narrower than a pixel."""
    shown = np.zeros((1, 41, 41, 3), np.uint8)
    shown[:, 20, 20] = 255
    places = np.arange(-20, 21)
    line = np.exp(-(places**2) / (2 * sigma**2))
    expected = 255 * np.outer(line, line) / line.sum() ** 2
    assert np.abs(postprocess(shown, parse_operations(f"blur:{sigma}"))[0, ..., 0] - expected).max() <= 0.51


def test_a_gradient_is_of_nearly_what_was_done(faces: images.Pixels) -> None:
    """It is PyTorch's, of a blur and a resizing that had better be the same."""
    from fakeoff.arena.images.postprocessing import _SMOOTH

    for chain in ("blur:0.3", "blur:1", "blur:2.5", "resize:0.5", "resize:2"):
        [operation] = parse_operations(chain)
        smooth = _SMOOTH[operation.name](images.to_tensor(faces), operation.amount)
        exact = images.to_tensor(postprocess(faces, [operation]))
        assert (smooth - exact).abs().mean() < 1.2 / 255, chain
