"""Generalisation to fakes that nobody trained on: Tables 1 to 3 of the paper, with any players."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from fakeoff.arena.errors import PluginError, suggestion
from fakeoff.arena.jobs import Context, Result
from fakeoff.arena.players.specs import Identity
from fakeoff.arena.seeds import seed_from
from fakeoff.detectors import PatchDetector
from fakeoff.protocols.game.bench import Bench
from fakeoff.protocols.game.line import Line
from fakeoff.protocols.game.recipes import judges_patches
from fakeoff.protocols.generalize.figures import draw_receptive_fields, draw_table
from fakeoff.protocols.generalize.trials import Sight, Trials
from fakeoff.protocols.interface import Protocol, Seeds
from fakeoff.protocols.measures import Match
from fakeoff.protocols.record.versions import Version
from fakeoff.protocols.rules import referee
from fakeoff.protocols.rules.pools import read_who_is_on
from fakeoff.protocols.score.patches import Patches
from fakeoff.protocols.score.replicates import SharedResamples

_TOGETHER = "+"


class Generalize(Protocol):
    """Trains every detector on one generator's fakes at a time, and scores it on every generator's.

    The columns that were trained on are grey; what counts are the others. Everything is repeated with as many seeds: a
    detector's initial weights and batches differ, the images do not. Intervals are over people and seeds: those of
    another training, scored on photographs of other people and on other fakes.

    Fake is positive, at 50/50 prevalence: 0.5 is chance.

    Args:
        train_on: Generators to train on, one after the other; by default each. `a+b` are two at once.
        seeds: Trainings of each detector on each of them.
    """

    def __init__(self, *, train_on: tuple[str, ...] = (), seeds: Seeds = 1) -> None:
        self.train_on, self.seeds = train_on, seeds

    def play(self, bench: Bench) -> None:
        trained_on = {name: _members(name, bench) for name in self.train_on or bench.generators}
        self.study(bench, bench.enter(), trained_on)

    def study(self, bench: Bench, entered: Sequence[Version], trained_on: Mapping[str, tuple[str, ...]]) -> None:
        """Trains every detector on each group of generators, scores it on all of them, and logs what came of it.

        Args:
            bench: Where to play and log.
            entered: Who is met.
            trained_on: The players of each group, by its name. A group is left out where one of them did not enter.
        """
        known = {version.player: version for version in entered}
        lines: dict[tuple[str, int], Line[Match]] = {}
        judges: dict[tuple[str, int], Line[Version]] = {}
        for seed in range(self.seeds):  # the first of everything first: an interrupted game has whole tables
            for name, members in trained_on.items():
                fakes = [known[member] for member in members if member in known]
                if len(fakes) < len(members):
                    continue  # one of them forfeited
                judges[name, seed] = bench.defend(
                    bench.detectors, fakes, seed=bench.seed + seed, what=f"on {name}, seed {bench.seed + seed}"
                )
                lines[name, seed] = bench.match(entered, judges[name, seed])
        matches = {place: list(line) for place, line in lines.items()}
        if not any(matches.values()):
            return
        trials = Trials(
            matches=matches,
            trained_on=trained_on,
            sights=read_sights(bench, [judge for line in judges.values() for judge in line]),
            resamples=share_resamples(bench, known),
            store=bench.store,
            side=bench.config.arena.resolution,
            confidence=bench.config.score.confidence,
        )
        self.log(bench, trials)
        self.examine(bench, list(known.values()), judges)

    def log(self, bench: Bench, trials: Trials) -> None:
        """Logs tables, figures and points.

        Args:
            bench: Where to.
            trials: What was played.
        """
        bench.table("average precision", [row for group in trials.groups for row in trials.wide_rows(group)])
        if contrasts := [row for group in trials.groups for row in trials.contrast_rows(group)]:
            bench.table("patches against whole images", contrasts)
        for name, rows in (("what teaches most", trials.teacher_rows()), ("what is hardest", trials.difficulty_rows())):
            if len(rows) > 1:
                bench.table(name, rows)
        bench.table("every pair", trials.pair_rows())
        bench.figure("average precision", draw_table(trials))
        if any(trials.unseen(name) for name in trials.groups):
            bench.figure("receptive field and generalisation", draw_receptive_fields(trials))
        bench.log(trials.points())

    def examine(
        self, bench: Bench, entered: Sequence[Version], judges: Mapping[tuple[str, int], Line[Version]]
    ) -> None:
        """Looks at what was played beyond its scores; nothing here.

        Args:
            bench: Where to play and log.
            entered: The generators' versions.
            judges: Detectors by what they were trained on and by seed.
        """


@dataclass(frozen=True, kw_only=True)
class SightArguments:
    """Whose receptive field is asked for.

    Attributes:
        detector: Who.
    """

    detector: Identity


def read_sight(context: Context) -> Result:
    """A job: what a patch detector says of its patches.

    Payload: :class:`SightArguments`. Inputs: ``version``.
    """
    arguments = context.arguments(SightArguments)
    detector = referee.build_detector(arguments.detector, version=context.inputs["version"])
    if not isinstance(detector, PatchDetector):
        return Result(record={})
    return Result(record=asdict(Patches.of(detector)))


def together(name: str) -> tuple[str, ...]:
    """The generators that are trained on at once: ``a+b`` are two."""
    return tuple(dict.fromkeys(part.strip() for part in name.split(_TOGETHER)))


def _members(name: str, bench: Bench) -> tuple[str, ...]:
    members = together(name)
    for member in members:
        if member not in bench.generators:
            hint = suggestion(member, bench.generators) or "."
            raise PluginError(
                f"train_on names '{member}', and no generator of that name plays{hint} There are: "
                f"{', '.join(bench.generators)}"
            )
    return members


def read_sights(bench: Bench, judges: Sequence[Version]) -> dict[str, Sight]:
    """What each detector sees at once, from one version of it."""
    sights: dict[str, Sight] = {}
    jobs = {}
    for judge in judges:
        if judge.player in sights or judge.player in jobs:
            continue
        identity = bench.identity(judge)
        if not judges_patches(identity["plugin"]):
            sights[judge.player] = Sight(pixels=None)
            continue
        jobs[judge.player] = bench.job(
            read_sight,
            payload=asdict(SightArguments(detector=identity)),
            inputs={"version": judge},
            player=judge,
            label=f"ask {judge.player} for its receptive field",
        )
    results = bench.run("receptive fields", jobs.values())
    for player, job in jobs.items():
        if job in results:
            record = results[job].record
            sights[player] = Sight(pixels=record["receptive_field"]["size"] if record else None)
    return sights


def share_resamples(bench: Bench, entered: Mapping[str, Version]) -> SharedResamples:
    """Resamples of test that all who are compared share.

    Args:
        bench: Whose reals.
        entered: The generators' versions, by name.
    """
    score = bench.config.score
    return SharedResamples(
        bench.source.persons("test"),
        {name: _units(bench, version.pools["test"]) for name, version in entered.items()},
        resamples=score.resamples,
        rng=np.random.default_rng(seed_from("generalize", bench.seed)),
    )


def _units(bench: Bench, pool: str) -> int | list[list[int]]:
    """What is independent among the fakes of a pool: each of them, or the people whose photographs they are made of."""
    people = [way.tolist() for way in read_who_is_on(pool, bench.store)]
    return people or len(bench.pixels(pool))
