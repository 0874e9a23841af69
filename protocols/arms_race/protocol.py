"""Arms races: rounds of attack and defence under several rules, from the same beginning."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fakeoff.arena.errors import PluginError
from fakeoff.protocols.arms_race.races import History, Race, Races, Rules
from fakeoff.protocols.arms_race.tables import log_races, round_rows
from fakeoff.protocols.game.bench import Bench
from fakeoff.protocols.generalize.protocol import share_resamples
from fakeoff.protocols.interface import Protocol, Seeds
from fakeoff.protocols.record.log import Unlogged


class ArmsRace(Protocol):
    """Plays the rounds of the tournament under several rules, and says what attacks, retraining and forgetting come to.

    Rules differ in which fakes detectors learn again (those of all rounds, or of the latest alone) and in whom attacks
    are against (the champion, a detector, or all at once: an ensemble). Every race begins with the same detectors. How
    many rounds, the configuration says: `--rounds 8`; the first two of eight are a race of two.

    Args:
        history: On the fakes of which rounds detectors learn again: `all`, `latest`.
        targets: Whom attacks are against: `champion`, `all` or a detector's name.
        seeds: Repetitions: with other latents, other detectors and other attacks.
    """

    def __init__(
        self,
        *,
        history: Annotated[tuple[History, ...], Field(min_length=1)] = ("all", "latest"),
        targets: Annotated[tuple[str, ...], Field(min_length=1)] = ("champion",),
        seeds: Seeds = 1,
    ) -> None:
        for name, chosen in (("history", history), ("targets", targets)):
            if len(set(chosen)) < len(chosen):
                raise ValueError(f"{name} names each once")
        self.history, self.targets, self.seeds = history, targets, seeds

    def play(self, bench: Bench) -> None:
        rounds = bench.config.rounds
        if not rounds:
            raise PluginError("an arms race has rounds, and there is none: give some, such as --rounds 4")
        for target in self.targets:
            bench.check_target(target, where="protocol.parameters.targets")
        entered = bench.enter()
        if not any(bench.can(version, "attackable") for version in entered):
            raise PluginError(
                "an arms race needs a generator that learns and takes extra_loss: enter one, such as pgan"
            )
        running = [
            _Running(bench, Rules(history=history, target=target), seed=seed)
            for seed in range(self.seeds)
            for target in self.targets
            for history in self.history
        ]
        # All side by side: each waits for its own champion before a round, and others compute meanwhile.
        for round_ in range(1, rounds + 1):
            for race in running:
                race.play_round(round_)
        found = Races(
            [race.end() for race in running],
            rounds=rounds,
            resamples=share_resamples(bench, {version.player: version for version in entered}),
            store=bench.store,
            confidence=bench.config.score.confidence,
        )
        rows = round_rows(found)
        if not any(row["was the target"] for row in rows):
            raise PluginError(
                "nobody was attacked in any race: a detector that a gradient flows through is missing, such as "
                "resnet18_layer1; or everybody forfeited"
            )
        log_races(bench, found, rows)


class _Running:
    """A race on a bench of its own: what val says of a detector in one is nobody's business in another."""

    def __init__(self, bench: Bench, rules: Rules, *, seed: int) -> None:
        self._rules, self._seed = rules, seed
        self._bench = bench.again(seed=bench.seed + seed, spec=bench.spec, log=Unlogged())
        entered = self._bench.enter()
        first = self._bench.defend(self._bench.detectors, entered, what=rules.words)
        self._generators, self._detectors = [entered], [first]
        self._makers, self._judges = entered, first  # of all rounds

    def play_round(self, round_: int) -> None:
        """Attacks, and defends against what came of it."""
        bench, rules = self._bench, self._rules
        before = self._generators[-1]
        targets = bench.targets(self._detectors[-1], target=rules.target)
        attacked = bench.attack(before, targets=targets, what=f"round {round_}, {rules.words}")
        latest = bench.latest(before, attacked)
        self._makers += attacked
        learn = self._makers if rules.history == "all" else latest
        retrained = bench.defend(bench.detectors, learn, after=self._detectors[-1], what=rules.words)
        self._judges += retrained
        self._generators.append(latest)
        self._detectors.append(retrained)

    def end(self) -> Race:
        """Lets every version judge every other."""
        matches = self._bench.match(self._makers, self._judges)
        race = Race(
            rules=self._rules,
            seed=self._seed,
            generators=self._generators,
            detectors=self._detectors,
            matches=matches,
        )
        self._bench.finish()
        return race


__all__ = ["ArmsRace"]
