"""What is independent among the images of a test, and resamples of it: people, where an image may show several.

Ten photographs of one person are not ten observations. Whoever resamples photographs as if they were takes intervals
for narrower than they are; here people are drawn, with all that is theirs on both sides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from fakeoff.arena.seeds import seed_from

People: TypeAlias = npt.NDArray[np.int64]
"""Who is on each image, int64 ``(n,)``; the same number is the same person."""

Weights: TypeAlias = npt.NDArray[np.float64]
"""Of images, ``(resamples, n)``; each row sums to 1."""

_ROWS = 256


@dataclass(frozen=True, kw_only=True)
class Units:
    """What is independent on both sides of a test: people, or images.

    Attributes:
        n_real: Real images.
        n_fake: Fake ones.
        real: Who is on each real; None where nobody says, and each stands for itself.
        fake: Who is on each fake, for each way of being on it: as target, as source. Without any each stands for
            itself: a latent, a file. The same number is the same person as among the reals.
    """

    n_real: int
    n_fake: int
    real: People | None = None
    fake: tuple[People, ...] = ()

    @cached_property
    def real_units(self) -> int:
        """How many are independent among the reals."""
        return self.n_real if self.real is None else len(np.unique(self.real))

    @cached_property
    def fake_units(self) -> int:
        """How many are independent among the fakes; of several ways of being on them the fewest."""
        return min((len(np.unique(way)) for way in self.fake), default=self.n_fake)

    @cached_property
    def key(self) -> tuple[Any, ...]:
        """What it is made of, for keys of results that follow from it."""
        return (
            self.n_real,
            self.n_fake,
            None if self.real is None else self.real.tolist(),
            [way.tolist() for way in self.fake],
        )

    def resample(self, resamples: int, *, seed: int, fakes: str) -> Iterator[tuple[Weights, Weights]]:
        """Draws units with replacement, in chunks of rows; all images of a person come with them.

        Of one seed the same people are drawn for whoever is judged on them, and the same fakes of one generator,
        whose versions share their latents: so that differences can be told.

        Args:
            resamples: How many.
            seed: Of the draws.
            fakes: Whose they are: those of two generators have nothing in common, and are drawn apart.

        Yields:
            Weights of reals ``(rows, n_real)`` and of fakes ``(rows, n_fake)``. A resample in which nobody of a side
            was drawn counts that side as it is.
        """
        ids = [way for way in (self.real, *self.fake) if way is not None]
        everybody = np.unique(np.concatenate(ids)) if ids else np.zeros(0, dtype=np.int64)
        places = [np.searchsorted(everybody, way) for way in ids]
        of_people = np.random.default_rng(seed_from("people", seed, len(everybody)))
        of_reals = np.random.default_rng(seed_from("reals", seed, self.n_real))
        of_fakes = np.random.default_rng(seed_from("fakes", seed, fakes, self.n_fake))
        for start in range(0, resamples, _ROWS):
            rows = min(_ROWS, resamples - start)
            drawn = _draw(len(everybody), rows, of_people) if ids else None
            if self.real is None or drawn is None:
                real = _draw(self.n_real, rows, of_reals).astype(np.float64)
            else:
                real = drawn[:, places[0]].astype(np.float64)
            if self.fake and drawn is not None:
                fake = count_images(drawn, np.stack(places[-len(self.fake) :]))
            else:
                fake = _draw(self.n_fake, rows, of_fakes).astype(np.float64)
            yield as_weights(real), as_weights(fake)


def as_weights(times: npt.NDArray[Any]) -> Weights:
    """Weights whose rows sum to 1, from how often images come; a row in which none comes counts all alike.

    Args:
        times: ``(rows, n)``.
    """
    sums = times.sum(axis=1, keepdims=True)
    kept = np.where(sums > 0, times, 1)
    weights: Weights = kept / kept.sum(axis=1, keepdims=True)
    return weights


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
        return as_weights(_draw(n, resamples, rng)), n
    who, of = np.unique(np.stack(groups), return_inverse=True)
    on_it = of.reshape(len(groups), n)
    weights = np.empty((0, n))
    while len(weights) < resamples:
        product = count_images(_draw(len(who), resamples, rng), on_it)
        weights = np.concatenate([weights, product[product.any(axis=1)]])[:resamples]
    return as_weights(weights), len(who)


def _draw(n: int, rows: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """How often each of n is drawn in n draws with replacement: ``(rows, n)``."""
    return rng.multinomial(n, np.full(n, 1 / n), size=rows)


__all__ = ["People", "Units", "as_weights", "count_images", "resample_people"]
