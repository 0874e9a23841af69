"""The picture of a newcomer's place: the standings with it."""

from __future__ import annotations

from matplotlib.figure import Figure

from fakeoff.protocols.challenge.place import Place
from fakeoff.protocols.drawing.inks import INK, LINES, QUIET
from fakeoff.protocols.measures.standings import DetectorStanding

_DPI = 120


def draw_place(place: Place) -> Figure:
    """Draws a line for each player of the kind, best first, the newcomer's in colour.

    Args:
        place: Where it would stand.
    """
    rows = list(place.standings)
    figure = Figure(figsize=(8.0, 1.7 + 0.36 * len(rows)), dpi=_DPI, layout="constrained")
    axes = figure.subplots()
    labels, ends = [], [1.0]
    for down, one in enumerate(rows):
        label = f"{one.player}@{one.round}"
        is_new = label == place.newcomer.label
        value, interval = (
            (one.worst_auc, one.worst_auc_ci) if isinstance(one, DetectorStanding) else (one.evasion, one.evasion_ci)
        )
        low, high = interval or (value, value)
        colour = LINES[3] if is_new else INK
        axes.plot([low, high], [down, down], color=colour, linewidth=1.6, alpha=0.55, solid_capstyle="butt")
        axes.plot([value], [down], "D" if is_new else "o", color=colour, markersize=6)
        labels.append(f"{one.rank}. {label}{' (newcomer)' if is_new else ''}")
        ends.append(low)
    axes.set_yticks(range(len(labels)), labels, fontsize=8)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    if place.newcomer.kind == "detector":
        axes.axvline(0.5, color=QUIET, linewidth=0.9, linestyle=":")
        axes.set_xlim(min(0.45, min(ends) - 0.03), 1.01)
        axes.set_xlabel("worst AUC over the generator versions of the home, on test; dotted: chance", fontsize=8)
    else:
        axes.set_xlim(-0.01, 1.01)
        axes.set_xlabel("share of fakes that pass before detectors it was not trained against, on test", fontsize=8)
    figure.suptitle(
        f"{place.newcomer.label} against the frozen archive, {place.confidence:.0%} intervals", fontsize=10, x=0.01,
        ha="left",
    )  # fmt: skip
    return figure


__all__ = ["draw_place"]
