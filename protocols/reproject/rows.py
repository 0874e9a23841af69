"""Tables of reprojections: how near they come, and who has none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from fakeoff.arena.seeds import seed_from
from fakeoff.protocols.game.bench import Bench
from fakeoff.protocols.generalize.trials import Trials
from fakeoff.protocols.record.log import Cell, Row
from fakeoff.protocols.record.versions import Version
from fakeoff.protocols.reproject.reprojections import Reprojection
from fakeoff.protocols.score.people import resample_people
from fakeoff.protocols.score.replicates import Estimate, estimate


def reprojection_row(bench: Bench, one: Reprojection) -> Row:
    """How near a generator comes to the photographs of test, with intervals over people.

    For scale, how far photographs are from another one of the same person, and from one of another person.
    """
    arrays = one.results["test"].arrays
    persons = arrays["test_target_person"]
    start, end, levels = (
        over_people(bench, arrays[name], persons) for name in ("distance_start", "distance_end", "levels_end")
    )
    row: dict[str, Cell] = {
        "generator": one.of.player,
        "distance": one.distance.name,
        "start": one.on_val.start,
        "steps": one.on_val.steps,
        "of test": f"{len(persons)} photographs, {len(np.unique(persons))} people",
        "at the start": _text(start),
        "at the end": _text(end),
        "same person": mean_of(arrays["distance_same"]),
        "another person": mean_of(arrays["distance_other"]),
        "pixel RMSE, levels": _text(levels, digits=1),
    }
    return row | ({"not the distance that was wanted": one.instead} if one.instead else {})


def quality_rows(one: Reprojection) -> list[Row]:
    """The way there, on val."""
    return [
        {
            "generator": one.of.player,
            "steps": look.steps,
            one.distance.name: look.distance,
            "pixel RMSE, levels": look.levels,
            "chosen": look.steps == one.on_val.steps,
        }
        for look in one.on_val.curve
    ]


def passed_over_rows(
    bench: Bench, entered: Sequence[Version], asked: Sequence[Version], found: Sequence[Reprojection]
) -> list[Row]:
    """Who has no reprojections that could be learned, and why.

    Args:
        bench: Where is played.
        entered: Who entered.
        asked: Into whom photographs were to be projected.
        found: The reprojections.
    """
    there, wanted = {one.player for one in entered}, {one.player: one for one in asked}
    projected = {one.of.player: one for one in found}
    rows: list[Row] = []
    for name in bench.generators:
        if name not in there:
            reason = "it forfeited when it entered"
        elif name not in wanted:
            reason = "nobody asked to project photographs into it"
        elif not bench.can(wanted[name], "latent"):
            reason = "it has no latents: no photograph can be projected into it"
        elif name not in projected:
            reason = "it forfeited when photographs were projected into it"
        elif projected[name].on_val.is_exact:
            reason = "it gives photographs back as they are, to half a level of 8 bits: there is no fake to learn"
        else:
            continue
        rows.append({"generator": name, "why it has no reprojections to learn": reason})
    return rows


def gain_rows(trials: Trials, groups: Mapping[str, Mapping[str, str]]) -> list[Row]:
    """What detectors gain on generators that they never saw by learning reprojections, in place of samples.

    The means of two blocks of the table of average precision are of different columns; these are of the same ones.

    Args:
        trials: What was played.
        groups: By generator: what was learned, by ``samples``, ``reprojections`` and ``both``.
    """
    rows: list[Row] = []
    for generator, of_learn in groups.items():
        for learn in ("reprojections", "both"):
            for detector in trials.detectors:
                pair = of_learn.get(learn, ""), of_learn.get("samples", "")
                if not set(pair) <= set(trials.groups):
                    continue
                unseen, found = trials.gain(*pair, detector)
                if found is not None:
                    rows.append(
                        {
                            "of": generator,
                            "learned": f"{learn} in place of samples",
                            "detector": detector,
                            "sees": trials.sights[detector].words,
                            "tested on": ", ".join(unseen),
                            "gain of AP": found.value,
                            "from": found.low,
                            "to": found.high,
                            "holds": not found.contains(0),
                        }
                    )
    return rows


def over_people(bench: Bench, values: npt.NDArray[np.floating], persons: npt.NDArray[np.integer]) -> Estimate:
    """The mean of a figure of each photograph, with an interval over the people on them.

    Args:
        bench: Whose resamples and confidence.
        values: ``(n,)``.
        persons: Who is on each, ``(n,)``.
    """
    score, figures = bench.config.score, values.astype(np.float64)
    rng = np.random.default_rng(seed_from("reproject", bench.seed))
    weights, people = resample_people([persons.astype(np.int64)], len(figures), resamples=score.resamples, rng=rng)
    draws = np.concatenate([[figures.mean()], weights @ figures])[None]
    return estimate(draws, people=people, confidence=score.confidence)


def _text(found: Estimate, *, digits: int = 3) -> str:
    return f"{found.value:.{digits}f} ({found.low:.{digits}f} to {found.high:.{digits}f})"


def mean_of(values: npt.NDArray[np.generic]) -> float | None:
    """The mean; None of nothing."""
    return float(values.astype(np.float64).mean()) if len(values) else None


__all__ = ["gain_rows", "mean_of", "over_people", "passed_over_rows", "quality_rows", "reprojection_row"]
