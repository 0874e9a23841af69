"""The scoreboard as tables on the terminal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from fakeoff.leaderboard.home.challenges import Challenge, challenge_marks
from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.leaderboard.terminal.localisation_tables import localisation_table
from fakeoff.leaderboard.terminal.postprocessed import postprocessed_table, print_fragility
from fakeoff.leaderboard.terminal.search_tables import masks, print_masking, searches_table
from fakeoff.leaderboard.terminal.starts import describe_starts
from fakeoff.leaderboard.terminal.state_table import state_table
from fakeoff.leaderboard.verdict.duels import Duel, find_duels
from fakeoff.leaderboard.verdict.summary import Summary, summarise
from fakeoff.protocols.drawing.inks import CAUGHT, PASSED
from fakeoff.protocols.measures import MEASURES
from fakeoff.protocols.measures.changes import ChangeRow
from fakeoff.protocols.measures.rows import Column, R
from fakeoff.protocols.measures.standings import DetectorStanding, GeneratorStanding
from fakeoff.protocols.score.telling import tell, tell_figure

_UNKNOWN_SHOWN = 3  # the report has all
_IN_TABLES = (
    "Challenged",
    "Forfeit",
    "Fragile traces",
    "Leak",
    "Masked gradient",
    "Not audited",
    "Passed over",
    "Unranked",
)
"""Cautions that stand in tables and lines of their own."""


def print_scoreboard(scoreboard: Scoreboard, console: Console, *, challenges: Sequence[Challenge] = ()) -> None:
    """Prints detectors, generators, the story of each attack, and what was forfeited.

    Args:
        scoreboard: What was found.
        console: Where to.
        challenges: Of its detectors.
    """
    data, config = scoreboard.data, scoreboard.config
    split = data["split"]
    console.print()
    console.print(
        f"[bold]Scoreboard after round {scoreboard.round}[/bold]: {escape(data['source'])} faces, "
        f"{config['arena']['resolution']} px, {data['colour']}; all figures on held-out images: "
        f"{split['test']['photographs']} reals of {len(split['test']['groups'])} people or folders, "
        f"{config['pools']['test_fakes']} fakes of each version"
    )
    _print_audits(scoreboard, console)
    failed = {forfeit.player for forfeit in scoreboard.forfeits if forfeit.kind == "detector"}
    if starts := describe_starts(config, without=failed - {cell.detector for cell in scoreboard.cells}):
        console.print(Text(f"Pretrained weights: {starts}"))
    detectors = partial(_detectors, challenges=challenges)
    tables = (
        detectors,
        postprocessed_table,
        _generators,
        _duels,
        _state,
        searches_table,
        _part_shifts,
        localisation_table,
        _forfeits,
        _passed_over,
        _unranked,
    )
    for table in tables:
        found = table(scoreboard)
        if found.row_count:
            console.print()
            console.print(found)
        if table is detectors and (lead := describe_lead(scoreboard)):
            console.print(Text(lead))
        if table is postprocessed_table:
            print_fragility(scoreboard, console)
    print_masking(scoreboard, console)
    print_summary(summarise(scoreboard, challenges), console)


def print_summary(summary: Summary, console: Console) -> None:
    """Prints a game in words: what happened, what warns of it, and what is not known.

    Args:
        summary: Of the game.
        console: Where to.
    """
    warned = [f"{caution.kind}: {caution.text}" for caution in summary.warned if caution.kind not in _IN_TABLES]
    parts = {"In words": summary.said, "Warnings": warned, "Not known": summary.unknown[:_UNKNOWN_SHOWN]}
    for heading, lines in parts.items():
        if lines:
            console.print(Text(f"\n{heading}", style="bold"))
        points = Table.grid(padding=(0, 1, 0, 0))
        for line in lines:
            points.add_row("-", Text(line))
        if lines:
            console.print(points)


def _detectors(scoreboard: Scoreboard, *, challenges: Sequence[Challenge]) -> Table:
    table = _table(
        "Detectors, by worst-case then mean AUC over every generator version" + _of_intervals(scoreboard, "\n")
    )
    for heading in ("worst AUC", "against", "mean AUC", "mean AP", "accuracy"):
        table.add_column(heading, justify="left" if heading == "against" else "right", overflow="fold")
    marks = challenge_marks(challenges, scoreboard.detectors, interval=False)  # which stands below
    if marks:
        table.add_column("challenged", no_wrap=True)
    for place, row in enumerate(scoreboard.detectors, start=1):
        table.add_row(
            tell_rank(row, place),
            f"{row.player}@{row.round}{masks(scoreboard, row.player)}",
            tell(row.worst_auc, row.worst_auc_ci),
            row.worst_against,
            tell(row.mean_auc, row.mean_auc_ci),
            tell_figure(row.mean_ap),
            _percent(row.mean_accuracy),
            *([Text(marks[place - 1])] if marks else []),
        )
    return table


def tell_rank(row: DetectorStanding | GeneratorStanding, place: int) -> str:
    """A rank, and those that are possible: ``1 (1 to 3)``.

    Args:
        row: The standing.
        place: Its place in the table, which files from before there were ranks have alone.
    """
    if row.rank is None or row.rank_ci is None:
        return str(place)
    low, high = row.rank_ci
    return str(row.rank) if low == high else f"{row.rank} ({low} to {high})"


def describe_lead(scoreboard: Scoreboard) -> str:
    """Who may be the best detector, in a sentence; empty of fewer than two, and where an old file does not say."""
    rows = [row for row in scoreboard.detectors if row.rank_ci is not None]
    if len(rows) < 2:
        return ""
    may_be = [f"{row.player}@{row.round}" for row in rows if row.rank_ci is not None and row.rank_ci[0] == 1]
    people = len(scoreboard.data["split"]["test"]["groups"])
    of = f"{people} people or folders in test"
    if len(may_be) == 1:
        return f"{may_be[0]} is the best of {len(rows)}: no other rank is possible with {of}."
    return f"Any of {', '.join(may_be)} may be the best: {of} do not tell them apart."


def _generators(scoreboard: Scoreboard) -> Table:
    table = _table(
        "Generators, by evasion: fakes that pass as real before detectors they never trained against;\n"
        "SSIM to its first version, KID and SWD to the reals say what it cost"
    )
    measured = [(measure, scoreboard.of(measure)) for measure in MEASURES if measure.columns]
    for heading in ("evasion", "of its target", *(column.heading for m, _ in measured for column in m.columns)):
        table.add_column(heading, justify="right")
    for place, row in enumerate(scoreboard.generators, start=1):
        version = (row.player, row.round)
        target = row.target_evasion
        table.add_row(
            tell_rank(row, place),
            f"{row.player}@{row.round}",
            tell(row.evasion, row.evasion_ci, digits=0, percent=True),
            "-" if target is None else tell(target, row.target_evasion_ci, digits=0, percent=True),
            *(text for measure, rows in measured for text in _columns(measure.columns, rows, version)),
        )
    return table


def _columns(columns: Sequence[Column[R]], rows: Sequence[R], version: tuple[str, int]) -> list[str]:
    """What a measure says of a generator version; dashes where it says nothing."""
    mine = next((row for row in rows if row.version_of("generator") == version), None)
    return ["-" if mine is None else column.text(mine) for column in columns]


def _duels(scoreboard: Scoreboard) -> Table:
    duels = find_duels(scoreboard)
    changes = {
        (row.generator, row.generator_round, row.detector, row.detector_round): row
        for row in scoreboard.changes
        if row.metric == "ap"
    }
    table = Table(
        title="Attack by attack: the frozen detector before and after, and its retrained successor after",
        title_justify="left",
        title_style="bold",
        pad_edge=not changes,  # long names and six columns just fit into a hundred characters
    )
    table.add_column("attack", no_wrap=True)
    table.add_column("frozen target", no_wrap=True)
    for heading in ("accuracy", "AP"):
        table.add_column(heading, justify="right", no_wrap=bool(changes))
    if changes:
        table.add_column("change of AP", justify="right")
    table.add_column("retrained AP", justify="right")
    for duel in duels:
        row = changes.get((duel.generator, duel.generator_round, duel.detector, duel.detector_round))
        table.add_row(*_duel_row(duel, row, told=bool(changes)))
    return table


def _duel_row(duel: Duel, change: ChangeRow | None, *, told: bool) -> list[str | Text]:
    accuracy = Text(_change(duel, "accuracy", _percent), style=PASSED if duel.after.accuracy < 0.65 else "")
    retrained = duel.retrained
    by = (
        "-" if change is None or change.change is None else tell(change.change, change.change_ci, digits=2, signed=True)
    )
    return [
        f"{duel.generator}@{duel.generator_round}",
        f"{duel.detector}@{duel.detector_round}",
        accuracy,
        _change(duel, "ap", tell_figure),
        *([by] if told else []),
        "-" if retrained is None else Text(tell_figure(retrained.ap), style=CAUGHT if retrained.ap > 0.99 else ""),
    ]


def _change(duel: Duel, metric: str, form: Callable[[float], str]) -> str:
    """A figure of the frozen target, before the attack and after it."""
    before, after = (None if cell is None else getattr(cell, metric) for cell in (duel.before, duel.after))
    return f"{'?' if before is None else form(before)} -> {'?' if after is None else form(after)}"


def _print_audits(scoreboard: Scoreboard, console: Console) -> None:
    """Whether the figures can be believed: could format alone tell the sides apart?"""
    audits = scoreboard.audits
    if not audits:
        console.print("[yellow]The pools were not audited: format alone may tell reals from fakes.[/yellow]")
        return
    leaking = [audit for audit in audits if audit.leaks]
    for audit in leaking:
        name = f"{audit.generator}@{audit.generator_round}"
        console.print(Text(f"LEAK: format alone tells {name} from its reals: {audit.leaks[0]}", style="bold red"))
    if not leaking:
        probed = [
            (audit.probe_ap, audit.probe_ap_ci) for audit in audits if audit.probe_ap is not None and audit.probe_ap_ci
        ]
        said = "at most chance, which is 0.50"  # an interval below it would seem to say that a probe is worse
        if probed and max(interval[1] for _, interval in probed) >= 0.5:
            said = f"{max(ap for ap, _ in probed):.2f} at most, chance is 0.50"
        probe = f"; a probe that sees format alone: AP {said}" if probed else ""
        console.print(f"Audit: no format tells reals from fakes{probe}")


def _state(scoreboard: Scoreboard) -> Table:
    return state_table(scoreboard.state)


def _part_shifts(scoreboard: Scoreboard) -> Table:
    table = Table(
        title="Where in the face fakes give themselves away: before the attack, and to the retrained detector after it",
        title_justify="left",
        title_style="bold",
    )
    table.add_column("attack", no_wrap=True)
    table.add_column("frozen target", no_wrap=True)
    for heading in ("shift", "by chance"):
        table.add_column(heading, justify="right")
    for heading in ("mostly before", "mostly after"):
        table.add_column(heading)
    for entry in scoreboard.part_shifts:
        if entry.is_target:
            shift = entry.shift
            table.add_row(
                f"{entry.generator}@{entry.generator_round}",
                f"{entry.detector}@{entry.detector_round}",
                Text(f"{shift.tv:.0%}", style="bold" if shift.exceeds_null else ""),
                f"up to {shift.tv_null:.0%}",
                _largest(entry.before),
                _largest(entry.retrained),
            )
    return table


def _largest(shares: Mapping[str, float]) -> str:
    """The two largest shares, in words."""
    largest = sorted(shares, key=lambda part: -shares[part])[:2]
    return ", ".join(f"{part} {shares[part]:.0%}" for part in largest)


def _forfeits(scoreboard: Scoreboard) -> Table:
    table = Table(title="Forfeits: what was not played, or not looked at", title_justify="left", title_style="bold red")
    for heading in ("round", "player", "stage", "why"):
        table.add_column(heading, overflow="fold")
    for forfeit in scoreboard.forfeits:
        against = f" on {forfeit.against}" if forfeit.against else ""
        table.add_row(str(forfeit.round), forfeit.player, forfeit.stage + against, Text(forfeit.reason))
    return table


def _passed_over(scoreboard: Scoreboard) -> Table:
    table = Table(
        title="Passed over: whom no attack could follow, and who trained without adversaries",
        title_justify="left",
        title_style="bold",
    )
    for heading in ("round", "detector", "why"):
        table.add_column(heading, overflow="fold")
    for passed in scoreboard.passed_over:
        table.add_row(str(passed.round), passed.detector, Text(passed.reason))
    return table


def _unranked(scoreboard: Scoreboard) -> Table:
    table = Table(title="Unranked: who takes no place", title_justify="left", title_style="bold")
    for heading in ("player", "why"):
        table.add_column(heading, overflow="fold")
    rounds: dict[tuple[str, str], list[int]] = {}
    for one in scoreboard.unranked:
        rounds.setdefault((one.player, one.reason), []).append(one.round)
    for (player, reason), versions in rounds.items():
        table.add_row(f"{player}@{', @'.join(map(str, versions))}", Text(reason))
    return table


def _table(title: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("#", justify="right")
    table.add_column("player", no_wrap=True)
    return table


def _of_intervals(scoreboard: Scoreboard, before: str) -> str:
    """What intervals are over; nothing where an old file has none of these."""
    if not any(row.rank_ci for row in scoreboard.detectors):
        return ""
    return f"{before}{scoreboard.confidence:.0%} intervals over people and fakes; ranks that are possible in brackets"


def _percent(value: float) -> str:
    return tell_figure(value, digits=1, percent=True)
