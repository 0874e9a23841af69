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
    """What lies inside the masks, newest version against newest, beside what knows nothing of the manipulation."""
    table = Table(
        title="Localisation: whether heatmaps, and most predictive patches, lie where fakes\n"
        "were changed; below, the same of the real that each was made from, and of a\n"
        "random patch or shuffled ones; bold where both are certainly less",
        title_justify="left",
        title_style="bold",
        show_lines=True,
    )
    for heading in ("fakes of", "detector"):
        table.add_column(heading, overflow="fold")
    for heading in ("changed", *(_HEADINGS[name] for name in LOCATED)):
        table.add_column(heading, justify="right", no_wrap=True, min_width=len(heading))
    newest = scoreboard.newest
    for row in scoreboard.localisations:
        if all(newest.get((kind, player)) == round_ for kind, player, round_ in _versions(row)):
            table.add_row(
                f"{row.generator}@{row.generator_round}",
                f"{row.detector}@{row.detector_round}",
                f"{row.area:.0%}",
                *(_beside(getattr(row, name)) for name in LOCATED),
            )
    return table


def _versions(row: LocalisationRow) -> tuple[tuple[Kind, str, int], ...]:
    return tuple((kind, *row.version_of(kind)) for kind in KINDS)


def _beside(located: Located) -> Text:
    gains = [located.gain_ci] + ([] if located.paired_gain_ci is None else [located.paired_gain_ci])
    value = Text(f"{located.value:.2f}", style="bold" if all(low > 0 for low, _ in gains) else "")
    for other in (located.paired, located.random):
        value.append("\n-" if other is None else f"\n{other:.2f}", style="not bold dim")
    return value


__all__ = ["localisation_table"]
