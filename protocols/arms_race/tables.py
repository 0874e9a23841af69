"""What is logged of arms races: each round, what is forgotten, and what it helps to remember."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from statistics import fmean

from fakeoff.protocols.arms_race.figures import draw_forgetting, draw_races
from fakeoff.protocols.arms_race.races import Cell, Races, Rules
from fakeoff.protocols.game.bench import Bench
from fakeoff.protocols.record.log import Cell as Value
from fakeoff.protocols.record.log import Row
from fakeoff.protocols.score.replicates import Draws, Estimate
from fakeoff.protocols.score.telling import tell

_TOLD = -0.005  # what is less is told as 0.00


def log_races(bench: Bench, found: Races, rounds: Sequence[Row]) -> None:
    """Logs all that was played.

    Args:
        bench: Where to.
        found: Everything.
        rounds: Of :func:`round_rows`.
    """
    forgotten = forgetting_rows(found)
    bench.table("in words", [{"in words": sentence} for sentence in _sentences(rounds, forgotten)])
    bench.table("rounds", rounds)
    if forgotten:
        bench.table("forgetting", forgotten)
    if contrasts := history_rows(found):
        bench.table("history against latest", contrasts)
    if compared := target_rows(found):
        bench.table("one target against another", compared)
    bench.figure("rounds", draw_races(found))
    bench.figure("forgetting", draw_forgetting(found))
    for round_ in range(found.rounds + 1):
        bench.log(_points(found, round_), step=round_)


def _sentences(rounds: Sequence[Row], forgotten: Sequence[Row]) -> list[str]:
    """For each set of rules what attacks took, what retraining brought back, and what was forgotten most."""
    sentences = []
    for learn, target in dict.fromkeys((row["detectors learn"], row["attacks against"]) for row in rounds):
        mine = [row for row in rounds if (row["detectors learn"], row["attacks against"]) == (learn, target)]
        hit = [row for row in mine if row["was the target"]]
        lows = [float(row["AP attacked"] or 0) for row in hit]
        caught = [float(row["AP retrained"] or 0) for row in hit if row["AP retrained"] is not None]
        told = f"Where detectors learn {learn} and attacks are against {target}: "
        if hit:
            told += f"attacks left the attacked an AP of {fmean(lows):.2f} in the mean (at worst {min(lows):.2f})"
            told += f", retraining brought it back to {fmean(caught):.2f}. " if caught else ". "
        losses = [
            row
            for row in forgotten
            if (row["detectors learn"], row["attacks against"]) == (learn, target) and float(row["change"] or 0) < _TOLD
        ]
        if losses:
            worst = min(losses, key=lambda row: float(row["change"] or 0))
            ends = (float(worst["change from"] or 0), float(worst["change to"] or 0))
            told += (
                f"Most was forgotten by {worst['detector']}: on the fakes of round {worst['fakes of round']} its AP "
                f"went from {float(worst['AP at the time'] or 0):.2f} to {float(worst['AP at the end'] or 0):.2f}, "
                f"a change of {tell(float(worst['change'] or 0), ends, digits=2, signed=True)}."
            )
        else:
            told += "No detector did worse on old fakes at the end."
        sentences.append(told)
    return sentences


def round_rows(found: Races) -> list[Row]:
    """A row for each round of each pair: before the attack, after it, and after retraining."""
    rows: list[Row] = []
    for rules in found.rules:
        for generator, detector in found.pairs:
            for round_ in range(1, found.rounds + 1):
                at = Cell(rules=rules, generator=generator, made=round_, detector=detector, trained=round_ - 1)
                stages = {
                    "before": replace(at, made=round_ - 1),
                    "attacked": at,
                    "retrained": replace(at, trained=round_),
                }
                ap = {name: draws for name, cell in stages.items() if (draws := found.ap(cell)) is not None}
                if "attacked" not in ap:
                    continue
                row: dict[str, Value] = {
                    **_of_rules(rules),
                    "round": round_,
                    "generator": generator,
                    "detector": detector,
                    "was the target": found.was_target(at),
                }
                for name in stages:
                    row |= _figures(f"AP {name}", found.share(ap[name]) if name in ap else None)
                row |= _figures("fall", _difference(found, ap.get("before"), ap["attacked"]))
                row |= _figures("recovery", _difference(found, ap.get("retrained"), ap["attacked"]))
                rows.append({**row, "seeds": len(ap["attacked"])})
    return rows


def forgetting_rows(found: Races) -> list[Row]:
    """How the last version of each detector does on the fakes of each round, less how that round's own version did."""
    rows: list[Row] = []
    for rules in found.rules:
        for generator, detector in found.pairs:
            for made in range(found.rounds):
                then = Cell(rules=rules, generator=generator, made=made, detector=detector, trained=made)
                before, now = found.ap(then), found.ap(replace(then, trained=found.rounds))
                if before is None or now is None:
                    continue
                rows.append(
                    {
                        **_of_rules(rules),
                        "generator": generator,
                        "fakes of round": made,
                        "detector": detector,
                        **_figures("AP at the time", found.share(before)),
                        **_figures("AP at the end", found.share(now)),
                        **_figures("change", found.difference(now, before)),
                    }
                )
    return rows


def history_rows(found: Races) -> list[Row]:
    """Learning all rounds, less learning the latest alone: on the fakes of old rounds and on the newest."""
    rows: list[Row] = []
    for target in dict.fromkeys(rules.target for rules in found.rules):
        both = [Rules(history="all", target=target), Rules(history="latest", target=target)]
        if not set(both) <= set(found.rules):
            continue
        for detector in dict.fromkeys(name for _, name in found.pairs):
            for what, rounds in (("old rounds", range(found.rounds)), ("the last round", [found.rounds])):
                means = [found.mean(_ends(found, rules, detector, rounds)) for rules in both]
                if means[0] is None or means[1] is None:
                    continue
                rows.append(
                    {
                        "attacks against": target,
                        "detector": detector,
                        "fakes of": what,
                        **_figures("AP, learnt all rounds", found.share(means[0])),
                        **_figures("AP, learnt the latest", found.share(means[1])),
                        **_figures("difference", found.difference(means[0], means[1])),
                    }
                )
    return rows


def target_rows(found: Races) -> list[Row]:
    """What each kind of target leaves of all detectors, less what the first kind does: an ensemble, the champion."""
    rows: list[Row] = []
    first, *others = dict.fromkeys(rules.target for rules in found.rules)
    for history in dict.fromkeys(rules.history for rules in found.rules):
        for target in others:
            both = [Rules(history=history, target=one) for one in (target, first)]
            if not set(both) <= set(found.rules):
                continue
            for round_ in range(1, found.rounds + 1):
                means = [found.mean(_attacked(found, rules, round_)) for rules in both]
                if means[0] is None or means[1] is None:
                    continue
                rows.append(
                    {
                        "detectors learn": _of_rules(both[0])["detectors learn"],
                        "round": round_,
                        "attacks against": target,
                        **_figures("mean AP attacked", found.share(means[0])),
                        "or against": first,
                        **_figures("mean AP attacked then", found.share(means[1])),
                        **_figures("difference", found.difference(means[0], means[1])),
                    }
                )
    return rows


def _attacked(found: Races, rules: Rules, round_: int) -> list[Cell]:
    """All detectors, as they were before the attack of a round, at what came of it."""
    return [
        Cell(rules=rules, generator=generator, made=round_, detector=detector, trained=round_ - 1)
        for generator, detector in found.pairs
    ]


def _ends(found: Races, rules: Rules, detector: str, rounds: Sequence[int] | range) -> list[Cell]:
    """The last version of a detector at the fakes of rounds."""
    return [
        Cell(rules=rules, generator=generator, made=made, detector=detector, trained=found.rounds)
        for generator, name in found.pairs
        if name == detector
        for made in rounds
    ]


def _difference(found: Races, one: Draws | None, other: Draws) -> Estimate | None:
    return None if one is None else found.difference(one, other)


def _figures(name: str, of: Estimate | None) -> dict[str, Value]:
    if of is None:
        return {name: None, f"{name} from": None, f"{name} to": None}
    return {name: of.value, f"{name} from": of.low, f"{name} to": of.high}


def _of_rules(rules: Rules) -> dict[str, Value]:
    return {"detectors learn": f"{rules.history} rounds" if rules.history == "all" else "the latest round",
            "attacks against": rules.target}  # fmt: skip


def _points(found: Races, round_: int) -> dict[str, float]:
    points = {}
    for rules in found.rules:
        for generator, detector in found.pairs:
            ap = found.ap(Cell(rules=rules, generator=generator, made=round_, detector=detector, trained=round_))
            if ap is not None:
                points[f"ap, {rules.history} against {rules.target}/{detector} on {generator}"] = float(ap[:, 0].mean())
    return points


__all__ = ["forgetting_rows", "history_rows", "log_races", "round_rows", "target_rows"]
