"""MLflow's Models tab: every detector version on one benchmark that never changes, and the alias of the champion.

A logged model is a recipe, not weights: ``recipe.json`` says which version it is, and with which command it judges
pictures. Weights, card and graph come to it where somebody asks for that (``fakeoff export --register``): a home has
the weights already, each round would cost their size and seconds again, and licences are for a person to read. Nothing
is pickled.
"""

from __future__ import annotations

import dataclasses
import json
import re
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from fakeoff.arena.seeds import digest
from fakeoff.leaderboard.mlflow.champion import ALIAS, choose_champion
from fakeoff.leaderboard.mlflow.mlflow_store import MlflowStore
from fakeoff.leaderboard.mlflow.points import as_metrics, metric_name
from fakeoff.leaderboard.mlflow.standings import heading
from fakeoff.leaderboard.mlflow.terms import TERMS, terms_of
from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.protocols.measures.match import MatchRow
from fakeoff.protocols.measures.tournament import TournamentRecord
from fakeoff.protocols.record.versions import Version, newest
from fakeoff.protocols.score.telling import tell

_FIGURES = ("auc", "ap", "accuracy")
_RESULT, _LABEL = "arena.result", "arena.label"
_PLAYER, _MODEL, _FILES = "arena.player", "arena.model", "arena.files"


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """Images that every detector version of a tournament judges, from round 0 to the last.

    Attributes:
        name: What they are.
        digest: The hash of what decides them: the same in another tournament where these are the same images.
    """

    name: str
    digest: str


def benchmark_of(record: TournamentRecord) -> Benchmark:
    """The test reals, and the test fakes of every generator as it came: no attack changes them."""
    first = [version for version in record.versions if version.kind == "generator" and version.round == 0]
    pools = sorted(version.pools["test"] for version in first)
    reals = sorted(pools_["test"] for pools_ in record.real_pools.values())
    return Benchmark(name="test reals and fakes of round 0", digest=digest([reals, pools])[:12])


class ModelLog:
    """Logs detector versions as models of an experiment, and moves the champion's alias.

    Args:
        mlflow: Where.
        experiment: Its id.
        name: What the experiment is called.
        tournament: Its id.
        started_ms: That timestamps derive from.
    """

    def __init__(self, mlflow: MlflowStore, *, experiment: str, name: str, tournament: str, started_ms: int) -> None:
        self._mlflow, self._experiment, self._name = mlflow, experiment, name
        self._tournament, self._started_ms = tournament, started_ms

    def log(self, record: TournamentRecord, scoreboard: Scoreboard, runs: Mapping[str, str]) -> None:
        """Logs the newest version of each detector.

        Args:
            record: What was played.
            scoreboard: Derived from it.
            runs: Ids of the detectors' runs, by player.
        """
        benchmark, models = benchmark_of(record), {}
        for version in newest(record.versions, "detector"):
            cells = [
                cell
                for cell in scoreboard.cells
                if cell.generator_round == 0 and (cell.detector, cell.detector_round) == (version.player, version.round)
            ]
            if cells:
                models[version.player] = self._model(version, cells, benchmark, scoreboard, runs[version.player])
        self._crown(scoreboard, models)

    def _model(
        self, version: Version, cells: Sequence[MatchRow], benchmark: Benchmark, scoreboard: Scoreboard, run: str
    ) -> str:
        tags = {
            "arena.kind": "detector",
            "arena.tournament": self._tournament,
            _LABEL: version.label,
            _RESULT: version.key,
            TERMS: terms_of(scoreboard, "generator"),
        }
        tags |= {
            heading(f"AUC against {cell.generator}", scoreboard.confidence): tell(cell.auc, cell.auc_ci)
            for cell in cells
        }
        model = self._find(version) or self._make(version, run, benchmark)
        self._mlflow.client.set_logged_model_tags(model, tags)
        self._metrics(model, run, _points(cells, version.round), benchmark)
        return model

    def register(self, version: Version, run: str, *, files: Path, description: str) -> tuple[str, str]:
        """Puts a player's files into its logged model, and that into the registry, as a version of the player's.

        A generator, which is on no benchmark, has a logged model from then on. What was registered before is there
        once, with the files of now.

        Args:
            version: Of the player.
            run: The id of the player's run.
            files: A folder of them.
            description: Of the version, in Markdown.

        Returns:
            The name in the registry, and the version there.
        """
        client = self._mlflow.client
        model = self._find(version) or self._make(version, run, None)
        client.log_model_artifacts(model, str(files))
        client.set_logged_model_tags(model, {_FILES: ", ".join(sorted(path.name for path in files.iterdir()))})
        registered = f"{self._name} {self._tournament} {version.player}"
        number = self._version(registered, model, version.player)
        fetch = f'mlflow artifacts download --artifact-uri "models:/{registered}/{number}" --dst-path FOLDER'
        client.update_model_version(registered, number, f"{description}\n\n## Its files\n\n`{fetch}`")
        client.set_model_version_tag(registered, number, _LABEL, version.label)
        return registered, number

    def _find(self, version: Version) -> str | None:
        wanted = f"tags.`{_RESULT}` = '{version.key}' AND tags.`arena.tournament` = '{self._tournament}'"
        found = self._mlflow.client.search_logged_models([self._experiment], filter_string=wanted)
        ready = [model.model_id for model in found if str(model.status) == "READY"]
        return ready[0] if ready else None

    def _make(self, version: Version, run: str, benchmark: Benchmark | None) -> str:
        """Makes a model. One whose recipe was not written stays pending, and another is made in its place."""
        client = self._mlflow.client
        made = client.create_logged_model(
            self._experiment,
            name=re.sub(r"[/:.%\"']", "_", version.label),
            source_run_id=run,
            tags={_RESULT: version.key, _LABEL: version.label, "arena.tournament": self._tournament},
            params={"player": version.player, "round": str(version.round)},
            model_type=version.kind,
        ).model_id
        recipe: dict[str, object] = {
            "tournament": self._tournament,
            version.kind: version.label,
            "result": version.key,
            "export_with": f"fakeoff export --player {version.label} --out FOLDER --home HOME",
        }
        if benchmark is not None:
            recipe["benchmark"] = dataclasses.asdict(benchmark)
            recipe["judge_pictures_with"] = f"fakeoff score PATH... --detector {version.label} --home HOME"
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "recipe.json")
            path.write_text(json.dumps(recipe, indent=2))
            client.log_model_artifact(made, str(path))
        client.finalize_logged_model(made, "READY")
        return str(made)

    def _metrics(self, model: str, run: str, points: Sequence[tuple[str, float, int]], benchmark: Benchmark) -> None:
        from mlflow.entities import Dataset, DatasetInput, Metric

        fresh = as_metrics(points, client=self._mlflow.client, run=run, started_ms=self._started_ms, new=False)
        there = {metric.key for metric in self._mlflow.client.get_logged_model(model).metrics or ()}
        wanted = {metric_name(name) for name, _, _ in points}
        if not wanted <= there:  # the run has them, the model does not
            fresh = as_metrics(points, client=self._mlflow.client, run=run, started_ms=self._started_ms, new=True)
        dataset = Dataset(name=benchmark.name, digest=benchmark.digest, source_type="fakeoff", source=self._tournament)
        self._mlflow.client.log_inputs(run, datasets=[DatasetInput(dataset, [])])
        about = {"model_id": model, "dataset_name": benchmark.name, "dataset_digest": benchmark.digest, "run_id": run}
        metrics = [Metric(one.key, one.value, one.timestamp, one.step, **about) for one in fresh]
        if metrics:
            self._mlflow.client.log_batch(run, metrics=metrics)

    def _crown(self, scoreboard: Scoreboard, models: Mapping[str, str]) -> None:
        """Moves the alias; where its holder was retrained it goes on to the new version."""
        registered = f"{self._name} {self._tournament}"
        holder = self._holder(registered)
        champion = choose_champion(scoreboard.detectors, holder.get(_PLAYER))
        if champion is not None and champion in models and holder.get(_MODEL) != models[champion]:
            version = self._version(registered, models[champion], champion)
            self._mlflow.client.set_registered_model_alias(registered, ALIAS, version)

    def _holder(self, registered: str) -> Mapping[str, str]:
        """The tags of the version with the alias; none where nobody has it."""
        from mlflow.exceptions import MlflowException

        try:
            found = self._mlflow.client.get_model_version_by_alias(registered, ALIAS)
        except MlflowException as error:
            if error.error_code not in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
                raise
            return {}
        tags: Mapping[str, str] = found.tags
        return tags

    def _version(self, registered: str, model: str, player: str) -> str:
        client = self._mlflow.client
        if not client.search_registered_models(f"name = '{registered}'"):
            client.create_registered_model(registered)
        for version in client.search_model_versions(f"name = '{registered}'"):
            if version.tags.get(_MODEL) == model:
                return str(version.version)
        # Without its run, or by `models:/ID`, a model is sought where MLflow's global address says, which is not here.
        logged = client.get_logged_model(model)
        made = client.create_model_version(
            registered,
            logged.artifact_location,
            run_id=logged.source_run_id,
            tags={_PLAYER: player, _MODEL: model},
            model_id=model,
            await_creation_for=0,
        )
        return str(made.version)


def _points(cells: Sequence[MatchRow], round_: int) -> list[tuple[str, float, int]]:
    means = {figure: statistics.fmean(getattr(cell, figure) for cell in cells) for figure in _FIGURES}
    return [(f"benchmark/{figure}", value, round_) for figure, value in means.items()]


__all__ = ["Benchmark", "ModelLog", "benchmark_of"]
