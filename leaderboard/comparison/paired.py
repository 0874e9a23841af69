"""Figures of two tournaments with resamples that both share: the same people, and of the same latents the same fakes.

What both have in common, easy and hard people and fakes, drops out of the difference of their draws.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from fakeoff.arena.seeds import digest
from fakeoff.leaderboard.comparing import data_differences
from fakeoff.leaderboard.comparison.sides import Scores, Side
from fakeoff.protocols.measures.gates import counted_matches
from fakeoff.protocols.measures.match import Match
from fakeoff.protocols.measures.standings import detector_merits, generator_merits
from fakeoff.protocols.record.versions import Kind
from fakeoff.protocols.rules.pools import read_who_is_on
from fakeoff.protocols.score.intervals import Figure
from fakeoff.protocols.score.metrics import DRAWN, resample_figures
from fakeoff.protocols.score.people import Units


@dataclass(frozen=True, kw_only=True)
class Redrawn:
    """A match, judged by what is stored, with the resamples of the comparison.

    Attributes:
        match: It; what standings are made of has these resamples.
        figures: Every metric.
        fakes: What its fakes were drawn by: two matches of the same were drawn the same fakes.
        scores: The hash of its scores and thresholds: two of the same cannot differ.
    """

    match: Match
    figures: Mapping[str, Figure]
    fakes: str
    scores: str


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A tournament whose matches were drawn anew.

    Attributes:
        scores: The tournament.
        redrawn: Its matches, by generator version and detector version.
    """

    scores: Scores
    redrawn: Mapping[tuple[str, str], Redrawn]

    def merits(self, kind: Kind, player: str, round_: int) -> dict[str, Figure]:
        """The figures of a version's standing, by name.

        Args:
            kind: ``generator`` or ``detector``.
            player: Its name.
            round_: Its version.
        """
        version = self.scores.record.find(kind, f"{player}@{round_}")
        if kind == "detector":
            return detector_merits(self._counted, version)
        lineage = [one for one in self.scores.record.versions if one.kind == "generator"]
        return generator_merits(self._counted, version, lineage=lineage)

    def met(self, kind: Kind, player: str, round_: int) -> list[Redrawn]:
        """The matches that a version's standing is made of, or more: all of its own that count.

        Args:
            kind: See :meth:`merits`.
            player: Likewise.
            round_: Likewise.
        """
        label = f"{player}@{round_}"
        return [
            self.redrawn[one.generator.label, one.detector.label]
            for one in self._counted
            if label == (one.generator if kind == "generator" else one.detector).label
        ]

    @cached_property
    def _counted(self) -> list[Match]:
        counted = counted_matches(self.scores.record)
        return [self.redrawn[one.generator.label, one.detector.label].match for one in counted]


def why_unpaired(a: Side, b: Side) -> str:
    """Says why the figures of two tournaments cannot be paired, in one line; empty where they can.

    Args:
        a: A tournament.
        b: Another.
    """
    missing = dict.fromkeys(side.without_scores for side in (a, b) if side.scores is None)
    if missing:
        return "; ".join(missing)
    ours, theirs = (side.scoreboard.data["split"]["test"] for side in (a, b))
    if ours["sha256"] != theirs["sha256"]:
        return next(line for line in data_differences(a.scoreboard.data, b.scoreboard.data) if " in test " in line)
    return ""


def redraw(a: Side, b: Side) -> tuple[Drawn, Drawn]:
    """Works the figures of two tournaments out anew, with resamples that they share.

    Args:
        a: A tournament with scores.
        b: Another, on the same photographs of test.

    Raises:
        StoreError: Stored scores are damaged.
    """
    both = [(side, side.scores) for side in (a, b) if side.scores is not None]
    configs = [scores.record.config for _, scores in both]
    shared = {
        "seed": min(config.seed for config in configs),  # not that of the first: turned around it is the same
        "resamples": max(config.score.resamples for config in configs),
    }
    # Who is on a photograph is known of the photograph, whichever home remembers it.
    people = next((scores.record.test_people for _, scores in both if scores.record.test_people), ())
    known = all(side.provenance is not None for side, _ in both)
    first, second = (
        Drawn(
            scores=scores,
            redrawn={
                (one.generator.label, one.detector.label): _redraw(
                    one, scores, fakes=_latents(side, one.generator.player, known=known), people=people, **shared
                )
                for one in scores.record.matches
            },
        )
        for side, scores in both
    )
    return first, second


def _latents(side: Side, player: str, *, known: bool) -> str:
    """What decides from which latents a generator's fakes are: its recipe, the seed and the sizes of the pools."""
    config = side.scoreboard.config
    described = side.player("generator", player)
    recipe = [described.get("plugin"), described.get("parameters")]
    pools = [config["pools"][f"{split}_fakes"] for split in ("train", "val", "test")]
    return digest([player, recipe, side.fingerprint("generator", player) if known else None, config["seed"], pools])


def _redraw(match: Match, scores: Scores, *, fakes: str, people: tuple[int, ...], seed: int, resamples: int) -> Redrawn:
    real, fake = match.scores(scores.store)
    thresholds = match.detector.thresholds(scores.store)
    units = Units(
        n_real=len(real),
        n_fake=len(fake),
        real=np.asarray(people, dtype=np.int64) if people else None,
        fake=read_who_is_on(match.generator.pools["test"], scores.store),
    )
    figures = resample_figures(
        real, fake, thresholds=thresholds, resamples=resamples, seed=seed, fakes=fakes, units=units
    )
    told = [one.tolist() for one in (real, fake)]
    return Redrawn(
        match=replace(match, drawn={name: figures[name] for name in DRAWN}),
        figures=figures,
        fakes=fakes,
        scores=digest([told, thresholds.accuracy, thresholds.at_5_fpr, thresholds.at_1_fpr, units.key]),
    )


__all__ = ["Drawn", "Redrawn", "redraw", "why_unpaired"]
