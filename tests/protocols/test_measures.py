"""A kind of result is one class: played, kept, read back, shown."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pytest
from rich.console import Console

from fakeoff.arena.errors import StoreError
from fakeoff.arena.jobs import Context, Result
from fakeoff.arena.jobs.executors import SerialExecutor
from fakeoff.arena.jobs.store import Store
from fakeoff.leaderboard import scoreboard as scoreboards
from fakeoff.leaderboard.home import ledger
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.play import play_record
from fakeoff.leaderboard.terminal.tables import print_scoreboard
from fakeoff.protocols import measures
from fakeoff.protocols.attack_defend import AttackDefend
from fakeoff.protocols.config import TournamentConfig
from fakeoff.protocols.game import tally
from fakeoff.protocols.measures import Kept, Match, Measured
from fakeoff.protocols.measures.ground import Ground
from fakeoff.protocols.measures.rows import Column, GeneratorRow, Newest, of_generator
from fakeoff.protocols.record.versions import Kind, Version, blame


@dataclass(frozen=True, kw_only=True)
class Brightness:
    mean: float


def brightness(context: Context) -> Result:
    pixels = context.inputs["pool"].arrays["images"]
    return Result(record={"mean": float(np.mean(pixels)) / 255})


@dataclass(frozen=True, kw_only=True)
class BrightRow(Brightness, GeneratorRow):
    pass


@dataclass(frozen=True, kw_only=True)
class Bright(Measured[BrightRow]):
    """How bright a generator version's test fakes are."""

    name: ClassVar[str] = "bright"
    section: ClassVar[str] = "brightness"
    row_type: ClassVar[type[BrightRow]] = BrightRow
    columns: ClassVar[tuple[Column[BrightRow], ...]] = (
        Column(heading="brightness", text=lambda row: f"{row.mean:.3f}"),
    )

    key: str
    figures: Brightness

    @classmethod
    async def take(cls, ground: Ground, *subjects: Version) -> Self | None:
        (generator,) = subjects
        job = ground.desk.job(
            brightness,
            1,
            label=f"brightness of {generator.label}",
            player=generator.player,
            payload={},
            inputs={"pool": generator.pools["test"]},
            stage="cost",
            round_=generator.round,
        )
        if not await ground.settle(job, blame=blame(generator, "cost")):
            return None
        return cls(generator=generator, key=job.key, figures=ground.store.figures(job.key, Brightness))

    def results(self) -> Mapping[str, str]:
        return {"figures": self.key}

    @classmethod
    def read(cls, kept: Kept) -> Self:
        (generator,), key = kept.subjects, kept.results["figures"]
        return cls(generator=generator, key=key, figures=kept.store.figures(key, Brightness))

    def row(self) -> BrightRow:
        return BrightRow(**of_generator(self.generator), mean=self.figures.mean)

    @classmethod
    def points(
        cls, rows: Sequence[BrightRow], *, kind: Kind, player: str, version: int, newest: Newest, round_: int
    ) -> dict[str, float]:
        mine = [row.mean for row in rows if row.version_of(kind) == (player, version)]
        return {"brightness": mine[0]} if mine else {}


class _Played(AttackDefend):
    """The tournament, and how bright each version is."""

    def play(self, bench: Any) -> None:
        super().play(bench)
        entered = [Version(**vars(version)) for version in bench.record(1).versions if version.kind == "generator"]
        bench.measure(Bright, entered)
        bench.finish()


@pytest.fixture
def entered(monkeypatch: pytest.MonkeyPatch) -> None:
    """``Bright`` among the measures: the one other place that a new one touches."""
    for module in (measures, tally, ledger, scoreboards):
        monkeypatch.setattr(module, "MEASURES", (*measures.MEASURES[:6], Bright))
    monkeypatch.setattr("fakeoff.leaderboard.terminal.tables.MEASURES", measures.MEASURES)
    monkeypatch.setattr("fakeoff.leaderboard.mlflow.mlflow_log.MEASURES", measures.MEASURES)


def test_a_measure_is_one_class_and_one_entry(
    entered: None, toy_config: Callable[..., TournamentConfig], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fakeoff.protocols.attack_defend.AttackDefend", _Played)
    home = Home(tmp_path)
    record = play_record(
        toy_config(rounds=1), home=home, executor=SerialExecutor(), console=Console(file=io.StringIO())
    )
    assert [bright.generator.label for bright in record.of(Bright)] == ["toy_generator@0", "toy_generator@1"]
    # Kept and read back, typed.
    ledger.write_ledger(record, home)
    assert ledger.read_ledger(home, home.open_store()) == record
    # On the scoreboard, in its file, on the terminal and in charts.
    scoreboard = scoreboards.build_scoreboard(record)
    first, second = (row.mean for row in scoreboard.of(Bright))
    assert scoreboard.to_json()["brightness"][1] == {
        "generator": "toy_generator",
        "generator_round": 1,
        "mean": second,
    }
    assert scoreboards.Scoreboard.from_json(scoreboard.to_json()) == scoreboard
    out = io.StringIO()
    print_scoreboard(scoreboard, Console(file=out, width=130))
    assert "brightness" in out.getvalue()
    assert f"{second:.3f}" in out.getvalue()
    points = Bright.points(
        scoreboard.of(Bright), kind="generator", player="toy_generator", version=0, newest={}, round_=1
    )
    assert points == {"brightness": first}


def test_figures_of_another_kind_are_damage(tmp_path: Path) -> None:
    store = Store(tmp_path)
    key = "ab" + "0" * 62
    store.write(key, Result(record={"mean": "bright"}))
    with pytest.raises(StoreError, match=r"no Brightness: 'mean': Input should be a valid number"):
        store.figures(key, Brightness)
    assert store.record(key) == {"mean": "bright"}


def test_results_of_one_measure_are_not_anothers() -> None:
    names = [measure.name for measure in measures.MEASURES]
    sections = [measure.section for measure in measures.MEASURES]
    assert len(set(names)) == len(set(sections)) == len(names)
    assert Match in measures.MEASURES
