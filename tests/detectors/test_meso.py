"""MesoInception-4 against what Keras computes, written out in NumPy by the definitions in Keras' documentation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import nn

from fakeoff.arena.players.specs import weights_hash
from fakeoff.detectors import Batch
from fakeoff.detectors.meso import MesoInception4, SamePool

Maps: TypeAlias = npt.NDArray[np.float64]


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def unlike_new(side: int) -> MesoInception4:
    """In eval mode, with statistics and biases that training might have left."""
    player, drawn = MesoInception4(side=side), rng(5)
    with torch.no_grad():
        for layer in player.modules():
            if isinstance(layer, nn.BatchNorm2d):
                assert layer.running_mean is not None
                assert layer.running_var is not None
                layer.running_mean.normal_(0, 0.2, generator=drawn)
                layer.running_var.uniform_(0.01, 1, generator=drawn)
                layer.weight.uniform_(0.5, 1.5, generator=drawn)
                layer.bias.normal_(0, 0.3, generator=drawn)
            elif isinstance(layer, nn.Conv2d | nn.Linear):
                layer.bias.normal_(0, 0.1, generator=drawn)
    return player.eval()


def windows(x: Maps, *, size: int, stride: int, dilation: int = 1, fill: float) -> Iterator[tuple[int, int, Maps]]:
    """Padding ``same``: ceil(side / stride) values; of an odd padding, the greater part after."""
    reach = (size - 1) * dilation + 1
    outs = [-(-length // stride) for length in x.shape[:2]]
    totals = [max((out - 1) * stride + reach - length, 0) for out, length in zip(outs, x.shape[:2], strict=True)]
    pads = [(total // 2, total - total // 2) for total in totals]
    padded = np.pad(x, [*pads, (0, 0)], constant_values=fill)
    for row in range(size):
        for column in range(size):
            top, left = row * dilation, column * dilation
            yield (
                row,
                column,
                padded[
                    top : top + (outs[0] - 1) * stride + 1 : stride, left : left + (outs[1] - 1) * stride + 1 : stride
                ],
            )


def convolved(x: Maps, layer: nn.Conv2d) -> Maps:
    kernel = layer.weight.detach().double().numpy()  # (outputs, inputs, rows, columns)
    seen = windows(x, size=kernel.shape[-1], stride=1, dilation=layer.dilation[0], fill=0.0)
    assert layer.bias is not None
    return sum(part @ kernel[:, :, row, column].T for row, column, part in seen) + layer.bias.detach().double().numpy()  # type: ignore[no-any-return]


def pooled(x: Maps, size: int) -> Maps:
    return np.maximum.reduce([part for _, _, part in windows(x, size=size, stride=size, fill=-np.inf)])  # type: ignore[no-any-return]


def normalised(x: Maps, layer: nn.BatchNorm2d) -> Maps:
    mean, var, gamma, beta = (
        value.detach().double().numpy()  # type: ignore[union-attr]
        for value in (layer.running_mean, layer.running_var, layer.weight, layer.bias)
    )
    return gamma * (x - mean) / np.sqrt(var + 1e-3) + beta  # type: ignore[no-any-return]


def expected_logit(player: MesoInception4, image: Maps) -> float:
    """The network as it is published, layer by layer; image ``(h, w, 3)`` in [0, 1]."""
    convolutions = iter([layer for layer in player.modules() if isinstance(layer, nn.Conv2d)])
    norms = iter([layer for layer in player.modules() if isinstance(layer, nn.BatchNorm2d)])
    first, last = (layer for layer in player.modules() if isinstance(layer, nn.Linear))

    def conv(x: Maps, *, kernel: int, dilation: int = 1, outputs: int) -> Maps:
        layer = next(convolutions)
        assert layer.kernel_size == (kernel, kernel)
        assert layer.dilation == (dilation, dilation)
        assert layer.out_channels == outputs
        return np.maximum(convolved(x, layer), 0)

    x = image
    for a, b, c, d in ((1, 4, 4, 2), (2, 4, 4, 2)):
        branches = [conv(x, kernel=1, outputs=a)]
        for dilation, outputs in ((1, b), (2, c), (3, d)):
            branches.append(conv(conv(x, kernel=1, outputs=outputs), kernel=3, dilation=dilation, outputs=outputs))
        x = pooled(normalised(np.concatenate(branches, axis=2), next(norms)), 2)
    for pool in (2, 4):
        x = pooled(normalised(conv(x, kernel=5, outputs=16), next(norms)), pool)

    def dense(values: Maps, layer: nn.Linear) -> Maps:
        return layer.weight.detach().double().numpy() @ values + layer.bias.detach().double().numpy()  # type: ignore[no-any-return]

    hidden = dense(x.transpose(2, 0, 1).ravel(), first)  # PyTorch's order of a flattened map
    return float(dense(np.where(hidden > 0, hidden, 0.1 * hidden), last)[0])


def test_it_has_as_many_parameters_as_published() -> None:
    player = MesoInception4()
    assert player.side == 256
    assert sum(parameter.numel() for parameter in player.parameters() if parameter.requires_grad) == 28_615


@pytest.mark.parametrize("side", [64, 33])  # 33 px: poolings of 33, 17, 9 and 5 px, none without padding
def test_it_computes_what_keras_computes(side: int) -> None:
    player = unlike_new(side)
    images = torch.rand(2, 3, side, side, generator=rng())
    with torch.no_grad():
        logits = player.logits(images)
    expected = [expected_logit(player, image.permute(1, 2, 0).double().numpy()) for image in images]
    assert logits.tolist() == pytest.approx(expected, abs=1e-4)
    assert abs(expected[0] - expected[1]) > 0.01


def test_padding_of_an_even_window_is_one_more_on_the_right() -> None:
    x = torch.arange(5.0).view(1, 1, 1, 5)
    # 5 values in fours: three of padding, one on the left and two on the right.
    assert SamePool(4)(x).flatten().tolist() == [2, 4]
    assert SamePool(2)(x).flatten().tolist() == [1, 3, 4]
    # What is padded is no value: the maximum of negative ones is negative.
    assert SamePool(2)(x - 9).flatten().tolist() == [-8, -6, -5]


def test_it_is_trained_by_the_squared_error_of_its_probabilities() -> None:
    player = MesoInception4(side=32, learning_rate=0.0)
    for layer in player.modules():
        if isinstance(layer, nn.Dropout):
            layer.p = 0.0
    # Flipping leaves images of one colour as they are.
    images = torch.rand(6, 3, 1, 1, generator=rng()).expand(-1, -1, 32, 32).contiguous()
    truth = torch.tensor([0, 1, 1, 0, 1, 0])
    measured = player.train().train_step(Batch(images=images, is_fake=truth == 1), rng=rng())
    scores = player.score(images).detach()
    assert measured["loss"] == pytest.approx(((scores - truth) ** 2).mean().item(), abs=1e-5)
    assert measured["accuracy"] == pytest.approx(((scores >= 0.5) == (truth == 1)).float().mean().item())


def test_dropout_is_drawn_from_the_rng_and_from_nothing_else() -> None:
    def learned(drawn: torch.Generator, outside: int) -> str:
        torch.manual_seed(outside)
        player = MesoInception4(side=32)
        for step in range(2):
            images = torch.rand(4, 3, 1, 1, generator=rng(step)).expand(-1, -1, 32, 32).contiguous()
            player.train().train_step(Batch(images=images, is_fake=torch.arange(4) < 2), rng=drawn)
        return weights_hash(player.state_dict())

    assert learned(rng(1), outside=1) == learned(rng(1), outside=2)
    assert learned(rng(1), outside=1) != learned(rng(2), outside=1)  # images of one colour: flips change nothing


def test_weights_begin_as_in_keras() -> None:
    player = MesoInception4(side=64)
    for layer in player.modules():
        if isinstance(layer, nn.Conv2d | nn.Linear):
            weight: Any = layer.weight
            area = weight[0, 0].numel() if weight.ndim == 4 else 1
            limit = (6 / (area * (weight.shape[0] + weight.shape[1]))) ** 0.5
            assert weight.abs().max() <= limit
            assert weight.abs().max() > 0.5 * limit
            assert (layer.bias == 0).all()


def test_a_side_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="side is 0"):
        MesoInception4(side=0)
