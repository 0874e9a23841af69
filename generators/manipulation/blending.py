"""Putting a drawn face into a photograph: in its colours, and without a seam."""

from __future__ import annotations

import numpy as np
import torch
from scipy.sparse import csr_matrix
from scipy.sparse.linalg import spsolve
from torch import Tensor
from torch.nn import functional as F

from fakeoff.arena.images import luminance

_LEAST_SPREAD = 1e-3
COLOUR_REACH = 0.12  # of an image's width
_LEAST_LIGHT = 0.02

# Brightness, yellow against blue, red against green: Ruderman's axes (1998), on which Reinhard et al. match colours.
_AXES = torch.tensor([[1.0, 1.0, 1.0], [1.0, 1.0, -2.0], [1.0, -1.0, 0.0]])
_AXES = _AXES / _AXES.square().sum(1, keepdim=True).sqrt()


def match_colour(images: Tensor, like: Tensor, weights: Tensor, *, of: Tensor | None = None) -> Tensor:
    """Gives images the colours of others: mean and spread along three axes that are nearly independent in faces.

    Reinhard et al. 2001, https://doi.org/10.1109/38.946629, with the opponent axes on the pixels' values themselves, so
    that it is linear and has a gradient everywhere; grey stays grey.

    Args:
        images: float32 ``(n, 3, h, w)``, RGB in [0, 1].
        like: Likewise: whose colours are wanted.
        weights: float32 ``(n, 1, h, w)``, at least 0: which pixels of ``like`` count.
        of: Which pixels of ``images`` count; the same ones, unless it is given.

    Returns:
        float32 ``(n, 3, h, w)`` in [0, 1].
    """
    axes = _AXES.to(images)
    own, wanted = (torch.einsum("ij,njhw->nihw", axes, values) for values in (images, like))
    mean, spread = _moments(own, weights if of is None else of)
    wanted_mean, wanted_spread = _moments(wanted, weights)
    moved = (own - mean) * (wanted_spread / spread) + wanted_mean
    return torch.einsum("ji,njhw->nihw", axes, moved).clamp(0, 1)


def _moments(values: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    weights = weights / weights.sum((2, 3), keepdim=True).clamp(min=1e-6)
    mean = (values * weights).sum((2, 3), keepdim=True)
    variance = ((values - mean).square() * weights).sum((2, 3), keepdim=True)
    return mean, (variance + _LEAST_SPREAD**2).sqrt()


def recolour(grey: Tensor, like: Tensor, *, reach: float = COLOUR_REACH) -> Tensor:
    """Gives grey faces the colours of others, each place that of its surroundings there.

    Only the ratio of colour to brightness is taken over, blurred: what is drawn where the other one has dark lips or
    lashes is skin-coloured, as it should be. Grey stays grey.

    Args:
        grey: float32 ``(n, 1, h, w)`` in [0, 1].
        like: float32 ``(n, 3, h, w)`` in [0, 1].
        reach: How far its surroundings reach, as a share of the side. Small where the same parts lie in the same
            places.

    Returns:
        float32 ``(n, 3, h, w)`` in [0, 1].
    """
    side = 2 * max(1, round(reach * like.shape[-1] / 2)) + 1
    around = F.avg_pool2d(like, side, stride=1, padding=side // 2, count_include_pad=False).clamp(min=_LEAST_LIGHT)
    return (grey * (around / luminance(around))).clamp(0, 1)


def blend(faces: Tensor, targets: Tensor, masks: Tensor) -> Tensor:
    """Feathered blending: by the mask's share, differentiable; where the mask is 0 the target, to the last bit.

    Args:
        faces: float32 ``(n, 3, h, w)`` in [0, 1].
        targets: Likewise.
        masks: float32 ``(n, 1, h, w)`` in [0, 1].
    """
    return torch.where(masks > 0, torch.lerp(targets, faces, masks), targets).clamp(0, 1)


@torch.no_grad()
def poisson_blend(faces: Tensor, targets: Tensor, masks: Tensor) -> Tensor:
    """Poisson blending: the face's own gradients inside of the mask, and the target's values at its edge.

    Pérez, Gangnet and Blake 2003, https://doi.org/10.1145/1201775.882269: what is added to the face solves Laplace's
    equation with the difference to the target around it. The mask's share is taken of that, so that where it is 0 it is
    the target, to the last bit. It has no gradient.

    Args:
        faces: float32 ``(n, 3, h, w)`` in [0, 1].
        targets: Likewise.
        masks: float32 ``(n, 1, h, w)`` in [0, 1].

    Returns:
        float32 ``(n, 3, h, w)`` in [0, 1].
    """
    offsets = [
        _membrane((target - face).cpu(), mask[0].cpu() > 0)
        for face, target, mask in zip(faces, targets, masks, strict=True)
    ]
    seamless = faces + torch.stack(offsets).to(faces) if offsets else faces
    return blend(seamless.clamp(0, 1), targets, masks)


def _membrane(difference: Tensor, inside: Tensor) -> Tensor:
    """Solves Laplace's equation inside, with the difference itself as the value outside; ``(3, h, w)``."""
    # One pixel of frame that is outside, so that every unknown has four neighbours.
    values = np.pad(difference.double().numpy(), ((0, 0), (1, 1), (1, 1)), mode="edge")
    unknown = np.pad(inside.numpy(), 1)
    count = int(unknown.sum())
    if not count:
        return difference
    number = np.full(unknown.shape, -1)
    number[unknown] = np.arange(count)
    rows, columns, right = [np.arange(count)], [np.arange(count)], np.zeros((count, 3))
    for axis, step in ((0, 1), (0, -1), (1, 1), (1, -1)):
        beside = np.roll(number, step, axis)[unknown]
        known = beside < 0
        right[known] += np.roll(values, step, axis + 1)[:, unknown].T[known]
        rows.append(np.flatnonzero(~known))
        columns.append(beside[~known])
    entries = np.concatenate([np.full(count, 4.0), np.full(sum(map(len, rows)) - count, -1.0)])
    matrix = csr_matrix((entries, (np.concatenate(rows), np.concatenate(columns))), shape=(count, count))
    values[:, unknown] = spsolve(matrix.tocsc(), right).reshape(count, 3).T
    return torch.from_numpy(values[:, 1:-1, 1:-1]).to(difference.dtype)


__all__ = ["blend", "match_colour", "poisson_blend", "recolour"]
