"""The weights of the published exports, as a state of our networks.

The ``random-face`` wheels hold MobileStyleGAN in OpenVINO's format. In one of them the names of weights were lost, so
they are told by what takes them, and by their order there; shapes say whether that was right.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Mapping as Table

import torch
from torch import Tensor

from fakeoff.generators.mobilestylegan.layers import Modulation, StyledConv
from fakeoff.generators.mobilestylegan.networks import Mapping, Synthesis

_FIRST = "mapping.0000."
_TOLERANCE = 1e-5
_HAAR = 0.5**0.5
_SLOPE = 0.2


def is_published(state: Table[str, Tensor]) -> bool:
    """Whether a state dict has the names of converted constants, ``NETWORK.NUMBER.OPERATION.PORT``."""
    return any(name.startswith(_FIRST) for name in state)


def from_published(
    state: Table[str, Tensor], mapping_network: Mapping, synthesis_network: Synthesis
) -> dict[str, Tensor]:
    """Puts the constants of the two published networks in the places of weights.

    There demodulation is part of the weights of 1x1 convolutions, noise is multiplied by its strength, and the
    learning rate's scales are part of the mapping network's weights. The scales of modulations are not: they must be
    those of the layers here.

    Args:
        state: Constants by ``NETWORK.NUMBER.OPERATION.PORT``, as
            :func:`fakeoff.arena.players.asset_weights.find_asset_weights` names them.
        mapping_network: Its names are wanted. It is not changed.
        synthesis_network: Likewise.

    Returns:
        The state dicts of both, names behind ``mapping.`` and ``synthesis.``, with the mean of w.

    Raises:
        RuntimeError: They are not the constants of such networks, as of weights that do not fit.
    """
    mapping, synthesis = _Constants("mapping", state), _Constants("synthesis", state)
    found: dict[str, Tensor] = {}
    for index in range(len(mapping_network.layers)):
        found[f"mapping.layers.{index}.weight"] = mapping.take("MatMul", 2)
        found[f"mapping.layers.{index}.bias"] = mapping.take("Reshape", 1)

    # Seen from the result, an operation's style comes before its features: modulations are named from last to first.
    modulations = [(name, layer) for name, layer in synthesis_network.named_modules() if isinstance(layer, Modulation)]
    for name, layer in reversed(modulations):
        found[f"synthesis.{name}.affine.weight"] = synthesis.take("MatMul", 2)
        found[f"synthesis.{name}.affine.bias"] = synthesis.take("Add", 2)[0]
        if layer.scale != 1:
            _compare(synthesis.take("Multiply", 4), layer.scale, f"the scale of {name}")

    found["synthesis.const"] = synthesis.take("Broadcast", 4)[0]
    for name, layer in synthesis_network.named_modules():
        if isinstance(layer, StyledConv):
            if layer.separable:
                found[f"synthesis.{name}.depthwise.weight"] = synthesis.take("GroupConvolution", 5)[:, 0]
            found[f"synthesis.{name}.conv.weight"] = synthesis.take("Convolution", 4)
            found[f"synthesis.{name}.noise"] = synthesis.take("Add", 4)[0]
            found[f"synthesis.{name}.conv.bias"] = synthesis.take("Add", 4)[0, :, 0, 0]
            _compare(synthesis.take("PReLU", 1), _SLOPE, f"the slope after {name}")
    found["synthesis.to_bands.conv.weight"] = synthesis.take("Convolution", 4)
    found["synthesis.to_bands.conv.bias"] = synthesis.take("Add", 4)[0, :, 0, 0]
    for _ in range(6 * len(synthesis_network.blocks) + 6):  # four filters down and two across, at each transform
        _compare(synthesis.take("GroupConvolutionBackpropData", 5).abs(), _HAAR, "a wavelet's filter")
    mapping.none_left("MatMul", "Reshape")
    synthesis.none_left("MatMul", "Multiply", "Convolution", "GroupConvolution", "GroupConvolutionBackpropData", "Add")
    found["mapping.w_avg"] = _mean(found, mapping_network)
    return found


class _Constants:
    """The constants of one network, to be taken in their order."""

    def __init__(self, network: str, state: Table[str, Tensor]) -> None:
        self.network = network
        self._left: dict[tuple[str, int], deque[Tensor]] = {}
        for name in sorted(state):
            whose, _, rest = name.partition(".")
            if whose == network and len(parts := rest.split(".")) == 3:
                self._left.setdefault((parts[1], state[name].dim()), deque()).append(state[name])

    def take(self, operation: str, dimensions: int) -> Tensor:
        """The next constant of so many dimensions that an operation takes."""
        left = self._left.get((operation, dimensions))
        if not left:
            raise RuntimeError(
                f"the published weights' {self.network} network has fewer constants for {operation} than this one; "
                "it has another number of layers"
            )
        return left.popleft()

    def none_left(self, *operations: str) -> None:
        """Whether all that these operations take was taken."""
        for (operation, _), left in self._left.items():
            if left and operation in operations:
                raise RuntimeError(
                    f"the published weights' {self.network} network has {len(left)} constants for {operation} more "
                    "than this one; it has another number of layers"
                )


def _compare(value: Tensor, expected: float, what: str) -> None:
    if not value.is_meta and not torch.allclose(value.cpu(), torch.tensor(expected), rtol=0, atol=_TOLERANCE):
        raise RuntimeError(
            f"in the published weights {what} is {value.flatten()[0].item():.4g}, and here {expected:.4g}"
        )


def _mean(found: Table[str, Tensor], network: Mapping) -> Tensor:
    mapping = copy.deepcopy(network)
    weights = {
        name.removeprefix("mapping."): value for name, value in found.items() if name.startswith("mapping.layers.")
    }
    mapping.load_state_dict({**weights, "w_avg": mapping.w_avg})
    mapping.measure_mean(rng=torch.Generator().manual_seed(0))
    return mapping.w_avg


__all__ = ["from_published", "is_published"]
