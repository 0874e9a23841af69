"""What is said of two tournaments that were compared: on the terminal, as Markdown, as JSON."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.text import Text

from fakeoff.leaderboard.comparison.compared import Compared, as_json
from fakeoff.leaderboard.comparison.contrast import Contrast
from fakeoff.leaderboard.formats.markdown import escape, table_markdown
from fakeoff.leaderboard.formats.printing import print_table
from fakeoff.leaderboard.formats.text_tables import TextTable
from fakeoff.protocols.score.telling import tell, tell_figure

SHOWN = ("auc",)
"""The figures of matches that are shown where none is asked for; standings and JSON have all."""

_NAMES = {
    "ap": "AP",
    "ap_real": "AP of reals",
    "auc": "AUC",
    "accuracy": "accuracy at 0.5",
    "accuracy_val_threshold": "accuracy at val's threshold",
    "recall_fake": "fakes found at 0.5",
    "brier": "Brier score",
    "ece": "calibration error",
    "tpr_at_5_fpr": "fakes found at 5% FPR",
    "fpr_at_5_fpr": "what became of 5% FPR",
    "tpr_at_1_fpr": "fakes found at 1% FPR",
    "fpr_at_1_fpr": "what became of 1% FPR",
    "worst_auc": "worst AUC",
    "mean_auc": "mean AUC",
    "mean_ap": "mean AP",
    "mean_accuracy": "mean accuracy",
    "evasion": "evasion",
    "target_evasion": "evasion of its target",
}
_MOST_SETTINGS = 40


def json_text(compared: Compared) -> str:
    """All of it, every figure included."""
    return json.dumps(as_json(compared), indent=2, allow_nan=False) + "\n"


def print_comparison(compared: Compared, console: Console, *, figures: Sequence[str] = SHOWN) -> None:
    """Prints it.

    Args:
        compared: Two tournaments.
        console: Where.
        figures: Of matches, which are shown.
    """
    console.print(Text(_heading(compared), style="bold"), soft_wrap=True)
    for table in _tables(compared, figures):
        print_table(table, console)
    console.print()
    for line in _notes(compared):
        console.print(Text(line), soft_wrap=True)


def markdown_text(compared: Compared, *, figures: Sequence[str] = SHOWN) -> str:
    """The same as Markdown.

    Args:
        compared: Two tournaments.
        figures: Of matches, which are shown.
    """
    blocks = [f"**{escape(_heading(compared))}**", *map(table_markdown, _tables(compared, figures))]
    blocks.append("\n".join(f"- {escape(note)}" for note in _notes(compared)))
    return "\n\n".join(blocks) + "\n"


def _heading(compared: Compared) -> str:
    return f"A is {compared.a}, B is {compared.b}; differences are of B less A."


def _tables(compared: Compared, figures: Sequence[str]) -> Iterator[TextTable]:
    if compared.settings:
        yield TextTable(
            title="Settings that differ",
            headings=("setting", "A", "B"),
            rows=tuple((one.name, one.a, one.b) for one in compared.settings[:_MOST_SETTINGS]),
            names=("setting", "A", "B"),
        )
    if compared.standings:
        named = [((row.detector or row.generator, _NAMES[row.figure]), row) for row in compared.standings]
        yield _table("Players that take a place in both", ("player", "figure"), named)
    for figure in figures:
        named = [((row.generator, row.detector), row) for row in compared.cells if row.figure == figure]
        if named:
            yield _table(f"Matches that both have: {_NAMES[figure]}", ("generator", "detector"), named)


def _table(title: str, names: tuple[str, str], named: Sequence[tuple[tuple[str, str], Contrast]]) -> TextTable:
    # What rows are paired over is a column only where it is not the same for all.
    over = {row.paired_over for _, row in named} - {"scores"}
    more = ("paired over",) if len(over) > 1 else ()
    return TextTable(
        title=title,
        headings=(*names, "A", "B", "B less A", "beyond chance", *more),
        rows=tuple((*subject, *_told(row), *([row.paired_over] if more else [])) for subject, row in named),
        names=(*names, "beyond chance", *more),
    )


def _told(row: Contrast) -> tuple[str, ...]:
    if row.paired_over == "scores":
        return tell_figure(row.a), tell_figure(row.b), "0, the same scores", "-"
    return (
        tell_figure(row.a),
        tell_figure(row.b),
        tell(row.difference, row.simultaneous_ci, signed=True),
        ("B is higher" if row.difference > 0 else "B is lower") if row.holds else "-",
    )


def _notes(compared: Compared) -> Iterator[str]:
    if not compared.settings:
        yield "The settings, the players and the number of rounds are the same."
    if len(compared.settings) > _MOST_SETTINGS:
        yield f"{len(compared.settings) - _MOST_SETTINGS} more settings differ; --json has all."
    yield from (f"{line[:1].upper()}{line[1:]}." for line in compared.grounds)
    yield _pairing(compared)
    rows = Counter(row.figure for row in (*compared.cells, *compared.standings) if row.paired_over != "scores")
    differences = [row for row in (*compared.cells, *compared.standings) if row.paired_over != "scores"]
    if differences:
        held = sum(row.holds for row in differences)
        yield f"{held or 'None'} of {len(differences)} differences {'is' if held == 1 else 'are'} beyond chance."
    if any(row.generator for row in compared.standings) and (compared.only_in_a or compared.only_in_b):
        yield (
            "Evasion is counted before the detectors of each tournament, and these are not the same: a difference may "
            "be theirs, and not the generator's. Matches that both have say which."
        )
    if rows:
        yield (
            f"Intervals are of {compared.confidence:.0%} and hold for all rows of a figure at once: where there are n, "
            f"each one is taken at 1 - {1 - compared.confidence:.2g}/n (Bonferroni; the most here is n = "
            f"{max(rows.values())}). --json has those that hold alone, too."
        )
    for name, lacking, other in (("A", compared.only_in_a, "B"), ("B", compared.only_in_b, "A")):
        if lacking:
            some = "; ".join(lacking[:6]) + (f"; and {len(lacking) - 6} more" if len(lacking) > 6 else "")
            yield f"Matches of {name} that {other} lacks: {len(lacking)}: {some}."


def _pairing(compared: Compared) -> str:
    if compared.unpaired:
        return (
            f"Not paired: {compared.unpaired}. Intervals of differences are made of each one's own, as if the "
            "tournaments had nothing in common."
        )
    over = {row.paired_over for row in (*compared.cells, *compared.standings)} - {"scores"}
    if not over:
        return "Every score is the same." if compared.cells else "They have no match in common."
    what = {
        "people and fakes": "the same people and fakes of the same latents are drawn for both",
        "people": "the same people are drawn for both, and fakes apart: they are of other latents",
    }
    said = "; or ".join(what[one] for one in sorted(over, reverse=True))
    return (
        f"Paired: {said}. What is easy or hard for both drops out. Intervals are over people and fakes, and not over "
        "seeds: another seed would be another training."
    )


__all__ = ["SHOWN", "json_text", "markdown_text", "print_comparison"]
