from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from mlflow import MlflowClient

from fakeoff.arena.errors import ConfigError, StoreError
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.mlflow.description import describe
from fakeoff.leaderboard.mlflow.standings import HEADLINES
from fakeoff.leaderboard.mlflow.ui import leaderboard_addresses, served
from fakeoff.leaderboard.mlflow.views import COMPARED, MODELS, VIEWS, View, view_address, view_tag


@pytest.mark.parametrize("view", [*VIEWS, *COMPARED], ids=lambda view: view.key)
def test_a_view_can_be_read_back_from_its_tag(view: View) -> None:
    of = "tags.`arena.tournament` = 'abc'"
    key, value = view_tag(view, of=of, confidence=0.95, created_ms=1_700_000_000_000)
    assert key == f"mlflow.sharedViewState.{view.key}"
    saved = json.loads(value)
    assert (saved["name"], saved["createdAt"], saved["updatedAt"]) == (view.name, 1_700_000_000_000, 1_700_000_000_000)
    state = _unpack(saved)
    assert state["searchFilter"] == f"tags.`arena.role` = '{view.role}' and tags.`arena.kind` = 'player' and {of}"
    by_place = ("metrics.`position`", True)
    assert (state["orderByKey"], state["orderByAsc"]) == (
        by_place if view.alone else (f"metrics.`{HEADLINES[view.role]}`", False)
    )
    assert state["selectedColumns"] == list(view.columns(0.95))
    assert state["selectedColumns"][0] == "tags.`rank`"
    assert state["selectedColumns"][1].endswith(" CI95`")
    # The rank comes first, whatever the names of the others, and every column has room for its heading.
    assert state["columnOrder"][: len(state["selectedColumns"])] == state["selectedColumns"]
    assert all(state["columnWidths"][column] >= 7 * len(column.partition("`")[2]) for column in state["columnOrder"])


def test_there_is_one_view_for_each_role() -> None:
    assert sorted(view.role for view in VIEWS) == sorted(view.role for view in COMPARED) == ["detector", "generator"]
    assert len({view.key for view in (*VIEWS, *COMPARED)}) == 4


@pytest.mark.parametrize("view", [*VIEWS, *COMPARED], ids=lambda view: view.key)
def test_the_filter_finds_the_players_of_its_role_in_order(
    view: View, home: Path, client: Callable[[Path], MlflowClient], scoreboard: dict[str, Any]
) -> None:
    mlflow = client(home)
    [experiment] = [found for found in mlflow.search_experiments() if found.name != "Default"]
    state = _unpack(json.loads(experiment.tags[f"mlflow.sharedViewState.{view.key}"]))
    order = f"{state['orderByKey']} {'ASC' if state['orderByAsc'] else 'DESC'}"
    runs = mlflow.search_runs([experiment.experiment_id], filter_string=state["searchFilter"], order_by=[order])
    assert {run.data.tags["arena.role"] for run in runs} == {view.role}
    expected = [row["player"] for row in scoreboard["standings"][f"{view.role}s"]]
    names = [run.info.run_name for run in runs]
    assert names == expected if view.alone else sorted(names) == sorted(expected)
    logged = {f"metrics.`{name}`" for run in runs for name in run.data.metrics}
    logged |= {f"tags.`{name}`" for run in runs for name in run.data.tags}
    assert set(view.columns(0.95)) <= logged, "a column that nobody logs stays empty"


def test_an_address_opens_the_run_table_with_a_view() -> None:
    address = urlsplit(view_address("http://127.0.0.1:5000", "7", VIEWS[0].key))
    assert (address.scheme, address.netloc) == ("http", "127.0.0.1:5000")
    path, _, query = address.fragment.partition("?")
    assert path == "/experiments/7/runs"
    assert parse_qs(query) == {"workflowType": ["machine_learning"], "viewStateShareKey": ["detectors"]}


def test_the_addresses_are_those_of_the_arena_that_was_played_last(
    home: Path, new_home: Path, client: Callable[[Path], MlflowClient]
) -> None:
    [played] = [found for found in client(home).search_experiments() if found.name != "Default"]
    addresses = leaderboard_addresses(Home(home), "http://127.0.0.1:5000")
    assert list(addresses) == [*(view.name for view in (*VIEWS, *COMPARED)), MODELS]
    models = addresses.pop(MODELS)
    assert all(f"/experiments/{played.experiment_id}/runs?" in address for address in addresses.values())
    assert f"/experiments/{played.experiment_id}/models?" in models

    for name in ("fakeoff older", "fakeoff newer"):
        experiment = client(new_home).create_experiment(name)
    assert f"/experiments/{experiment}/runs?" in leaderboard_addresses(Home(new_home), "")[VIEWS[0].name]


def test_nothing_to_show_is_said(tmp_path: Path, new_home: Path) -> None:
    with pytest.raises(StoreError, match="play first: fakeoff run --home"):
        leaderboard_addresses(Home(tmp_path / "nowhere"), "")
    with pytest.raises(StoreError, match="the first round is still being played"):
        leaderboard_addresses(Home(new_home), "")


def test_a_taken_port_is_said(home: Path) -> None:
    import socket

    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with (
            pytest.raises(ConfigError, match=f"port {port} is taken; give another --port"),
            served(Home(home), port=port),
        ):
            raise AssertionError("it served on a port that is taken")


def _unpack(saved: dict[str, Any]) -> dict[str, Any]:
    """As MLflow's page does."""
    packing, _, packed = saved["state"].partition(";")
    assert packing == "deflate"
    state: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(packed, validate=True)))
    return state


def test_a_description_has_room_for_what_a_tag_may_hold() -> None:
    tags = {
        f"mlflow.sharedViewState.detectors-{at:010x}": json.dumps({"name": f"Leaderboard: detectors, {'x' * 60}{at}"})
        for at in range(60)
    }
    tags["mlflow.sharedViewState.detectors"] = json.dumps({"name": "Leaderboard: detectors"})
    said = describe("7", {**tags, "mlflow.experimentKind": "custom_model_development"})
    assert len(said) <= 5000
    assert said.startswith("Fakeoff: [Leaderboard: detectors](#/experiments/7/runs?workflowType=machine_learning&")
    assert "more, under *Views*" in said.splitlines()[0]
