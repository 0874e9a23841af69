"""Searches: what a black-box search of a generator's latents finds against a detector, and what its gradient would."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from fakeoff import generators
from fakeoff.arena.jobs.store import Store
from fakeoff.arena.players.abilities import abilities
from fakeoff.protocols.measures.ground import Ground
from fakeoff.protocols.measures.match import Judged
from fakeoff.protocols.measures.measured import Kept, Measured
from fakeoff.protocols.measures.rows import Newest, PairRow, of_detector, of_generator
from fakeoff.protocols.record.versions import Kind, Trained, Version, blame
from fakeoff.protocols.rules.search import Part, Searched, write_search
from fakeoff.protocols.score.blind import TOLERANCE, Judging, Mixture, Scores
from fakeoff.protocols.score.falls import share_interval
from fakeoff.protocols.score.intervals import Interval

_NO_LATENTS = "it has no latents to search"
_OTHERWISE = (
    "it gave the same fakes other scores in a search of latents: a score that depends on anything but the image cannot "
    "be compared"
)


@dataclass(frozen=True, kw_only=True)
class FoundFakes:
    """Fakes of a search, as the detector judges them blindly beside the held-out reals.

    Attributes:
        p_fake: Mean P(fake).
        recall_fake: The share that is found out at 0.5.
        recall_fake_ci: Its interval.
        passes: The share below the detector's threshold, which val chose.
        passes_ci: Its interval.
        ap: Average precision; fake is positive.
        ap_ci: Its interval.
    """

    p_fake: float
    recall_fake: float
    recall_fake_ci: Interval
    passes: float
    passes_ci: Interval
    ap: float
    ap_ci: Interval


@dataclass(frozen=True, kw_only=True)
class SearchRow(PairRow):
    """A search in the scoreboard.

    Attributes:
        skipped: Why nothing was searched; empty where it was.
        queries: Images of each fake that the detector was shown.
        n_fake: How many latents were searched.
        start: Their fakes before.
        found: And after the search.
        followed: And after following the detector's gradient instead, over the same latents; None where it has none.
    """

    skipped: str
    queries: int
    n_fake: int
    start: FoundFakes | None
    found: FoundFakes | None
    followed: FoundFakes | None


@dataclass(frozen=True, kw_only=True)
class Search(Measured[SearchRow]):
    """A detector version, attacked by searching the latents of a generator version: no gradient is needed.

    Attributes:
        detector: Who is attacked.
        keys: Of the search, and of the judging of each part of its fakes; none where there is nothing to search.
        queries: Images of each fake that the detector was shown.
        n_fake: How many latents were searched.
        figures: What its fakes come to, by part.
    """

    name: ClassVar[str] = "search"
    section: ClassVar[str] = "searches"
    row_type: ClassVar[type[SearchRow]] = SearchRow

    detector: Version
    keys: Mapping[str, str]
    queries: int
    n_fake: int
    figures: Mapping[Part, FoundFakes]

    @property
    def subjects(self) -> tuple[Version, ...]:
        return (self.generator, self.detector)

    @property
    def round(self) -> int:
        """That of the attacks that it stands beside, which is the next one."""
        return max(version.round for version in self.subjects) + 1

    @classmethod
    async def take(cls, ground: Ground, *subjects: Version) -> Self | None:
        maker, judge = subjects
        desk, store = ground.desk, ground.store
        if "latent" not in abilities(generators.players.load(desk.generators[maker.player].plugin)):
            return cls._skipped(maker, judge)
        round_ = max(maker.round, judge.round) + 1
        follow = not store.figures(judge.key, Trained).not_attackable
        job = write_search(desk, maker, judge, follow=follow, round_=round_)
        if not await ground.settle(job, blame=blame(judge, "search", round_=round_, against=maker.label)):
            return None
        searched = store.figures(job.key, Searched)
        if searched.failed:
            ground.forfeit(blame(maker, "search", round_=round_), searched.failed)
            return None
        reals = (await ground.real_pools(maker.resolution))["test"]
        begun = {
            part: ground.begin(
                ground.judged(
                    judge,
                    reals,
                    f"{job.key}:{part}",
                    what=f"{maker.label}, fakes of a search ({part})",
                    fakes_of=job.key,
                    round_=round_,
                )
            )
            for part in searched.sizes
        }
        judged = {part: found for part, slot in begun.items() if (found := await slot) is not None}
        if len(judged) < len(begun):
            return None
        for part, found in judged.items():
            said = store.read(job.key).arrays.get(f"p_{part}")
            if said is not None and float(np.abs(said - found.scores(store)[1]).max()) > TOLERANCE:
                ground.leave_unranked(judge, _OTHERWISE, round_=round_)
        confidence = desk.config.score.confidence
        return cls._of(maker, job.key, judged, threshold=judge.threshold(store), confidence=confidence, store=store)

    @classmethod
    def _of(
        cls,
        maker: Version,
        key: str,
        judged: Mapping[Part, Judged],
        *,
        threshold: float,
        confidence: float,
        store: Store,
    ) -> Self:
        found = judged["found"]
        return cls(
            generator=maker,
            detector=found.detector,
            keys={"search": key, **{part: one.key for part, one in judged.items()}},
            queries=store.figures(key, Searched).queries,
            n_fake=found.figures.n_fake,
            figures={
                part: _figures(one, one.scores(store)[1], threshold=threshold, confidence=confidence)
                for part, one in judged.items()
            },
        )

    @classmethod
    def _skipped(cls, maker: Version, judge: Version) -> Self:
        return cls(generator=maker, detector=judge, keys={}, queries=0, n_fake=0, figures={})

    def results(self) -> Mapping[str, str]:
        return self.keys

    @classmethod
    def read(cls, kept: Kept) -> Self:
        maker, judge = kept.subjects
        if not kept.results:
            return cls._skipped(maker, judge)
        key = kept.results["search"]
        reals = kept.real_pools[maker.resolution]["test"]
        thresholds, confidence = kept.thresholds[judge.label], kept.config.score.confidence
        judged: dict[Part, Judged] = {}
        for part in kept.store.figures(key, Searched).sizes:
            mixture = Mixture(reals=(reals,), fakes=(f"{key}:{part}",), seed=kept.config.seed)
            judging = Judging(key=kept.results[part], mixture=mixture)
            found = kept.match(judging, judge, fakes_of=key)
            judged[part] = Judged(detector=judge, judging=judging, figures=found.figures, drawn=found.drawn)
        return cls._of(maker, key, judged, threshold=thresholds.accuracy, confidence=confidence, store=kept.store)

    def row(self) -> SearchRow:
        return SearchRow(
            **of_generator(self.generator),
            **of_detector(self.detector),
            skipped="" if self.figures else _NO_LATENTS,
            queries=self.queries,
            n_fake=self.n_fake,
            start=self.figures.get("start"),
            found=self.figures.get("found"),
            followed=self.figures.get("followed"),
        )

    @classmethod
    def points(
        cls, rows: Sequence[SearchRow], *, kind: Kind, player: str, version: int, newest: Newest, round_: int
    ) -> dict[str, float]:
        """``search/pgan: recall_fake found`` and so on: of the searches beside the attacks of this round."""
        other: Kind = "detector" if kind == "generator" else "generator"
        return {
            f"search/{row.version_of(other)[0]}: {metric} {part}": getattr(fakes, metric)
            for row in rows
            if row.version_of(kind)[0] == player and max(row.generator_round, row.detector_round) + 1 == round_
            for part, fakes in (("start", row.start), ("found", row.found), ("followed", row.followed))
            if fakes is not None
            for metric in ("recall_fake", "ap")
        }


def _figures(judged: Judged, fakes: Scores, *, threshold: float, confidence: float) -> FoundFakes:
    passes = float((fakes.astype(np.float64) < threshold).mean())
    return FoundFakes(
        p_fake=float(fakes.astype(np.float64).mean()),
        recall_fake=judged.figures.recall_fake,
        recall_fake_ci=judged.figures.recall_fake_ci,
        passes=passes,
        passes_ci=share_interval(passes, len(fakes), confidence=confidence),
        ap=judged.figures.ap,
        ap_ci=judged.figures.ap_ci,
    )


__all__ = ["FoundFakes", "Search", "SearchRow"]
