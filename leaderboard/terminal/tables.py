"""The scoreboard as tables on the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from fakeoff.leaderboard.plots.duels import Duel, find_duels


def print_scoreboard(scoreboard: Mapping[str, Any], console: Console) -> None:
    """Prints detectors, generators, the story of each attack, and what was forfeited."""
    data, config = scoreboard["data"], scoreboard["config"]
    split = data["split"]
    console.print()
    console.print(
        f"[bold]Scoreboard after round {scoreboard['round']}[/bold]: {escape(data['source'])} faces, "
        f"{config['arena']['resolution']} px, {data['colour']}; all figures on held-out images: "
        f"{split['test']['photographs']} reals of {len(split['test']['groups'])} people or folders, "
        f"{config['pools']['test_fakes']} fakes of each version"
    )
    _print_audits(scoreboard, console)
    for found in (_detectors(scoreboard), _generators(scoreboard), _duels(scoreboard), _part_shifts(scoreboard)):
        if found.row_count:
            console.print()
            console.print(found)
    if scoreboard["forfeits"]:
        console.print()
        console.print(_forfeits(scoreboard))
    for key, table in (("passed_over", _passed_over), ("unranked", _unranked)):
        if scoreboard.get(key):  # files of earlier releases have none
            console.print()
            console.print(table(scoreboard))


def _detectors(scoreboard: Mapping[str, Any]) -> Table:
    table = _table("Detectors, by worst-case then mean AUC over every generator version")
    for heading in ("worst AUC", "against", "mean AUC", "mean AP", "accuracy"):
        table.add_column(heading, justify="left" if heading == "against" else "right", overflow="fold")
    for place, row in enumerate(scoreboard["standings"]["detectors"], start=1):
        table.add_row(
            str(place),
            f"{row['player']}@{row['round']}",
            _share(row["worst_auc"]),
            row["worst_against"],
            _share(row["mean_auc"]),
            _share(row["mean_ap"]),
            _percent(row["mean_accuracy"]),
        )
    return table


def _generators(scoreboard: Mapping[str, Any]) -> Table:
    table = _table(
        "Generators, by evasion: fakes that pass as real before detectors they never trained against;\n"
        "SSIM to its first version, KID and SWD to the reals say what it cost"
    )
    for heading in ("evasion", "of its target", "SSIM to @0", "KID", "SWD"):
        table.add_column(heading, justify="right")
    costs = {(cost["generator"], cost["generator_round"]): cost for cost in scoreboard["costs"]}
    for place, row in enumerate(scoreboard["standings"]["generators"], start=1):
        cost = costs.get((row["player"], row["round"]))
        target = row["target_evasion"]
        table.add_row(
            str(place),
            f"{row['player']}@{row['round']}",
            _percent(row["evasion"]),
            "-" if target is None else _percent(target),
            *(
                [f"{cost['ssim_to_first']:.2f}", f"{cost['kid_to_reals']:.0f}", f"{cost['swd_to_reals']:.1f}"]
                if cost
                else "---"
            ),
        )
    return table


def _duels(scoreboard: Mapping[str, Any]) -> Table:
    table = Table(
        title="Attack by attack: the frozen detector before and after, and its retrained successor after",
        title_justify="left",
        title_style="bold",
    )
    table.add_column("attack", no_wrap=True)
    table.add_column("frozen target", no_wrap=True)
    for heading in ("accuracy", "AP", "retrained AP"):
        table.add_column(heading, justify="right")
    for duel in find_duels(scoreboard):
        table.add_row(*_duel_row(duel))
    return table


def _duel_row(duel: Duel) -> tuple[str | Text, ...]:
    def change(metric: str, form: Any) -> str:
        before = form(duel.before[metric]) if duel.before else "?"
        return f"{before} -> {form(duel.after[metric])}"

    accuracy = Text(change("accuracy", _percent), style="red" if duel.after["accuracy"] < 0.65 else "")
    retrained = duel.retrained
    return (
        f"{duel.generator}@{duel.generator_round}",
        f"{duel.detector}@{duel.detector_round}",
        accuracy,
        change("ap", _share),
        "-" if retrained is None else Text(_share(retrained["ap"]), style="green" if retrained["ap"] > 0.99 else ""),
    )


def _print_audits(scoreboard: Mapping[str, Any], console: Console) -> None:
    """Whether the figures can be believed: could format alone tell the sides apart?"""
    audits = scoreboard["audits"]
    if not audits:
        console.print("[yellow]The pools were not audited: format alone may tell reals from fakes.[/yellow]")
        return
    leaking = [audit for audit in audits if audit["leaks"]]
    for audit in leaking:
        name = f"{audit['generator']}@{audit['generator_round']}"
        console.print(Text(f"LEAK: format alone tells {name} from its reals: {audit['leaks'][0]}", style="bold red"))
    if not leaking:
        probed = [audit["probe_ap"] for audit in audits if audit["probe_ap"] is not None]
        probe = f"; a probe that sees format alone: AP {max(probed):.2f} at most, chance is 0.50" if probed else ""
        console.print(f"Audit: no format tells reals from fakes{probe}")


def _part_shifts(scoreboard: Mapping[str, Any]) -> Table:
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
    for entry in scoreboard["part_shifts"]:
        if entry["is_target"]:
            shift = entry["shift"]
            table.add_row(
                f"{entry['generator']}@{entry['generator_round']}",
                f"{entry['detector']}@{entry['detector_round']}",
                Text(f"{shift['tv']:.0%}", style="bold" if shift["exceeds_null"] else ""),
                f"up to {shift['tv_null']:.0%}",
                _largest(entry["before"]),
                _largest(entry["retrained"]),
            )
    return table


def _largest(shares: Mapping[str, float]) -> str:
    """The two largest shares, in words."""
    largest = sorted(shares, key=lambda part: -shares[part])[:2]
    return ", ".join(f"{part} {shares[part]:.0%}" for part in largest)


def _forfeits(scoreboard: Mapping[str, Any]) -> Table:
    table = Table(title="Forfeits: what was not played, or not looked at", title_justify="left", title_style="bold red")
    for heading in ("round", "player", "stage", "why"):
        table.add_column(heading, overflow="fold")
    for forfeit in scoreboard["forfeits"]:
        against = f" on {forfeit['against']}" if forfeit["against"] else ""
        table.add_row(str(forfeit["round"]), forfeit["player"], forfeit["stage"] + against, Text(forfeit["reason"]))
    return table


def _passed_over(scoreboard: Mapping[str, Any]) -> Table:
    table = Table(title="Passed over: whom no attack could follow", title_justify="left", title_style="bold")
    for heading in ("round", "detector", "why"):
        table.add_column(heading, overflow="fold")
    for passed in scoreboard["passed_over"]:
        table.add_row(str(passed["round"]), passed["detector"], Text(passed["reason"]))
    return table


def _unranked(scoreboard: Mapping[str, Any]) -> Table:
    table = Table(title="Unranked: whose scores cannot be compared", title_justify="left", title_style="bold")
    for heading in ("player", "why"):
        table.add_column(heading, overflow="fold")
    for one in scoreboard["unranked"]:
        table.add_row(f"{one['player']}@{one['round']}", Text(one["reason"]))
    return table


def _table(title: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold")
    table.add_column("#", justify="right")
    table.add_column("player", no_wrap=True)
    return table


def _share(value: float) -> str:
    return f"{value:.3f}"


def _percent(value: float) -> str:
    return f"{value:.1%}"
