"""What all formats that bring their own graph have in common."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


class Program(nn.Module):
    """A network that was read from a file with its graph and its weights.

    Images are judged one by one: quantised networks scale by the largest value of a batch, so that a score would
    depend on its company, and a trace may have the size of its batch in it. The weights are no part of the state dict:
    the file's bytes are.

    Attributes:
        side: Height and width in pixels of the images that the file says it takes; 0 where it does not say.
        differentiable: Whether a gradient flows through it.
    """

    side: int = 0
    differentiable: bool = True

    def __init__(self) -> None:
        super().__init__()
        self.register_load_state_dict_post_hook(_nothing_is_missing)  # type: ignore[no-untyped-call]

    def run(self, image: Tensor) -> Tensor:
        """Judges one image.

        Args:
            image: float32 ``(1, ...)``, prepared as the network is used to.

        Returns:
            What comes, with one row.
        """
        raise NotImplementedError

    def forward(self, images: Tensor) -> Tensor:
        return torch.cat([self.run(images[place : place + 1]) for place in range(len(images))])

    def state_dict(self, *_: Any, destination: Any = None, **__: Any) -> Any:
        return {} if destination is None else destination


def _nothing_is_missing(_: nn.Module, keys: Any) -> None:
    keys.missing_keys.clear()


__all__ = ["Program"]
