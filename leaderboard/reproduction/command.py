"""What `fakeoff reproduce` does: reads the record, checks that it can be played here, plays it, and compares."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fakeoff.arena.errors import ConfigError, StoreError, one_line
from fakeoff.arena.files import read_file
from fakeoff.arena.jobs.executors import Executor
from fakeoff.arena.jobs.store import write_atomically
from fakeoff.arena.typed import as_record
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.home.provenance import Conditions, conditions_of
from fakeoff.leaderboard.play import play
from fakeoff.leaderboard.reproduction.comparison import CellCheck, Reproduction, compare
from fakeoff.leaderboard.reproduction.recorded import Recorded, check_playable, config_to_play, read_recorded
from fakeoff.protocols.measures.match import MatchRow
from fakeoff.protocols.score.telling import tell

SCHEMA_VERSION = 1


def reproduce(
    path: Path,
    *,
    provenance: Path | None = None,
    home: Home,
    executor: Executor,
    reals: str | None = None,
    table: str | None = None,
    device: str | None = None,
    console: Console,
) -> Reproduction:
    """Plays a tournament again, or what is missing of that, and holds it to its record.

    Args:
        path: Its scoreboard file.
        provenance: See :func:`fakeoff.leaderboard.reproduction.recorded.read_recorded`.
        home: Where it is played: a folder in which nothing else was.
        executor: Where jobs run; it is closed at the end.
        reals: See :func:`fakeoff.leaderboard.reproduction.recorded.config_to_play`.
        table: Likewise.
        device: Likewise.
        console: For progress.

    Returns:
        What came of it, as it is kept in ``HOME/reproduction.json``.

    Raises:
        FakeoffError: It cannot be read, or cannot be played here; or something else was played in the home.
    """
    recorded = read_recorded(path, provenance=provenance)
    if home.folder.resolve() == path.parent.resolve():
        raise ConfigError(f"'{home}' is where it was played, so nothing would be played again; give another --home")
    config = config_to_play(recorded, reals=reals, table=table, device=device)
    check_playable(recorded, config)
    conditions = conditions_of(executor.machines())
    _claim(home, recorded, conditions)
    because = _why_not_bytes(recorded, conditions)
    if device is not None and device != recorded.scoreboard["config"]["compute"]["device"]:
        because.append(f"it is computed on another device: {device}")
    found = compare(recorded.scoreboard, play(config, home=home, executor=executor, console=console), because=because)
    found = replace(found, altered=recorded.altered)
    _keep(home, recorded, conditions, result=found)
    return found


def reproduce_and_tell(path: Path, *, as_json: bool, console: Console, **how: Any) -> bool:
    """Plays a tournament again and prints what came of it.

    Args:
        path: See :func:`reproduce`.
        as_json: Print JSON on the standard output instead of a table.
        console: For progress, and the table.
        how: See :func:`reproduce`.

    Returns:
        Whether everything holds.
    """
    found = reproduce(path, console=console, **how)
    if as_json:
        click.echo(json.dumps({**as_record(found), "holds": found.holds}, indent=2))
    else:
        print_reproduction(found, console)
    return found.holds


def print_reproduction(found: Reproduction, console: Console) -> None:
    """Prints a line for each cell, by what it was judged, and how many hold."""
    table = Table(title="Played again", title_justify="left", title_style="bold")
    table.add_column("cell", no_wrap=True)
    for heading in ("AUC recorded", "played", "AP recorded", "played", "holds?"):
        table.add_column(heading, justify="left" if heading == "holds?" else "right", overflow="fold")
    for cell in found.cells:
        table.add_row(cell.label, *_figures(cell, "auc"), *_figures(cell, "ap"), _verdict(cell))
    console.print()
    console.print(table)
    standard = (
        "Judged to the byte: the same code, versions and kind of machine."
        if found.standard == "bytes"
        else "Judged within intervals, since bytes may differ: " + "; ".join(found.because) + "."
    )
    console.print(Text(standard), soft_wrap=True)
    if found.sections:
        sections = ", ".join(found.sections)
        console.print(Text(f"Not the same in the rest of the file: {sections}", style="red"), soft_wrap=True)
    if found.altered:
        console.print(Text(f"ALTERED: {found.altered}.", style="bold red"), soft_wrap=True)
    held = sum(cell.holds for cell in found.cells)
    console.print(Text(f"{held} of {len(found.cells)} cells hold.", style="bold"))


def _figures(cell: CellCheck, figure: str) -> tuple[str, str]:
    def value(row: MatchRow | None) -> str:
        return "-" if row is None else f"{row.value(figure):.3f}"

    recorded = cell.recorded
    told = "-" if recorded is None else tell(recorded.value(figure), recorded.interval(figure))
    return told, value(cell.played)


def _verdict(cell: CellCheck) -> Text:
    return Text("yes", style="green") if cell.holds else Text(f"no: {cell.differs}", style="red")


def _why_not_bytes(recorded: Recorded, here: Conditions) -> list[str]:
    if recorded.provenance is None:
        return [f"{recorded.unknown}, so nobody knows what it was played with"]
    if len(recorded.provenance.conditions) != 1:
        return ["it was played under several conditions, one after the other"]
    [there] = recorded.provenance.conditions
    found = there.differences(here)
    if len(there.machines) > 1 and not found:
        found.append("it was played on machines of several kinds at once")
    return found


def _claim(home: Home, recorded: Recorded, conditions: Conditions) -> None:
    """Takes a home for this and nothing else: what was computed before, under other conditions, proves nothing.

    Raises:
        ConfigError: Something else was played there.
    """
    if home.reproduction.exists():
        try:
            kept = json.loads(read_file(home.reproduction))
            same = (kept["scoreboard"], kept["conditions"]) == (recorded.sha256, _plain(conditions))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(f"'{home.reproduction}' is damaged: {one_line(error)}; give another --home") from error
        if not same:
            raise ConfigError(
                f"'{home}' is of another tournament, or of this one under other versions; give another --home"
            )
    elif home.store.is_dir() or home.tournament.exists():
        raise ConfigError(f"a game was played in '{home}' before; give another --home, such as a new folder")
    _keep(home, recorded, conditions, result=None)


def _keep(home: Home, recorded: Recorded, conditions: Conditions, *, result: Reproduction | None) -> None:
    home.folder.mkdir(parents=True, exist_ok=True)
    said = {
        "schema_version": SCHEMA_VERSION,
        "scoreboard": recorded.sha256,
        "conditions": _plain(conditions),
        "result": None if result is None else {**as_record(result), "holds": result.holds},
    }
    write_atomically(home.reproduction, (json.dumps(said, indent=1) + "\n").encode())


def _plain(conditions: Conditions) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(as_record(conditions)))
    return plain


__all__ = ["print_reproduction", "reproduce", "reproduce_and_tell"]
