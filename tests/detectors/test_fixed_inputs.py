"""What a network of somebody's is shown, against Pillow and numpy; and how what it says is read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from fakeoff.arena.errors import PluginError
from fakeoff.arena.images import resized
from fakeoff.detectors.fixed.outputs import log_odds, probability, values_of
from fakeoff.detectors.fixed.preprocessing import Preprocessing


def photograph(side: int) -> Image.Image:
    """Smooth, with an edge: kernels differ on it."""
    y, x = np.mgrid[:side, :side] / side
    pixels = np.stack([x, y, (x > y).astype(float)], axis=2)
    return Image.fromarray((pixels * 255).round().astype(np.uint8))


def shown(image: Image.Image) -> torch.Tensor:
    return torch.from_numpy(np.asarray(image).copy()).permute(2, 0, 1)[None].float() / 255


@pytest.mark.parametrize("kernel", ["bicubic", "bilinear", "lanczos"])
@pytest.mark.parametrize("side", [40, 96])
def test_resizing_is_pillows(kernel: Any, side: int) -> None:
    image = photograph(64)
    filters = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}
    expected = shown(image.resize((side, side), filters.get(kernel, Image.Resampling.LANCZOS)))
    made = Preprocessing(side=side, kernel=kernel)(shown(image))
    assert torch.equal(made, expected)
    smooth = Preprocessing(side=side, kernel=kernel, eight_bits=False)(shown(image))
    assert ((smooth * 255) % 1).std() > 0.1
    if kernel == "lanczos":  # PyTorch has it in newer releases only; the arena's own is what it is
        assert torch.equal(smooth, resized(shown(image), side))
    else:
        assert (smooth - expected).abs().mean() < 1 / 255


def test_an_attack_is_shown_what_a_judge_is_shown() -> None:
    images = shown(photograph(64)).requires_grad_()
    prepare = Preprocessing(side=40)
    made = prepare(images)
    assert torch.allclose(made, prepare(images.detach()), atol=1e-6)
    (gradient,) = torch.autograd.grad(made.sum(), images)
    assert gradient.sum().item() > 0.5 * 3 * 40 * 40  # where nothing was cut off


def test_without_antialiasing_pixels_are_passed_over() -> None:
    stripes = torch.zeros(1, 3, 64, 64)
    stripes[..., ::4] = 1.0
    plain = Preprocessing(side=16, kernel="bilinear", eight_bits=False, antialias=False)(stripes)
    soft = Preprocessing(side=16, kernel="bilinear")(stripes)
    assert plain.std() < 1e-6
    assert (soft.mean() - 0.25).abs() < 0.02
    assert (plain.mean() - soft.mean()).abs() > 0.1


def test_the_middle_is_cut_out_after_resizing() -> None:
    image = photograph(64)
    made = Preprocessing(side=40, resize=50, kernel="bilinear")(shown(image))
    expected = shown(image.resize((50, 50), Image.Resampling.BILINEAR).crop((5, 5, 45, 45)))
    assert torch.equal(made, expected)


def test_channels_values_and_layout_as_opencv_and_keras_have_them() -> None:
    image = photograph(16)
    mean, std = (103.939, 116.779, 123.68), (1.0, 2.0, 4.0)
    made = Preprocessing(channels="bgr", white=255.0, mean=mean, std=std, layout="nhwc")(shown(image))
    expected = (np.asarray(image).astype(np.float64)[:, :, ::-1] - np.array(mean)) / np.array(std)
    np.testing.assert_allclose(made[0].numpy(), expected, atol=1e-3)


def test_gradients_pass_through_all_of_it() -> None:
    images = shown(photograph(32)).requires_grad_()
    Preprocessing(side=20, resize=24, channels="bgr", white=255.0, layout="nhwc")(images).sum().backward()
    assert images.grad is not None
    assert images.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("output", "values", "fake_class", "expected"),
    [
        ("logit", [[0.0], [2.0]], 1, [0.5, 0.8808]),
        ("logit", [0.0, 2.0], 0, [0.5, 0.1192]),
        ("two_logits", [[0.0, 2.0], [1.0, 1.0]], 1, [0.8808, 0.5]),
        ("two_logits", [[0.0, 2.0], [1.0, 1.0]], 0, [0.1192, 0.5]),
        ("probability", [[0.2], [1.0005]], 1, [0.2, 1.0]),
        ("probability", [[[[0.2]]], [[[0.9]]]], 0, [0.8, 0.1]),
        ("probability", [[0.2, 0.7], [0.9, 0.0]], 1, [0.7, 0.0]),
    ],
)
def test_what_a_network_says_is_read_as_declared(output: Any, values: Any, fake_class: Any, expected: Any) -> None:
    rows = values_of(torch.tensor(values), n=2)
    if output == "probability":
        said = probability(rows, fake_class=fake_class)
    else:
        said = log_odds(rows, output=output, fake_class=fake_class).sigmoid()
    assert said.tolist() == pytest.approx(expected, abs=1e-4)


def test_what_is_not_as_declared_is_told_with_what_to_set() -> None:
    one, two, many = torch.zeros(2, 1), torch.zeros(2, 2), torch.zeros(2, 1000)
    with pytest.raises(PluginError, match='set output = "two_logits" or "probability"'):
        log_odds(two, output="logit", fake_class=1)
    with pytest.raises(PluginError, match='set output = "logit" or "probability"'):
        log_odds(one, output="two_logits", fake_class=1)
    with pytest.raises(PluginError, match="gives 1000 values an image"):
        probability(many, fake_class=1)
    with pytest.raises(PluginError, match=r'are no probabilities.*set output = "logit"'):
        probability(one + 3.0, fake_class=1)
    for out in (torch.zeros(3, 1), torch.zeros(()), torch.zeros(2, dtype=torch.int64), [0.5, 0.5]):
        with pytest.raises(PluginError, match="the model gives"):
            values_of(out, n=2)
