"""Exaggerating what a detector sees: one shift of all latents of a generator, on latents that it was not learned on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from fakeoff.arena.errors import PluginError
from fakeoff.arena.jobs import Job, Result
from fakeoff.arena.seeds import seed_from
from fakeoff.protocols.exaggerate.codes import Space
from fakeoff.protocols.exaggerate.figures import draw_path, draw_scores
from fakeoff.protocols.exaggerate.means import Resamples
from fakeoff.protocols.exaggerate.roster import passed_over, read_roster
from fakeoff.protocols.exaggerate.seeking import Sought
from fakeoff.protocols.exaggerate.trials import Settings, Trial, pairs
from fakeoff.protocols.exaggerate.walking import Walked
from fakeoff.protocols.exaggerate.writing import Writer, parse_faces
from fakeoff.protocols.game.bench import Bench
from fakeoff.protocols.game.line import Line
from fakeoff.protocols.interface import Protocol
from fakeoff.protocols.measures import Judged
from fakeoff.protocols.record.log import Row
from fakeoff.protocols.record.versions import Version
from fakeoff.protocols.rules.perceptual import DistanceName, choose_distance

Pair: TypeAlias = tuple[str, str]


class Exaggerate(Protocol):
    """Shifts all latents of a generator by one vector that makes its fakes easier to detect (Eq. 3 and Fig. 5).

    Detectors are trained on the fakes of all generators at once, as in a tournament. For each generator and each
    detector ``w`` is sought that minimises ``E_z[L_fake(G(z - w)) + weight * L_p(G(z), G(z - w))]``, with the detector
    frozen: images that it finds easier to detect, and that are not far from what they were. What the shift does is told
    on other latents, by the detector's scores alone, from ``G(z + 2w)`` to ``G(z - 2w)``; beside it stands what random
    shifts of the same length do.

    Steps end by the loss on latents of val; test decides nothing.

    Args:
        space: Where latents are shifted: "z", as they are drawn, or "w", behind the mapping network of those that have
            one.
        steps: Of Adam at most, from 1.
        batch: Latents a step, from 1.
        rate: Adam's learning rate at first, as a share of a latent number's standard deviation; above 0. It falls
            evenly to nothing.
        perceptual_weight: Of the perceptual distance beside the detector's loss, from 0.
        distance: The perceptual distance: "pyramid", of no network; "lpips" or "lpips_vgg", as in the paper, whose
            asset has to be pulled. Weight and norm were chosen with the first.
        norm: The longest shift, as a share of how far latents lie from their mean; 0 is no bound, as in the paper.
        latents: On which shifts are told, and as many of val, from 8.
        random_shifts: How many random shifts of the same length, from 2.
        check_every: Steps between looks at val, from 1.
        patience: Looks without a lower loss before a shift is done, from 1.
    """

    def __init__(
        self,
        *,
        space: Space = "z",
        steps: int = 100,
        batch: int = 16,
        rate: float = 0.01,
        perceptual_weight: float = 1.0,
        distance: DistanceName = "pyramid",
        norm: float = 0.1,
        latents: int = 64,
        random_shifts: int = 8,
        check_every: int = 10,
        patience: int = 5,
    ) -> None:
        if min(steps, batch, check_every, patience) < 1:
            raise ValueError("steps, batch, check_every and patience are at least 1")
        if latents < 8 or random_shifts < 2:
            raise ValueError("latents are at least 8 and random_shifts 2, or nothing could be told of them")
        if not 0 < rate < math.inf:
            raise ValueError(f"rate {rate} is not above 0")
        if not (0 <= perceptual_weight < math.inf and 0 <= norm < math.inf):
            raise ValueError("perceptual_weight and norm are not below 0")
        self.space, self.steps, self.batch, self.rate = space, steps, batch, rate
        self.perceptual_weight, self.distance, self.norm = perceptual_weight, distance, norm
        self.latents, self.random_shifts = latents, random_shifts
        self.check_every, self.patience = check_every, patience

    def play(self, bench: Bench) -> None:
        roster = read_roster(bench, self.space)
        distance, reason = choose_distance(self.distance, side=bench.config.arena.resolution)
        if reason:  # another distance would ask for another weight
            raise PluginError(f"distance = '{self.distance}' cannot be had: {reason}; or give distance = 'pyramid'")
        left_out = list(roster.passed_over)
        entered = bench.enter()
        defended = bench.defend(roster.detectors, entered)
        makers = [version for version in entered if version.player in roster.generators]
        judges = []
        for judge in defended:
            if reason := bench.why_not_attackable(judge):
                left_out.append(passed_over(detector=judge.player, reason=reason))
            else:
                judges.append(judge)
        writer = Writer(bench=bench, space=self.space, batch=self.batch, distance=distance)
        trials = self._try(writer, makers, judges, left_out=left_out)
        if left_out:
            bench.table("passed over", left_out)
        if not judges:
            raise PluginError(
                "no gradient flows through any detector that plays, so that nothing can be exaggerated: enter one such "
                "as resnet18_layer1"
            )
        if trials:
            _log(bench, trials)

    def _try(
        self, writer: Writer, makers: Sequence[Version], judges: Sequence[Version], *, left_out: list[Row]
    ) -> list[Trial]:
        """Seeks, walks and judges every pair; who is left out is added to that list."""
        bench = writer.bench
        made_by, judged_by = ({version.player: version for version in versions} for versions in (makers, judges))
        codes = {
            maker.player: writer.codes(maker, latents=self.latents, random_shifts=self.random_shifts)
            for maker in makers
        }
        drawn = bench.run("latents are drawn", codes.values())
        shifts = {
            (maker.player, judge.player): self._write_seek(writer, maker, judge, codes[maker.player])
            for maker in makers
            if codes[maker.player] in drawn
            for judge in judges
        }
        found = bench.run("shifts are sought", shifts.values())
        walks: dict[Pair, Job] = {}
        for (maker, judge), job in shifts.items():
            if job not in found:
                continue  # the detector forfeited
            if reason := _why_no_walk(found[job].figures(Sought), steps=self.steps):
                left_out.append(passed_over(generator=maker, detector=judge, reason=reason))
            else:
                walks[maker, judge] = writer.walk(made_by[maker], judged_by[judge], codes[maker], job)
        walked = bench.run("shifts are walked along", walks.values())
        done = {pair: job for pair, job in walks.items() if job in walked}
        labels = parse_faces(bench, {maker: codes[maker] for maker, _ in done})
        lines = {
            (maker, judge): self._judge(bench, made_by[maker], judged_by[judge], job)
            for (maker, judge), job in done.items()
        }
        return [
            self._trial(bench, made_by[maker], judged, found[shifts[maker, judge]], walked[job], labels.get(maker))
            for (maker, judge), job in done.items()
            for judged in lines[maker, judge]  # none where the detector forfeited
        ]

    def _write_seek(self, writer: Writer, maker: Version, judge: Version, codes: Job) -> Job:
        return writer.seek(
            maker,
            judge,
            codes,
            steps=self.steps,
            rate=self.rate,
            perceptual_weight=self.perceptual_weight,
            norm=self.norm,
            check_every=self.check_every,
            patience=self.patience,
        )

    def _judge(self, bench: Bench, maker: Version, judge: Version, walked: Job) -> Line[Judged]:
        """The walk's images among the reals of test, shuffled: who judges them is told nothing."""
        reals = bench.real_pools(maker.resolution)["test"]
        return bench.judge([judge], reals=reals, fakes=walked.key, what=f"{maker.label} along its shift")

    def _trial(
        self, bench: Bench, maker: Version, judged: Judged, found: Result, walked: Result, labels: Job | None
    ) -> Trial:
        score = bench.config.score
        return Trial(
            generator=maker.label,
            detector=judged.detector.label,
            sought=found.figures(Sought),
            images=walked.arrays["images"],
            scores=judged.scores(bench.store)[1],
            distances=walked.arrays["distances"],
            apart=walked.figures(Walked).apart,
            labels=None if labels is None else bench.store.read(labels.key).arrays["labels"],
            resamples=Resamples(
                latents=self.latents,
                directions=self.random_shifts,
                resamples=score.resamples,
                confidence=score.confidence,
                rng=np.random.default_rng(seed_from("exaggerate", bench.seed, maker.player)),
            ),
            settings=Settings(
                space=self.space,
                distance=self.distance,
                perceptual_weight=self.perceptual_weight,
                confidence=score.confidence,
            ),
        )


def _why_no_walk(sought: Sought, *, steps: int) -> str:
    """Why there is nothing to walk along; empty where there is."""
    if sought.failed:
        return f"the generator {sought.failed}"
    return "" if sought.norm else f"no shift of at most {steps} steps lowered the loss on val"


def _log(bench: Bench, trials: Sequence[Trial]) -> None:
    bench.table("exaggeration", [trial.row() for trial in trials])
    if parts := [row for trial in trials for row in trial.part_rows()]:
        bench.table("parts that change", parts)
    for trial, name in zip(trials, pairs(trials), strict=True):
        bench.log(trial.points())
        for step, loss, _, _ in trial.sought.curve:
            bench.log({f"loss on val/{name}": loss}, step=step)
        bench.figure(f"path of {name}", draw_path(trial))
    bench.figure("scores along the path", draw_scores(trials))


__all__ = ["Exaggerate"]
