"""Falls: by how much a share went down, with an interval that its counts alone decide."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

from fakeoff.protocols.score.intervals import Interval


@dataclass(frozen=True, kw_only=True)
class Fall:
    """By how much a share went down from one set of images to another.

    Attributes:
        before: The share at first, in [0, 1].
        after: Afterwards.
        ci: The interval of ``before - after``.
    """

    before: float
    after: float
    ci: Interval

    @property
    def size(self) -> float:
        """In [-1, 1]; below 0 where the share rose."""
        return self.before - self.after


def share_interval(share: float, n: int, *, confidence: float) -> Interval:
    """Wilson's interval of a share of independent images; not a point even where all of them agree.

    A test holds it to SciPy's, whose import takes a driver a second that it has no other use for.

    Args:
        share: In [0, 1].
        n: Of how many images, from 1.
        confidence: Of the interval, as a share.
    """
    squared = NormalDist().inv_cdf((1 + confidence) / 2) ** 2
    centre = (share + squared / (2 * n)) / (1 + squared / n)
    half = math.sqrt(squared * share * (1 - share) / n + squared**2 / (4 * n**2)) / (1 + squared / n)
    return max(0.0, centre - half), min(1.0, centre + half)


def measure_fall(before: tuple[float, int], after: tuple[float, int], *, confidence: float) -> Fall:
    """A fall of a share, with Newcombe's interval of the difference of two shares.

    It is made of both shares' intervals (Newcombe, Statistics in Medicine 17, 1998, method 10), and takes the two sets
    of images as independent: where they come of the same latents it is a little too wide.

    Args:
        before: The share at first, and of how many images.
        after: Likewise.
        confidence: Of the interval, as a share.
    """
    (first, n), (second, m) = before, after
    low_first, high_first = share_interval(first, n, confidence=confidence)
    low_second, high_second = share_interval(second, m, confidence=confidence)
    size = first - second
    low = size - math.hypot(first - low_first, high_second - second)
    high = size + math.hypot(high_first - first, second - low_second)
    return Fall(before=first, after=second, ci=(max(-1.0, low), min(1.0, high)))


__all__ = ["Fall", "measure_fall", "share_interval"]
