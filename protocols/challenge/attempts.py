"""Attempts: stronger attacks on one detector version, begun together, and what came of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from fakeoff.protocols.challenge.entry import Entry, Metric
from fakeoff.protocols.game.bench import Bench
from fakeoff.protocols.game.line import Line
from fakeoff.protocols.measures import Judged, Match, QualityGate, Search
from fakeoff.protocols.record.log import Row
from fakeoff.protocols.record.versions import Version
from fakeoff.protocols.rules.search import Part

Means: TypeAlias = Literal["finetuned", "searched", "followed"]
"""How: a generator finetuned against it (Eq. 4); a generator's latents searched by its scores alone; its gradient
followed over the same latents."""

_PARTS: Mapping[Means, Part] = {"searched": "found", "followed": "followed"}


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One stronger attack, and how the detector judged its fakes.

    Attributes:
        generator: The version that it began from.
        means: Of the attack.
        budget: Steps of finetuning, or images of each fake that the detector was shown.
        restart: Counted from 1; a search has one.
        rate: Learning rate of finetuning; 0 is the generator's own.
        on_val: The deciding metric on val, which chooses among restarts; None where there is no choice.
        judged: Its scores on test.
        faults: Why it does not count; empty where it does.
    """

    generator: Version
    means: Means
    budget: int
    restart: int = 1
    rate: float = 0.0
    on_val: float | None = None
    judged: Judged
    faults: str = ""

    @property
    def told(self) -> str:
        """For people: ``pgan@0 finetuned, 600 steps``."""
        return f"{self.generator.label} {self.means}, {self.budget} {self.unit}"

    @property
    def unit(self) -> str:
        """What the budget counts."""
        return {"finetuned": "steps", "searched": "queries", "followed": "steps of the gradient"}[self.means]


@dataclass(frozen=True, kw_only=True)
class _Restart:
    """Finetunings that were begun with one seed and rate."""

    number: int
    rate: float
    attacked: Line[Version]
    matches: Line[Match]
    gates: Line[QualityGate]


class Attempts:
    """Begins attacks on an entry, and collects what came of them.

    Args:
        bench: Where they are played.
        entry: Who is attacked.
        steps: Of finetuning.
        queries: Of each fake of a search; 0 searches nothing.
        metric: What val chooses by.
    """

    def __init__(self, bench: Bench, entry: Entry, *, steps: int, queries: int, metric: Metric) -> None:
        self._bench, self._entry, self._metric = bench, entry, metric
        self._steps, self._queries = steps, queries
        self._why_not = bench.why_not_attackable(entry.detector)
        self._attackers = [v for v in entry.starts if not self._why_not and bench.can(v, "attackable")]
        self._searchable = [v for v in entry.starts if queries and bench.can(v, "latent")]
        self._left_out = {(one.kind, one.player, one.round): one.reason for one in bench.played.unranked}
        self._restarts: list[_Restart] = []
        self._searches: Line[Search] | None = None

    @property
    def any(self) -> bool:
        """Whether there is any attack to try."""
        return bool(self._attackers or self._searchable)

    def passed_over(self) -> list[Row]:
        """Who tries less than the others, and why."""
        rows: list[Row] = []
        if self._why_not:
            rows.append({"player": self._entry.detector.label, "is not": "finetuned against", "why": self._why_not})
        for version in self._entry.starts:
            if not self._why_not and version not in self._attackers:
                why = "it does not learn with an extra loss"
                rows.append({"player": version.label, "is not": "finetuned", "why": why})
            if self._queries and version not in self._searchable:
                rows.append({"player": version.label, "is not": "searched", "why": "it has no latents"})
        return rows

    def begin(self, *, restarts: int, rates: Sequence[float]) -> None:
        """Begins all of them.

        Args:
            restarts: Finetunings of each generator at each rate, each with a seed that was not played.
            rates: Learning rates; 0 is each generator's own.
        """
        bench, judge = self._bench, self._entry.detector
        if self._attackers:
            bench.enter(*(version.player for version in self._attackers), audit=False)  # gates compare with version 0
        for number in range(1, restarts + 1 if self._attackers else 1):
            for rate in rates:
                at = f", rate {rate:g}" if rate else ""
                attacked = bench.attack(
                    self._attackers,
                    targets=[judge],
                    seed=bench.seed + number,
                    what=f"on {judge.label}, {self._steps} steps, restart {number}{at}",
                    steps=self._steps,
                    until=1.0,
                    **({"rate": rate} if rate else {}),
                )
                matches, gates = bench.match(attacked, [judge]), bench.gate(attacked)
                restart = _Restart(number=number, rate=rate, attacked=attacked, matches=matches, gates=gates)
                self._restarts.append(restart)
        if self._searchable:
            self._searches = bench.search(
                self._searchable, [judge], targets=[judge], when="always", queries=self._queries
            )

    def collect(self) -> list[Attempt]:
        """What came of them, generator by generator; who forfeited is left out."""
        found = [*self._finetuned(), *self._searched()]
        order = list(_PARTS)
        return sorted(
            found,
            key=lambda one: (one.generator.label, one.means in order, one.means, one.restart, one.rate),
        )

    def _finetuned(self) -> Iterator[Attempt]:
        bench, judge = self._bench, self._entry.detector
        starts = {version.player: version for version in self._attackers}
        on_val = {
            version.key: bench.judge(
                [judge],
                reals=bench.real_pools(version.resolution)["val"],
                fakes=version.pools["val"],
                what=f"val of {version.label}, restart {restart.number}",
            )
            for restart in self._restarts
            for version in restart.attacked
        }
        for restart in self._restarts:
            faults = {gate.generator.key: gate.disqualifies for gate in restart.gates}
            for match in restart.matches:
                version = match.generator
                for said in on_val[version.key]:
                    yield Attempt(
                        generator=starts[version.player],
                        means="finetuned",
                        budget=self._steps,
                        restart=restart.number,
                        rate=restart.rate,
                        on_val=said.figures.value(self._metric),
                        judged=match,
                        faults=faults.get(version.key, ""),
                    )

    def _searched(self) -> Iterator[Attempt]:
        bench, judge = self._bench, self._entry.detector
        for search in self._searches or ():
            version = search.generator
            reals = bench.real_pools(version.resolution)["test"]
            for means, part in _PARTS.items():
                if part not in search.figures:
                    continue
                fakes = f"{search.keys['search']}:{part}"
                for judged in bench.judge([judge], reals=reals, fakes=fakes, what=f"{version.label}, {means}"):
                    yield Attempt(
                        generator=version,
                        means=means,
                        budget=search.queries if means == "searched" else search.queries - 1,
                        judged=judged,
                        faults=self._left_out.get((version.kind, version.player, version.round), ""),
                    )


def choose(attempts: Sequence[Attempt]) -> list[Attempt]:
    """Of those that count, the best of each generator and means, by val alone: the lowest there, the first of equals.

    Test decides nothing.
    """
    best: dict[tuple[str, Means], Attempt] = {}
    for attempt in attempts:
        place = attempt.generator.label, attempt.means
        kept = best.get(place)
        if not attempt.faults and (kept is None or (attempt.on_val or 0.0) < (kept.on_val or 0.0)):
            best[place] = attempt
    return list(best.values())


__all__ = ["Attempt", "Attempts", "Means", "choose"]
