"""What was shot at detectors: with what, how hard, through what, and what it cost the images."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from fakeoff.arena.jobs.store import Store
from fakeoff.protocols.measures import Judged
from fakeoff.protocols.record.log import Cell, Row
from fakeoff.protocols.rules.cost import Distances
from fakeoff.protocols.score.metrics import THRESHOLD
from fakeoff.protocols.score.replicates import Draws, Estimate, SharedResamples, estimate_share

Attack: TypeAlias = Literal["none", "finetuning", "pixels"]
"""``finetuning``: of the generator (Eq. 4); ``pixels``: of each image by itself."""

Place: TypeAlias = tuple[str, str, str, Attack, str, float]
"""Generator, detector that was attacked, judge, attack, what it was led through, budget."""


@dataclass(frozen=True, kw_only=True)
class Shot:
    """One attack on one detector, as one detector judged it.

    Attributes:
        generator: Whose fakes.
        against: The detector that was frozen; empty where nobody was attacked.
        judge: Who judged.
        seed: Which repetition.
        attack: With what.
        budget: Steps of finetuning, or levels that a pixel may move; 0 of ``none``.
        led_through: What lay between in the attack.
        judged_through: What lay between when it was judged.
        judged: Its scores.
        cost: How far the images are from those before the attack, and from the reals.
    """

    generator: str
    against: str
    judge: str
    seed: int
    attack: Attack
    budget: float
    led_through: str = ""
    judged_through: str = ""
    judged: Judged
    cost: Distances | None = None

    @property
    def place(self) -> Place:
        """What repetitions of it have in common, whatever lay between when it was judged."""
        return self.generator, self.against, self.judge, self.attack, self.led_through, self.budget

    @property
    def is_own(self) -> bool:
        """Whether who judged was attacked, or nobody was."""
        return self.against in ("", self.judge)


class Range:
    """Everything that was shot, with its draws.

    Args:
        shots: All of them.
        resamples: Shared by all, by generator.
        store: Where scores are.
        confidence: Of intervals, as a share.
    """

    def __init__(self, shots: Iterable[Shot], *, resamples: SharedResamples, store: Store, confidence: float) -> None:
        self.shots = tuple(shots)
        self.people, self.confidence = resamples.people, confidence
        self._resamples, self._store = resamples, store
        self._known: dict[str, tuple[Draws, Draws, Draws | None]] = {}
        self._images = min(min(map(len, shot.judged.scores(store))) for shot in self.shots)

    def at(self, place: Place, *, judged_through: str = "") -> list[Shot]:
        """The repetitions of a shot, by seed."""
        found = [shot for shot in self.shots if shot.place == place and shot.judged_through == judged_through]
        return sorted(found, key=lambda shot: shot.seed)

    def ap(self, shots: Sequence[Shot]) -> Draws:
        """Average precision of repetitions of one shot: ``(seeds, 1 + resamples)``."""
        return np.stack([self._draws(shot)[0] for shot in shots])

    def estimate(self, draws: Draws) -> Estimate:
        """A share with its interval over people and seeds."""
        return estimate_share(draws, people=self.people, images=self._images, confidence=self.confidence)

    def row(self, shots: Sequence[Shot]) -> Row:
        """Metrics of repetitions of one shot, with intervals."""
        found = [self._draws(shot) for shot in shots]
        metrics = {"AP": [draws[0] for draws in found], "accuracy": [draws[1] for draws in found]}
        if all(draws[2] is not None for draws in found):
            metrics["TPR at 5% FPR"] = [draws[2] for draws in found if draws[2] is not None]
        row: dict[str, Cell] = {}
        for name, draws in metrics.items():
            of = self.estimate(np.stack(draws))
            row |= {name: of.value, f"{name} from": of.low, f"{name} to": of.high}
        if costs := [shot.cost for shot in shots if shot.cost is not None]:
            row |= {
                "image cost": float(np.mean([cost.pixel_l1_to_first for cost in costs])),
                "SSIM to unattacked": float(np.mean([cost.ssim_to_first for cost in costs])),
                "KID to reals": float(np.mean([cost.kid_to_reals for cost in costs])),
                "SWD to reals": float(np.mean([cost.swd_to_reals for cost in costs])),
            }
        return {**row, "seeds": len(shots)}

    def _draws(self, shot: Shot) -> tuple[Draws, Draws, Draws | None]:
        """Average precision, accuracy at 0.5 and the share of fakes above the threshold that val's reals decided."""
        key = shot.judged.key
        if key not in self._known:
            real, fake = shot.judged.scores(self._store)
            ap, _ = self._resamples.average_precision(real, fake, shot.generator)
            passed, caught = self._resamples.shares(real < THRESHOLD, fake >= THRESHOLD, shot.generator)
            threshold = shot.judged.detector.thresholds(self._store).at_5_fpr
            found = None
            if threshold is not None:
                _, found = self._resamples.shares(real < threshold, fake >= threshold, shot.generator)
            self._known[key] = ap, (passed + caught) / 2, found
        return self._known[key]


__all__ = ["Attack", "Place", "Range", "Shot"]
