"""Localisation: whether patch detectors look where manipulators changed the image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import ClassVar, Self

from fakeoff.arena.seeds import digest
from fakeoff.protocols.looking.localise import Localised, write_localise
from fakeoff.protocols.measures.ground import Ground
from fakeoff.protocols.measures.looks import newest_against_newest
from fakeoff.protocols.measures.match import Match
from fakeoff.protocols.measures.measured import Kept, Measured
from fakeoff.protocols.measures.rows import Newest, PairRow, of_detector, of_generator
from fakeoff.protocols.record.versions import Kind, Version, blame
from fakeoff.protocols.rules.pools import what_is_known
from fakeoff.protocols.score.blind import Judging, patches_of
from fakeoff.protocols.score.localisation import LOCATED, LocalisationFigures


@dataclass(frozen=True, kw_only=True)
class LocalisationRow(LocalisationFigures, PairRow):
    """A match's localisation; see :class:`fakeoff.protocols.score.localisation.LocalisationFigures`."""


@dataclass(frozen=True, kw_only=True)
class Localisation(Measured[LocalisationRow]):
    """How much of a patch detector's heatmaps, and of the most predictive patches, lies inside a manipulator's masks.

    Attributes:
        generator: The fakes' maker, which says what it changed.
        detector: Their judge, a patch detector.
        key: Of the result with the figures.
        figures: None where no mask has anything to find.
    """

    name: ClassVar[str] = "localisation"
    section: ClassVar[str] = "localisation"
    row_type: ClassVar[type[LocalisationRow]] = LocalisationRow
    in_cell: ClassVar[bool] = True
    which_cells: ClassVar[str] = "Of a manipulator and a patch detector; of no other."

    detector: Version
    key: str
    figures: LocalisationFigures | None

    @property
    def subjects(self) -> tuple[Version, ...]:
        return (self.generator, self.detector)

    @classmethod
    async def take(cls, ground: Ground, *subjects: Version) -> Self | None:
        maker, judge = subjects
        desk = ground.desk
        known = what_is_known(maker.pools["test"], ground.store)
        if "mask" not in known or not ground.can(judge, "patch"):
            return None
        match = await ground.measured(Match, maker, judge)
        if match is None:
            return None
        reals = await ground.real_pools(maker.resolution)
        round_ = max(maker.round, judge.round)
        val = await ground.judged_patches(
            judge, reals["val"], maker.pools["val"], what=f"val of {maker.label}", round_=round_
        )
        whose = blame(judge, "look", round_=round_, against=maker.label)
        if val is None or not ground.has_patches(match.judging, val, blame=whose):
            return None
        said: dict[str, tuple[Judging, str]] = {
            "test": (match.judging, maker.pools["test"]),
            "val": (val, maker.pools["val"]),
            "reals": (match.judging, reals["test"]),
        }
        patches = {name: digest(["patches", judging.key, pool]) for name, (judging, pool) in said.items()}
        for name, (judging, pool) in said.items():
            ground.derive(patches[name], partial(patches_of, judging, pool, ground.store))
        job = write_localise(desk, maker, judge, patches=patches, known=known)
        if not await ground.settle(job, blame=whose):
            return None
        figures = ground.store.figures(job.key, Localised).figures
        return cls(generator=maker, detector=judge, key=job.key, figures=figures)

    def results(self) -> Mapping[str, str]:
        return {"figures": self.key}

    @classmethod
    def read(cls, kept: Kept) -> Self:
        (generator, detector), key = kept.subjects, kept.results["figures"]
        figures = kept.store.figures(key, Localised).figures
        return cls(generator=generator, detector=detector, key=key, figures=figures)

    def row(self) -> LocalisationRow | None:
        if self.figures is None:
            return None
        return LocalisationRow(**of_generator(self.generator), **of_detector(self.detector), **vars(self.figures))

    @classmethod
    def points(
        cls, rows: Sequence[LocalisationRow], *, kind: Kind, player: str, version: int, newest: Newest, round_: int
    ) -> dict[str, float]:
        """``localisation/auc`` and so on, ``localisation/auc random`` and ``localisation/auc paired real``, in the mean
        over opponents, newest version against newest."""
        mine = newest_against_newest(rows, kind=kind, player=player, newest=newest)
        if not mine:
            return {}
        points = {}
        for name in LOCATED:
            located = [getattr(row, name) for row in mine]
            points[f"localisation/{name}"] = fmean([one.value for one in located])
            points[f"localisation/{name} random"] = fmean([one.random for one in located])
            if paired := [one.paired for one in located if one.paired is not None]:
                points[f"localisation/{name} paired real"] = fmean(paired)
        return points


__all__ = ["Localisation", "LocalisationRow"]
