"""What somebody's own network says, read as P(fake)."""

from __future__ import annotations

from typing import Literal, TypeAlias

import torch
from torch import Tensor

from fakeoff.arena.errors import PluginError

Output: TypeAlias = Literal["logit", "two_logits", "probability"]
"""What a network ends in: one logit, one for each of two classes, or a probability (of one class, or of both)."""

FakeClass: TypeAlias = Literal[0, 1]
"""Which of two classes is fake; of one value, whether it is high where the image is fake (1) or real (0)."""

_TOLERANCE = 1e-3
_WIDTHS: dict[Output, tuple[int, ...]] = {"logit": (1,), "two_logits": (2,), "probability": (1, 2)}


def values_of(out: object, *, n: int) -> Tensor:
    """Holds a network's output to one row for each image.

    Args:
        out: What came.
        n: How many images were shown.

    Returns:
        float32 ``(n, k)``.

    Raises:
        PluginError: It is no tensor of numbers, or has another number of rows.
    """
    if not isinstance(out, Tensor) or not out.is_floating_point():
        what = f"values of {out.dtype}" if isinstance(out, Tensor) else f"a {type(out).__name__}"
        raise PluginError(f"the model gives {what}, and no floating-point tensor; export it with its logits alone")
    if out.ndim == 0 or len(out) != n or out.numel() % n:
        raise PluginError(f"the model gives a tensor of shape {tuple(out.shape)} of {n} images: one row each is wanted")
    return out.reshape(n, -1).float()


def log_odds(values: Tensor, *, output: Output, fake_class: FakeClass) -> Tensor:
    """The logarithm of the odds of fake.

    Args:
        values: float32 ``(n, k)``, as :func:`values_of` returns them.
        output: What they are; logits.
        fake_class: Which class is fake.

    Returns:
        float32 ``(n,)``, whose sigmoid is P(fake).

    Raises:
        PluginError: There are more or fewer values than ``output`` says.
    """
    _check_width(values, output)
    if values.shape[1] == 1:
        return values[:, 0] if fake_class == 1 else -values[:, 0]
    # The softmax of two logits is the sigmoid of their difference.
    return values[:, fake_class] - values[:, 1 - fake_class]


def probability(values: Tensor, *, fake_class: FakeClass) -> Tensor:
    """P(fake), of values that are probabilities.

    Args:
        values: float32 ``(n, 1)``, or ``(n, 2)`` with one for each class.
        fake_class: Which class is fake.

    Returns:
        float32 ``(n,)`` in [0, 1].

    Raises:
        PluginError: There are more values, or they lie outside of [0, 1].
    """
    _check_width(values, "probability")
    low, high = torch.aminmax(values.detach())
    if low < -_TOLERANCE or high > 1 + _TOLERANCE:
        kind = "logit" if values.shape[1] == 1 else "two_logits"
        raise PluginError(
            f"the model gives values from {low.item():.3g} to {high.item():.3g}, which are no probabilities; are they "
            f'logits? set output = "{kind}"'
        )
    values = values.clamp(0, 1)
    if values.shape[1] == 2:
        return values[:, fake_class]
    return values[:, 0] if fake_class == 1 else 1 - values[:, 0]


def _check_width(values: Tensor, output: Output) -> None:
    width = values.shape[1]
    if width in _WIDTHS[output]:
        return
    if width not in (1, 2):
        raise PluginError(
            f"the model gives {width} values an image, and a detector of fakes gives 1 or 2; export it with its last "
            "layer, or name one as probe"
        )
    kinds = " or ".join(f'"{kind}"' for kind, widths in _WIDTHS.items() if width in widths)
    raise PluginError(f'the model gives {width} value(s) an image, which is no "{output}"; set output = {kinds}')


__all__ = ["FakeClass", "Output", "log_odds", "probability", "values_of"]
