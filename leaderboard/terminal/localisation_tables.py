"""Whether patch detectors look where manipulators changed the image, on the terminal."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.protocols.measures.localisation import LocalisationRow
from fakeoff.protocols.record.versions import KINDS, Kind
from fakeoff.protocols.score.localisation import LOCATED, Located

_HEADINGS = {"mass": "mass", "pointing": "pointing", "patch": "patch", "auc": "AUC", "iou": "IoU"}


def localisation_table(scoreboard: Scoreboard) -> Table:
    """What lies inside the masks, newest version against newest, beside the same of shuffled patches."""
    table = Table(
        title="Localisation: what of a heatmap, and of its most predictive patch, lies where fakes were changed;\n"
        "in brackets a random patch, or the heatmap's patches shuffled; bold where people certainly make it more",
        title_justify="left",
        title_style="bold",
        pad_edge=False,
    )
    table.add_column("fakes of", no_wrap=True)
    table.add_column("detector", no_wrap=True)
    for heading in ("changed", *(_HEADINGS[name] for name in LOCATED)):
        table.add_column(heading, justify="right", no_wrap=True)
    newest = scoreboard.newest
    for row in scoreboard.localisations:
        if all(newest.get((kind, player)) == round_ for kind, player, round_ in _versions(row)):
            table.add_row(
                f"{row.generator}@{row.generator_round}",
                f"{row.detector}@{row.detector_round}",
                f"{row.area:.0%}",
                *(_beside_random(getattr(row, name)) for name in LOCATED),
            )
    return table


def _versions(row: LocalisationRow) -> tuple[tuple[Kind, str, int], ...]:
    return tuple((kind, *row.version_of(kind)) for kind in KINDS)


def _beside_random(located: Located) -> Text:
    text = f"{located.value:.2f} ({located.random:.2f})"
    return Text(text, style="bold" if located.gain_ci[0] > 0 else "")


__all__ = ["localisation_table"]
