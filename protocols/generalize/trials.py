"""What was played of a study of generalisation, as draws, estimates and rows of tables."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fakeoff.arena.jobs.store import Store
from fakeoff.protocols.measures import Match
from fakeoff.protocols.record.log import Cell, Row
from fakeoff.protocols.score.replicates import (
    Draws,
    Estimate,
    SharedResamples,
    estimate,
    estimate_share,
    slope,
)


@dataclass(frozen=True, kw_only=True)
class Sight:
    """What a detector sees at once.

    Attributes:
        pixels: Its receptive field; None is the whole image.
    """

    pixels: int | None

    @property
    def words(self) -> str:
        """``43 px``, or ``image``."""
        return "image" if self.pixels is None else f"{self.pixels} px"

    def across(self, side: int) -> int:
        """How many pixels of an image of so many a side it sees at most."""
        return side if self.pixels is None else min(self.pixels, side)


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A detector's mean figure on all generators that it was not trained on.

    Attributes:
        detector: Who.
        ap: The mean of its average precisions.
        is_best: Whether it is the best of its group, or cannot be told apart from the best.
    """

    detector: str
    ap: Estimate
    is_best: bool


class Trials:
    """Every training, every pool, every resample.

    Args:
        matches: By what was trained on and by seed.
        trained_on: The generators of each group.
        sights: By detector. Who is missing is left out.
        resamples: Shared by all.
        store: Where scores are.
        side: The arena's resolution.
        confidence: Of intervals, as a share.

    Attributes:
        groups: What was trained on, in order.
        detectors: Smallest receptive field first; those that see whole images last.
        generators: In the order in which they entered.
        people: How many persons test has.
        seeds: How many trainings there are of each detector at most.
        side: The arena's resolution.
        confidence: Of intervals, as a share.
        sights: By detector.
    """

    def __init__(
        self,
        *,
        matches: Mapping[tuple[str, int], Sequence[Match]],
        trained_on: Mapping[str, tuple[str, ...]],
        sights: Mapping[str, Sight],
        resamples: SharedResamples,
        store: Store,
        side: int,
        confidence: float,
    ) -> None:
        self._trained_on, self.sights = trained_on, sights
        self.side, self.confidence, self.people = side, confidence, resamples.people
        self._images = 0
        draws: dict[tuple[str, str, str], dict[int, tuple[Draws, Draws]]] = {}
        for (group, seed), found in matches.items():
            for match in found:
                detector, generator = match.detector.player, match.generator.player
                if detector in sights:
                    real, fake = match.scores(store)
                    self._images = min(self._images or len(real), len(real), len(fake))
                    measured = resamples.average_precision(real, fake, generator)
                    draws.setdefault((group, detector, generator), {})[seed] = measured
        self._draws = draws
        self.groups = tuple(group for group in trained_on if any(place[0] == group for place in draws))
        self.generators = tuple(dict.fromkeys(generator for _, _, generator in draws))
        self.detectors = tuple(sorted(dict.fromkeys(detector for _, detector, _ in draws), key=self._order))
        self.seeds = max(len(by_seed) for by_seed in draws.values())

    def unseen(self, group: str) -> tuple[str, ...]:
        """The generators that were not trained on."""
        return tuple(name for name in self.generators if name not in self._trained_on[group])

    def seen(self, group: str) -> tuple[str, ...]:
        """Those that were."""
        return tuple(name for name in self.generators if name in self._trained_on[group])

    def ap(self, group: str, detector: str, generator: str) -> Estimate | None:
        """Average precision of a pair, over people and seeds; None where somebody forfeited."""
        draws = self._of(group, detector, (generator,))
        return None if draws is None else self._share(draws)

    def auc(self, group: str, detector: str, generator: str) -> Estimate | None:
        """The area under the ROC curve, likewise."""
        draws = self._of(group, detector, (generator,), metric=1)
        return None if draws is None else self._share(draws)

    def standings(self, group: str) -> tuple[Standing, ...]:
        """Every detector's mean average precision on unseen generators, best first.

        Not told apart from the best is whose difference from it has an interval, at a confidence that holds for all of
        them together (Bonferroni), that contains 0.
        """
        draws = self._on_unseen(group)
        if not draws:
            return ()
        found = {name: self._share(of) for name, of in draws.items()}
        ordered = sorted(draws, key=lambda name: -found[name].value)
        best = ordered[0]
        together = 1 - (1 - self.confidence) / max(1, len(ordered) - 1)
        standings = []
        for name in ordered:
            as_good = name == best or self._difference(draws[best], draws[name], confidence=together).contains(0)
            standings.append(Standing(detector=name, ap=found[name], is_best=as_good))
        return tuple(standings)

    def gain(self, group: str, other: str, detector: str) -> tuple[tuple[str, ...], Estimate | None]:
        """What a detector's average precision gains where it learns one group in place of another.

        Args:
            group: What it learns.
            other: In place of which.
            detector: Who.

        Returns:
            The generators that neither has seen, and the difference of the means on them; None where there are none, or
            somebody forfeited.
        """
        unseen = tuple(name for name in self.unseen(group) if name in self.unseen(other))
        one, two = self._of(group, detector, unseen), self._of(other, detector, unseen)
        if one is None or two is None:
            return unseen, None
        return unseen, self._difference(one, two, confidence=self.confidence)

    def wide_rows(self, group: str) -> list[Row]:
        """The paper's table of one group: detectors by generators, what was trained on in brackets."""
        standings = {standing.detector: standing for standing in self.standings(group)}
        rows: list[Row] = []
        for detector in self.detectors:
            row: dict[str, Cell] = {"trained on": group, "detector": detector, "sees": self.sights[detector].words}
            for generator in self.generators:
                found = self.ap(group, detector, generator)
                text = "" if found is None else _text(found)
                row[generator] = f"[{text}]" if found is not None and generator in self.seen(group) else text
            if detector in standings:
                row["mean of unseen"] = _text(standings[detector].ap)
                row["best, or not told apart"] = standings[detector].is_best
            rows.append(row)
        return [row for row in rows if any(row.get(generator) for generator in self.generators)]

    def pair_rows(self) -> list[Row]:
        """A row for each detector, what it was trained on, and each generator."""
        rows: list[Row] = []
        for group in self.groups:
            for detector in self.detectors:
                for generator in self.generators:
                    ap, auc = self.ap(group, detector, generator), self.auc(group, detector, generator)
                    if ap is None or auc is None:
                        continue
                    rows.append(
                        {
                            "trained on": group,
                            "detector": detector,
                            "sees": self.sights[detector].words,
                            "tested on": generator,
                            "unseen": generator in self.unseen(group),
                            "AP": ap.value,
                            "AP from": ap.low,
                            "AP to": ap.high,
                            "AUC": auc.value,
                            "AUC from": auc.low,
                            "AUC to": auc.high,
                            "seeds": len(ap.of_seeds),
                            "lowest AP of a seed": min(ap.of_seeds),
                            "highest AP of a seed": max(ap.of_seeds),
                            "standard error over people": ap.people_error,
                            "standard error over seeds": ap.seed_error,
                        }
                    )
        return rows

    def points(self) -> dict[str, float]:
        """Average precision of every pair, for charts: a section for each thing that was trained on."""
        found = {
            f"ap trained on {group.replace('+', ' and ')}/{detector} on {generator}": self.ap(
                group, detector, generator
            )
            for group in self.groups
            for detector in self.detectors
            for generator in self.generators
        }
        return {name: ap.value for name, ap in found.items() if ap is not None}

    def contrast_rows(self, group: str) -> list[Row]:
        """The paper's claim, as differences of average precision on unseen generators.

        Patch detectors less those that judge whole images; each of the former less the mean of the latter; and the
        slope over the receptive field, for each doubling, of all of them. A field ends where the image does.
        """
        draws = self._on_unseen(group)
        patches = [name for name in draws if (self.sights[name].pixels or self.side) < self.side]
        wholes = [name for name in draws if self.sights[name].pixels is None]
        contrasts: dict[str, Draws] = {}
        if patches and wholes:
            whole = _mean([draws[name] for name in wholes])
            contrasts["mean of patch detectors less mean of whole-image ones"] = _less(
                _mean([draws[name] for name in patches]), whole
            )
            for name in patches:
                contrasts[f"{name} ({self.sights[name].words}) less mean of whole-image ones"] = _less(
                    draws[name], whole
                )
        places = [math.log2(self.sights[name].across(self.side)) for name in draws]
        if len(set(places)) > 1:
            contrasts["for each doubling of the receptive field"] = slope(_trimmed(list(draws.values())), places)
        rows: list[Row] = []
        for what, of in contrasts.items():
            found = estimate(of, people=self.people, confidence=self.confidence)
            rows.append(
                {
                    "trained on": group,
                    "AP on unseen generators": what,
                    "difference": found.value,
                    "from": found.low,
                    "to": found.high,
                    "seeds": len(found.of_seeds),
                    "holds": not found.contains(0),
                }
            )
        return rows

    def teacher_rows(self) -> list[Row]:
        """What teaches most about generators that were not trained on: means over all detectors.

        Beside each mean is its difference from the best of the others, draw by draw.
        """
        means = {}
        for group in self.groups:
            if draws := list(self._on_unseen(group).values()):
                means[group] = _mean(draws)
        return self._compared("trained on", means)

    def difficulty_rows(self) -> list[Row]:
        """How well each generator's fakes are found by all detectors that were not trained on it: means, likewise."""
        means = {}
        for generator in self.generators:
            found = [
                draws
                for group in self.groups
                if generator in self.unseen(group)
                for detector in self.detectors
                if (draws := self._of(group, detector, (generator,))) is not None
            ]
            if found:
                means[generator] = _mean(found)
        return self._compared("tested on", means)

    def _compared(self, what: str, means: Mapping[str, Draws]) -> list[Row]:
        rows: list[Row] = []
        for name in sorted(means, key=lambda name: -means[name][:, 0].mean()):
            mean = self._share(means[name])
            row: dict[str, Cell] = {what: name, "AP": mean.value, "AP from": mean.low, "AP to": mean.high}
            others = {other: draws for other, draws in means.items() if other != name}
            if others:
                best = max(others, key=lambda other: others[other][:, 0].mean())
                of = self._difference(means[name], others[best], confidence=self.confidence)
                row |= {"less": best, "difference": of.value, "from": of.low, "to": of.high}
                last = min(others, key=lambda other: others[other][:, 0].mean())
                of = self._difference(means[name], others[last], confidence=self.confidence)
                row |= {"less the last": last, "difference from it": of.value, "its from": of.low, "its to": of.high}
            rows.append(row)
        return rows

    def _order(self, detector: str) -> tuple[bool, int, str]:
        pixels = self.sights[detector].pixels
        return pixels is None, pixels or 0, detector

    def _of(self, group: str, detector: str, generators: Sequence[str], *, metric: int = 0) -> Draws | None:
        """The mean figure over generators, of the seeds that have all of them."""
        by_generator = [self._draws.get((group, detector, generator), {}) for generator in generators]
        if not by_generator:
            return None
        seeds = sorted(set.intersection(*(set(by_seed) for by_seed in by_generator)))
        if not seeds:
            return None
        parts = [np.stack([by_seed[seed][metric] for seed in seeds]) for by_seed in by_generator]
        mean: Draws = np.mean(parts, axis=0)
        return mean

    def _on_unseen(self, group: str) -> dict[str, Draws]:
        unseen = self.unseen(group)
        found = {detector: self._of(group, detector, unseen) for detector in self.detectors}
        return {detector: draws for detector, draws in found.items() if draws is not None}

    def _share(self, draws: Draws) -> Estimate:
        return estimate_share(draws, people=self.people, images=self._images, confidence=self.confidence)

    def _difference(self, one: Draws, other: Draws, *, confidence: float) -> Estimate:
        return estimate(_less(one, other), people=self.people, confidence=confidence)


def _trimmed(draws: Sequence[Draws]) -> list[Draws]:
    """As many seeds of each: one that forfeited in some has fewer."""
    fewest = min(len(each) for each in draws)
    return [each[:fewest] for each in draws]


def _mean(draws: Sequence[Draws]) -> Draws:
    mean: Draws = np.mean(_trimmed(draws), axis=0)
    return mean


def _less(one: Draws, other: Draws) -> Draws:
    first, second = _trimmed([one, other])
    return first - second


def _text(found: Estimate) -> str:
    return f"{found.value:.3f} ({found.low:.3f} to {found.high:.3f})"
