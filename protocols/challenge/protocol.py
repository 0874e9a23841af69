"""A challenge: a detector version of a tournament that was played, against stronger attacks than it met there."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from fakeoff.arena.errors import PluginError
from fakeoff.protocols.challenge.attempts import Attempts, choose
from fakeoff.protocols.challenge.entry import Metric, check_same_game, find_entry
from fakeoff.protocols.challenge.figures import draw_challenge
from fakeoff.protocols.challenge.tables import attempt_rows, verdict_row
from fakeoff.protocols.challenge.verdict import judge_entry
from fakeoff.protocols.game.bench import Bench
from fakeoff.protocols.interface import Protocol


class Challenge(Protocol):
    """Attacks one detector version of the home's tournament harder than the tournament did, and says whether it stands.

    Every generator that learns is finetuned against it anew, from the version before its attack: for more steps, to the
    last one, and several times with other seeds and rates. Every generator with latents has them searched by the
    detector's scores alone, which needs no gradient, and beside that the gradient is followed over the same latents. Of
    restarts val chooses the best. Fakes that do not pass the quality gate do not count.

    Args:
        detector: Which version, such as `resnet18_layer1@1`; of a name alone the newest.
        steps: Of finetuning, times the steps that were played.
        restarts: Finetunings of each generator, each with another seed than the one that was played.
        rates: Learning rates of finetuning; 0 is each generator's own.
        queries: Of each fake of a search, times those of the configuration; 0 searches nothing.
        metric: What decides: `auc` or `ap`.
    """

    def __init__(
        self,
        *,
        detector: Annotated[str, Field(min_length=1)],
        steps: Annotated[float, Field(gt=0, le=1000, allow_inf_nan=False)] = 4.0,
        restarts: Annotated[int, Field(ge=1, le=1000)] = 3,
        rates: Annotated[tuple[Annotated[float, Field(ge=0, allow_inf_nan=False)], ...], Field(min_length=1)] = (0.0,),
        queries: Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)] = 4.0,
        metric: Metric = "auc",
    ) -> None:
        if len(set(rates)) < len(rates):
            raise ValueError("rates names each once")
        self.detector, self.metric = detector, metric
        self.steps, self.restarts, self.rates, self.queries = steps, restarts, rates, queries

    def play(self, bench: Bench) -> None:
        played, config = bench.played, bench.config
        check_same_game(config, played.config)
        entry = find_entry(played, self.detector, metric=self.metric)
        queries = max(2, round(self.queries * config.search.queries)) if self.queries else 0
        steps = max(1, round(self.steps * config.attack.steps))
        attempts = Attempts(bench, entry, steps=steps, queries=queries, metric=self.metric)
        if not attempts.any:
            raise PluginError(
                f"nobody can attack {entry.detector.label} harder: a challenge needs a generator that learns and a "
                "detector that a gradient flows through, or a generator with latents to search"
            )
        attempts.begin(restarts=self.restarts, rates=self.rates)
        found = attempts.collect()
        chosen = choose(found)
        if found:
            bench.table("attacks", attempt_rows(found, chosen))
        if passed_over := attempts.passed_over():
            bench.table("passed over", passed_over)
        if not chosen:
            why = next((one.faults for one in found), "all of them failed; see the forfeits")
            raise PluginError(
                f"no stronger attack on {entry.detector.label} counts: {why}; fewer steps may leave the fakes faces: "
                "--steps 2x"
            )
        verdict = judge_entry(entry, chosen, metric=self.metric, confidence=config.score.confidence)
        bench.table("verdict", [verdict_row(verdict, restarts=self.restarts, rates=self.rates)])
        low, high = verdict.fall.ci
        bench.log(
            {
                f"{self.metric}/on the scoreboard": entry.worst.figures.value(self.metric),
                f"{self.metric}/under stronger attacks": verdict.worst.judged.figures.value(self.metric),
                "fall/fall": verdict.fall.value,
                "fall/from": low,
                "fall/to": high,
                "stands": float(verdict.stands),
            }
        )
        bench.figure("challenge", draw_challenge(verdict, found, chosen))


__all__ = ["Challenge"]
