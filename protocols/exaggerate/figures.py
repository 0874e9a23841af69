"""Fig. 5 of the paper: faces made less and more fake by one shift of their latents; and the scores along it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure

from fakeoff.arena.images import LUMA, Pixels
from fakeoff.protocols.drawing.inks import INK, PALE, QUIET
from fakeoff.protocols.drawing.maps import DPI
from fakeoff.protocols.exaggerate.means import Floats, Mean
from fakeoff.protocols.exaggerate.trials import Trial
from fakeoff.protocols.exaggerate.walking import ALPHAS

_MAP = "gray"  # of brightness: lighter is lighter
_ROWS = 7
_IMAGE, _STEP, _BELOW, _TOP, _RIGHT = 1.3, 1.4, 0.24, 1.75, 0.75
_SATURATED = 99.5
_PANELS = 4

_COLUMNS = (
    (-1.0, "G(z + w)", "made less fake"),
    (0.0, "G(z)", "as generated"),
    (1.0, "G(z \N{MINUS SIGN} w)", "exaggerated"),
)


def draw_path(trial: Trial) -> Figure:
    """Draws the first latents of test, a row for each: less fake, as generated, more fake, and what changed.

    Under each image stands what the detector says of it.

    Args:
        trial: A shift and what is said of it.
    """
    rows = min(_ROWS, trial.latents)
    width, height = 0.15 + 4 * _STEP + _RIGHT, _TOP + rows * (_IMAGE + _BELOW)
    figure = Figure(figsize=(width, height), dpi=DPI)
    changes = _brightness(trial.images(1.0)[:rows]) - _brightness(trial.images(0.0)[:rows])
    reach = max(1.0, float(np.percentile(np.abs(changes), _SATURATED)))
    for row in range(rows):
        top = _TOP + row * (_IMAGE + _BELOW)
        for column, (alpha, _, _) in enumerate(_COLUMNS):
            axes = _box(figure, 0.15 + column * _STEP, top, _IMAGE, _IMAGE)
            axes.imshow(trial.images(alpha)[row], interpolation="nearest")
            axes.set_xlabel(f"P(fake) {trial.scores(alpha)[row]:.2f}", fontsize=8, labelpad=2, color=INK)
        axes = _box(figure, 0.15 + 3 * _STEP, top, _IMAGE, _IMAGE)
        axes.imshow(changes[row], cmap=_MAP, vmin=-reach, vmax=reach, interpolation="nearest")
    _write_titles(figure, trial)
    bar = _box(figure, 0.15 + 4 * _STEP + 0.05, _TOP, 0.1, _IMAGE)
    beyond = "both" if np.abs(changes).max() > reach else "neither"  # a few pixels change by more
    figure.colorbar(ScalarMappable(Normalize(-reach, reach), _MAP), cax=bar, extend=beyond)
    bar.tick_params(labelsize=7, length=2)
    return figure


def draw_scores(trials: Sequence[Trial]) -> Figure:
    """Draws P(fake) and image cost along the shift, beside random shifts of its length; a panel for each trial.

    Args:
        trials: At least one.
    """
    columns = min(_PANELS, len(trials))
    rows = -(-len(trials) // columns)
    figure = Figure(figsize=(max(7.5, 3.4 * columns), 3.9 * rows + 0.9), dpi=DPI, layout="constrained")
    panels = figure.subplots(
        2 * rows, columns, squeeze=False, sharex=True, sharey="row", gridspec_kw={"height_ratios": [2, 1] * rows}
    )
    for axes in panels.flat[len(trials) :]:
        axes.set_axis_off()
    furthest = max(_furthest(trial) for trial in trials)
    for index, trial in enumerate(trials):
        row, column = divmod(index, columns)
        upper, lower = panels[2 * row, column], panels[2 * row + 1, column]
        for axes in (upper, lower):
            axes.set_axis_on()
            axes.spines[["top", "right"]].set_visible(False)
            axes.axvline(0, color=PALE, linewidth=0.6)
            axes.tick_params(labelsize=8)
        _curve(upper, [trial.random_p_fake(alpha) for alpha in ALPHAS], colour=PALE, label="a random shift as long")
        _curve(upper, [trial.p_fake(alpha) for alpha in ALPHAS], colour=INK, label="the shift w")
        _curve(lower, [trial.random_cost(alpha) for alpha in ALPHAS], colour=PALE, label="")
        _curve(lower, [trial.cost(alpha) for alpha in ALPHAS], colour=INK, label="")
        lower.axhline(trial.apart, color=QUIET, linestyle=":", linewidth=1)
        lower.text(0, trial.apart, "images of two latents", fontsize=7, color=QUIET, ha="center", va="bottom")
        upper.set_ylim(-0.02, 1.02)
        lower.set_ylim(0, 1.3 * furthest or 1.0)
        upper.set_title(f"{trial.generator}\njudged by {trial.detector}", fontsize=9, loc="left")
        lower.set_xticks([-2, -1, 0, 1, 2], ["z + 2w", "z + w", "z", "z \N{MINUS SIGN} w", "z \N{MINUS SIGN} 2w"])
        lower.tick_params(labelbottom=True)
        if not column:
            upper.set_ylabel("mean P(fake)", fontsize=9)
            lower.set_ylabel(f"image change\n({trial.settings.distance} distance)", fontsize=9)
    panels[0, 0].legend(fontsize=8, frameon=False, loc="upper left")
    settings = trials[0].settings
    figure.suptitle(
        "One shift w of all latents makes fakes easier to detect (to the right) or harder (to the left)\n"
        f"{trials[0].latents} latents that w was not learned on, {settings.confidence:.0%} intervals over latents"
        + (" (and random shifts)"),
        fontsize=10,
        x=0.01,
        ha="left",
        color=INK,
    )
    return figure


def _write_titles(figure: Figure, trial: Trial) -> None:
    space, share = trial.settings.space, trial.sought.share
    _write(figure, 0.15, 0.22, f"What {trial.detector} calls fake of {trial.generator}, exaggerated", size=11)
    _write(
        figure, 0.15, 0.66,
        f"One shift w is taken off every latent (space {space}, length {share:.2f} of a latent's).\n"
        f"P(fake) is the detector's score; columns: its mean over {trial.latents} latents of test\n"
        f"that w was not learned on. These are the first {min(_ROWS, trial.latents)} of them.",
        size=8, colour=QUIET,
    )  # fmt: skip
    for column, (alpha, formula, words) in enumerate(_COLUMNS):
        left = 0.15 + column * _STEP
        _write(figure, left, _TOP - 0.52, words, size=9, weight="bold")
        _write(figure, left, _TOP - 0.34, formula, size=9)
        _write(figure, left, _TOP - 0.13, f"mean P(fake) {trial.p_fake(alpha).value:.2f}", size=8, colour=INK)
    left = 0.15 + 3 * _STEP
    _write(figure, left, _TOP - 0.52, "what changed", size=9, weight="bold")
    _write(figure, left, _TOP - 0.34, f"{_COLUMNS[2][1]} less G(z)", size=9)
    _write(figure, left, _TOP - 0.13, "light: brighter, of 255 levels", size=8, colour=QUIET)


def _curve(axes: Axes, means: Sequence[Mean], *, colour: str, label: str) -> None:
    axes.fill_between(
        ALPHAS, [mean.low for mean in means], [mean.high for mean in means], color=colour, alpha=0.2, linewidth=0
    )
    axes.plot(ALPHAS, [mean.value for mean in means], "o-", color=colour, markersize=3, linewidth=1.4, label=label)


def _furthest(trial: Trial) -> float:
    """What the axis of image cost has to hold."""
    means = [mean for alpha in ALPHAS for mean in (trial.cost(alpha), trial.random_cost(alpha))]
    return max(trial.apart, *(mean.high / 1.25 for mean in means))  # costs may go up to the edge


def _brightness(pixels: Pixels) -> Floats:
    """Luma in levels; float64 ``(n, h, w)``."""
    return np.asarray(pixels.astype(np.float64) @ np.asarray(LUMA))


def _box(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Axes at a place in inches from the figure's upper left, without ticks."""
    across, down = figure.get_size_inches()
    axes = figure.add_axes((left / across, 1 - (top + height) / down, width / across, height / down))
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)
    return axes


def _write(
    figure: Figure, left: float, top: float, text: str, *, size: float, colour: str = INK, weight: str = "normal"
) -> None:
    across, down = figure.get_size_inches()
    figure.text(left / across, 1 - top / down, text, fontsize=size, color=colour, weight=weight, va="center")


__all__ = ["draw_path", "draw_scores"]
