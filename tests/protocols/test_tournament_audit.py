"""A tournament audits its own pools before anything is trained on them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fakeoff.arena.errors import ConfigError
from fakeoff.arena.images.reals import RealSource, open_source, orl_faces
from fakeoff.arena.jobs.executors import SerialExecutor
from fakeoff.arena.jobs.store import Store
from fakeoff.leaderboard.scoreboard import build_scoreboard
from fakeoff.protocols.attack_defend import play_tournament
from fakeoff.protocols.config import TournamentConfig
from fakeoff.protocols.measures.tournament import TournamentRecord

RESOLUTION = 64


@pytest.fixture
def enter(
    tmp_path: Path, toys: Path, toy_config: Callable[..., TournamentConfig], watcher: Any
) -> Callable[..., TournamentRecord]:
    """A tournament of a toy that makes 64 px images."""

    def make(source: RealSource, **audit: Any) -> TournamentRecord:
        config = toy_config(
            rounds=0,
            generators=[{"plugin": "toy_generator", "parameters": {"resolution": RESOLUTION}}],
            arena={"resolution": RESOLUTION},
            pools={"train_fakes": 48, "val_fakes": 16, "test_fakes": 48},
            parts={"parser": ""},
            audit=audit,
        )
        return play_tournament(
            config,
            source=source,
            store=Store(tmp_path / "store"),
            executor=SerialExecutor(),
            observer=watcher,
        )

    return make


def test_a_leak_is_refused_before_anybody_is_trained(
    enter: Callable[..., TournamentRecord], jpegs: Path, watcher: Any
) -> None:
    with pytest.raises(ConfigError) as caught:
        enter(open_source(str(jpegs)))
    message = str(caught.value)
    assert "generator 'toy_generator' makes no faces yet" in message  # toys make noise, and that is said first
    assert "JPEG" in message
    assert "--allow-leaks" in message
    assert "\n" not in message
    assert not any("defend" in label for label in watcher.labels)


def test_a_leak_that_is_allowed_is_reported(enter: Callable[..., TournamentRecord], jpegs: Path) -> None:
    record = enter(open_source(str(jpegs)), on_leak="report")
    (audited,) = build_scoreboard(record).to_json()["audits"]
    assert (audited["generator"], audited["generator_round"]) == ("toy_generator", 0)
    assert any("JPEG" in leak for leak in audited["leaks"])
    assert record.matches


def test_photographs_of_one_pipeline_are_not_flagged_for_jpeg(enter: Callable[..., TournamentRecord]) -> None:
    record = enter(orl_faces(), on_leak="report")
    (audited,) = build_scoreboard(record).to_json()["audits"]
    assert not any("JPEG" in leak or "interpolation" in leak for leak in audited["leaks"])


def test_the_audit_can_be_skipped(enter: Callable[..., TournamentRecord], jpegs: Path, watcher: Any) -> None:
    record = enter(open_source(str(jpegs)), on_leak="skip")
    assert not record.audits
    assert not any("audit" in label for label in watcher.labels)
    assert record.matches


def test_a_generator_that_shows_the_same_pictures_in_every_split_is_refused(
    play: Callable[..., Any], toy_config: Callable[..., TournamentConfig], bad_players: Path
) -> None:
    """Its "held-out" fakes are not held out: a detector that knows them by heart would be right."""
    with pytest.raises(ConfigError, match="the same pixels in two splits of the fakes"):
        play(toy_config(generators=[{"plugin": "same_pictures"}], parts={"parser": ""}))
