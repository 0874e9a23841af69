"""The picture of a challenge: what the scoreboard says, and what each stronger attack left of it."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from fakeoff.protocols.challenge.attempts import Attempt
from fakeoff.protocols.challenge.verdict import NAMES, Verdict
from fakeoff.protocols.drawing.inks import GREY, INK, LINES, QUIET
from fakeoff.protocols.drawing.maps import DPI
from fakeoff.protocols.measures import Judged
from fakeoff.protocols.score.telling import tell

_COLOURS = dict(zip(("finetuned", "searched", "followed"), LINES, strict=False))
_IN_WORDS = {
    "finetuned": "finetuned against it",
    "searched": "latents searched by its scores alone",
    "followed": "its gradient followed over latents",
}


def draw_challenge(verdict: Verdict, attempts: Sequence[Attempt], chosen: Sequence[Attempt]) -> Figure:
    """Draws a line for the scoreboard and one for each attack.

    Args:
        verdict: What came of it.
        attempts: All of them.
        chosen: Those that val chose: filled. One that does not count is a cross.
    """
    entry, metric = verdict.entry, verdict.metric
    figure = Figure(figsize=(9.5, 2.3 + 0.33 * (len(attempts) + 1)), dpi=DPI, layout="constrained")
    axes = figure.subplots()
    recorded = entry.worst.figures.value(metric)
    axes.axvspan(*entry.worst.figures.interval(metric), color=GREY, alpha=0.35, lw=0)
    axes.axvline(recorded, color=INK, linewidth=1)
    axes.axvline(0.5, color=INK, linewidth=0.9, linestyle=":")
    _draw(axes, entry.worst, 0, metric, colour=INK, marker="D", filled=True)
    labels = [f"on the scoreboard: {entry.worst.generator.label}, the worst of {entry.matches}"]
    for down, attempt in enumerate(attempts, start=1):
        counts, filled = not attempt.faults, any(attempt is one for one in chosen)
        colour = _COLOURS[attempt.means] if counts else QUIET
        _draw(axes, attempt.judged, down, metric, colour=colour, marker="o" if counts else "x", filled=filled)
        labels.append(_label(attempt, attempts))
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    lowest = min(
        [
            recorded,
            entry.worst.figures.interval(metric)[0],
            *(one.judged.figures.interval(metric)[0] for one in attempts),
        ]
    )
    axes.set_xlim(min(0.45, lowest - 0.03), 1.01)
    axes.set_xlabel(f"{NAMES[metric]} on test; dotted: chance", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    _draw_legend(figure, axes, attempts)
    stronger = verdict.worst.judged.figures
    after = tell(stronger.value(metric), stronger.interval(metric), digits=2)
    told = f"stands at {after}" if verdict.stands else f"falls from {tell(recorded, None, digits=2)} to {after}"
    figure.suptitle(
        f"{entry.detector.label} under stronger attacks: it {told}\n{verdict.confidence:.0%} intervals over "
        f"{verdict.units} people or images; whether it falls is judged on draws that both share",
        fontsize=10, x=0.01, ha="left",
    )  # fmt: skip
    return figure


def _draw(axes: Axes, judged: Judged, down: float, metric: str, *, colour: str, marker: str, filled: bool) -> None:
    low, high = judged.figures.interval(metric)
    axes.plot([low, high], [down, down], color=colour, linewidth=1.6, alpha=0.55, solid_capstyle="butt")
    face = colour if filled or marker == "x" else "white"
    axes.plot([judged.figures.value(metric)], [down], marker, color=colour, markerfacecolor=face, markersize=6)


def _label(attempt: Attempt, attempts: Sequence[Attempt]) -> str:
    told = attempt.told
    if attempt.means == "finetuned":
        several = {one.rate for one in attempts if one.means == "finetuned"}
        own = "own rate" if not attempt.rate else f"rate {attempt.rate:g}"
        told += f", restart {attempt.restart}" + (f", {own}" if len(several) > 1 else "")
    return told


def _draw_legend(figure: Figure, axes: Axes, attempts: Sequence[Attempt]) -> None:
    for means in dict.fromkeys(one.means for one in attempts):
        axes.plot([], [], "o", color=_COLOURS[means], label=_IN_WORDS[means])
    if sum(one.means == "finetuned" for one in attempts) > 1:
        axes.plot([], [], "o", color=QUIET, markerfacecolor="white", label="a restart that val did not choose")
    if any(one.faults for one in attempts):
        axes.plot([], [], "x", color=QUIET, label="does not count: below the quality gate")
    figure.legend(loc="outside lower center", ncols=2, fontsize=8, frameon=False)


__all__ = ["draw_challenge"]
