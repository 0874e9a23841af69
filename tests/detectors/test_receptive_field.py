"""The analytic fields, held against what a gradient says."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from fakeoff.detectors import PatchDetector, ReceptiveField, players

SIZES = {
    "resnet18_layer1": 43,
    "xception_block1": 19,
    "xception_block2": 43,
    "xception_block3": 91,
    "xception_block4": 187,
    "xception_block5": 283,
}
STRIDES = {
    "resnet18_layer1": 4,
    "xception_block1": 4,
    "xception_block2": 8,
    "xception_block3": 16,
    "xception_block4": 16,
    "xception_block5": 16,
}

LAYERS = st.lists(
    st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(0, 2)).filter(lambda layer: layer[2] < layer[0]),
    min_size=1,
    max_size=4,
)


def detector(name: str) -> PatchDetector:
    player = players.build(name, {})
    assert isinstance(player, PatchDetector)
    return player.eval()


def make_linear(module: nn.Module) -> None:
    """Turns a network into averages of the same geometry, so that no pixel of a field can hide from a gradient."""
    for name, child in module.named_children():
        if isinstance(child, nn.ReLU):
            setattr(module, name, nn.Identity())
        elif isinstance(child, nn.MaxPool2d):
            setattr(module, name, nn.AvgPool2d(child.kernel_size, child.stride, child.padding))
        elif isinstance(child, nn.Conv2d):
            nn.init.constant_(child.weight, 1 / child.weight[0].numel())
        elif isinstance(child, nn.BatchNorm2d):
            nn.init.ones_(child.weight)
        else:
            make_linear(child)


def seen(output: Tensor, image: Tensor) -> tuple[list[int], list[int]]:
    """The rows and the columns of an image that an output depends on."""
    (gradient,) = torch.autograd.grad(output, image, retain_graph=True)
    touched = gradient.abs().sum((0, 1)) > 0
    assert touched.sum() == touched.any(0).sum() * touched.any(1).sum()  # a full rectangle
    rows, columns = touched.any(1).nonzero().flatten().tolist(), touched.any(0).nonzero().flatten().tolist()
    return rows, columns


@pytest.mark.parametrize("name", SIZES)
def test_the_papers_detectors_have_the_papers_fields(name: str) -> None:
    field = detector(name).receptive_field
    assert (field.size, field.stride) == (SIZES[name], STRIDES[name])


@pytest.mark.parametrize("name", SIZES)
def test_a_patch_sees_exactly_the_pixels_of_its_field(name: str) -> None:
    player = detector(name)
    make_linear(player)
    field = player.receptive_field
    unit = -(-max(0, -field.offset) // field.stride) + 1  # the second one that sees no padding
    side = field.pixels(unit)[1] + field.stride + 2
    image = torch.rand(1, 3, side, side, requires_grad=True)
    output = player.patch_logits(image)[0].sum(0)[unit, unit - 1]
    rows, columns = seen(output, image)
    assert rows == list(range(*field.pixels(unit)))
    assert columns == list(range(*field.pixels(unit - 1)))


@pytest.mark.parametrize("name", ["resnet18_layer1", "xception_block1"])
def test_pixels_outside_its_field_do_not_move_a_trained_like_patch(name: str) -> None:
    player = detector(name).double()
    for parameter in player.parameters():
        nn.init.normal_(parameter, 0.05, 0.2, generator=torch.Generator().manual_seed(0))
    field = player.receptive_field
    unit = -(-max(0, -field.offset) // field.stride)
    start, stop = field.pixels(unit)
    side = stop + 2 * field.stride
    image, other = (torch.rand(1, 3, side, side, dtype=torch.float64) for _ in range(2))
    other[..., start:stop, start:stop] = image[..., start:stop, start:stop]
    one, two = player.patch_logits(image), player.patch_logits(other)
    assert torch.allclose(one[..., unit, unit], two[..., unit, unit], rtol=1e-6, atol=0)
    assert not torch.allclose(one[..., unit + 1, unit + 1], two[..., unit + 1, unit + 1], rtol=1e-6, atol=0)


@given(layers=LAYERS)
@settings(max_examples=40, deadline=None)
def test_any_chain_of_layers_has_the_field_that_its_gradient_shows(layers: list[tuple[int, int, int]]) -> None:
    field = ReceptiveField.of(layers)
    chain = nn.Sequential(*(nn.Conv2d(1, 1, kernel, stride, padding) for kernel, stride, padding in layers)).double()
    for layer in chain:
        assert isinstance(layer, nn.Conv2d)
        nn.init.constant_(layer.weight, 0.5)
    unit = -(-max(0, -field.offset) // field.stride)
    side = field.pixels(unit)[1] + max(0, -field.offset) + 5
    image = torch.rand(1, 1, side, side, dtype=torch.float64, requires_grad=True)
    output = chain(image)[0, 0, unit, unit]
    rows, columns = seen(output, image)
    # Where a layer skips pixels (a stride longer than its kernel), the field has holes; its ends hold.
    assert (rows[0], rows[-1] + 1) == field.pixels(unit)
    assert columns == rows


def test_a_field_grows_layer_by_layer() -> None:
    assert ReceptiveField() == ReceptiveField(size=1, stride=1, offset=0)
    assert ReceptiveField.of([(3, 2, 1)]) == ReceptiveField(size=3, stride=2, offset=-1)
    assert ReceptiveField.of([(3, 2, 1), (3, 1, 1)]) == ReceptiveField(size=7, stride=2, offset=-3)
    assert ReceptiveField(size=7, stride=2, offset=-3).pixels(4) == (5, 12)
