"""Writes the report of a home."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from fakeoff.arena.errors import ConfigError, StoreError, one_line
from fakeoff.arena.jobs.store import Store, write_atomically
from fakeoff.leaderboard.home.challenges import read_challenges
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.home.ledger import read_ledger
from fakeoff.leaderboard.home.provenance import Provenance, read_provenance
from fakeoff.leaderboard.home.results import check_scoreboard
from fakeoff.leaderboard.plots.state_plot import state_plot
from fakeoff.leaderboard.report.faces import find_faces
from fakeoff.leaderboard.report.facts.changes import change_sentences, change_tables
from fakeoff.leaderboard.report.facts.experiments import Experiment, find_experiments
from fakeoff.leaderboard.report.facts.matches import localisation_table, match_table, search_table
from fakeoff.leaderboard.report.facts.matrix import build_matrix
from fakeoff.leaderboard.report.facts.postprocessed import behind_matches_table, behind_table
from fakeoff.leaderboard.report.facts.recipe import write_recipe
from fakeoff.leaderboard.report.facts.shifts import find_moves
from fakeoff.leaderboard.report.facts.standings import cost_table, standings_tables
from fakeoff.leaderboard.report.facts.state import State, tell_state
from fakeoff.leaderboard.report.looks import draw_heatmaps, draw_moves
from fakeoff.leaderboard.report.page import Game, Page, render
from fakeoff.leaderboard.report.pictures import Album, Picture
from fakeoff.leaderboard.scoreboard import Scoreboard, build_scoreboard, read_scoreboard
from fakeoff.leaderboard.verdict.cautions import (
    Caution,
    find_cautions,
    what_intervals_are,
    who_was_tested,
)
from fakeoff.leaderboard.verdict.leaders import judge_detectors, judge_generators
from fakeoff.leaderboard.verdict.summary import tell_story, tell_unknown
from fakeoff.leaderboard.verdict.words import counted, source_name
from fakeoff.protocols.measures.tournament import TournamentRecord


def write_report(home: Home, *, out: Path | None = None, record: TournamentRecord | None = None) -> Path:
    """Writes a home's report: one HTML file that needs nothing else.

    Where the store of a copied home is incomplete, or an earlier release wrote it, the page is made of
    ``scoreboard.json`` alone and says so.

    Args:
        home: What was played.
        out: The file; by default ``HOME/report.html``.
        record: The tournament, where it is at hand; it is read back by default.

    Returns:
        The file.

    Raises:
        ConfigError: ``out`` cannot be written.
        StoreError: Nothing was played there, or nothing of it can be read.
    """
    target = out or home.report
    html = render(build_page(home, record=record))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(target, html.encode())
    except OSError as error:
        raise ConfigError(f"'{target}' cannot be written: {one_line(error)}; give another --out") from error
    return target


def build_page(home: Home, *, record: TournamentRecord | None = None) -> Page:
    """Gathers what the page says.

    Args:
        home: What was played.
        record: See :func:`write_report`.

    Raises:
        StoreError: See :func:`write_report`.
    """
    album = Album()
    experiments = find_experiments(home)
    if not (home.tournament.is_file() or home.scoreboard.is_file()):
        if not experiments:
            raise StoreError(f"nothing was played in '{home}'; {home.what_first}")
        return Page(
            title="Fakeoff report",
            subtitle=f"{counted(len(experiments), 'experiment')}; no tournament was played here.",
            game=None,
            experiments=_with_pictures(experiments, album),
            left_out=album.left_out,
        )
    scoreboard, record, troubles = _read(home, record)
    game = _game(home, scoreboard, record, troubles, album)
    return Page(
        title="Fakeoff report",
        subtitle=_subtitle(scoreboard),
        game=game,
        experiments=_with_pictures(experiments, album),
        left_out=album.left_out,
    )


def _read(home: Home, record: TournamentRecord | None) -> tuple[Scoreboard, TournamentRecord | None, list[Caution]]:
    """The scoreboard, the record where it can be had, and why not."""
    if record is not None:
        return build_scoreboard(record), record, []
    try:
        record = read_ledger(home, home.open_store())
        return build_scoreboard(record), record, []
    except StoreError as error:
        if not home.scoreboard.is_file():
            raise
        check_scoreboard(home)
        why = f" ({error})" if home.tournament.is_file() else ""
        trouble = f"Only scoreboard.json could be read here, so there are no faces and no heatmaps{why}."
        return read_scoreboard(home.scoreboard), None, [Caution(kind="Incomplete", text=trouble)]


def _game(
    home: Home,
    scoreboard: Scoreboard,
    record: TournamentRecord | None,
    troubles: Sequence[Caution],
    album: Album,
) -> Game:
    # First the faces, which cost little, then what tells most.
    store = None if record is None else Store(home.store)
    faces = find_faces(record, store, album) if record and store else []
    moves = find_moves(scoreboard)
    drawn = draw_moves(scoreboard, moves, album)
    heatmaps = draw_heatmaps(record, scoreboard, store, album) if record and store else []
    challenges = read_challenges(home)
    extra = (search_table(scoreboard), localisation_table(scoreboard), behind_matches_table(scoreboard))
    behind = behind_table(scoreboard)
    return Game(
        tested_on=who_was_tested(scoreboard),
        story=tell_story(scoreboard),
        verdicts=(judge_detectors(scoreboard), judge_generators(scoreboard)),
        intervals=what_intervals_are(scoreboard),
        cautions=[*troubles, *find_cautions(scoreboard, challenges)],
        limits=tell_unknown(scoreboard),
        standings=[*standings_tables(scoreboard, challenges), *([] if behind is None else [behind])],
        matrix=build_matrix(scoreboard),
        attacks=change_sentences(scoreboard),
        changes=change_tables(scoreboard),
        moves=list(zip(moves, drawn, strict=True)),
        heatmaps=heatmaps,
        faces=faces,
        state=_state(scoreboard, album),
        costs=cost_table(scoreboard),
        more=[table for table in extra if table is not None],
        matches=match_table(scoreboard),
        recipe=write_recipe(scoreboard, _provenance(home)),
    )


def _state(scoreboard: Scoreboard, album: Album) -> tuple[State, Picture | None] | None:
    state = tell_state(scoreboard)
    if state is None:
        return None
    return state, album.draw(partial(state_plot, state.rounds), alt=state.alt)


def _with_pictures(experiments: Sequence[Experiment], album: Album) -> list[tuple[Experiment, Sequence[Picture]]]:
    return [
        (one, [picture for name, path in one.figures.items() if (picture := _figure(one, name, path, album))])
        for one in experiments
    ]


def _figure(experiment: Experiment, name: str, path: Path, album: Album) -> Picture | None:
    alt = f"Chart '{name}' of the experiment {experiment.name}. Its figures are in the tables below."
    return album.open(path, alt=alt, caption=name)


def _provenance(home: Home) -> Provenance | None:
    try:
        return read_provenance(home.provenance)
    except StoreError:
        return None


def _subtitle(scoreboard: Scoreboard) -> str:
    config, data = scoreboard.config, scoreboard.data
    source, colour = source_name(data["source"]), data["colour"]
    players = (
        f"{counted(len(config['generators']), 'generator')} against {counted(len(config['detectors']), 'detector')}"
    )
    side = config["arena"]["resolution"]
    rounds = counted(scoreboard.round, "round")
    return f"{players}, after {rounds}, on {source} faces of {side} by {side} pixels, {colour}"


__all__ = ["build_page", "write_report"]
