"""Progressive GANs of Facebook's ``pytorch_GAN_zoo``, as a ``pgan``'s state.

Its checkpoints are ``{"config": ..., "netG": ..., "netD": ..., "avgG": ...}``. Its networks have the layers of Karras
et al., ICLR 2018, in the same order; what differs is where scales are:

- He's constant multiplies a layer's whole output, its bias too; here it multiplies the weight alone.
- It is sqrt(2 / inputs) for every layer; here the first and the last of the generator, and the last of the critic, have
  the gains of the paper's code. Weights are rescaled for that, so that images and values are the same.
- The deviation over a minibatch is unbiased, over neighbours in it; here it is biased, over images that lie apart. The
  weights of that feature are rescaled for groups of 4, as both have in training.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import torch
from torch import Tensor

from fakeoff.arena.players.checkpoints import Fact

_GROUP = 4
_ROOT = 2**0.5

_GENERATOR = (
    # theirs, ours, the gain of ours
    (r"formatLayer", "dense", _ROOT / 4),
    (r"groupScale0\.0", "conv", _ROOT),
    (r"scaleLayers\.(\d{1,2})\.0", r"blocks.\1.conv1", _ROOT),
    (r"scaleLayers\.(\d{1,2})\.1", r"blocks.\1.conv2", _ROOT),
    (r"toRGBLayers\.(\d{1,2})", r"to_image.\1", 1.0),
)
_CRITIC = (
    (r"fromRGBLayers\.(\d{1,2})", r"from_image.\1", _ROOT),
    (r"scaleLayers\.(\d{1,2})\.0", r"blocks.\1.conv1", _ROOT),
    (r"scaleLayers\.(\d{1,2})\.1", r"blocks.\1.conv2", _ROOT),
    (r"groupScaleZero\.0", "conv", _ROOT),
    (r"groupScaleZero\.1", "dense", _ROOT),
    (r"decisionLayer", "out", 1.0),
)
_EXPECTED: dict[str, tuple[Fact, ...]] = {
    "config.leakyReluLeak": (0.2,),
    "config.perChannelNormalization": (True,),
    "config.equalizedlR": (True,),
    "config.lossCriterion": ("WGANGP", "Logistic"),  # the others end in a hyperbolic tangent
}


def is_gan_zoo(state: Mapping[str, Tensor]) -> bool:
    """Whether a state dict has the names of a Progressive GAN of ``pytorch_GAN_zoo``."""
    return any(name.startswith(("avgG.formatLayer.", "netG.formatLayer.")) for name in state)


def from_gan_zoo(state: Mapping[str, Tensor], facts: Mapping[str, Fact]) -> dict[str, Tensor]:
    """Renames and rescales a checkpoint of ``pytorch_GAN_zoo``.

    Args:
        state: ``avgG.``, else ``netG.``, and ``netD.`` before the names of each.
        facts: What the checkpoint's configuration says, behind ``config.``.

    Returns:
        The part of a player's state that it says: ``average.``, ``synthesis.`` (the same weights, from which training
        goes on), ``grown`` and, where there is a ``netD``, ``critic.``; float32.

    Raises:
        RuntimeError: It has classes or another architecture than pgan's; as of weights that do not fit.
    """
    _check(facts)
    best = "avgG" if any(name.startswith("avgG.") for name in state) else "netG"
    averaged = _translated(state, best, _GENERATOR)
    critic = _translated(state, "netD", _CRITIC)
    if critic:
        critic["conv.weight"] = _deviation_rescaled(critic)
        for kind in ("weight", "bias"):
            if f"out.{kind}" in critic:  # the further ones tell classes
                critic[f"out.{kind}"] = critic[f"out.{kind}"][:1]
    top = max((int(name.split(".")[1]) for name in averaged if name.startswith("to_image.")), default=0)
    fading = facts.get("config.alpha", 0)
    grown = top - float(fading) if isinstance(fading, int | float) and 0 <= fading <= 1 else float(top)
    renamed = {"grown": torch.tensor(grown, dtype=torch.float64)}
    for part, network in (("average", averaged), ("synthesis", averaged), ("critic", critic)):
        renamed |= {f"{part}.{name}": value for name, value in network.items()}
    return renamed


def settings(state: Mapping[str, Tensor]) -> dict[str, int]:
    """The parameters of a player that has the shapes of a state dict in the player's names, as far as it tells them."""
    images = {
        int(name.split(".")[2]): value
        for name, value in state.items()
        if name.startswith("average.to_image.") and name.endswith(".weight")
    }
    dense = state.get("average.dense.weight")
    if not images or dense is None:
        return {}
    top = max(images)
    return {
        "resolution": 4 << top,
        "channels": len(images[top]),
        "latent_dim": dense.shape[-1],
        "features": (2 << top) * images[top].shape[1],
        "most_features": max(image.shape[1] for image in images.values()),
    }


def _translated(
    state: Mapping[str, Tensor], network: str, layers: tuple[tuple[str, str, float], ...]
) -> dict[str, Tensor]:
    mine: dict[str, Tensor] = {}
    for name, value in state.items():
        if not name.startswith(f"{network}."):
            continue
        # files of its first days lack the level "module"
        layer, _, kind = name.removeprefix(f"{network}.").replace(".module.", ".").rpartition(".")
        for theirs, ours, gain in layers:
            found = re.fullmatch(theirs, layer)
            if found and kind in ("weight", "bias"):
                weight = state[name.removesuffix(kind) + "weight"] if kind == "bias" else value
                he = math.sqrt(2 / math.prod(weight.shape[1:]))
                scale = he if kind == "bias" else he / (gain / math.sqrt(math.prod(weight.shape[1:])))
                mine[f"{found.expand(ours)}.{kind}"] = value.float() * scale
                break
        else:
            raise RuntimeError(f"the weights hold '{name}', which no Progressive GAN of pytorch_GAN_zoo has")
    return mine


def _deviation_rescaled(critic: Mapping[str, Tensor]) -> Tensor:
    """The last convolution's weights for our deviation over the minibatch, or without an effect of it."""
    weight = critic["conv.weight"]
    if weight.shape[1] == weight.shape[0] + 1:
        return torch.cat([weight[:, :-1], weight[:, -1:] * math.sqrt(_GROUP / (_GROUP - 1))], 1)
    # It has no such feature: ours weighs nothing, and its place counts in the scale of the others.
    inputs = weight.shape[1]
    return torch.cat([weight * math.sqrt((inputs + 1) / inputs), torch.zeros_like(weight[:, :1])], 1)


def _check(facts: Mapping[str, Fact]) -> None:
    classes = facts.get("config.categoryVectorDim", 0)
    if classes:
        raise RuntimeError(
            f"the weights are of a network with classes (categoryVectorDim {classes}), and pgan has none: its latents "
            "would say no class; give one that was trained without"
        )
    for name, expected in _EXPECTED.items():
        if name in facts and facts[name] not in expected:
            raise RuntimeError(
                f"the weights are of a network with {name} = {facts[name]!r}, where pgan has {expected[0]!r}: the "
                "images would not be the network's"
            )


__all__ = ["from_gan_zoo", "is_gan_zoo", "settings"]
