"""Saved views of MLflow's run table: one leaderboard for generators, one for detectors.

MLflow keeps them as an experiment tag of a form that it does not document; ``tests/leaderboard`` opens them in a
real browser.
"""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class View:
    """A saved view.

    Attributes:
        key: Its place in the address.
        name: Its title.
        role: Whose runs it shows: ``generator`` or ``detector``.
        columns: Metric columns, the one that it is sorted by first.
    """

    key: str
    name: str
    role: str
    columns: tuple[str, ...]


VIEWS = (
    View(
        key="detectors",
        name="Leaderboard: detectors",
        role="detector",
        columns=("score", "mean_auc", "mean_ap", "mean_accuracy"),
    ),
    View(
        key="generators",
        name="Leaderboard: generators",
        role="generator",
        columns=("score", "target_evasion", "cost/ssim_to_first", "cost/kid_to_reals", "cost/swd_to_reals"),
    ),
)


def view_tag(view: View, *, created_ms: int) -> tuple[str, str]:
    """Returns the experiment tag that saves a view: its name and its value."""
    metrics = [f"metrics.`{column}`" for column in view.columns]
    columns = [*metrics, "tags.`arena.tournament`"]
    # Run name and creation time are pinned before these; without an order MLflow sorts metrics by name, and the score
    # ends up out of sight on a small screen.
    order = [*columns, "duration"]
    state: dict[str, Any] = {
        "searchFilter": f"tags.`arena.role` = '{view.role}' and tags.`arena.kind` = 'player'",
        "orderByKey": metrics[0],
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": columns,
        "columnOrder": order,
        "columnWidths": {column: _column_width(column) for column in order},
        "runsHidden": [],
        "runsHiddenMode": "FIRST_20_RUNS",
        "runsPinned": [],
        "runsExpanded": {},
        "runsVisibilityMap": {},
        "viewMaximized": True,
        "runListHidden": False,
        "isAccordionReordered": False,
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
        "groupBy": None,
        "groupsExpanded": {},
        "autoRefreshEnabled": False,
    }
    packed = base64.b64encode(zlib.compress(json.dumps(state).encode())).decode()
    value = {"name": view.name, "createdAt": created_ms, "updatedAt": created_ms, "state": f"deflate;{packed}"}
    return f"mlflow.sharedViewState.{view.key}", json.dumps(value)


def _column_width(column: str) -> int:
    """Pixels that a column's heading needs, with its sorting arrow."""
    heading = column.partition("`")[2].rstrip("`") or column
    return max(90, 36 + 7 * len(heading))


def view_address(base: str, experiment_id: str, view: View) -> str:
    """The address that opens a view."""
    return f"{base}/#/experiments/{experiment_id}/runs?workflowType=machine_learning&viewStateShareKey={view.key}"
