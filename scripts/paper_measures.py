"""How the paper's claims are judged by what was played here: by intervals, never by a figure alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from statistics import mean
from typing import Any, Literal, TypeAlias

Verdict: TypeAlias = Literal["same", "different", "not shown", "not tested", "beyond the paper"]
Results: TypeAlias = Mapping[str, Mapping[str, Any]]
Row: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What was found of a claim.

    Attributes:
        figure: With its interval.
        verdict: What it says of the claim.
        why: Anything that a reader should know with it.
    """

    figure: str
    verdict: Verdict
    why: str = ""


def compare(value: float, low: float, high: float, *, expected: int, digits: int = 3) -> tuple[str, Verdict]:
    """A difference as text, and whether it is of the sign that the paper has.

    Args:
        value: The difference.
        low: The lower end of its interval.
        high: The upper one.
        expected: 1 where the paper's is above 0, -1 where it is below.
        digits: Shown.
    """
    text = f"{value:+.{digits}f} ({low:+.{digits}f} to {high:+.{digits}f})"
    least, most = sorted((expected * low, expected * high))
    return text, "same" if least > 0 else "different" if most < 0 else "not shown"


def share(row: Row, name: str) -> str:
    """A share with its interval."""
    return f"{row[name]:.3f} ({row[f'{name} from']:.3f} to {row[f'{name} to']:.3f})"


def contrast(group: str, what: str, expected: int) -> Callable[[Any], Finding]:
    def measure(result: Any) -> Finding:
        rows = [
            row
            for row in result["tables"]["patches against whole images"]
            if row["trained on"] == group and row["AP on unseen generators"] == what
        ]
        if not rows:
            return Finding(figure="", verdict="not tested", why="Nobody of one of the two kinds played.")
        [row] = rows
        text, verdict = compare(row["difference"], row["from"], row["to"], expected=expected)
        return Finding(figure=text, verdict=verdict, why=f"AP, {row['seeds']} seed(s).")

    return measure


PATCHES = "mean of patch detectors less mean of whole-image ones"
SLOPE = "for each doubling of the receptive field"


def other_seeds(result: Any) -> Finding:
    """Truncated against whole networks at the PGANs of other seeds, and what became of each detector's own figure."""
    found = contrast("pgan_32px", PATCHES, 1)(result)
    rows: dict[str, dict[bool, list[float]]] = {}
    for row in result["tables"]["every pair"]:
        rows.setdefault(row["detector"], {}).setdefault(row["unseen"], []).append(row["AP"])
    told = [
        f"`{detector}` {mean(of[False]):.3f} → {min(of[True]):.3f} to {max(of[True]):.3f}"
        for detector, of in rows.items()
    ]
    return Finding(figure=f"{found.figure}; own seed → others: {', '.join(told)}", verdict=found.verdict, why=found.why)


def accuracy_falls(result: Any) -> Finding:
    """The frozen targets of all attacks of the tournament."""
    told, ends = [], []
    for before, cell, _ in _attacks(result):
        low, high = cell["accuracy_ci"]
        told.append(
            f"`{cell['detector']}@{cell['detector_round']}`{_on(result, cell)}: "
            f"{before['accuracy']:.0%} → {cell['accuracy']:.0%} ({low:.0%} to {high:.0%})"
        )
        ends.append(high)
    return Finding(figure="; ".join(told), verdict="same" if max(ends) < 0.65 else "not shown")


def ap_falls_less(result: Any) -> Finding:
    told, less = [], []
    for before, cell, _ in _attacks(result):
        told.append(
            f"`{cell['detector']}@{cell['detector_round']}`{_on(result, cell)}: "
            f"AP {before['ap']:.2f} → {cell['ap']:.2f} ({cell['ap_ci'][0]:.2f} to {cell['ap_ci'][1]:.2f})"
        )
        # Each falls by its figure before less its figure after; the intervals of the latter must not meet.
        least_accuracy = before["accuracy"] - cell["accuracy_ci"][1]
        less.append(least_accuracy > before["ap"] - cell["ap_ci"][0])
    return Finding(figure="; ".join(told), verdict="same" if all(less) else "not shown")


def recovers(result: Any) -> Finding:
    told, back = [], []
    for _, cell, new in _attacks(result):
        low, high = new["accuracy_ci"]
        told.append(
            f"`{cell['detector']}@{cell['detector_round'] + 1}`{_on(result, cell)}: "
            f"{cell['accuracy']:.0%} → {new['accuracy']:.0%} ({low:.0%} to {high:.0%})"
        )
        back.append(low > cell["accuracy_ci"][1])
    return Finding(figure="; ".join(told), verdict="same" if all(back) else "not shown")


def _attacks(result: Any) -> Iterator[tuple[Row, Row, Row]]:
    """Of each attack's frozen target: its cell before, its cell after, and that of the retrained detector."""
    cells = {
        (cell["generator"], cell["generator_round"], cell["detector"], cell["detector_round"]): cell
        for cell in result["cells"]
    }
    for (generator, made, detector, trained), cell in cells.items():
        if cell["is_target"]:
            retrained = cells[generator, made, detector, trained + 1]
            yield cells[generator, made - 1, detector, trained], cell, retrained


def hair_and_background(result: Any) -> Finding:
    """Of fakes as they came, before round-0 detectors: those parts come first, and more often than by chance."""
    told, verdicts = [], []
    for cell in result["parts"]:
        if (cell["generator_round"], cell["detector_round"]) != (0, 0):
            continue
        found, random = cell["fake"]["parts"], cell["fake"]["random_parts"]
        first = sorted(found, key=lambda part: -found[part])[:3]
        named = ", ".join(f"{part} {found[part]:.0%} (random {random[part]:.0%})" for part in first)
        told.append(f"`{cell['detector']}`{_on(result, cell)}: {named}")
        excess = {part: found[part] - random[part] for part in ("hair", "background")}
        verdicts.append(set(first[:2]) == {"hair", "background"} and min(excess.values()) > 0)
    verdict: Verdict = "same" if all(verdicts) else "different" if not any(verdicts) else "not shown"
    return Finding(figure="; ".join(told), verdict=verdict, why=f"Shares of fakes.{_mostly_face(result)}")


def _on(result: Any, row: Row) -> str:
    """On whose fakes, where several generators played."""
    return f" on {row['generator']}" if len({one["generator"] for one in result["cells"]}) > 1 else ""


def _mostly_face(result: Any) -> str:
    return " A photograph of ORL is nearly all face." if result["config"]["reals"]["source"] == "orl" else ""


def less_background(result: Any) -> Finding:
    told, falls = [], []
    for row in result["part_shifts"]:
        if not row["is_target"]:
            continue
        before, after = (row[name]["background"] for name in ("before", "retrained"))
        low, high = row["retrained_ci"]["background"]
        told.append(
            f"`{row['detector']}`{_on(result, row)}, round {row['generator_round']}: "
            f"background {before:.0%} → {after:.0%} ({low:.0%} to {high:.0%}); part shift "
            f"{row['shift']['tv']:.2f}, by chance {row['shift']['tv_null']:.2f}"
        )
        falls.append((before, after, row["retrained_ci"]["background"]))
    if not told:
        return Finding(figure="", verdict="not tested", why="No target judged patches.")
    if max(before for before, _, _ in falls) < 0.05:
        why = f"There was hardly any background to leave.{_mostly_face(result)}"
        return Finding(figure="; ".join(told), verdict="not shown", why=why)
    verdict: Verdict = "same" if all(ci[1] < before for before, _, ci in falls) else "not shown"
    return Finding(figure="; ".join(told), verdict=verdict)


def glow_without_reprojections(result: Any) -> Finding:
    rows = {
        (row["trained on"], row["detector"]): row
        for row in result["tables"]["every pair"]
        if row["tested on"] == "glow"
    }
    told, better, worse = [], [], []
    for detector in dict.fromkeys(name for _, name in rows):
        without, both = (rows[group, detector] for group in ("pgan", "pgan+pgan~reals"))
        told.append(f"`{detector}`: {share(without, 'AP')} without, {share(both, 'AP')} with them")
        better.append(without["AP from"] > both["AP to"])
        worse.append(without["AP to"] < both["AP from"])
    verdict: Verdict = "same" if all(better) else "different" if all(worse) else "not shown"
    return Finding(figure="; ".join(told), verdict=verdict, why="AP on glow, trained on pgan's samples.")


def shift_exaggerates(result: Any) -> Finding:
    rows = result["tables"]["exaggeration"]
    name = "rise less that of a random shift"
    told = [
        f"`{row['detector']}` on {row['generator']}: {row[name]:+.3f} ({row[f'{name} from']:+.3f} to "
        f"{row[f'{name} to']:+.3f})"
        for row in rows
    ]
    return Finding(
        figure="; ".join(told),
        verdict="same" if all(row[f"{name} from"] > 0 for row in rows) else "not shown",
        why="P(fake) of G(z - w) less that of G(z), less what random shifts of the same length do.",
    )


def hair_and_mouth_change(result: Any) -> Finding:
    rows = [row for row in result["tables"].get("parts that change", []) if row["part"] in ("hair", "mouth")]
    if not rows:
        return Finding(figure="", verdict="not tested", why="Played without a face parser.")
    ratio = "change over the whole image's"
    told = [
        f"`{row['detector']}` on {row['generator']}: {row['part']} {row[ratio]:.2f}, random "
        f"{row['the same of a random shift']:.2f}"
        for row in rows
        if row["holds"]
    ]
    more = [row["difference"] > 0 for row in rows if row["holds"]]
    return Finding(
        figure="; ".join(told) or "no difference holds",
        verdict="same" if len(more) == len(rows) and all(more) else "not shown",
        why=f"How much a part changes, of the whole image's; {len(more)} of {len(rows)} differences from random "
        f"shifts hold, {sum(more)} of them upwards.",
    )


def ranked(table: str, column: str, name: str, *, last: bool = False) -> Callable[[Any], Finding]:
    """Whether something comes first (or last) of all, by the interval of its difference from the nearest rival."""

    def measure(result: Any) -> Finding:
        rows = result["tables"].get(table, [])
        if not rows:
            return Finding(figure="", verdict="not tested", why="Too few of them played.")
        [own] = [row for row in rows if row[column] == name]
        rival, value, low, high = ("less the last", "difference from it", "its from", "its to") if last else (
            "less", "difference", "from", "to",
        )  # fmt: skip
        text, verdict = compare(own[value], own[low], own[high], expected=-1 if last else 1)
        order = ", ".join(f"{row[column]} {row['AP']:.3f}" for row in rows)
        return Finding(figure=f"{text} from {own[rival]}: {order}", verdict=verdict, why="Mean AP over all detectors.")

    return measure


def mouth_first(result: Any) -> Finding:
    told, verdicts = [], []
    rows = [row for row in result["tables"].get("parts", []) if row["trained on"] == "face2face"]
    for detector, tested in dict.fromkeys((row["detector"], row["tested on"]) for row in rows):
        if tested not in ("deepfakes", "neural_textures"):
            continue
        own = {row["part"]: row for row in rows if (row["detector"], row["tested on"]) == (detector, tested)}
        first = max(own.values(), key=lambda row: row["share"])
        mouth = own.get("mouth")
        if mouth is None:
            continue
        told.append(
            f"`{detector}` on {tested}: mouth {mouth['share']:.0%} ({mouth['share from']:.0%} to "
            f"{mouth['share to']:.0%}; random {mouth['share of random patches']:.0%})"
            + ("" if first["part"] == "mouth" else f", {first['part']} {first['share']:.0%}")
        )
        verdicts.append(first["part"] == "mouth" and mouth["share from"] > mouth["share of random patches"])
    if not told:
        return Finding(figure="", verdict="not tested", why="No patch detector with parts played.")
    verdict: Verdict = "same" if all(verdicts) else "different" if not any(verdicts) else "not shown"
    return Finding(figure="; ".join(told), verdict=verdict)


def half_lives(result: Any) -> Finding:
    rows = result["tables"]["half-life"]
    name = next(column for column in rows[0] if column.startswith("steps until AP") and "," not in column)
    several = len({row["generator"] for row in rows}) > 1
    told = [
        f"`{row['detector']}` ({row['sees']}{', ' + row['generator'] if several else ''}) {row[name]}" for row in rows
    ]
    return Finding(
        figure="; ".join(told), verdict="beyond the paper", why="Steps of finetuning until AP is below 0.75."
    )


def field_and_robustness(result: Any) -> Finding:
    rows = result["tables"].get("receptive field and robustness", [])
    column = "mean AP over all budgets of finetuning"
    slopes = [row for row in rows if row[column] == SLOPE]
    if not slopes:
        return Finding(figure="", verdict="not tested", why="All detectors see equally much.")
    told = [
        compare(row["value"], row["from"], row["to"], expected=1)[0]
        + (f" on {row['generator']}" if len(slopes) > 1 else "")
        for row in slopes
    ]
    return Finding(
        figure="; ".join(told),
        verdict="beyond the paper",
        why="AP, the mean over all budgets, for each doubling of the receptive field.",
    )


def pixels_cost_less(result: Any) -> Finding:
    told = []
    for row in result["tables"]["half-life"]:
        told.append(
            f"`{row['detector']}` {row['image cost of finetuned generator']} finetuned, "
            f"{row.get('image cost of pixels moved')} in pixels"
        )
    return Finding(
        figure="; ".join(told),
        verdict="beyond the paper",
        why="Mean absolute difference to the unattacked images, of 1, at which AP falls below 0.75.",
    )


def transfer(result: Any) -> Finding:
    rows = [row for row in result["tables"]["transfer"] if row["finetuned against"] != "nobody"]
    own = mean(row["AP"] for row in rows if row["finetuned against"] == row["judged by"])
    others = mean(row["AP"] for row in rows if row["finetuned against"] != row["judged by"])
    return Finding(
        figure=f"{own:.3f} of the detector that was attacked, {others:.3f} of the others",
        verdict="beyond the paper",
        why="Mean AP after the longest finetuning.",
    )


def through_jpeg(result: Any) -> Finding:
    rows = [row for row in result["tables"].get("through", []) if row["attack"] == "finetuned generator"]
    told = []
    for led in (False, True):
        of = [row for row in rows if row["led through it"] == led]
        if of:
            before, after = (mean(row[name] for row in of) for name in ("AP, nothing between", "AP"))
            told.append(f"{'led through it' if led else 'not led through it'}: {before:.3f} → {after:.3f}")
    chain = rows[0]["between"] if rows else ""
    return Finding(
        figure="; ".join(told),
        verdict="beyond the paper",
        why=f"Mean AP of the attacked detectors, with nothing between and behind {chain}.",
    )


def forgetting(result: Any) -> Finding:
    told = []
    for rules in dict.fromkeys(row["detectors learn"] for row in result["tables"]["forgetting"]):
        rows = [row for row in result["tables"]["forgetting"] if row["detectors learn"] == rules]
        lost = [row for row in rows if row["change to"] < 0]
        change = mean(row["change"] for row in rows)
        told.append(f"learning {rules}: mean change {change:+.3f}, {len(lost)} of {len(rows)} below 0 for sure")
    return Finding(
        figure="; ".join(told),
        verdict="beyond the paper",
        why="AP on old fakes at the end, less what it was at the time.",
    )


def remembering(result: Any) -> Finding:
    rows = [row for row in result["tables"].get("history against latest", []) if row["fakes of"] == "old rounds"]
    told = [
        f"`{row['detector']}` {row['difference']:+.3f} ({row['difference from']:+.3f} to {row['difference to']:+.3f})"
        for row in rows
    ]
    return Finding(
        figure="; ".join(told),
        verdict="beyond the paper",
        why="AP on the fakes of old rounds: learning all rounds less learning the latest alone.",
    )


def ensemble_as_target(result: Any) -> Finding:
    """After 1, 2, 4, ... rounds: what attacks on all detectors at once leave of them, less those on the champion."""
    rows = {row["round"]: row for row in result["tables"].get("one target against another", [])}
    rounds = [round_ for round_ in (1, 2, 4, 8) if round_ in rows]
    told = [
        f"round {round_}: {rows[round_]['mean AP attacked']:.3f} against all, "
        f"{rows[round_]['mean AP attacked then']:.3f} against the champion, difference "
        f"{rows[round_]['difference']:+.3f} ({rows[round_]['difference from']:+.3f} to "
        f"{rows[round_]['difference to']:+.3f})"
        for round_ in rounds
    ]
    return Finding(figure="; ".join(told), verdict="beyond the paper", why="Mean AP of all detectors when attacked.")


def every_round(result: Any) -> Finding:
    """How far the attacked fall, and how far they come back, after 1, 2, 4, ... rounds."""
    told = []
    for against in dict.fromkeys(row["attacks against"] for row in result["tables"]["rounds"]):
        hit = [row for row in result["tables"]["rounds"] if row["attacks against"] == against and row["was the target"]]
        of = {round_: [row for row in hit if row["round"] == round_] for round_ in (1, 2, 4, 8)}
        steps = [
            f"round {round_} {mean(row['AP attacked'] for row in rows):.2f}, then "
            f"{mean(row['AP retrained'] for row in rows):.2f}"
            for round_, rows in of.items()
            if rows
        ]
        told.append(f"against {'all' if against == 'all' else f'the {against}'}: {'; '.join(steps)}")
    return Finding(
        figure=". ".join(told),
        verdict="beyond the paper",
        why="Mean AP of the targets, attacked and then retrained.",
    )
