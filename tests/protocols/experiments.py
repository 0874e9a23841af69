"""Experiments played in a test: a log in memory, and the bench that they stood on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from fakeoff.arena.images.reals import open_source
from fakeoff.arena.jobs.executors import Executor, SerialExecutor
from fakeoff.arena.jobs.store import Store
from fakeoff.arena.players.specs import PlayerSpec
from fakeoff.protocols import protocols
from fakeoff.protocols.config import TournamentConfig
from fakeoff.protocols.game.bench import Bench
from fakeoff.protocols.measures.tournament import TournamentRecord


class Kept:
    """A log in memory."""

    def __init__(self) -> None:
        self.series: dict[str, dict[int, float]] = {}
        self.tables: dict[str, list[dict[str, Any]]] = {}
        self.figures: dict[str, Figure] = {}
        self.files: dict[str, bytes] = {}

    def points(self, points: Mapping[str, float], *, step: int) -> None:
        for name, value in points.items():
            self.series.setdefault(name, {})[step] = value

    def table(self, name: str, rows: Sequence[Any]) -> None:
        self.tables[name] = [dict(row) for row in rows]

    def figure(self, name: str, figure: Figure) -> None:
        self.figures[name] = figure

    def file(self, name: str, data: bytes) -> None:
        self.files[name] = data


def play_protocol(
    name: str,
    config: TournamentConfig,
    *,
    home: Path,
    observer: Any,
    executor: Executor | None = None,
    parameters: Mapping[str, Any],
    played: TournamentRecord | None = None,
) -> tuple[Kept, Bench]:
    """Plays a registered protocol on ORL, serially unless told otherwise; returns what it logged and its bench."""
    log = Kept()
    bench = Bench(
        config,
        spec=PlayerSpec(name=name, plugin=name, fingerprint=protocols.fingerprint(name)),
        source=open_source("orl"),
        store=Store(home / "store"),
        executor=executor or SerialExecutor(),
        observer=observer,
        log=log,
        played=None if played is None else lambda: played,
    )
    protocols.build(name, protocols.complete(name, parameters)).play(bench)
    return log, bench
