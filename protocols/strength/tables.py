"""What is logged of attacks of growing strength: tables, points and figures."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fakeoff.arena.seeds import seed_from
from fakeoff.protocols.game.bench import Bench
from fakeoff.protocols.generalize.trials import Sight
from fakeoff.protocols.record.log import Cell, Row
from fakeoff.protocols.score.replicates import Draws, Estimate, estimate, slope
from fakeoff.protocols.strength.figures import draw_curves, draw_robustness, draw_through, draw_transfer
from fakeoff.protocols.strength.half_life import HalfLife, measure_half_life
from fakeoff.protocols.strength.shots import Attack, Range, Shot

_WORDS: Mapping[Attack, str] = {
    "none": "no attack",
    "finetuning": "finetuned generator",
    "pixels": "pixels moved",
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Curve:
    """A detector under attacks of one kind, weakest first; the first point is that of no attack.

    Attributes:
        generator: Whose fakes.
        detector: Who was attacked and judged.
        attack: With what.
        budgets: Steps, or levels.
        costs: Mean absolute difference to the unattacked images, in [0, 1].
        ap: At each point, ``(seeds, 1 + resamples)``.
    """

    generator: str
    detector: str
    attack: Attack
    budgets: tuple[float, ...]
    costs: tuple[float, ...]
    ap: tuple[Draws, ...]

    def half_life(self, bench: Bench, *, level: float, over_costs: bool = False) -> HalfLife:
        """Where it falls below a level: in its budget, or what that had cost the images by then."""
        return measure_half_life(
            self.budgets,
            self.ap,
            level=level,
            confidence=bench.config.score.confidence,
            rng=np.random.default_rng(seed_from("half-life", bench.seed)),
            costs=self.costs if over_costs else None,
        )


def log_range(bench: Bench, found: Range, *, sights: Mapping[str, Sight], level: float) -> None:
    """Logs all that was shot.

    Args:
        bench: Where to.
        found: Everything.
        sights: What each detector sees at once.
        level: Average precision below which a detector counts as broken.
    """
    curves = read_curves(found)
    if not curves:
        return
    bench.table("in words", [{"in words": sentence} for sentence in _sentences(bench, curves, level=level)])
    bench.table("strength", _strength_rows(found))
    half_lives = _half_life_rows(bench, curves, sights=sights, level=level)
    bench.table("half-life", half_lives)
    for name, of in (
        ("strength", [curve for curve in curves if curve.attack == "finetuning"]),
        ("strength in pixels", [curve for curve in curves if curve.attack == "pixels"]),
    ):
        if of:
            bench.figure(name, draw_curves(of, found, over_costs=False, level=level))
    bench.figure("image cost", draw_curves(curves, found, over_costs=True, level=level))
    if rows := _robustness_rows(curves, found, sights=sights, side=bench.config.arena.resolution):
        bench.table("receptive field and robustness", rows)
    finetuned = [curve for curve in curves if curve.attack == "finetuning"]
    places = {curve: curve.half_life(bench, level=level) for curve in finetuned}
    bench.figure(
        "receptive field and half-life",
        draw_robustness(places, sights, side=bench.config.arena.resolution, level=level, found=found),
    )
    if transfer := _transfer_rows(found):
        bench.table("transfer", transfer)
        bench.figure("transfer", draw_transfer(transfer, found))
    if through := _through_rows(found):
        bench.table("through", through)
        bench.figure("through", draw_through(through, found))
    bench.log(_points(curves))


def read_curves(found: Range) -> list[Curve]:
    """Every detector's curves of attacks that nothing lay between, judged by itself."""
    curves = []
    names = dict.fromkeys((shot.generator, shot.judge, shot.attack) for shot in found.shots if shot.against)
    for generator, detector, attack in names:
        own = [
            shot
            for shot in found.shots
            if (shot.generator, shot.judge) == (generator, detector)
            and not shot.judged_through
            and not shot.led_through
            and ((shot.attack == attack and shot.against == detector) or shot.attack == "none")
        ]
        budgets = sorted({shot.budget for shot in own})
        seeds = set.intersection(*({shot.seed for shot in own if shot.budget == budget} for budget in budgets))
        if len(budgets) < 2 or not seeds:
            continue
        points = [[shot for shot in own if shot.budget == budget and shot.seed in seeds] for budget in budgets]
        points = [sorted(point, key=lambda shot: shot.seed) for point in points]
        curves.append(
            Curve(
                generator=generator,
                detector=detector,
                attack=attack,
                budgets=tuple(budgets),
                costs=tuple(_mean_cost(point) for point in points),
                ap=tuple(found.ap(point) for point in points),
            )
        )
    return curves


def _mean_cost(point: Sequence[Shot]) -> float:
    return float(np.mean([shot.cost.pixel_l1_to_first if shot.cost else 0.0 for shot in point]))


def _sentences(bench: Bench, curves: Sequence[Curve], *, level: float) -> list[str]:
    """Who is broken by how much, the first to fall first, one sentence for each kind of attack of each generator."""
    sentences = []
    for generator, attack in dict.fromkeys((curve.generator, curve.attack) for curve in curves):
        mine = [curve for curve in curves if (curve.generator, curve.attack) == (generator, attack)]
        found = [(curve.detector, curve.half_life(bench, level=level)) for curve in mine]
        fell = sorted((one for one in found if one[1].is_reached), key=lambda one: one[1].value)
        stood = [detector for detector, half_life in found if not half_life.is_reached]
        furthest, confidence = mine[0].budgets[-1], bench.config.score.confidence
        what = (
            f"Finetuned, {generator} brings detectors"
            if attack == "finetuning"
            else f"With its pixels moved, an image of {generator} brings detectors"
        )
        unit = "steps" if attack == "finetuning" else "levels of 255"
        said = [f"{detector} after {half_life.words}" for detector, half_life in fell]
        told = (
            f"{what} below an AP of {level:g}: {', '.join(said)} {unit} ({confidence:.0%} intervals)." if fell else ""
        )
        if stood:
            whom = f"{', '.join(stood)} {'stands' if len(stood) == 1 else 'stand'}"
            than = f"the {furthest:g} {unit}" if furthest != 1 else f"the one {unit.replace('s', '', 1)}"
            told += f"{' ' if told else ''}{whom} {than} of {'it' if fell else generator} in the mean."
        sentences.append(told)
    return sentences


def _strength_rows(found: Range) -> list[Row]:
    """A row for each attack of each strength, judged by whom it was against."""
    rows: list[Row] = []
    for place in dict.fromkeys(shot.place for shot in found.shots if shot.is_own and not shot.judged_through):
        generator, _, detector, attack, through, budget = place
        rows.append(
            {
                "generator": generator,
                "detector": detector,
                "attack": _WORDS[attack],
                "budget": budget,
                "unit": "" if attack == "none" else "steps" if attack == "finetuning" else "levels",
                "led through": through,
                **found.row(found.at(place)),
            }
        )
    return rows


def _half_life_rows(bench: Bench, curves: Sequence[Curve], *, sights: Mapping[str, Sight], level: float) -> list[Row]:
    rows: list[Row] = []
    for generator, detector in dict.fromkeys((curve.generator, curve.detector) for curve in curves):
        row: dict[str, Cell] = {
            "generator": generator,
            "detector": detector,
            "sees": sights[detector].words if detector in sights else "",
        }
        for curve in curves:
            if (curve.generator, curve.detector) != (generator, detector):
                continue
            unit = "steps" if curve.attack == "finetuning" else "levels"
            for name, of in (
                (f"{unit} until AP {level:g}", curve.half_life(bench, level=level)),
                (f"image cost of {_WORDS[curve.attack]}", curve.half_life(bench, level=level, over_costs=True)),
            ):
                row |= {name: of.words, f"{name}, value": _finite(of.value), f"{name}, from": _finite(of.low),
                        f"{name}, to": _finite(of.high)}  # fmt: skip
        rows.append(row)
    columns = list(dict.fromkeys(column for row in rows for column in row))
    return [{column: row.get(column) for column in columns} for row in rows]


def _finite(value: float) -> float | None:
    return None if math.isinf(value) else value


def _robustness_rows(curves: Sequence[Curve], found: Range, *, sights: Mapping[str, Sight], side: int) -> list[Row]:
    """Mean average precision over all budgets of finetuning, and its slope over the receptive field."""
    rows: list[Row] = []
    for generator in dict.fromkeys(curve.generator for curve in curves):
        robust: dict[str, Draws] = {
            curve.detector: np.mean(curve.ap[1:], axis=0)
            for curve in curves
            if curve.generator == generator and curve.attack == "finetuning" and curve.detector in sights
        }
        for detector, draws in robust.items():
            rows.append(_contrast(generator, f"{detector} ({sights[detector].words})", found.estimate(draws)))
        places = [math.log2(sights[detector].across(side)) for detector in robust]
        if len(set(places)) > 1:
            fewest = min(map(len, robust.values()))
            steep = slope([draws[:fewest] for draws in robust.values()], places)
            of = estimate(steep, people=found.people, confidence=found.confidence)
            rows.append(_contrast(generator, "for each doubling of the receptive field", of))
    return rows


def _contrast(generator: str, what: str, of: Estimate) -> Row:
    return {
        "generator": generator,
        "mean AP over all budgets of finetuning": what,
        "value": of.value,
        "from": of.low,
        "to": of.high,
        "seeds": len(of.of_seeds),
    }


def _transfer_rows(found: Range) -> list[Row]:
    """Fakes of the hardest finetuning against each detector, as everybody judges them."""
    hardest = max((shot.budget for shot in found.shots if shot.attack == "finetuning"), default=0.0)
    wanted = [
        shot
        for shot in found.shots
        if not shot.judged_through
        and not shot.led_through
        and (shot.attack == "none" or (shot.attack == "finetuning" and shot.budget == hardest))
    ]
    rows: list[Row] = []
    for generator, against, judge in dict.fromkeys((s.generator, s.against, s.judge) for s in wanted):
        shots = [s for s in wanted if (s.generator, s.against, s.judge) == (generator, against, judge)]
        of = found.estimate(found.ap(sorted(shots, key=lambda shot: shot.seed)))
        rows.append(
            {
                "generator": generator,
                "finetuned against": against or "nobody",
                "judged by": judge,
                "AP": of.value,
                "AP from": of.low,
                "AP to": of.high,
                "seeds": len(of.of_seeds),
            }
        )
    return rows


def _through_rows(found: Range) -> list[Row]:
    """What is left of the hardest attacks behind each chain, led through it and not."""
    rows: list[Row] = []
    behind = [shot for shot in found.shots if shot.judged_through]
    for chain, place in dict.fromkeys((shot.judged_through, shot.place) for shot in behind):
        generator, _, detector, attack, led, budget = place
        row: dict[str, Cell] = {
            "generator": generator,
            "detector": detector,
            "between": chain,
            "attack": _WORDS[attack],
            "budget": budget,
            "led through it": bool(led),
        }
        for column, through in (("AP, nothing between", ""), ("AP", chain)):
            of = found.estimate(found.ap(found.at(place, judged_through=through)))
            row |= {column: of.value, f"{column} from": of.low, f"{column} to": of.high}
        rows.append(row)
    return rows


def _points(curves: Sequence[Curve]) -> dict[str, float]:
    return {
        f"ap of {curve.generator}, {_WORDS[curve.attack]}/{curve.detector} at {budget:g}": float(ap[:, 0].mean())
        for curve in curves
        for budget, ap in zip(curve.budgets, curve.ap, strict=True)
    }


__all__ = ["Curve", "log_range", "read_curves"]
