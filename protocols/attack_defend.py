"""Attack and defend: the rules of the tournament (section 4.3)."""

from __future__ import annotations

from collections.abc import Sequence

from fakeoff.arena.images.reals import RealSource
from fakeoff.arena.jobs.executors import Executor
from fakeoff.arena.jobs.store import Store
from fakeoff.arena.players.specs import PlayerSpec
from fakeoff.protocols import protocols
from fakeoff.protocols.config import TournamentConfig
from fakeoff.protocols.game.bench import Bench
from fakeoff.protocols.game.observer import GameObserver
from fakeoff.protocols.interface import Protocol
from fakeoff.protocols.measures import Match, PostprocessedMatch
from fakeoff.protocols.measures.tournament import TournamentRecord
from fakeoff.protocols.record.log import Cell, Unlogged
from fakeoff.protocols.score.metrics import METRICS


def play_tournament(
    config: TournamentConfig, *, source: RealSource, store: Store, executor: Executor, observer: GameObserver
) -> TournamentRecord:
    """Plays a tournament, or what is missing of it.

    Args:
        config: What to play.
        source: The reals.
        store: Where results are kept.
        executor: Where jobs run.
        observer: Who is told.

    Returns:
        What was played; forfeits are in it.

    Raises:
        FakeoffError: Bad input, a damaged store, or a leak that the configuration refuses.
    """
    spec = tournament_spec(config)
    bench = Bench(config, spec=spec, source=source, store=store, executor=executor, observer=observer, log=Unlogged())
    try:
        return play_on(bench)
    finally:
        bench.abandon()


def tournament_spec(config: TournamentConfig) -> PlayerSpec:
    """The recipe of the tournament that a configuration names."""
    plugin = config.protocol.plugin
    return PlayerSpec(name=plugin, plugin=plugin, fingerprint=protocols.fingerprint(plugin))


def play_on(bench: Bench) -> TournamentRecord:
    """Plays the tournament of a bench to its end."""
    AttackDefend().play(bench)
    bench.finish()
    return bench.record(bench.config.rounds)


class AttackDefend(Protocol):
    """Attack-defend rounds: every version of every player against every other (section 4.3).

    What is played is in the configuration: ``rounds``, ``[attack]``, ``[defend]`` and so on. `fakeoff run` keeps its
    scoreboard; within another experiment it leaves a table of its matches.
    """

    def play(self, bench: Bench) -> None:
        generators = bench.enter()
        detectors = bench.defend(bench.detectors, generators)
        makers, judges = generators, detectors  # every version so far
        matches = bench.match(makers, judges)
        behind = bench.postprocess(makers, judges)
        bench.parse(generators)
        bench.look(makers, judges)
        bench.localise(makers, judges)
        bench.costs(generators)
        bench.gate(generators)
        bench.end_round(0)
        for round_ in range(1, bench.config.rounds + 1):
            targets = bench.targets(detectors)
            attacked = bench.attack(generators, targets=targets)
            bench.search(generators, detectors, targets=targets)
            bench.audit(attacked)
            bench.parse(attacked)
            latest = bench.latest(generators, attacked)
            makers += attacked
            history = makers if bench.config.defend.history == "all" else latest
            retrained = bench.defend(bench.detectors, history, after=detectors)
            judges += retrained
            matches = bench.match(makers, judges)
            behind = bench.postprocess(makers, judges)
            bench.look(makers, judges)
            bench.localise(makers, judges)
            bench.shift(generators, attacked, frozen=detectors, retrained=retrained)
            bench.costs(attacked)
            bench.gate(attacked)
            bench.end_round(round_)
            generators, detectors = latest, retrained
        there = {one.places: one for one in behind}
        rows: list[dict[str, Cell]] = [
            {
                "generator": match.generator.label,
                "detector": match.detector.label,
                "is target": match.is_target,
                **{name: value for metric in METRICS for name, value in _with_interval(match, metric).items()},
                **_behind(there.get(match.places), bench.config.score.through),
            }
            for match in matches
        ]
        if rows:
            bench.table("matches", rows)


def _behind(match: PostprocessedMatch | None, chains: Sequence[str]) -> dict[str, Cell]:
    drawn = {} if match is None else match.behind
    return {f"auc behind {chain}": drawn[chain]["auc"].value if chain in drawn else None for chain in chains}


def _with_interval(match: Match, metric: str) -> dict[str, Cell]:
    low, high = match.figures.interval(metric)
    return {metric: match.figures.value(metric), f"{metric} from": low, f"{metric} to": high}


__all__ = ["AttackDefend", "play_on", "play_tournament", "tournament_spec"]
