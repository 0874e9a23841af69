"""The networks of `deepfakes`: one encoder for everybody, and a decoder that is told who it draws."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fakeoff.generators.manipulation.layers import Ascent, Convolutions, Pyramid, initialise

_WIDTHS = (24, 48, 64, 96)
_ENCODER = (16, 32, 48)
_CODE_SIDE = 8


class FaceAutoencoder(nn.Module):
    """Draws a face as a code says it moves and is lit, and as an identity says it looks.

    The code is variational (Kingma & Welling, ICLR 2014, https://arxiv.org/abs/1312.6114): what it says costs, so that
    it says what the identity does not. All faces are grey textures, in the shape of the mean face.

    Args:
        side: Height and width of a texture, a multiple of 8.
        code: Numbers in a code.
        rng: Of the initial weights.
    """

    def __init__(self, *, side: int, code: int, rng: torch.Generator) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            Convolutions(1, _ENCODER[0], stride=2),
            Convolutions(_ENCODER[0], _ENCODER[1], stride=2),
            Convolutions(_ENCODER[1], _ENCODER[2], stride=2),
            nn.AdaptiveAvgPool2d(_CODE_SIDE),
            nn.Flatten(),
        )
        self.statistics = nn.Linear(_ENCODER[2] * _CODE_SIDE**2, 2 * code)
        self.spread = nn.Linear(code, _WIDTHS[-1] * (side // 8) ** 2)
        self.identity = Pyramid(1, _WIDTHS)
        self.decoder = Ascent(_WIDTHS, beside=_WIDTHS[-1])
        initialise(self, rng=rng)
        with torch.no_grad():  # so that it begins by drawing the identity's own photograph
            self.decoder.out.weight.mul_(0.01)
            self.statistics.weight.mul_(0.1)

    def encode(self, faces: Tensor) -> tuple[Tensor, Tensor]:
        """Textures ``(n, 1, side, side)`` to a code's mean and the logarithm of its variance, ``(n, code)`` each."""
        mean, log_variance = self.statistics(self.encoder(faces - 0.5)).chunk(2, dim=1)
        return mean, log_variance.clamp(-8, 4)

    def decode(self, codes: Tensor, identities: Tensor) -> Tensor:
        """Codes ``(n, code)`` and other textures of who is drawn, ``(n, 1, side, side)``, to textures in [0, 1]."""
        features = self.identity(identities - 0.5)
        beside = self.spread(codes).reshape(features[-1].shape)
        drawn: Tensor = self.decoder(features, beside)
        return (identities + drawn).clamp(0, 1)


__all__ = ["FaceAutoencoder"]
