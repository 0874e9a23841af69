"""Whether fakes are worth ranking: faces like the reals, many of them, and none that it was shown.

A generator that evades detectors as noise, as one face or as copies of the training photographs has won nothing. (In
the DFGC-21 competition noise came first until a term of image quality was added: Peng et al., "DFGC 2021: A DeepFake
Game Competition", IJCB 2021.) Each figure is held to what photographs measure, so that it means the same in every
arena:

- ``kid_share`` and ``swd_share``: how far the fakes are from the reals, on the way from other reals (0) to uniform
  noise (1), as whole faces and as texture (:mod:`fakeoff.protocols.score.distances`).
- ``variety``: how far a fake is from the fake nearest to it, against photographs of training people. 0 is one face.
  Fakes that were made of photographs are held to these, one fake of each: what a manipulation leaves is alike.
- ``novelty``: how far a fake is from the nearest training photograph, mirrored or moved a little, against photographs
  of other people. 0 is a copy. Of fakes that no photographs are shown for, the same of photographs that are held out,
  where that is less: who has them has no business with them.

The last two compare small blurred images (16 pixels a side), in which noise on top of a face changes little. The limits
were set between what generators that ship measure and what cheats do (docs/scoreboard.md). All images are uint8
``(n, h, w, 3)``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt
from scipy.spatial.distance import cdist

from fakeoff.arena.images import LUMA, Pixels, to_arena
from fakeoff.protocols.score import distances

FEWEST = 8
"""Fakes and reals that it takes to say anything."""

MOST_KID_SHARE = 0.5
MOST_SWD_SHARE = 0.75
LEAST_VARIETY = 0.35
LEAST_NOVELTY = 0.5
LEAST_SSIM = 0.1

Floats = npt.NDArray[np.float64]

_KID_SIDE = 16
_SIDE = 32
_SHIFTS = range(-2, 3)  # of the 32 pixels
_AT_A_TIME = 2048  # photographs that are looked through
_EDGE = 2  # of 16: what a shift may have brought from the other side


@dataclass(frozen=True, kw_only=True)
class Quality:
    """What a set of fakes measures; see the module.

    Attributes:
        kid_share: From other reals (0) to uniform noise (1), of whole faces.
        swd_share: Likewise, of texture.
        variety: 0 is one face over and over; training photographs measure 1.
        novelty: 0 is copies of photographs; photographs of other people measure 1.
        ssim_to_first: Mean structural similarity to version 0 of the same latents; 1 for version 0 itself.
    """

    kid_share: float
    swd_share: float
    variety: float
    novelty: float
    ssim_to_first: float


def measure_quality(
    fakes: Pixels,
    first: Pixels,
    reals: Pixels,
    train: Pixels,
    *,
    targets: npt.NDArray[np.int64] | None = None,
    held_out: Sequence[Pixels] = (),
    some: Callable[[Pixels], Pixels] = lambda images: images,
    rng: np.random.Generator,
) -> Quality | None:
    """Measures a set of fakes; None where there are fewer than :data:`FEWEST` of anything.

    Args:
        fakes: Of the version.
        first: Of version 0, from the same latents.
        reals: Photographs of people whom nobody trained on.
        train: Photographs of the training people.
        targets: int64 ``(n,)``: of fakes that were made of reals, the place of the one that each was put into.
        held_out: Photographs of other people than the training people, of which none may be copied; none where fakes
            are made of photographs.
        some: Chooses, of a large set, those that it is compared by; the same places of sets of one size. What may be
            copied is looked through as a whole.
        rng: Of the noise, of patches and of directions.
    """
    if min(map(len, (fakes, reals, train))) < FEWEST:
        return None
    chosen, chosen_first, chosen_reals, chosen_train = (some(images) for images in (fakes, first, reals, train))
    noise = rng.integers(0, 256, chosen_reals.shape, dtype=np.uint8)
    sets = (chosen, chosen_train, noise)
    *small, small_reals = (to_arena(images, resolution=_KID_SIDE) for images in (*sets, chosen_reals))
    kid = distances.eigenface_kids(small, small_reals, basis=small[1])
    seed = int(rng.integers(2**31))
    swd = [distances.sliced_wasserstein(images, chosen_reals, rng=np.random.default_rng(seed)) for images in sets]
    return Quality(
        kid_share=_share(*kid),
        swd_share=_share(*swd),
        variety=_variety(*map(some, _compared(fakes, reals, train, targets)), rng=rng),
        novelty=min(
            _novelty(chosen, [train], others=chosen_reals),
            _novelty(chosen, held_out, others=chosen_train) if held_out else np.inf,
        ),
        ssim_to_first=1.0 if np.array_equal(fakes, first) else distances.ssim(chosen, chosen_first),
    )


def faults(quality: Quality) -> tuple[str, ...]:
    """Why fakes take no place, one clause each; none where they pass."""
    found = []
    if quality.kid_share > MOST_KID_SHARE:
        found.append(
            f"its faces lie {quality.kid_share:.0%} of the way from the reals to noise (at most {MOST_KID_SHARE:.0%})"
        )
    if quality.swd_share > MOST_SWD_SHARE:
        found.append(
            f"its texture lies {quality.swd_share:.0%} of the way from the reals to noise "
            f"(at most {MOST_SWD_SHARE:.0%})"
        )
    if quality.variety < LEAST_VARIETY:
        found.append(
            f"its fakes are nearly the same: they differ by {quality.variety:.0%} of what photographs do "
            f"(at least {LEAST_VARIETY:.0%})"
        )
    if quality.novelty < LEAST_NOVELTY:
        found.append(
            f"its fakes copy photographs: they are at {quality.novelty:.0%} of the distance that other people "
            f"have to these (at least {LEAST_NOVELTY:.0%})"
        )
    if quality.ssim_to_first < LEAST_SSIM:
        found.append(
            f"nothing is left of the images it began with (SSIM {quality.ssim_to_first:.2f}, at least {LEAST_SSIM})"
        )
    return tuple(found)


_LEAST_DISTANCE = 1e-6


def _share(fakes: float, train: float, noise: float) -> float:
    """Where the fakes lie, from other reals (0) to noise (1)."""
    return (fakes - train) / max(noise - train, _LEAST_DISTANCE)


def _compared(
    fakes: Pixels, reals: Pixels, train: Pixels, targets: npt.NDArray[np.int64] | None
) -> tuple[Pixels, Pixels]:
    """The fakes whose variety is measured, and the photographs that it is held to."""
    if targets is None:
        return fakes, train
    chosen, first = np.unique(targets, return_index=True)
    return (fakes[first], reals[chosen]) if len(chosen) > 1 else (fakes, train)


def _variety(fakes: Pixels, photographs: Pixels, *, rng: np.random.Generator) -> float:
    """The median distance to the nearest other fake, over the same of as many photographs."""
    n = min(len(fakes), len(photographs))  # among more there is a nearer one
    spread = []
    for images in (fakes, photographs):
        faces = _flat(_halved(_small(images[rng.permutation(len(images))[:n]])))
        apart = cdist(faces, faces)
        np.fill_diagonal(apart, np.inf)
        spread.append(float(np.median(apart.min(1))))
    return spread[0] / max(spread[1], _LEAST_DISTANCE)


def _novelty(fakes: Pixels, photographs: Sequence[Pixels], *, others: Pixels) -> float:
    return _to_nearest(fakes, photographs) / max(_to_nearest(others, photographs), _LEAST_DISTANCE)


def _to_nearest(images: Pixels, photographs: Sequence[Pixels]) -> float:
    """The median distance to the nearest photograph, mirrored or not, moved by up to a sixteenth of a side or not.

    Brightness and contrast are taken out: they are the cheapest change of all.
    """
    nearest = np.full(len(images), np.inf)
    faces = _structure(_halved(_small(images)))
    # As products of matrices that is less exact by a hundred-millionth, and for many photographs ten times as fast.
    apart = cdist if sum(map(len, photographs)) <= _AT_A_TIME else _apart
    for part in (some[i : i + _AT_A_TIME] for some in photographs for i in range(0, len(some), _AT_A_TIME)):
        whole = _small(part)
        for both, down, right in product((whole, whole[:, :, ::-1]), _SHIFTS, _SHIFTS):
            moved = _structure(_halved(np.roll(both, (down, right), axis=(1, 2))))
            nearest = np.minimum(nearest, apart(faces, moved).min(1))
    return float(np.median(nearest))


def _apart(one: Floats, other: Floats) -> Floats:
    squares = (one**2).sum(1)[:, None] + (other**2).sum(1) - 2 * one @ other.T
    lengths: Floats = np.sqrt(np.maximum(squares, 0.0))
    return lengths


def _small(images: Pixels) -> Floats:
    """Luma in [0, 1], ``(n, 32, 32)``."""
    luma: Floats = to_arena(images, resolution=_SIDE).astype(np.float64) @ np.array(LUMA) / 255
    return luma


def _halved(images: Floats) -> Floats:
    """Means of 2 x 2 pixels."""
    upper, lower = images[:, ::2], images[:, 1::2]
    # The sums of `mean` over both axes, in its order, in a third of its time.
    means: Floats = ((upper[:, :, ::2] + upper[:, :, 1::2]) + (lower[:, :, ::2] + lower[:, :, 1::2])) / 4
    return means


def _structure(images: Floats) -> Floats:
    """The inner part of each image, with mean 0 and length 1; a plain one stays 0."""
    inner = _flat(images[:, _EDGE:-_EDGE, _EDGE:-_EDGE])
    inner = inner - inner.mean(1, keepdims=True)
    whole: Floats = inner / np.maximum(np.linalg.norm(inner, axis=1, keepdims=True), _LEAST_DISTANCE)
    return whole


def _flat(images: Floats) -> Floats:
    return images.reshape(len(images), -1)


__all__ = ["FEWEST", "Quality", "faults", "measure_quality"]
