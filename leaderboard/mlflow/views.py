"""Saved views of MLflow's run table: one leaderboard for generators, one for detectors.

MLflow keeps them as an experiment tag of a form that it does not document; ``tests/leaderboard`` opens them in a
real browser.
"""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import dataclass, replace
from typing import Any

from fakeoff.leaderboard.mlflow.columns import WHOSE
from fakeoff.leaderboard.mlflow.standings import HEADLINES, POSITION, TOLD, heading
from fakeoff.leaderboard.mlflow.terms import TERMS, terms_of
from fakeoff.leaderboard.scoreboard import Scoreboard
from fakeoff.protocols.record.versions import Kind

_OF_MODELS = "workflowType=machine_learning"
_INTERVAL_PIXELS = 190  # such as 0.914 (0.870 to 0.960)


@dataclass(frozen=True, kw_only=True)
class View:
    """A saved view.

    Attributes:
        key: Its place in the address.
        name: Its title.
        role: Whose runs it shows.
        more: Metric columns after the figures with intervals.
        alone: Whether it shows the tournament that was logged last, in the order of its file; else all with which it
            can be compared, by what ranks them.
    """

    key: str
    name: str
    role: Kind
    more: tuple[str, ...] = ()
    alone: bool = True

    def columns(self, confidence: float) -> tuple[str, ...]:
        """Its columns, from left to right.

        Args:
            confidence: Of the intervals, as a share.
        """
        told = [heading(name, confidence) for name in TOLD[self.role]]
        last = ("worst against",) if self.role == "detector" else ()
        texts = [f"tags.`{name}`" for name in ("rank", *told, *last)]
        metrics = [f"metrics.`{name}`" for name in (*self.more, *(() if self.alone else (HEADLINES[self.role],)))]
        return (*texts, *metrics, *(f"tags.`{name}`" for name in WHOSE))


_COSTS = ("cost/ssim_to_first", "cost/kid_to_reals", "cost/swd_to_reals")

VIEWS = (
    View(key="detectors", name="Leaderboard: detectors", role="detector"),
    View(key="generators", name="Leaderboard: generators", role="generator", more=_COSTS),
)
"""The leaderboards of the tournament that was logged last."""

COMPARED = (
    View(key="detectors-compared", name="Comparable tournaments: detectors", role="detector", alone=False),
    View(key="generators-compared", name="Comparable tournaments: generators", role="generator", alone=False),
)
"""Those of all tournaments of the arena that were played on the same ground, by the same rules, against the same
opponents; see :mod:`fakeoff.leaderboard.mlflow.terms`."""


SHARED_VIEW = "mlflow.sharedViewState."
"""How the tags of saved views begin."""

MODELS = "Models: every detector version on one benchmark"
"""What stands at :func:`models_address`."""


def own_views(tournament: str, name: str) -> tuple[View, ...]:
    """The leaderboards of a named tournament, which stay when another one is logged.

    Args:
        tournament: Its id.
        name: What people call it; without one there are none.
    """
    return tuple(replace(view, key=f"{view.key}-{tournament}", name=f"{view.name}, {name}") for view in VIEWS if name)


def view_tags(scoreboard: Scoreboard, *, tournament: str, created_ms: int, name: str = "") -> dict[str, str]:
    """The experiment tags that save all views.

    Args:
        scoreboard: Of the tournament that they are about.
        tournament: Its id.
        created_ms: When it was begun.
        name: What people call it; empty for one without a name.
    """
    tags = {}
    for view in (*VIEWS, *COMPARED, *own_views(tournament, name)):
        opponents: Kind = "generator" if view.role == "detector" else "detector"
        of = f"tags.`arena.tournament` = '{tournament}'"
        if not view.alone:
            of = f"tags.`{TERMS}` = '{terms_of(scoreboard, opponents)}'"
        key, value = view_tag(view, of=of, confidence=scoreboard.confidence, created_ms=created_ms)
        tags[key] = value
    return tags


def view_tag(view: View, *, of: str, confidence: float, created_ms: int) -> tuple[str, str]:
    """The experiment tag that saves a view.

    Args:
        view: It.
        of: Whose players it shows, as a filter of MLflow's.
        confidence: Of intervals, as a share.
        created_ms: When it was made.

    Returns:
        The tag's name and its value.
    """
    columns = list(view.columns(confidence))
    # Run name and creation time are pinned before these; without an order MLflow sorts them by name, and what ranks a
    # player ends up out of sight on a small screen.
    order = [*columns, "duration"]
    state: dict[str, Any] = {
        "searchFilter": f"tags.`arena.role` = '{view.role}' and tags.`arena.kind` = 'player' and {of}",
        # By the place in the file, ties and all; places of several tournaments say nothing side by side.
        "orderByKey": f"metrics.`{POSITION}`" if view.alone else f"metrics.`{HEADLINES[view.role]}`",
        "orderByAsc": view.alone,
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
    return f"{SHARED_VIEW}{view.key}", json.dumps(value)


def _column_width(column: str) -> int:
    """Pixels that a column's heading and its text need; a heading has a sorting arrow."""
    heading = column.partition("`")[2].rstrip("`") or column
    text = _INTERVAL_PIXELS if "CI" in heading else 0
    return max(90, 36 + 7 * len(heading), text)


def view_address(base: str, experiment_id: str, key: str) -> str:
    """The address that opens a view, by its key. Without a type of work MLflow opens its pages about agents."""
    return f"{base}/#/experiments/{experiment_id}/runs?{_OF_MODELS}&viewStateShareKey={key}"


def models_address(base: str, experiment_id: str) -> str:
    """The address of the table of models, whose benchmark figures are right of their names."""
    return f"{base}/#/experiments/{experiment_id}/models?{_OF_MODELS}"
