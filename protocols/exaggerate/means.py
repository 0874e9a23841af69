"""Means over the latents of test, with intervals, beside those of random shifts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.floating]
Draws: TypeAlias = npt.NDArray[np.float64]
"""A figure of every resample, ``(1 + resamples,)``; the first is that of the latents as they are."""


@dataclass(frozen=True, kw_only=True)
class Mean:
    """A figure with its interval.

    Attributes:
        value: It.
        low: The lower end.
        high: The upper end.
    """

    value: float
    low: float
    high: float

    @property
    def words(self) -> str:
        """``0.41 (0.38 to 0.44)``."""
        return f"{self.value:.2f} ({self.low:.2f} to {self.high:.2f})"


class Resamples:
    """Bootstrap weights of latents and of random directions, shared by all that is compared on them.

    Latents are drawn with replacement, and so are directions: other latents, and other random shifts, would have given
    other figures.

    Args:
        latents: How many.
        directions: How many random ones.
        resamples: How often they are drawn.
        confidence: Of intervals, as a share.
        rng: The source of the draws.
    """

    def __init__(
        self, *, latents: int, directions: int, resamples: int, confidence: float, rng: np.random.Generator
    ) -> None:
        self._latents, self._directions = (_weights(n, resamples, rng) for n in (latents, directions))
        self._confidence = confidence

    def mean(self, values: Floats) -> Draws:
        """The mean over latents of one shift's values, ``(latents,)``."""
        return np.asarray(self._latents @ values.astype(np.float64))

    def random_mean(self, values: Floats) -> Draws:
        """The mean over random directions and latents, of ``(directions, latents)``."""
        by_latent = self._directions @ values.astype(np.float64)
        return np.asarray((by_latent * self._latents).sum(axis=1))

    def interval(self, draws: Draws, *, at_once: int = 1) -> Mean:
        """The figure of the first draw, between quantiles of the others (the percentile bootstrap).

        Args:
            draws: Of the figure.
            at_once: Of how many figures the intervals are to hold together (Bonferroni).
        """
        tail = (1 - self._confidence) / 2 / at_once
        low, high = np.nanquantile(draws[1:], [tail, 1 - tail])
        return Mean(value=float(draws[0]), low=float(low), high=float(high))


def _weights(n: int, resamples: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """Rows that sum to 1, ``(1 + resamples, n)``; the first is even."""
    drawn = rng.multinomial(n, np.full(n, 1 / n), size=resamples) / n
    return np.concatenate([np.full((1, n), 1 / n), drawn])


__all__ = ["Draws", "Floats", "Mean", "Resamples"]
