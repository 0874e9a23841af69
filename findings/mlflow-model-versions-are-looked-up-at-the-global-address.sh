#!/usr/bin/env bash
# MLflow 3.17.2. `MlflowClient(tracking_uri=X, registry_uri=X).create_model_version(name, "models:/<id of a logged model>")`
# is expected to look the logged model up at X, like every other call of that client. With X a database it is looked up at
# MLflow's global address instead: where none was set, at ./mlflow.db, which is made there, empty, and the model "not found".
# The good guess: a version of the model, and nothing written outside X. What is seen: an error, and a database in the folder
# that one happens to be in. With the model's own location for a source and its `run_id` given it works (the workaround here).
# Exits non-zero where that is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'mlflow==3.17.2'
mkdir "$folder/here"
cd "$folder/here"
MLFLOW_DISABLE_TELEMETRY=true "$folder/venv/bin/python" - "$folder" <<'PYTHON'
import logging
import sys
from pathlib import Path

import mlflow
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

logging.getLogger("mlflow").setLevel(logging.CRITICAL)
print("mlflow", mlflow.__version__)
uri = f"sqlite:///{sys.argv[1]}/own.db"
client = MlflowClient(tracking_uri=uri, registry_uri=uri)
experiment = client.create_experiment("test", artifact_location=f"file://{sys.argv[1]}/artifacts")
run = client.create_run(experiment).info.run_id
model = client.create_logged_model(experiment, name="model", source_run_id=run)
client.finalize_logged_model(model.model_id, "READY")
client.create_registered_model("registered")
assert client.get_logged_model(model.model_id).model_id == model.model_id
assert not Path("mlflow.db").exists()
try:
    client.create_model_version("registered", f"models:/{model.model_id}", await_creation_for=0)
    seen = "a version"
except MlflowException as error:
    seen = "an error"
    print(error)
print("seen:", seen, "and", [path.name for path in Path().iterdir()])
assert seen == "an error", "the behaviour changed"
assert Path("mlflow.db").exists(), "the behaviour changed"
made = client.create_model_version(
    "registered", model.artifact_location, run_id=run, model_id=model.model_id, await_creation_for=0
)
assert str(made.version) == "1"
PYTHON
