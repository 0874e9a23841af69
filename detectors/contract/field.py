"""Whether a patch detector's receptive field is what its patches see: measured, not believed."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

import torch
from torch import Tensor
from torch.nn.modules.batchnorm import _BatchNorm

from fakeoff.arena.contract.breaches import ContractBreach, asking
from fakeoff.arena.seeds import rng_from, sealed
from fakeoff.detectors.interface import PatchDetector
from fakeoff.detectors.receptive_field import ReceptiveField

_ROUNDING = 2e-6
_VISIBLE = 1e-4
_LEAK = 1e-4  # of the most that a score moves
# The outermost pixels of a field weigh little, and a ReLU or a maximum may hide them.
_SHARE_HIDDEN = 1 / 8
_MEND = (
    "receptive_field = ReceptiveField.of([(kernel, stride, padding), ...]) over all layers; where a layer sees the "
    "whole image (global pooling, squeeze and excitation, attention, instance norm), derive from Detector instead"
)


def check_field(players: Iterable[PatchDetector], *, resolution: int) -> None:
    """Changes the pixels outside and inside of patches' fields, and follows a patch's gradient.

    Args:
        players: The same detector, new and trained; the first one whose scores move visibly is looked at. Their
            running statistics are changed.
        resolution: Of images that it takes for certain, in pixels.

    Raises:
        ContractBreach: A patch sees other pixels than its receptive field says.
    """
    most = -1.0
    for candidate in players:
        field = _field(candidate)
        _calibrate(candidate, resolution)
        seen = _image_with_an_outside(candidate, field, resolution)
        units, side = _scores(candidate, seen).shape[-1], seen.shape[-1]
        middle = units // 2
        moved = _moves(candidate, seen, field, within=[middle], outside=[0, units - 1])
        if max(moved) > most:
            player, image, leaks, most = candidate, seen, moved[1:], max(moved)
        if most > _VISIBLE:
            break
    if most <= _ROUNDING:
        raise ContractBreach(
            expected="a patch's score depends on the pixels that it sees",
            came=f"it moved by {most:.1g} when all of them changed",
            mend="derive patch_scores from the images, and let initial weights be large enough to be felt",
        )
    for unit, leak in zip((0, units - 1), leaks, strict=True):
        if leak > _ROUNDING + _LEAK * most:
            raise _breach(field, unit, side, f"its score moved by {leak:.2g} when only pixels outside of it changed")
    _follow_gradient(player, image, middle, field)


def _field(player: PatchDetector) -> ReceptiveField:
    field = getattr(player, "receptive_field", None)
    if not isinstance(field, ReceptiveField) or field.size < 1 or field.stride < 1:
        raise ContractBreach(
            expected="receptive_field is a ReceptiveField: which pixels a patch sees", came=repr(field), mend=_MEND
        )
    return field


def _calibrate(player: PatchDetector, resolution: int) -> None:
    """Brings running statistics to what the layers see, or a new network's scores hardly move."""
    norms = [module for module in player.modules() if isinstance(module, _BatchNorm)]
    kept = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 1.0
    if norms:
        # What it does in train mode with no labels is its own affair.
        with contextlib.suppress(Exception), torch.no_grad(), sealed("calibrate"):
            player.train().patch_scores(_noise(4, resolution))
    for norm, momentum in zip(norms, kept, strict=True):
        norm.momentum = momentum
    player.eval()


def _image_with_an_outside(player: PatchDetector, field: ReceptiveField, resolution: int) -> Tensor:
    """An image in which a patch in the middle has pixels around its field, if the detector takes such a one."""
    side = max(resolution, field.size + 2 * field.stride + 2)
    if side > resolution:
        with contextlib.suppress(ContractBreach):
            _scores(player, _noise(1, side))
            return _noise(1, side)
    return _noise(1, resolution)


def _moves(
    player: PatchDetector, image: Tensor, field: ReceptiveField, *, within: list[int], outside: list[int]
) -> list[float]:
    """How far the scores of patches move when the pixels of their fields are changed, or all others are."""
    side = image.shape[-1]
    changed = [image]
    for unit in (*within, *outside):
        first, end = _clipped(field, unit, side)
        inside = torch.zeros(side, side, dtype=torch.bool)
        inside[first:end, first:end] = True
        # The first ones change the pixels inside.
        changed.append(torch.where(inside == (len(changed) <= len(within)), 1 - image, image))
    scores = _scores(player, torch.cat(changed))
    alone = _scores(player, image)
    if scores.shape[1:] != alone.shape[1:]:
        raise ContractBreach(
            expected="patch_scores gives as many patches of an image, be it alone or among others",
            came=f"{_grid(alone)} of one by itself, {_grid(scores)} of each of {len(scores)}",
            mend="let the grid follow from the image's size alone",
        )
    return [
        (scores[index, unit, unit] - scores[0, unit, unit]).abs().item()
        for index, unit in enumerate((*within, *outside), start=1)
    ]


def _grid(scores: Tensor) -> str:
    return f"{scores.shape[1]} x {scores.shape[2]}"


def _follow_gradient(player: PatchDetector, image: Tensor, unit: int, field: ReceptiveField) -> None:
    """Compares the rows and columns that a patch's gradient reaches with its field."""
    image = image.clone().requires_grad_()
    with asking("patch_scores(images)"):
        score = player.patch_scores(image)[0, unit, unit]
    if not score.requires_grad:  # it is no less a detector
        return
    (gradient,) = torch.autograd.grad(score, image)
    side = image.shape[-1]
    first, end = _clipped(field, unit, side)
    hidden = max(2, round((end - first) * _SHARE_HIDDEN))
    for axis in (0, 1):
        reached = gradient[0].abs().sum(0).sum(1 - axis).nonzero().flatten().tolist()
        if not reached or reached[0] > first + hidden or reached[-1] < end - 1 - hidden:
            came = (
                f"by its gradient it sees pixels {reached[0]} to {reached[-1]}" if reached else "its gradient is zero"
            )
            raise _breach(field, unit, side, came)


def _clipped(field: ReceptiveField, unit: int, side: int) -> tuple[int, int]:
    first, end = field.pixels(unit)
    return max(0, first), min(side, end)


def _breach(field: ReceptiveField, unit: int, side: int, came: str) -> ContractBreach:
    first, end = _clipped(field, unit, side)
    return ContractBreach(
        expected=f"in images of {side} px, patch ({unit}, {unit}) sees pixels {first} to {end - 1} along both axes, as "
        f"receptive_field says (size {field.size}, stride {field.stride}, offset {field.offset})",
        came=came,
        mend=_MEND,
    )


def _scores(player: PatchDetector, images: Tensor) -> Tensor:
    with asking(f"patch_scores(images of {images.shape[-1]} px)"), torch.no_grad():
        return player.patch_scores(images)


def _noise(n: int, side: int) -> Tensor:
    return torch.rand(n, 3, side, side, generator=rng_from("field", n, side))


__all__ = ["check_field"]
