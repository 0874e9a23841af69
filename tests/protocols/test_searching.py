"""Searches in a game: whom they are against, what is kept of them, and who is to blame."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from fakeoff.arena.jobs.executors import SerialExecutor
from fakeoff.arena.jobs.store import Store
from fakeoff.arena.players.plugins import load_plugin_file
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.home.ledger import read_ledger, write_ledger
from fakeoff.leaderboard.scoreboard import Scoreboard, build_scoreboard, scoreboard_text
from fakeoff.leaderboard.terminal.tables import print_scoreboard
from fakeoff.protocols.config import TournamentConfig
from fakeoff.protocols.measures import Search
from fakeoff.protocols.measures.tournament import TournamentRecord

TOYS = Path(__file__).parents[1] / "toy_latents.py"

Play = Callable[..., tuple[TournamentRecord, Any]]
Config = Callable[..., TournamentConfig]


@pytest.fixture(scope="module")
def config(toy_config: Config) -> Config:
    load_plugin_file(TOYS)

    def make(
        *, search: dict[str, Any] | None = None, detectors: tuple[str, ...] = ("toy_plain", "toy_steps"), **over: Any
    ) -> TournamentConfig:
        game: dict[str, Any] = {
            "generators": [{"plugin": "toy_latents"}, {"plugin": "toy_fixed_generator"}],
            "detectors": [{"plugin": name} for name in detectors],
            "search": {"queries": 4, "fakes": 8, **(search or {})},
            "parts": {"parser": ""},
            "audit": {"on_leak": "skip"},
        }
        return toy_config(**{**game, **over})

    return make


def _pairs(record: TournamentRecord) -> list[tuple[str, str]]:
    return [(search.generator.label, search.detector.label) for search in record.searches]


def _printed(scoreboard: Scoreboard) -> str:
    out = io.StringIO()
    print_scoreboard(scoreboard, Console(file=out, width=200))
    return out.getvalue()


def test_whoever_has_no_gradient_is_searched_against_before_each_attack(play: Play, config: Config) -> None:
    record, ran = play(config(rounds=2))
    assert _pairs(record) == [
        ("toy_fixed_generator@0", "toy_steps@0"),
        ("toy_latents@0", "toy_steps@0"),
        ("toy_latents@1", "toy_steps@0"),
    ]
    assert [search.round for search in record.searches] == [1, 1, 2]
    # The generator without latents is skipped, and that is said.
    assert [job.label for job in ran.ran if job.stage == "search"] == [
        "search toy_latents@0 against toy_steps@0",
        "search toy_latents@1 against toy_steps@0",
    ]
    skipped, first, _ = build_scoreboard(record).searches
    assert (skipped.skipped, skipped.found) == ("it has no latents to search", None)
    assert "it has no latents to search" in _printed(build_scoreboard(record))
    assert (first.skipped, first.queries, first.n_fake, first.followed) == ("", 4, 8, None)
    # No attack with a gradient of its own is another thing than masking one.
    assert build_scoreboard(record).masking == ()


def test_always_puts_a_search_beside_each_attack_and_never_none(play: Play, config: Config) -> None:
    always, _ = play(config(search={"when": "always"}, attack={"target": "toy_plain", "steps": 2, "batch": 4}))
    pairs = [(maker, judge) for maker in ("toy_fixed_generator@0", "toy_latents@0") for judge in ("plain", "steps")]
    assert _pairs(always) == [(maker, f"toy_{judge}@0") for maker, judge in pairs]
    parts = [set(search.figures) for search in always.searches]
    assert parts == [set(), set(), {"start", "found", "followed"}, {"start", "found"}]
    scoreboard = build_scoreboard(always)
    assert "8 x 4" in _printed(scoreboard)
    points = Search.points(scoreboard.searches, kind="detector", player="toy_plain", version=0, newest={}, round_=1)
    row = scoreboard.searches[2]
    assert row.found is not None
    assert len(points) == 6
    assert points["search/toy_latents: recall_fake found"] == row.found.recall_fake
    never, ran = play(config(search={"when": "never"}), home="never")
    assert never.searches == ()
    assert not [job for job in ran.ran if job.stage == "search"]


def test_no_gradient_is_the_default_and_costs_others_nothing(play: Play, config: Config) -> None:
    record, ran = play(config(detectors=("toy_plain",)))
    assert record.searches == ()
    assert not [job for job in ran.ran if job.stage == "search"]


def test_it_is_kept_read_back_and_the_same_in_any_order(
    play: Play, config: Config, backwards: SerialExecutor, tmp_path: Path
) -> None:
    game = config(search={"when": "always"}, attack={"target": "all", "steps": 2, "batch": 4})
    record, _ = play(game)
    other, _ = play(game, home="other", executor=backwards)
    assert scoreboard_text(build_scoreboard(record)) == scoreboard_text(build_scoreboard(other))
    again, ran = play(game)
    assert not ran.ran
    home = Home(tmp_path / "home")
    write_ledger(record, home)
    assert read_ledger(home, Store(tmp_path / "home" / "store")) == record == again


def test_a_detector_that_knows_when_it_is_searched_is_unranked(play: Play, config: Config) -> None:
    record, _ = play(config(detectors=("toy_peeking",)))
    [unranked] = record.unranked
    assert unranked.player == "toy_peeking"
    assert "other scores in a search of latents" in unranked.reason
    # Its figures are those of the blind judging all the same.
    search = next(search for search in record.searches if search.figures)
    assert search.figures["start"].p_fake < 1


def test_a_generator_that_cannot_be_searched_forfeits_and_the_detector_does_not(play: Play, config: Config) -> None:
    game = config(generators=[{"plugin": "toy_broken_latents"}], detectors=("toy_steps",))
    record, _ = play(game)
    [forfeit] = record.forfeits
    assert (forfeit.kind, forfeit.player, forfeit.round, forfeit.stage) == (
        "generator",
        "toy_broken_latents",
        1,
        "search",
    )
    assert "decode returned shape" in forfeit.reason
    assert record.matches
