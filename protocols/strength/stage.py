"""Begins attacks on detectors, and collects what came of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

from fakeoff.arena.jobs import Job
from fakeoff.protocols.game.bench import Bench
from fakeoff.protocols.game.line import Line
from fakeoff.protocols.measures import Cost, Judged, Match
from fakeoff.protocols.record.log import Row
from fakeoff.protocols.record.versions import Version
from fakeoff.protocols.rules.cost import Distances, cost
from fakeoff.protocols.strength.pixels import PassArguments, PixelArguments, attack_pixels, pass_through
from fakeoff.protocols.strength.shots import Shot


@dataclass(frozen=True, kw_only=True)
class _Finetuning:
    """What was begun: an attack, and what is to be known of it."""

    judge: Version
    seed: int
    steps: int
    through: str
    attacked: Line[Version]
    matches: Line[Match]
    costs: Line[Cost]


class Stage:
    """Begins attacks, and collects what came of them.

    Args:
        bench: Where they are played.
        entered: All generators' versions.
        attackers: Those that learn by gradients.
    """

    def __init__(self, bench: Bench, entered: Sequence[Version], attackers: Sequence[Version]) -> None:
        self._bench, self._entered, self._attackers = bench, entered, attackers
        self._trained: dict[int, Line[Version]] = {}
        self._plain: dict[int, Line[Match]] = {}
        self._begun: list[_Finetuning] = []
        self._pools: dict[str, str | Job] = {}

    def train(self, seed: int) -> None:
        """Lets detectors learn the fakes as they are, and judge them."""
        bench = self._bench
        self._trained[seed] = bench.defend(
            bench.detectors, self._entered, seed=bench.seed + seed, what=f"seed {bench.seed + seed}"
        )
        self._plain[seed] = bench.match(self._entered, self._trained[seed])

    def judges(self) -> list[Version]:
        """Every detector version."""
        return [judge for line in self._trained.values() for judge in line]

    def targets(self, seed: int) -> list[Version]:
        """Those that an attack can follow."""
        return [judge for judge in self._trained[seed] if not self._bench.why_not_attackable(judge)]

    def passed_over(self) -> list[Row]:
        """Who could neither attack nor be attacked, and why."""
        rows: list[Row] = [
            {"player": version.player, "why": "it does not learn with an extra loss: its images are attacked alone"}
            for version in self._entered
            if version not in self._attackers
        ]
        reasons = {judge.player: self._bench.why_not_attackable(judge) for judge in self.judges()}
        return rows + [{"player": name, "why": reason} for name, reason in reasons.items() if reason]

    def finetune(self, judge: Version, seed: int, *, steps: int, through: str = "", everybody: bool = False) -> None:
        """Begins an attack on a detector by every generator."""
        bench = self._bench
        behind = f" through {through}" if through else ""
        attacked = bench.attack(
            self._attackers,
            targets=[judge],
            seed=bench.seed + seed,
            what=f"on {judge.player}, seed {bench.seed + seed}, {steps} steps{behind}",
            steps=steps,
            until=1.0,
            through=through,
        )
        by = self._trained[seed] if everybody else [judge]
        self._begun.append(
            _Finetuning(
                judge=judge,
                seed=seed,
                steps=steps,
                through=through,
                attacked=attacked,
                matches=bench.match(attacked, by),
                costs=bench.costs(attacked),
            )
        )

    def finetuned(self) -> Iterator[Shot]:
        """What came of all finetunings, and how everybody judges fakes that attacked nobody."""
        for seed, line in self._plain.items():
            for match in line:
                yield Shot(
                    generator=match.generator.player,
                    against="",
                    judge=match.detector.player,
                    seed=seed,
                    attack="none",
                    budget=0.0,
                    judged=match,
                )
        for begun in self._begun:
            costs = {measured.generator.key: measured.figures for measured in begun.costs}
            for match in begun.matches:
                yield Shot(
                    generator=match.generator.player,
                    against=begun.judge.player,
                    judge=match.detector.player,
                    seed=begun.seed,
                    attack="finetuning",
                    budget=float(begun.steps),
                    led_through=begun.through,
                    judged=match,
                    cost=costs.get(match.generator.key),
                )

    def shoot_pixels(self, levels: Sequence[float], *, steps: int, through: Sequence[str]) -> Iterator[Shot]:
        """Attacks the images of every generator, through nothing with each budget, and through chains with the last."""
        bench = self._bench
        wanted = [("", level) for level in levels] + [(chain, level) for chain in through for level in levels[-1:]]
        jobs: dict[Job, tuple[Version, Version, int, str, float]] = {}
        for seed in self._trained:
            for judge in self.targets(seed):
                for version in self._entered:
                    for chain, level in wanted:
                        job = self._write_pixels(judge, version, level, steps=steps, chain=chain)
                        jobs[job] = (judge, version, seed, chain, level)
        done = bench.run("attacks on pixels", jobs)
        weighed = {job: self._write_cost(job, jobs[job][1]) for job in done}
        costs = bench.run("what attacks on pixels cost", weighed.values())
        judged = {}
        for job in done:
            judge, version, _, chain, level = jobs[job]
            reals = bench.real_pools(version.resolution)["test"]
            judged[job] = bench.judge([judge], reals=reals, fakes=job, what=f"{version.label}, {_told(level, chain)}")
        for job, line in judged.items():
            judge, version, seed, chain, level = jobs[job]
            for found in line:
                yield Shot(
                    generator=version.player,
                    against=judge.player,
                    judge=judge.player,
                    seed=seed,
                    attack="pixels",
                    budget=level,
                    led_through=chain,
                    judged=found,
                    cost=bench.store.figures(weighed[job].key, Distances) if weighed[job] in costs else None,
                )
                self._pools[found.key] = job

    def judge_through(self, shots: Sequence[Shot], through: Sequence[str]) -> Iterator[Shot]:
        """Lets targets judge, behind each chain, fakes as they are and the hardest attacks of each kind."""
        bench = self._bench
        hardest = {
            attack: max((shot.budget for shot in shots if shot.attack == attack), default=0.0)
            for attack in ("none", "finetuning", "pixels")
        }
        lines: list[tuple[Shot, str, Line[Judged]]] = []
        for chain in through:
            for shot in shots:
                if shot.budget != hardest[shot.attack] or not shot.is_own or shot.led_through not in ("", chain):
                    continue
                if bench.why_not_attackable(shot.judged.detector):
                    continue
                pools = [self._write_passed(pool, chain) for pool in self._sides(shot)]
                led = f" led through {shot.led_through}" if shot.led_through else ""
                what = f"{shot.generator}, {shot.attack}{led}, behind {chain}"
                line = bench.judge([shot.judged.detector], reals=pools[0], fakes=pools[1], what=what)
                lines.append((shot, chain, line))
        for shot, chain, line in lines:
            for found in line:
                yield Shot(**{**vars(shot), "judged_through": chain, "judged": found, "cost": None})

    def _sides(self, shot: Shot) -> tuple[str | Job, str | Job]:
        mixture = shot.judged.judging.mixture
        return mixture.reals[0], self._pools.get(shot.judged.key, mixture.fakes[0])

    def _write_pixels(self, judge: Version, version: Version, level: float, *, steps: int, chain: str) -> Job:
        bench = self._bench
        arguments = PixelArguments(
            detector=bench.identity(judge), levels=level, steps=steps, through=chain, colour=bench.data["colour"]
        )
        return bench.job(
            attack_pixels,
            payload=asdict(arguments),
            inputs={"detector": judge, "fakes": version.pools["test"]},
            player=judge,
            label=f"move pixels of {version.label} by {_told(level, chain)} against {judge.player}",
            on_device=True,
        )

    def _write_cost(self, moved: Job, version: Version) -> Job:
        reals = self._bench.real_pools(version.resolution)
        return self._bench.job(
            cost,
            payload=self._bench.extent.payload(),
            inputs={
                "fake": moved,
                "fake_0": version.pools["test"],
                "real": reals["test"],
                "real_train": reals["train"],
            },
            label=f"cost: {moved.label}",
        )

    def _write_passed(self, pool: str | Job, chain: str) -> Job:
        return self._bench.job(
            pass_through,
            payload=asdict(PassArguments(through=chain)),
            inputs={"pool": pool},
            label=f"pass through {chain}",
        )


def _told(level: float, chain: str) -> str:
    return f"{level:g} levels through {chain}" if chain else f"{level:g} levels"


__all__ = ["Stage"]
