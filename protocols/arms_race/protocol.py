"""Arms races: rounds of attack and defence under several rules, from the same beginning."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fakeoff.arena.errors import PluginError
from fakeoff.protocols.arms_race.races import History, Race, Races, Rules
from fakeoff.protocols.arms_race.tables import log_races
from fakeoff.protocols.game.bench import Bench
from fakeoff.protocols.game.line import Line
from fakeoff.protocols.generalize.protocol import share_resamples
from fakeoff.protocols.interface import Protocol
from fakeoff.protocols.record.versions import Version


class ArmsRace(Protocol):
    """Plays the rounds of the tournament under several rules, and says what attacks, retraining and forgetting come to.

    Rules differ in which fakes detectors learn again (those of all rounds, or of the latest alone) and in whom attacks
    are against (the champion, a detector, or all at once: an ensemble). Every race begins with the same detectors. How
    many rounds, the configuration says: `--rounds 8`; the first two of eight are a race of two.

    Args:
        history: On the fakes of which rounds detectors learn again: `all`, `latest`.
        targets: Whom attacks are against: `champion`, `all` or a detector's name.
        seeds: Repetitions, each with detectors and attacks of its own.
    """

    def __init__(
        self,
        *,
        history: Annotated[tuple[History, ...], Field(min_length=1)] = ("all", "latest"),
        targets: Annotated[tuple[str, ...], Field(min_length=1)] = ("champion",),
        seeds: Annotated[int, Field(ge=1)] = 1,
    ) -> None:
        self.history, self.targets, self.seeds = history, targets, seeds

    def play(self, bench: Bench) -> None:
        rounds = bench.config.rounds
        if not rounds:
            raise PluginError("an arms race has rounds, and there is none: give some, such as --rounds 4")
        entered = bench.enter()
        if not any(bench.is_attackable(version) for version in entered):
            raise PluginError(
                "an arms race needs a generator that learns and takes extra_loss: enter one, such as pgan"
            )
        races = []
        for seed in range(self.seeds):
            what = f"seed {seed}" if seed else ""
            first = bench.defend(bench.detectors, entered, seed=bench.seed + seed, what=what)
            for target in self.targets:
                for history in self.history:
                    rules = Rules(history=history, target=target)
                    races.append(_run(bench, entered, first, rules, seed=seed, rounds=rounds))
        found = Races(
            races,
            rounds=rounds,
            resamples=share_resamples(bench, {version.player: version for version in entered}),
            store=bench.store,
            confidence=bench.config.score.confidence,
        )
        if found.pairs:
            log_races(bench, found)


def _run(bench: Bench, entered: Line[Version], first: Line[Version], rules: Rules, *, seed: int, rounds: int) -> Race:
    """Begins a race; nothing is waited for."""
    generators, detectors = [entered], [first]
    makers, judges = entered, first
    for round_ in range(1, rounds + 1):
        targets = bench.targets(detectors[-1], target=rules.target)
        attacked = bench.attack(
            generators[-1],
            targets=targets,
            seed=bench.seed + seed,
            what=f"round {round_}, {rules.words}, seed {seed}",
        )
        generators.append(bench.latest(generators[-1], attacked))
        makers += attacked
        retrained = bench.defend(
            bench.detectors,
            makers if rules.history == "all" else generators[-1],
            after=detectors[-1],
            seed=bench.seed + seed,
            what=f"{rules.words}, seed {seed}",
        )
        detectors.append(retrained)
        judges += retrained
    matches = bench.match(makers, judges)
    return Race(rules=rules, seed=seed, generators=generators, detectors=detectors, matches=matches)


__all__ = ["ArmsRace"]
