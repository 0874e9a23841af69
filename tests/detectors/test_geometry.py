"""Receptive fields that are computed from a graph, held against published ones and against gradients."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from fakeoff.detectors import ReceptiveField, players
from fakeoff.detectors.architectures import build_network, cut_after
from fakeoff.detectors.geometry import UnknownGeometry, follow, known, prove, proved_map, rules
from fakeoff.detectors.truncated import TruncatedNetwork

LAYERS = st.lists(
    st.tuples(
        st.sampled_from(["conv", "max", "mean"]),
        st.integers(1, 4),
        st.integers(1, 3),
        st.integers(0, 2),
        st.integers(1, 2),
    ).filter(lambda layer: layer[3] <= layer[1] // 2 and layer[2] <= layer[1]),
    min_size=1,
    max_size=4,
)


def after(network: str, block: str, *, device: str = "cpu") -> nn.Module:
    with torch.device(device):
        return cut_after(build_network(network, seed=0), network, block)


@pytest.mark.parametrize("name", ["resnet18_layer1", *(f"xception_block{block}" for block in range(1, 6))])
def test_the_papers_detectors_have_the_fields_that_they_state(name: str) -> None:
    player = players.build(name, {})
    assert isinstance(player, TruncatedNetwork)
    seen = follow(player.backbone)
    assert seen.rows == seen.columns == player.receptive_field
    assert seen.shape[1] == player.head.in_channels


@pytest.mark.parametrize(
    ("network", "block", "size", "stride", "offset"),
    [
        # Araujo, Norris, Sim, "Computing Receptive Fields of Convolutional Neural Networks", Distill 2019, table 1.
        ("torchvision:alexnet", "features", 195, 32, -66),
        ("torchvision:vgg16", "features", 212, 32, -90),
        # By hand: a stem of 4x4 by 4, then depthwise 7x7s; a 2x2 by 2 between.
        ("torchvision:convnext_tiny", "features.2", 4 + 3 * 6 * 4 + 4, 8, -3 * 3 * 4),
        # 3x3 by 2, 3x3; then a depthwise 3x3 by 2 between 1x1s.
        ("torchvision:mobilenet_v2", "features.2", 3 + 2 * 2 + 2 * 2, 4, -1 - 2 - 2),
        ("torchvision:regnet_x_400mf", "trunk_output.block1", 7, 4, -3),
        # 7x7 by 2, max 3x3 by 2; 6 and 12 layers of 3x3, means of 2x2 by 2.
        ("torchvision:densenet121", "features.transition1", 11 + 6 * 2 * 4 + 4, 8, -3 - 2 - 6 * 4),
        # Channels are shuffled by a view, a transposition and a view.
        ("torchvision:shufflenet_v2_x0_5", "stage2", 7 + 2 * 4 + 3 * 2 * 8, 8, -3 - 4 - 3 * 8),
        # 3x3 by 2, 3x3, padded 3x3, max 3x3 by 2, 3x3; all others unpadded, so that maps are smaller than h / stride.
        ("torchvision:inception_v3", "Conv2d_4a_3x3", 7 + 2 * 2 + 2 * 2 + 2 * 4, 4, -2),
    ],
)
def test_known_networks_have_the_fields_that_are_known(
    network: str, block: str, size: int, stride: int, offset: int
) -> None:
    # Without memory for weights, but where the library works out widths from values.
    seen = follow(after(network, block, device="cpu" if "regnet" in network else "meta"))
    assert seen.rows == seen.columns == ReceptiveField(size=size, stride=stride, offset=offset)


@pytest.mark.parametrize(
    ("network", "block", "reason"),
    [
        (
            "torchvision:efficientnet_b0",
            "features.2",
            r"AdaptiveAvgPool2d \(features.1.0.block.1.avgpool\): it pools over",
        ),
        ("torchvision:regnet_y_400mf", "trunk_output.block1", r"AdaptiveAvgPool2d .*\.se\.avgpool\): it pools over"),
        ("torchvision:resnet18", "fc", r"AdaptiveAvgPool2d \(avgpool\)"),
        ("torchvision:squeezenet1_0", "features.3", r"MaxPool2d \(features.2\): with ceil_mode"),
        ("torchvision:swin_t", "features.1", "shifted_window_attention .*: attention sees more"),
    ],
)
def test_what_sees_the_whole_image_is_refused_with_its_place(network: str, block: str, reason: str) -> None:
    with pytest.raises(UnknownGeometry, match=reason):
        proved_map(after(network, block))


def test_the_gradients_of_a_known_network_agree_and_of_no_other_field() -> None:
    cut = after("torchvision:resnet18", "layer2.0")
    seen = proved_map(cut)
    for wrong in (
        ReceptiveField(size=seen.rows.size + 2, stride=seen.rows.stride, offset=seen.rows.offset - 1),
        ReceptiveField(size=seen.rows.size, stride=seen.rows.stride * 2, offset=seen.rows.offset),
        ReceptiveField(size=seen.rows.size, stride=seen.rows.stride, offset=seen.rows.offset + 1),
    ):
        with pytest.raises(UnknownGeometry, match="by its gradient"):
            prove(cut, wrong)


class Made(nn.Module):
    """One convolution, and a function after it."""

    def __init__(self, then: object, **layers: nn.Module) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.then = then
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, images: Tensor) -> Tensor:
        return self.then(self, self.first(images))  # type: ignore[operator,no-any-return]


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.GroupNorm(2, 4)), r"GroupNorm \(1\): its statistics are of the whole"),
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.InstanceNorm2d(4)), r"InstanceNorm2d \(1\): its statistics"),
        (nn.Sequential(nn.BatchNorm2d(3, track_running_stats=False)), r"BatchNorm2d \(0\): its statistics"),
        (nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect")), r"its padding is 'reflect'"),
        (nn.Sequential(nn.Conv2d(3, 4, 3, padding=4)), "its padding is wider than its window"),
        (nn.Sequential(nn.Conv2d(3, 4, (3, 5), padding=(1, 2))), "3 rows and 5 columns"),
        (nn.Sequential(nn.Conv2d(3, 4, 3), nn.Upsample(scale_factor=2)), r"Upsample \(1\): its geometry is not known"),
        (Made(lambda _, x: x[:, :, ::2, ::2]), "getitem .*: its geometry is not known"),
        (Made(lambda _, x: x.roll(1, -1)), "roll .*: its geometry is not known"),
        (Made(lambda _, x: x * x.mean((2, 3), keepdim=True)), "mean .*: it pools over the whole image"),
        (Made(lambda _, x: F.batch_norm(x, None, None, training=True)), "batch_norm .*: its statistics"),
        (Made(lambda _, x: F.layer_norm(x, x.shape[1:])), "layer_norm .*: it normalises over the whole image"),
        (Made(lambda _, x: F.linear(x, torch.ones(641, 641, device="meta"))), "mixes the units of a whole row"),
        (Made(lambda _, x: torch.cat([x, x], 2)), "cat .*: it cuts or joins maps along height or width"),
        (Made(lambda _, x: x.transpose(2, 3)), r"no map \(n, c, h, w\)"),
        (Made(lambda _, x: x if x.sum() > 0 else -x), "it cannot be traced"),
        (
            Made(
                lambda self, x: self.one(x) + self.two(x),
                one=nn.Conv2d(4, 4, 2, 2, padding=1),
                two=nn.Conv2d(4, 4, 3, 2, padding=1),
            ),
            r"add .*: .*their centres differ",
        ),
        (nn.Sequential(nn.Conv2d(3, 4, 2), nn.Flatten()), r"Flatten \(1\): it ends the grid"),
        (
            nn.Sequential(nn.Flatten(), nn.Linear(9, 9)),
            r"it does not run on images of 509 x 641 pixels, .*: RuntimeError",
        ),
    ],
)
def test_an_operation_that_is_not_known_is_refused_by_its_name(network: nn.Module, reason: str) -> None:
    with pytest.raises(UnknownGeometry, match=reason) as caught:
        proved_map(network)
    assert "\n" not in str(caught.value)


def test_where_branches_meet_a_unit_sees_what_both_see() -> None:
    branches = Made(
        lambda self, x: torch.cat([self.one(x), F.avg_pool2d(x, 3, 1, 1) * self.two(x)], 1),
        one=nn.Conv2d(4, 4, 2, padding=1, dilation=2),
        two=nn.Conv2d(4, 4, 7, padding=3),
    )
    assert proved_map(branches).rows == ReceptiveField(size=9, stride=1, offset=-4)
    narrow, wide = ReceptiveField(size=3, stride=2, offset=-1), ReceptiveField(size=7, stride=2, offset=-3)
    assert narrow.with_branch(wide) == wide.with_branch(narrow) == wide
    with pytest.raises(ValueError, match="strides differ: 2 and 1 px"):
        narrow.with_branch(ReceptiveField(size=3, stride=1, offset=-1))
    with pytest.raises(ValueError, match=r"centres differ: .* pixels -1 to 1 by one and 0 to 2 by the other"):
        narrow.with_branch(ReceptiveField(size=3, stride=2, offset=0))


def test_a_wrong_rule_is_caught_by_the_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 5, padding=2))
    assert proved_map(network).rows.size == 7

    def forgets_the_window(op: rules.Operation) -> object:
        return op.map.with_shape(op.shape)

    monkeypatch.setitem(known._MODULES, nn.Conv2d, forgets_the_window)
    with pytest.raises(UnknownGeometry, match=r"unit 0 sees 0 to 0 as computed .*, and 0 to 3 by its gradient"):
        proved_map(network)


def test_holes_that_see_their_padding_alone_in_a_narrow_image_are_no_wrong_geometry() -> None:
    """Of a map of one column the last window sees what lies on both sides of it."""
    layers = [(2, 2, 0, 1), (2, 2, 0, 2), (2, 1, 1, 2)]
    field = ReceptiveField()
    for kernel, stride, padding, dilation in layers:
        field = field.through(kernel=kernel, stride=stride, padding=padding, dilation=dilation)
    chain = [nn.Conv2d(2, 2, *layer) for layer in layers]
    assert proved_map(nn.Sequential(nn.Conv2d(3, 2, 1), *chain)).rows == field


@given(layers=LAYERS)
@settings(max_examples=20, deadline=None)
def test_any_chain_has_the_field_that_its_gradient_shows(layers: list[tuple[str, int, int, int, int]]) -> None:
    chain: list[nn.Module] = [nn.Conv2d(3, 2, 1)]
    field = ReceptiveField()
    for kind, kernel, stride, padding, dilation in layers:
        if kind == "conv":
            chain += [nn.Conv2d(2, 2, kernel, stride, padding, dilation), nn.ReLU()]
        else:
            dilation = 1
            chain.append((nn.MaxPool2d if kind == "max" else nn.AvgPool2d)(kernel, stride, padding))
        field = field.through(kernel=kernel, stride=stride, padding=padding, dilation=dilation)
    assert proved_map(nn.Sequential(*chain)).rows == field
    wrong = ReceptiveField(size=field.size + 1, stride=field.stride, offset=field.offset)
    with pytest.raises(UnknownGeometry):
        prove(nn.Sequential(*chain), wrong)
