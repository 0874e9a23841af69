"""Resamples of people, where an image may show several."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

People: TypeAlias = npt.NDArray[np.int64]
"""Who is on each image, int64 ``(n,)``; the same number is the same person."""

Weights: TypeAlias = npt.NDArray[np.float64]
"""Of images, ``(resamples, n)``; each row sums to 1."""


def count_images(drawn: npt.NDArray[np.integer], on_it: People) -> npt.NDArray[np.float64]:
    """How often images come where people were drawn so often: the product over who is on them.

    Two images with one person in common are not independent (the pigeonhole bootstrap: Owen 2007, Annals of Applied
    Statistics 1).

    Args:
        drawn: How often each person was drawn, ``(resamples, people)``.
        on_it: Who is on each image, by place in that, for each way of being on it: ``(ways, n)``.

    Returns:
        float64 ``(resamples, n)``.
    """
    times: npt.NDArray[np.float64] = drawn[:, on_it].prod(axis=1).astype(np.float64)
    return times


def resample_people(
    groups: Sequence[People], n: int, *, resamples: int, rng: np.random.Generator
) -> tuple[Weights, int]:
    """Draws people with replacement, all of whose images come with them.

    An image that shows several weighs the product of how often they were drawn, :func:`count_images`. A resample that
    leaves no image is drawn again.

    Args:
        groups: Who is on each image, for each way of being on it: as target, as source. Without any, images are drawn.
        n: Images.
        resamples: How many.
        rng: The source of the draws.

    Returns:
        The images' weights, and how many independent units were drawn from: people, or images.
    """
    if not groups:
        return rng.multinomial(n, np.full(n, 1 / n), size=resamples) / n, n
    who, of = np.unique(np.stack(groups), return_inverse=True)
    on_it = of.reshape(len(groups), n)
    weights = np.empty((0, n))
    while len(weights) < resamples:
        drawn = rng.multinomial(len(who), np.full(len(who), 1 / len(who)), size=resamples)
        product = count_images(drawn, on_it)
        weights = np.concatenate([weights, product[product.any(axis=1)]])[:resamples]
    return weights / weights.sum(axis=1, keepdims=True), len(who)


__all__ = ["People", "count_images", "resample_people"]
