#!/usr/bin/env bash
# MLflow 3.17.2. A metric that is logged again for the same step and timestamp, with a lower value, is expected to be shown
# with the value that was logged last. The higher one is shown, whichever came first, and both stay in the history: a figure
# that was corrected downwards goes on being shown as it was, one that was corrected upwards is right.
# The good guess: 0.4 after 0.9 and then 0.4 were logged. What is seen: 0.9; and 0.4 when its timestamp is a millisecond later
# (the workaround here). Only then do two logs of the same result, at timestamps that derive from the result, tell the truth.
# Exits non-zero where that is no longer so.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet 'mlflow==3.17.2'
cd "$folder"
MLFLOW_DISABLE_TELEMETRY=true "$folder/venv/bin/python" - "$folder" <<'PYTHON'
import logging
import sys

import mlflow
from mlflow import MlflowClient

logging.getLogger("mlflow").setLevel(logging.WARNING)
print("mlflow", mlflow.__version__)
client = MlflowClient(tracking_uri=f"sqlite:///{sys.argv[1]}/mlflow.db")
run = client.create_run(client.create_experiment("test")).info.run_id
at = 1_700_000_000_000
shown = []
for value, timestamp in ((0.9, at), (0.4, at), (0.4, at + 1)):
    client.log_metric(run, "score", value, timestamp=timestamp, step=1)
    shown.append(client.get_run(run).data.metrics["score"])
print("shown after each:", shown, "history:", [point.value for point in client.get_metric_history(run, "score")])
assert shown == [0.9, 0.9, 0.4], "the behaviour changed"
PYTHON
