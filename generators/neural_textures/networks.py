"""The networks of `neural_textures`: a texture that is learned, and a renderer of it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fakeoff.generators.manipulation.layers import Ascent, Pyramid, initialise
from fakeoff.generators.manipulation.texture import draw_texture

_WIDTHS = (32, 48, 64, 96)


class NeuralRenderer(nn.Module):
    """Draws part of a face from a learned texture and from the person's own, each sampled through the face's mesh.

    Thies, Zollhöfer and Nießner, "Deferred Neural Rendering", SIGGRAPH 2019, https://arxiv.org/abs/1904.12356. All
    images are grey.

    Args:
        side: Height and width of the learned texture, in pixels.
        channels: Of the learned texture; 16 in the paper.
        rng: Of the initial weights.
    """

    def __init__(self, *, side: int, channels: int, rng: torch.Generator) -> None:
        super().__init__()
        self.texture = nn.Parameter(torch.zeros(1, channels, side, side))
        self.pyramid = Pyramid(channels + 3, _WIDTHS)
        self.ascent = Ascent(_WIDTHS)
        initialise(self, rng=rng)
        with torch.no_grad():
            self.texture.normal_(std=0.1, generator=rng)
            self.ascent.out.weight.mul_(0.01)  # so that it begins by drawing the person's own texture

    def forward(self, places: Tensor, own: Tensor, around: Tensor, hole: Tensor) -> Tensor:
        """Draws what is missing.

        Args:
            places: float32 ``(n, h, w, 2)``: where in a texture each pixel lies.
            own: float32 ``(n, 1, h, w)`` in [0, 1]: the person's own texture, sampled there.
            around: float32 ``(n, 1, h, w)`` in [0, 1]: the photograph; what lies in the hole is not looked at.
            hole: float32 ``(n, 1, h, w)``: 1 where it is to draw, 0 elsewhere.

        Returns:
            float32 ``(n, 1, h, w)`` in [0, 1]; outside of the hole it means nothing.
        """
        learned = draw_texture(self.texture, places)
        shown = torch.cat([learned, own - 0.5, (around - 0.5) * (1 - hole), hole], 1)
        drawn: Tensor = self.ascent(self.pyramid(shown))
        return (own + drawn).clamp(0, 1)


__all__ = ["NeuralRenderer"]
