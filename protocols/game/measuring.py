"""The verbs that measure: matches, looks, costs and all else that is told of versions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from fakeoff.arena.jobs import Job
from fakeoff.protocols.game import searching
from fakeoff.protocols.game.line import Line
from fakeoff.protocols.game.verbs import Verbs
from fakeoff.protocols.measures import (
    Audit,
    Cost,
    Judged,
    Localisation,
    Look,
    Match,
    Measured,
    PostprocessedMatch,
    QualityGate,
    Search,
    Shift,
)
from fakeoff.protocols.record.versions import Version

M = TypeVar("M", bound=Measured[Any])


class MeasuringVerbs(Verbs):
    """What every protocol may measure of the versions that play; see :class:`fakeoff.protocols.game.bench.Bench`."""

    def match(self, makers: Iterable[Version], judges: Iterable[Version]) -> Line[Match]:
        """Scores every generator version against every detector version, on test pools, blindly.

        Args:
            makers: Generator versions.
            judges: Detector versions.

        Returns:
            Matches, generator by generator: metrics with intervals; see
            :func:`fakeoff.protocols.score.metrics.evaluate`.

        Raises:
            PluginError: A version is of the other kind.
        """
        return self.measure(Match, makers, judges)

    def postprocess(self, makers: Iterable[Version], judges: Iterable[Version]) -> Line[PostprocessedMatch]:
        """Scores every match again behind each chain of ``score.through``: JPEG, a resize and back, a blur.

        Args:
            makers: Generator versions.
            judges: Detector versions.

        Returns:
            What each match is there, and by how much less than as the images are. Nothing where the configuration has
            no chain.

        Raises:
            PluginError: A version is of the other kind.
        """
        return self.measure(PostprocessedMatch, makers if self.config.score.through else (), judges)

    def judge(self, judges: Iterable[Version], *, reals: str | Job, fakes: str | Job, what: str) -> Line[Judged]:
        """Scores images of the protocol's own with detectors, blindly.

        Args:
            judges: Detector versions.
            reals: A pool's key, or a job that leaves one: an array ``images``, uint8 ``(n, h, w, 3)``, RGB.
            fakes: Likewise.
            what: They are, for people: ``JPEG 90``.

        Returns:
            Metrics with intervals, in the order of the judges.

        Raises:
            PluginError: A version is of the other kind, or a job that makes a pool failed.
        """
        slots = self._slots("detector", judges)
        return self._line(self._moves.judge(slot, reals=reals, fakes=fakes, what=what) for slot in slots)

    def look(self, makers: Iterable[Version], judges: Iterable[Version]) -> Line[Look]:
        """Where the images of matches give themselves away, for patch detectors, where a face parser is configured.

        Args:
            makers: Generator versions.
            judges: Detector versions.

        Raises:
            PluginError: A version is of the other kind.
        """
        return self.measure(Look, makers, judges)

    def localise(self, makers: Iterable[Version], judges: Iterable[Version]) -> Line[Localisation]:
        """Whether patch detectors look where manipulators changed the image, beside a random patch and chance.

        Args:
            makers: Generator versions; those that do not say what they changed are left out.
            judges: Detector versions; those that judge whole images are left out.

        Raises:
            PluginError: A version is of the other kind.
        """
        return self.measure(Localisation, makers, judges)

    def shift(
        self, before: Line[Version], attacked: Line[Version], *, frozen: Line[Version], retrained: Line[Version]
    ) -> Line[Shift]:
        """How attacks and the defences after them moved the fight over the face.

        Args:
            before: Generator versions that attacked.
            attacked: What became of them, in the same places.
            frozen: Detector versions before the defence.
            retrained: What became of them, in the same places.
        """
        return self._line(
            self._moves.measure(Shift, [first, second, old, new])
            for first, second in zip(before.slots, attacked.slots, strict=True)
            for old, new in zip(frozen.slots, retrained.slots, strict=True)
        )

    def audit(self, versions: Iterable[Version]) -> Line[Audit]:
        """Whether the pools of generator versions could be told from their reals by format alone; none is refused."""
        return self.measure(Audit, () if self.config.audit.on_leak == "skip" else versions)

    def costs(self, versions: Iterable[Version]) -> Line[Cost]:
        """How far generator versions went from version 0 and lie from the held-out reals.

        Returns:
            Distances; see :mod:`fakeoff.protocols.score.distances`.

        Raises:
            PluginError: A version is of a detector.
        """
        return self.measure(Cost, versions)

    def gate(self, versions: Iterable[Version]) -> Line[QualityGate]:
        """Whether the fakes of generator versions are worth ranking; noise, one face or copies take no place.

        Returns:
            What they measure on val; see :mod:`fakeoff.protocols.score.quality`. Nothing where the configuration
            leaves the gate out.

        Raises:
            PluginError: A version is of a detector.
        """
        return self.measure(QualityGate, versions if self.config.score.quality_gate else ())

    def search(
        self, makers: Iterable[Version], judges: Iterable[Version], *, targets: Iterable[Version] = (), **settings: Any
    ) -> Line[Search]:
        """Attacks detectors by their scores alone, through the latents of generators, as ``search.when`` says.

        Args:
            makers: Generator versions as they are before a round's attacks. Those without latents are skipped, and that
                is on record.
            judges: Detector versions: those that no gradient flows through are searched against.
            targets: Of the round's attacks: likewise, with ``search.when = "always"``.
            **settings: Over the configuration's ``[search]``, such as ``queries=256``.

        Raises:
            ConfigError: There is no such setting.
            PluginError: A version is of the other kind.
        """
        desk = self._over("search", settings, given="")
        if desk.config.search.when == "never":
            return self._line(())
        frozen = self._slots("detector", targets)
        moves = self._moves.over(desk) if settings else self._moves
        return self._line(
            searching.search(moves, maker, judge, targets=frozen, tally=self._tally)
            for maker, judge in self._pairs(makers, judges)
        )

    def measure(self, measure: type[M], makers: Iterable[Version], judges: Iterable[Version] | None = None) -> Line[M]:
        """Takes a measure: of every generator version, or of every one and every detector version.

        Args:
            measure: A kind of result, such as :class:`fakeoff.protocols.measures.Cost`. It is kept on the scoreboard
                where it is one of :data:`fakeoff.protocols.measures.MEASURES`.
            makers: Generator versions.
            judges: Detector versions, where it is about them, too.

        Raises:
            PluginError: A version is of the other kind.
        """
        if judges is None:
            return self._line(self._moves.measure(measure, [slot]) for slot in self._slots("generator", makers))
        return self._line(self._moves.measure(measure, pair) for pair in self._pairs(makers, judges))


__all__ = ["MeasuringVerbs"]
