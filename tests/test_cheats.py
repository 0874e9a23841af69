"""Known cheats in one tournament on a real Ray: each is caught by name, and honest players like them are not."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from fakeoff.arena.images.reals import open_source
from fakeoff.arena.jobs.executors import SerialExecutor
from fakeoff.arena.jobs.ray_executor import RayExecutor
from fakeoff.arena.jobs.store import Store
from fakeoff.arena.players.plugins import load_plugin_file
from fakeoff.leaderboard.scoreboard import Scoreboard, build_scoreboard
from fakeoff.leaderboard.terminal.tables import print_scoreboard
from fakeoff.protocols.attack_defend import play_tournament
from fakeoff.protocols.config import TournamentConfig, parse_config
from fakeoff.protocols.measures import QualityGate
from fakeoff.protocols.measures.tournament import TournamentRecord

HERE = Path(__file__).parent
PLAYERS = ("cheats.py", "honest_players.py")

OTHERWISE = "a score that depends on anything but the image cannot be compared"
MASKS = "masks its gradient, and is less robust than attacks make it look: following its gradient over the latents of"

# By which gate each is caught, in the words that stand in the scoreboard.
UNRANKED = {
    # The same score when asked again: in another order, alone, in a fresh process, beside other fakes.
    "counts_its_calls": ("it gave the same image", OTHERWISE),
    "ranks_its_batch": ("it gave the same image", OTHERWISE),
    "normalises_by_its_batch": ("it gave the same image", OTHERWISE),
    "looks_at_the_clock": ("it gave the same image", OTHERWISE),
    "counts_images_of_its_process": ("in a fresh process", OTHERWISE),
    "remembers_images": ("it gave the same photographs other scores beside other fakes", OTHERWISE),
    # Nothing tells a judge which side an image is of, so it guesses: an AUC of 0.8 in round 0.
    "reads_frames": ("before anybody attacked it, it told fakes from reals with an AUC of", "(score.least_auc)"),
    # No masked gradient.
    "steps_and_ripples": (MASKS, "lowered its recall of fakes by"),
    "rounds_its_scores": (MASKS, "lowered its recall of fakes by"),
    "saturates": (MASKS, "lowered its recall of fakes by"),
    "leads_astray": (MASKS, "lowered its recall of fakes by"),
    # Quality.
    "copies": ("its fakes copy photographs: they are at 0%", "other people have to these"),
    "near_copies": ("its fakes copy photographs", "other people have to these"),
    "copies_held_out": ("its fakes copy photographs", "other people have to these"),
    "one_face": ("its fakes are nearly the same", "of what photographs do"),
    "noise": ("its faces lie", "of the way from the reals to noise"),
    # No leak of format.
    "leaks_format": ("format alone tells its fakes from their reals: histogram: missing levels", "0% of"),
}

# Whose results are none: they would be wrong for everybody.
FORFEITS = {
    "draws_scores": ("defend", "drew from or wrote to the global random state of torch"),
    "marks_its_own_exam": (
        "defend",
        "put something of its own in the place of fakeoff.protocols.score.metrics.",
    ),
    "reads_the_store": ("defend", "reached for a stored result"),
    "draws_on_the_system": ("sample", "made other images when it was asked again with the same rng"),
}

HONEST_GENERATORS = ("honest_faces", "honest_narrow")
HONEST_DETECTORS = ("honest_batchnorm", "honest_plain", "honest_robust")

GENERATORS = (
    *HONEST_GENERATORS,
    *("copies", "near_copies", "copies_held_out", "one_face", "noise", "leaks_format", "draws_on_the_system"),
)
DETECTORS = (
    *HONEST_DETECTORS,
    *(name for name in (*UNRANKED, *FORFEITS) if name not in GENERATORS and name != "reads_the_store"),
)


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> TournamentRecord:
    """A round of all of them."""
    for name in PLAYERS:
        load_plugin_file(HERE / name)
    store = tmp_path_factory.mktemp("cheats") / "store"
    named: dict[str, Any] = {"plugin": "reads_the_store", "parameters": {"store": str(store)}}
    config = parse_config(
        {
            "rounds": 1,
            "generators": [{"plugin": name} for name in GENERATORS],
            "detectors": [*({"plugin": name} for name in DETECTORS), named],
            "arena": {"resolution": 32},
            "pools": {"train_fakes": 32, "val_fakes": 24, "test_fakes": 24},
            "attack": {"target": "all", "steps": 20, "batch": 16, "weight": 1.0},
            "defend": {"steps": 60, "batch": 16, "check_every": 20},
            "search": {"when": "always", "queries": 24, "fakes": 16},
            "score": {"resamples": 100, "through": []},
            "parts": {"parser": ""},
            "audit": {"on_leak": "report"},
            "compute": {"attack_threads": 1, "device": "cpu", "precision": "float32"},
        },
        where="test",
    )
    executor = RayExecutor(workers=2)
    try:
        return play_tournament(
            config, source=open_source("orl"), store=Store(store), executor=executor, observer=_Nobody()
        )
    finally:
        executor.close()


class _Nobody:
    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


@pytest.fixture(scope="module")
def scoreboard(played: TournamentRecord) -> Scoreboard:
    """What was found, as it stands in the file."""
    return Scoreboard.from_json(build_scoreboard(played).to_json())


@pytest.mark.parametrize("name", UNRANKED)
def test_a_cheat_takes_no_place_and_is_told_why(scoreboard: Scoreboard, name: str) -> None:
    reasons = [one.reason for one in scoreboard.unranked if one.player == name]
    assert any(all(words in reason for words in UNRANKED[name]) for reason in reasons), reasons
    standing = {row.player for row in (*scoreboard.detectors, *scoreboard.generators)}
    assert name not in standing


@pytest.mark.parametrize("name", FORFEITS)
def test_a_cheat_forfeits_and_is_told_why(scoreboard: Scoreboard, name: str) -> None:
    [forfeit] = [one for one in scoreboard.forfeits if one.player == name]
    stage, words = FORFEITS[name]
    assert (forfeit.stage, words in forfeit.reason) == (stage, True), forfeit
    assert name not in {row.detector for row in scoreboard.cells} | {row.generator for row in scoreboard.cells}


def test_honest_players_that_look_alike_are_not(scoreboard: Scoreboard) -> None:
    named = {one.player for one in (*scoreboard.unranked, *scoreboard.forfeits)}
    assert named == {*UNRANKED, *FORFEITS}
    assert {one.detector for one in scoreboard.masking} == {
        name for name, words in UNRANKED.items() if words[0] is MASKS
    }
    assert {row.player for row in scoreboard.detectors} == {*HONEST_DETECTORS}
    assert {row.player for row in scoreboard.generators} == {*HONEST_GENERATORS}


def test_the_honest_ones_look_alike_indeed(played: TournamentRecord, scoreboard: Scoreboard) -> None:
    recalls = {
        (cell.generator, cell.generator_round, cell.detector): cell.recall_fake
        for cell in scoreboard.cells
        if cell.detector_round == 0
    }
    for maker in HONEST_GENERATORS:
        # As hard to fool as those that mask their gradient are made to look, by attacks and by searches.
        assert {round(recalls[maker, round_, "honest_robust"], 6) for round_ in (0, 1)} == {1}
        assert recalls[maker, 0, "honest_plain"] > 0.7
    searched = {(row.generator, row.detector): row for row in scoreboard.searches if row.found is not None}
    assert searched["honest_faces", "honest_robust"].found.recall_fake > 0.999  # type: ignore[union-attr]
    assert searched["honest_faces", "honest_plain"].found.recall_fake < 0.5  # type: ignore[union-attr]
    variety = {row.generator: row.variety for row in scoreboard.of(QualityGate) if row.generator_round == 0}
    assert variety["honest_narrow"] < 0.7 * variety["honest_faces"]
    assert {version.round for version in played.versions if version.player == "honest_batchnorm"} == {0, 1}  # it learns


def test_whoever_knows_the_photographs_is_not_found_out_and_is_marked(
    toy_config: Callable[..., TournamentConfig], tmp_path: Path
) -> None:
    """Nobody can keep from a player that it has them: it lives on pixels that no JPEG leaves as they were."""
    for name in PLAYERS:
        load_plugin_file(HERE / name)
    config = toy_config(
        rounds=0,
        generators=[{"plugin": "honest_faces"}],
        detectors=[{"plugin": "knows_the_photographs"}, {"plugin": "honest_plain"}],
        arena={"resolution": 32},
        score={"resamples": 100, "scored_again": 4, "quality_gate": False, "through": ["jpeg:75"]},
        parts={"parser": ""},
        audit={"on_leak": "skip"},
    )
    record = play_tournament(
        config, source=open_source("orl"), store=Store(tmp_path), executor=SerialExecutor(), observer=_Nobody()
    )
    marks = {row.player: row.postprocessed["jpeg:75"].fragile for row in build_scoreboard(record).detectors}
    assert marks == {"knows_the_photographs": True, "honest_plain": False}


def test_matches_of_cheats_are_played_and_count_for_nobody(played: TournamentRecord, scoreboard: Scoreboard) -> None:
    assert {match.generator.player for match in played.matches} == {*GENERATORS} - {"draws_on_the_system"}
    for row in scoreboard.detectors:
        assert row.worst_against.partition("@")[0] in HONEST_GENERATORS
        assert row.matches == len(HONEST_GENERATORS) * 2


def test_it_is_printed(scoreboard: Scoreboard) -> None:
    out = io.StringIO()
    print_scoreboard(scoreboard, Console(file=out, width=300))
    for name in UNRANKED:
        assert f"{name}@0" in out.getvalue(), name


def test_the_page_about_it_names_them_all() -> None:
    page = (HERE.parent / "docs" / "misbehaviour.md").read_text()
    assert [name for name in (*UNRANKED, *FORFEITS) if f"`{name}`" not in page] == []
