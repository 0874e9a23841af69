"""Looks: which patches gave the images of a match away, and how an attack and the defence after it moved them."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from statistics import fmean
from typing import ClassVar, Self

from fakeoff.arena.jobs import Job
from fakeoff.arena.jobs.store import Store
from fakeoff.arena.parsers import PARTS
from fakeoff.arena.seeds import digest
from fakeoff.protocols.looking.figures import LookFigures, PartsOfSide, ShiftFigures
from fakeoff.protocols.looking.look import write_look, write_shift
from fakeoff.protocols.measures.ground import Ground
from fakeoff.protocols.measures.match import Match
from fakeoff.protocols.measures.measured import Kept, Measured
from fakeoff.protocols.measures.rows import Newest, PairRow, R, TargetRow, of_detector, of_generator
from fakeoff.protocols.record.versions import KINDS, Kind, Version, blame
from fakeoff.protocols.rules.pools import who_is_on
from fakeoff.protocols.score.blind import Judging, patches_of
from fakeoff.protocols.score.patches import TRUTHS, Truth


@dataclass(frozen=True, kw_only=True)
class LookRow(PairRow):
    """Both sides of a match."""

    real: PartsOfSide
    fake: PartsOfSide


@dataclass(frozen=True, kw_only=True)
class Look(Measured[LookRow]):
    """Which patches gave the images of a match away, and on which parts of the face they lie.

    Attributes:
        generator: The fakes' maker.
        detector: Their judge, a patch detector.
        keys: Of the results by side, ``real`` and ``fake``; a detector version looks at the same reals once.
        figures: By side.
    """

    name: ClassVar[str] = "look"
    section: ClassVar[str] = "parts"
    row_type: ClassVar[type[LookRow]] = LookRow

    detector: Version
    keys: Mapping[Truth, str]
    figures: Mapping[Truth, LookFigures]

    @property
    def subjects(self) -> tuple[Version, ...]:
        return (self.generator, self.detector)

    @classmethod
    async def take(cls, ground: Ground, *subjects: Version) -> Self | None:
        maker, judge = subjects
        desk = ground.desk
        if desk.parser is None or not ground.can(judge, "patch"):
            return None
        match = await ground.measured(Match, maker, judge)
        if match is None:
            return None
        reals = (await ground.real_pools(maker.resolution))["test"]
        # By themselves, so that a detector version looks at the same reals once, whoever its opponents are.
        alone = await ground.judged_alone(judge, reals, what="test reals")
        round_ = max(maker.round, judge.round)
        whose = blame(judge, "look", round_=round_, against=maker.label)
        if alone is None or not ground.has_patches(match.judging, alone, blame=whose):
            return None
        people: dict[Truth, Mapping[str, str]] = {"real": {}, "fake": who_is_on(maker.pools["test"], ground.store)}
        sides: dict[Truth, tuple[Judging, str, str, int]] = {
            "real": (alone, reals, "test reals", 0),
            "fake": (match.judging, maker.pools["test"], maker.label, maker.round),
        }
        jobs: dict[Truth, Job] = {}
        for truth, (judging, pool, what, since) in sides.items():
            labels = await ground.labels(pool, what=what, round_=since)
            patches = digest(["patches", judging.key, pool])
            ground.derive(patches, partial(patches_of, judging, pool, ground.store))
            jobs[truth] = write_look(
                desk, judge, patches, truth=truth, labels=labels, people=people[truth], what=what, round_=round_
            )
        if not await ground.settle(*jobs.values(), blame=whose):
            return None
        keys = {truth: job.key for truth, job in jobs.items()}
        figures = {truth: ground.store.figures(key, LookFigures) for truth, key in keys.items()}
        return cls(generator=maker, detector=judge, keys=keys, figures=figures)

    @property
    def has_parts(self) -> bool:
        """Whether patches are of one part rather than of the whole image."""
        return all(figures.has_parts for figures in self.figures.values())

    def results(self) -> Mapping[str, str]:
        return {str(truth): key for truth, key in self.keys.items()}

    @classmethod
    def read(cls, kept: Kept) -> Self:
        generator, detector = kept.subjects
        keys: dict[Truth, str] = {truth: kept.results[truth] for truth in TRUTHS}
        figures = {truth: kept.store.figures(key, LookFigures) for truth, key in keys.items()}
        return cls(generator=generator, detector=detector, keys=keys, figures=figures)

    def row(self) -> LookRow | None:
        if not self.has_parts:
            return None
        real, fake = (_side(self.figures[truth]) for truth in ("real", "fake"))
        return LookRow(**of_generator(self.generator), **of_detector(self.detector), real=real, fake=fake)

    @classmethod
    def points(
        cls, rows: Sequence[LookRow], *, kind: Kind, player: str, version: int, newest: Newest, round_: int
    ) -> dict[str, float]:
        """``part/hair`` and so on: the share of fakes whose most predictive patch is of that part, in the mean over
        opponents, newest version against newest."""
        mine = newest_against_newest(rows, kind=kind, player=player, newest=newest)
        return {f"part/{part}": fmean([row.fake.parts[part] for row in mine]) for part in PARTS} if mine else {}


@dataclass(frozen=True, kw_only=True)
class ShiftRow(ShiftFigures, TargetRow):
    """How the parts moved, in the scoreboard; see :class:`fakeoff.protocols.looking.figures.ShiftFigures`."""


@dataclass(frozen=True, kw_only=True)
class Shift(Measured[ShiftRow]):
    """How an attack and the defence after it moved the fight over the face.

    Attributes:
        generator: The attacked version.
        detector: The version of the detector before the defence.
        key: Of the result with the figures.
        figures: Three distributions and two distances; None where a patch sees the whole image.
    """

    name: ClassVar[str] = "shift"
    section: ClassVar[str] = "part_shifts"
    row_type: ClassVar[type[ShiftRow]] = ShiftRow

    detector: Version
    key: str
    figures: ShiftFigures | None

    @property
    def subjects(self) -> tuple[Version, ...]:
        return (self.generator, self.detector)

    @classmethod
    async def take(cls, ground: Ground, *subjects: Version) -> Self | None:
        """Of a generator version before its attack and after it, and a detector version before its defence and after
        it: three looks."""
        before, attacked, frozen, retrained = subjects
        if frozen == retrained:
            return None
        pairs = ((before, frozen), (attacked, frozen), (attacked, retrained))
        begun = [ground.begin(ground.measured(Look, *pair)) for pair in pairs]
        first, second, third = [await look for look in begun]
        if first is None or second is None or third is None:
            return None
        job = write_shift(
            ground.desk,
            before=first.keys["fake"],
            frozen=second.keys["fake"],
            retrained=third.keys["fake"],
            player=frozen.player,
            round_=attacked.round,
        )
        await ground.must(job)
        return cls(generator=attacked, detector=frozen, key=job.key, figures=read_shift(ground.store, job.key))

    @property
    def is_target(self) -> bool:
        """Whether the detector was the attack's frozen target."""
        return self.detector.label in self.generator.targets

    def results(self) -> Mapping[str, str]:
        return {"figures": self.key}

    @classmethod
    def read(cls, kept: Kept) -> Self:
        (generator, detector), key = kept.subjects, kept.results["figures"]
        return cls(generator=generator, detector=detector, key=key, figures=read_shift(kept.store, key))

    def row(self) -> ShiftRow | None:
        if self.figures is None:
            return None
        pair = of_generator(self.generator) | of_detector(self.detector)
        return ShiftRow(**pair, is_target=self.is_target, **vars(self.figures))

    @classmethod
    def points(
        cls, rows: Sequence[ShiftRow], *, kind: Kind, player: str, version: int, newest: Newest, round_: int
    ) -> dict[str, float]:
        """``part_shift`` and ``part_shift_null``: how far the attacks of this round moved that distribution, and how
        far chance does; in the mean over the generator's targets (over all opponents where none of them judges patches,
        and for detectors)."""
        mine = [row for row in rows if row.generator_round == round_ and row.version_of(kind)[0] == player]
        if kind == "generator":
            mine = [row for row in mine if row.is_target] or mine
        if not mine:
            return {}
        return {
            "part_shift": fmean([row.shift.tv for row in mine]),
            "part_shift_null": fmean([row.shift.tv_null for row in mine]),
        }


def read_shift(store: Store, key: str) -> ShiftFigures | None:
    """The figures of a shift; None where patches are of no part.

    Raises:
        DamagedResultError: They are damaged.
    """
    return store.figures(key, ShiftFigures) if store.record(key)["has_parts"] else None


def newest_against_newest(rows: Sequence[R], *, kind: Kind, player: str, newest: Newest) -> list[R]:
    """The rows between a player's newest version and the newest of each opponent.

    Args:
        rows: All of the scoreboard's.
        kind: ``generator`` or ``detector``.
        player: Whose.
        newest: Of everybody. Matches are played where nobody looks, too, so rows alone do not say who is the newest.
    """
    return [
        row
        for row in rows
        if row.version_of(kind)[0] == player
        and all(newest[side, row.version_of(side)[0]] == row.version_of(side)[1] for side in KINDS)
    ]


def _side(figures: LookFigures) -> PartsOfSide:
    return PartsOfSide(**{field.name: getattr(figures, field.name) for field in dataclasses.fields(PartsOfSide)})


__all__ = ["Look", "LookRow", "Shift", "ShiftRow", "newest_against_newest", "read_shift"]
