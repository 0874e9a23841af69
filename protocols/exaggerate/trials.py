"""What was played of exaggeration: a shift on latents that it was not learned on, as figures and rows of tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fakeoff.arena.images import Pixels
from fakeoff.protocols.exaggerate.codes import Space
from fakeoff.protocols.exaggerate.means import Floats, Mean, Resamples
from fakeoff.protocols.exaggerate.parts import PartChange, measure_changes
from fakeoff.protocols.exaggerate.seeking import Sought
from fakeoff.protocols.exaggerate.walking import ALPHAS, MOVED
from fakeoff.protocols.record.log import Row
from fakeoff.protocols.score.blind import TOLERANCE
from fakeoff.protocols.score.falls import share_interval
from fakeoff.protocols.score.patches import Labels


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is said beside figures.

    Attributes:
        space: Where latents are shifted.
        distance: What image cost is told by.
        perceptual_weight: Of it beside the detector's loss.
        confidence: Of intervals, as a share.
    """

    space: Space
    distance: str
    perceptual_weight: float
    confidence: float


class Trial:
    """A shift of a generator's latents, and what a detector says of the images along it.

    Args:
        generator: The generator version's label.
        detector: The detector version's.
        sought: The shift.
        images: All that were walked, uint8 ``(m, h, w, 3)``, in the order of
            :func:`fakeoff.protocols.exaggerate.walking.walk`.
        scores: P(fake) of each, float32 ``(m,)``.
        distances: Of all but the first, to the images as they were, float32 ``(1 + k, 6, n)``.
        apart: The mean distance of images of two latents as they were.
        labels: Parts of the faces as they were, uint8 ``(n, h, w)``; None where nobody parses them.
        resamples: Shared by all trials of a generator.
        settings: What is said beside figures.

    Attributes:
        generator: The generator version's label.
        detector: The detector version's.
        sought: The shift.
        apart: The mean distance of images of two latents as they were.
        latents: How many latents there are.
        settings: What is said beside figures.
    """

    def __init__(
        self,
        *,
        generator: str,
        detector: str,
        sought: Sought,
        images: Pixels,
        scores: Floats,
        distances: Floats,
        apart: float,
        labels: Labels | None,
        resamples: Resamples,
        settings: Settings,
    ) -> None:
        self.generator, self.detector, self.sought, self.settings = generator, detector, sought, settings
        self._images, self._labels, self._resamples, self.apart = images, labels, resamples, apart
        directions, _, self.latents = distances.shape
        self._p = _with_start(scores[self.latents :].reshape(distances.shape), scores[: self.latents])
        self._distances = _with_start(distances, np.zeros(self.latents))
        self._directions = directions

    def p_fake(self, alpha: float) -> Mean:
        """Mean P(fake) of the images after ``alpha`` times the shift."""
        return self._resamples.interval(self._resamples.mean(self.scores(alpha)))

    def random_p_fake(self, alpha: float) -> Mean:
        """The same after random shifts of that length."""
        return self._resamples.interval(self._resamples.random_mean(self._p[1:, ALPHAS.index(alpha)]))

    def cost(self, alpha: float) -> Mean:
        """Mean perceptual distance of the images to what they were."""
        return self._resamples.interval(self._resamples.mean(self._distances[0, ALPHAS.index(alpha)]))

    def random_cost(self, alpha: float) -> Mean:
        """The same after random shifts of that length."""
        return self._resamples.interval(self._resamples.random_mean(self._distances[1:, ALPHAS.index(alpha)]))

    def scores(self, alpha: float) -> Floats:
        """P(fake) of each latent's image after ``alpha`` times the shift, ``(n,)``."""
        return np.asarray(self._p[0, ALPHAS.index(alpha)])

    def images(self, alpha: float) -> Pixels:
        """The images after ``alpha`` times the shift; uint8 ``(n, h, w, 3)``."""
        return self._at(0, alpha)

    def row(self) -> Row:
        """The row of the table *exaggeration*."""
        less, made, more = (self.p_fake(alpha) for alpha in (-1.0, 0.0, 1.0))
        random, means = self.random_p_fake(1.0), self._resamples
        rise = means.mean(self.scores(1.0) - self.scores(0.0))
        chance = means.random_mean(self._p[1:, ALPHAS.index(1.0)] - self._p[1:, ALPHAS.index(0.0)])
        beyond = means.interval(rise - chance)
        rises, by_chance = self._rising(0), self._rising(slice(1, None))
        low, high = share_interval(rises, self.latents, confidence=self.settings.confidence)
        both_ways = self._p[1:, [ALPHAS.index(-1.0), ALPHAS.index(1.0)]].mean(axis=-1)
        cost, random_cost = self.cost(1.0), self.random_cost(1.0)
        return {
            "generator": self.generator,
            "detector": self.detector,
            "space": self.settings.space,
            "norm of w": self.sought.norm,
            "norm over that of latents": self.sought.share,
            **_cells("P(fake) of G(z + w)", less),
            **_cells("P(fake) of G(z)", made),
            **_cells("P(fake) of G(z - w)", more),
            **_cells("P(fake) after a random shift", random),
            "highest of random shifts": float(both_ways.max()),
            **_cells("rise less that of a random shift", beyond),
            "holds": not beyond.low <= 0 <= beyond.high,
            "share that rises": rises,
            "share that rises from": low,
            "share that rises to": high,
            "share that rises after a random shift": by_chance,
            "distance": self.settings.distance,
            **_cells("image cost", cost),
            **_cells("image cost of a random shift", random_cost),
            "distance of two latents' images": self.apart,
            "perceptual weight": self.settings.perceptual_weight,
            "steps used": self.sought.steps,
            "loss on val before": self.sought.curve[0][1],
            "loss on val after": min(loss for _, loss, _, _ in self.sought.curve),
            "latents": self.latents,
            "random shifts": self._directions - 1,
        }

    def changes(self) -> list[PartChange]:
        """The parts of the face by how much they change from ``G(z)`` to ``G(z - w)``; none where nobody parses."""
        if self._labels is None:
            return []
        random = [self._at(index, 1.0) for index in range(1, self._directions)]
        return measure_changes(self.images(0.0), self.images(1.0), random, self._labels, resamples=self._resamples)

    def part_rows(self) -> list[Row]:
        """The rows of the table *parts that change*."""
        return [
            {
                "generator": self.generator,
                "detector": self.detector,
                "part": found.part,
                "images": found.images,
                "share of the image": found.area,
                **_cells("change over the whole image's", found.change),
                **_cells("the same of a random shift", found.random),
                **_cells("difference", found.less_random),
                "holds": found.holds,
            }
            for found in self.changes()
        ]

    def points(self) -> dict[str, float]:
        """Figures for charts, by name."""
        pair = f"{self.generator.partition('@')[0]} by {self.detector.partition('@')[0]}"
        named = {"as made": 0.0, "exaggerated": 1.0, "reduced": -1.0}
        points = {f"p_fake {name}/{pair}": self.p_fake(alpha).value for name, alpha in named.items()}
        return points | {
            f"p_fake after a random shift/{pair}": self.random_p_fake(1.0).value,
            f"share that rises/{pair}": self._rising(0),
            f"image cost/{pair}": self.cost(1.0).value,
        }

    def _rising(self, of: int | slice) -> float:
        """The share of images whose P(fake) rises by more than rounding, from ``G(z)`` to ``G(z - w)``."""
        rise = self._p[of, ..., ALPHAS.index(1.0), :] - self._p[of, ..., ALPHAS.index(0.0), :]
        return float((rise > TOLERANCE).mean())

    def _at(self, direction: int, alpha: float) -> Pixels:
        place = 0 if alpha == 0 else 1 + direction * len(MOVED) + MOVED.index(alpha)
        return self._images[place * self.latents : (place + 1) * self.latents]


def _with_start(moved: Floats, start: Floats) -> npt.NDArray[np.float64]:
    """Values at each of :data:`ALPHAS`, ``(1 + k, 7, n)``, from those at each of :data:`MOVED` and those at 0."""
    full = np.empty((moved.shape[0], len(ALPHAS), moved.shape[2]))
    for index, alpha in enumerate(ALPHAS):
        full[:, index] = moved[:, MOVED.index(alpha)] if alpha else start
    return full


def _cells(name: str, mean: Mean) -> dict[str, float]:
    return {name: mean.value, f"{name} from": mean.low, f"{name} to": mean.high}


def pairs(trials: Sequence[Trial]) -> list[str]:
    """What the figures of trials are called after: ``pgan by resnet18``; their number where that is too long."""
    names = [f"{trial.generator.partition('@')[0]} by {trial.detector.partition('@')[0]}" for trial in trials]
    return [name if len(name) <= _LONGEST else f"pair {index + 1}" for index, name in enumerate(names)]


_LONGEST = 90

__all__ = ["Settings", "Trial", "pairs"]
