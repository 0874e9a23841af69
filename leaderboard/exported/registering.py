"""An exported player among MLflow's registered models, where anybody can fetch its files."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from fakeoff.arena.errors import StoreError
from fakeoff.leaderboard.exported.exporting import CARD_FILE, Exported
from fakeoff.leaderboard.exported.subject import Subject
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.mlflow.mlflow_log import tournament_id
from fakeoff.leaderboard.mlflow.mlflow_store import MlflowStore, experiment_name
from fakeoff.leaderboard.mlflow.models import ModelLog

_MOST_CHARACTERS = 4000  # of a description


@dataclass(frozen=True, kw_only=True)
class Registered:
    """A version in the registry.

    Attributes:
        name: Of the registered model.
        version: Its number there.
    """

    name: str
    version: str

    @property
    def address(self) -> str:
        """Where MLflow finds its files."""
        return f"models:/{self.name}/{self.version}"


def register_player(subject: Subject, exported: Exported, home: Home, *, server: str | None = None) -> Registered:
    """Puts an exported player into MLflow's registry.

    Args:
        subject: Who.
        exported: Its files.
        home: Where it played.
        server: The address of an MLflow server; None is the home's own database.

    Raises:
        StoreError: MLflow cannot be used, or was never told of the player.
    """
    mlflow, record, version = MlflowStore(home, server=server), subject.record, subject.version
    name = experiment_name(record.source_name, resolution=record.config.arena.resolution, colour=record.data["colour"])
    tournament = tournament_id(record)
    with mlflow.errors():
        experiment = mlflow.experiment(name)
        mine = {"arena.tournament": tournament, "arena.kind": "player", "arena.role": version.kind}
        runs = mlflow.find_runs(experiment, {**mine, "arena.player": version.player})
        if not runs:
            where = f" --tracking-uri {shlex.quote(server)}" if server else ""
            raise StoreError(
                f"MLflow {mlflow.place} has no run of {version.player}; log the game first: {home.to_play}{where}"
            )
        log = ModelLog(
            mlflow, experiment=experiment, name=name, tournament=tournament, started_ms=runs[0].info.start_time
        )
        card = (exported.folder / CARD_FILE).read_text().partition("\n---\n")[2].strip()
        registered, number = log.register(
            version, runs[0].info.run_id, files=exported.folder, description=card[:_MOST_CHARACTERS]
        )
    return Registered(name=registered, version=number)


__all__ = ["Registered", "register_player"]
