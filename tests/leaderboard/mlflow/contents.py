"""All that was logged to an MLflow, without ids and times: two that were told the same are equal."""

from __future__ import annotations

import re
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run


def experiment_of(client: MlflowClient) -> Any:
    [experiment] = [found for found in client.search_experiments() if found.name != "Default"]
    return experiment


def runs_of(client: MlflowClient) -> dict[str, Run]:
    runs = client.search_runs([experiment_of(client).experiment_id])
    names = [f"{run.data.tags.get('arena.role', '')} {run.info.run_name}".strip() for run in runs]
    assert len(set(names)) == len(names), "a run is there twice"
    return dict(zip(names, runs, strict=True))


def contents_of(client: MlflowClient) -> dict[str, Any]:
    found: dict[str, Any] = {"views": {}}
    for key, value in experiment_of(client).tags.items():
        if key.startswith("mlflow.sharedViewState."):
            found["views"][key] = re.sub(r'"(createdAt|updatedAt)": \d+', "", value)
    for name, run in runs_of(client).items():
        points = {
            metric: sorted((point.step, point.value) for point in client.get_metric_history(run.info.run_id, metric))
            for metric in run.data.metrics
        }
        files = sorted(re.sub(r"\+timestamp\+\d+\+[0-9a-f-]+", "", path) for path in _files(client, run.info.run_id))
        tags = {key: value for key, value in run.data.tags.items() if key not in ("mlflow.parentRunId", "mlflow.user")}
        found[name] = (points, files, tags, run.data.params, run.info.status)
    for model in client.search_logged_models([experiment_of(client).experiment_id]):
        figures = sorted((one.key, one.step, one.value, one.dataset_digest) for one in model.metrics or ())
        paths = [file.path for file in client.list_logged_model_artifacts(model.model_id)]
        found[f"model {model.name}"] = (figures, model.tags["arena.result"], model.params, paths, str(model.status))
    for registered in client.search_registered_models():
        found[f"registered {registered.name}"] = {alias: str(version) for alias, version in registered.aliases.items()}
    return found


def _files(client: MlflowClient, run: str, folder: str | None = None) -> list[str]:
    found = []
    for artifact in client.list_artifacts(run, folder):
        found += _files(client, run, artifact.path) if artifact.is_dir else [artifact.path]
    return found
