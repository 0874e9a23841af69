"""A player as files: it plays elsewhere with the same scores, and its card says what it is."""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner
from mlflow import MlflowClient
from mlflow.artifacts import download_artifacts
from safetensors import safe_open
from safetensors.torch import load_file

from fakeoff import detectors, generators
from fakeoff.arena.errors import ConfigError, StoreError
from fakeoff.arena.images import to_tensor
from fakeoff.arena.jobs.executors import SerialExecutor
from fakeoff.arena.jobs.store import Store
from fakeoff.cli import main
from fakeoff.leaderboard.exported.card import write_card
from fakeoff.leaderboard.exported.exporting import Exported, export_player
from fakeoff.leaderboard.exported.graph import TOLERANCE
from fakeoff.leaderboard.exported.registering import register_player
from fakeoff.leaderboard.exported.subject import Subject, find_subject
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.home.ledger import read_ledger
from fakeoff.leaderboard.mlflow.mlflow_store import database_uri
from fakeoff.leaderboard.travel.packing import pack_home, unpack_home
from fakeoff.protocols.config import effective_config
from fakeoff.protocols.measures.tournament import TournamentRecord
from fakeoff.protocols.rules import referee

pytestmark = pytest.mark.usefixtures("quick_pictures")


@pytest.fixture(scope="module")
def detector(home: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Subject, Exported]:
    subject = find_subject("second@1", Home(home))
    return subject, export_player(subject, tmp_path_factory.mktemp("exported") / "second")


@pytest.fixture(scope="module")
def lively(
    tmp_path_factory: pytest.TempPathFactory,
    make_home: Callable[[Path], Path],
    make_config: Callable[..., Any],
    play_in: Callable[..., Any],
) -> Path:
    """A game with a GAN that takes weights, and a detector that computes outside of PyTorch."""
    home = make_home(tmp_path_factory.mktemp("lively"))
    small = {"resolution": 16, "latent_dim": 8, "features": 64, "most_features": 8, "weights": ""}
    config = make_config(
        rounds=1,
        generators=[{"plugin": "pgan", "parameters": small}],
        detectors=[{"plugin": "power_spectrum"}, {"plugin": "toy_detector"}],
        parts={"parser": ""},
        audit={"on_leak": "skip"},
        search={"when": "never"},
        attack={"steps": 2, "batch": 4, "target": "toy_detector"},
    )
    play_in(config, home, SerialExecutor())
    return home


def _card(folder: Path) -> tuple[dict[str, Any], str]:
    _, front, text = (folder / "README.md").read_text().split("---\n", 2)
    return yaml.safe_load(front), text


def test_weights_are_those_that_played(
    detector: tuple[Subject, Exported], results: Store, record: TournamentRecord
) -> None:
    subject, exported = detector
    path = exported.folder / "weights.safetensors"
    again = detectors.players.build("toy_detector", subject.parameters())
    again.load_state_dict(load_file(path))
    version = record.find("detector", "second@1")
    before = referee.build_detector(subject.spec.identity(), version=results.read(version.key))
    pool = to_tensor(results.read(record.real_pools[16]["test"]).arrays["images"])
    assert torch.equal(referee.judge(again, pool), referee.judge(before, pool))
    with safe_open(path, "np") as file:
        assert file.metadata()["player"] == "second@1"
        assert "orl" in file.metadata()["licence"]


def test_a_detector_plays_elsewhere_as_onnx_with_the_same_scores(
    detector: tuple[Subject, Exported],
    new_home: Path,
    record: TournamentRecord,
    results: Store,
    make_config: Callable[..., Any],
    play_in: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _, exported = detector
    monkeypatch.chdir(exported.folder)
    entered = effective_config(Path("fixed.toml"), kept=Path())
    [fixed] = entered.detectors
    assert (entered.arena.resolution, entered.arena.colour) == (16, "grey")
    config = make_config(
        rounds=0, generators=[{"plugin": "toy_generator"}], detectors=[fixed.model_dump()], parts={"parser": ""}
    )
    play_in(config, new_home, SerialExecutor())
    elsewhere = read_ledger(Home(new_home), Home(new_home).open_store())
    [match] = elsewhere.matches
    [before] = [
        one for one in record.matches if (one.generator.label, one.detector.label) == ("toy_generator@0", "second@1")
    ]
    assert match.generator.pools == before.generator.pools  # the same images
    for here, there in zip(match.scores(Store(new_home / "store")), before.scores(results), strict=True):
        assert np.abs(here - there).max() <= 1e-5
        assert here.std() > 0


def test_a_generator_plays_on_elsewhere_from_where_it_was(
    lively: Path,
    new_home: Path,
    tmp_path: Path,
    make_config: Callable[..., Any],
    play_in: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    subject = find_subject("pgan@1", Home(lively))
    exported = export_player(subject, tmp_path / "pgan")
    assert set(exported.files) == {"README.md", "player.json", "recipe.toml", "weights.safetensors"}
    monkeypatch.chdir(exported.folder)
    [entered] = effective_config(Path("recipe.toml"), kept=Path()).generators
    config = make_config(
        rounds=0,
        generators=[entered.model_dump()],
        detectors=[{"plugin": "toy_detector"}],
        parts={"parser": ""},
        audit={"on_leak": "skip"},
    )
    play_in(config, new_home, SerialExecutor())
    store = Home(new_home).open_store()
    version = read_ledger(Home(new_home), store).find("generator", "pgan_1@0")
    state, before = store.read(version.key).arrays, subject.state.arrays
    assert all(np.array_equal(state[name], before[name]) for name in before)
    again = generators.players.build("pgan", subject.parameters())
    again.load_state_dict(load_file("weights.safetensors"))
    drawn = [
        referee.draw(one, 4, rng=torch.Generator().manual_seed(1)).images
        for one in (again, referee.build_generator(subject.spec.identity(), version=subject.state))
    ]
    torch.testing.assert_close(*drawn)  # the arena lays tensors out in another way


def test_what_is_not_computed_by_pytorch_gets_no_graph_and_enters_by_its_weights(lively: Path, tmp_path: Path) -> None:
    subject = find_subject("power_spectrum", Home(lively))
    exported = export_player(subject, tmp_path / "spectrum")
    assert "detector.onnx" not in exported.files
    assert "not computed by PyTorch" in exported.no_graph
    assert exported.no_graph in _card(exported.folder)[1]
    fixed = tomllib.loads((exported.folder / "fixed.toml").read_text())["detectors"][0]["parameters"]
    assert fixed == {"model": "weights.safetensors", "architecture": "power_spectrum"}
    played = detectors.players.build("fixed", {**fixed, "model": str(exported.folder / "weights.safetensors")})
    shown, of_test = subject.pictures
    assert of_test
    before = referee.build_detector(subject.spec.identity(), version=subject.state)
    assert torch.equal(referee.judge(played, shown), referee.judge(before, shown))


def test_a_card_says_what_it_is_under_which_licence_and_how_sure_its_figures_are(
    detector: tuple[Subject, Exported], scoreboard: dict[str, Any], home: Path, tmp_path: Path
) -> None:
    _, exported = detector
    front, text = _card(exported.folder)
    assert (front["license"], front["pipeline_tag"], front["library_name"]) == (
        "other",
        "image-classification",
        "fakeoff",
    )
    for said in (
        "# second@1",
        "learnt from the photographs 'orl'",
        "toy_generator@0, toy_generator@1",
        "`detector.onnx` takes `images`, any number of images of 16 x 16 pixels",
        "fakeoff run fixed.toml",
        "toy_detector` has no parameter for weights",
    ):
        assert said in text, said
    cells = [c for c in scoreboard["cells"] if (c["detector"], c["detector_round"]) == ("second", 1)]
    assert len(cells) == 4
    for cell in cells:
        low, high = cell["auc_ci"]
        line = next(x for x in text.splitlines() if x.startswith(f"| {cell['generator']}@{cell['generator_round']} |"))
        assert f"{cell['auc']:.3f}" in line
        assert f"{low:.3f}" in line or f"{high:.3f}" in line
    facts = json.loads((exported.folder / "player.json").read_text())
    assert facts["onnx"]["difference"] <= TOLERANCE
    assert (facts["onnx"]["batch"], facts["onnx"]["patches"], facts["onnx"]["of_test"]) == (True, True, True)
    assert set(facts["files"]) | {"player.json"} == set(exported.files) == {p.name for p in exported.folder.iterdir()}
    # Of a newest version that takes a place, its headline figures stand in front, for the hub to show.
    newest = find_subject("second", Home(home))
    card = write_card(newest, files=["weights.safetensors"], graph=None, no_graph="not tried")
    [entry] = yaml.safe_load(card.split("---\n")[1])["model-index"]
    [row] = [row for row in scoreboard["standings"]["detectors"] if row["player"] == "second"]
    assert entry["results"][0]["metrics"][0]["value"] == pytest.approx(row["worst_auc"], abs=1e-6)


def test_hugging_faces_own_reader_takes_the_card(detector: tuple[Subject, Exported], home: Path) -> None:
    hub = pytest.importorskip("huggingface_hub")
    card = hub.ModelCard(write_card(find_subject("second", Home(home)), files=(), graph=None, no_graph="not tried"))
    assert card.data.license == "other"
    assert card.data.eval_results
    assert hub.ModelCard.load(detector[1].folder / "README.md").data.pipeline_tag == "image-classification"


def test_the_registry_has_the_files_and_no_pickle(
    home: Path, tmp_path: Path, detector: tuple[Subject, Exported], client: Callable[[Path], MlflowClient]
) -> None:
    copy = Home(tmp_path / "copy")
    unpack_home(_packed(home, tmp_path), copy)
    subject, exported = detector
    for _ in range(2):  # the second time nothing is there twice
        registered = register_player(subject, exported, copy)
    uri = database_uri(copy)
    mlflow = client(copy.folder)
    [version] = mlflow.search_model_versions(f"name = '{registered.name}'")
    assert version.tags["arena.label"] == "second@1"
    assert version.description.startswith("# second@1")
    # 'models:/' is sought in the global registry, so the files are fetched from where the version says that they are.
    fetched = Path(
        download_artifacts(
            artifact_uri=mlflow.get_model_version_download_uri(registered.name, version.version), tracking_uri=uri
        )
    )
    files = {path.name: path.read_bytes() for path in fetched.iterdir()}
    assert files.keys() == {*exported.files, "recipe.json"}
    assert files["detector.onnx"] == (exported.folder / "detector.onnx").read_bytes()
    assert not [name for name in files if Path(name).suffix in (".pkl", ".pt", ".pth")]

    made = find_subject("toy_generator@1", Home(home))
    other = register_player(made, export_player(made, tmp_path / "generator"), copy)
    [model] = mlflow.search_logged_models(["1"], filter_string="tags.`arena.label` = 'toy_generator@1'")
    assert model.model_type == "generator"
    assert {file.path for file in mlflow.list_logged_model_artifacts(model.model_id)} >= {"weights.safetensors"}
    assert other.name != registered.name


def _packed(home: Path, folder: Path) -> Path:
    pack_home(Home(home), folder / "home.zip")
    return folder / "home.zip"


def test_nobody_of_that_name_and_what_is_there_are_one_readable_error(home: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no player 'nobody' in this home; there are: first@0, .*toy_generator@2"):
        find_subject("nobody", Home(home))
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(ConfigError, match="is not empty"):
        export_player(find_subject("first", Home(home)), tmp_path)
    pack_home(Home(home), tmp_path / "bare.zip", without=["weights"])
    unpack_home(tmp_path / "bare.zip", Home(tmp_path / "bare"))
    with pytest.raises(StoreError, match="weights were left out"):
        export_player(find_subject("first", Home(tmp_path / "bare")), tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"mine", "bare", "bare.zip"}


def test_without_onnx_runtime_there_is_all_else(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    exported = export_player(find_subject("first", Home(home)), tmp_path / "first")
    assert "pip install 'fakeoff[onnx]'" in exported.no_graph
    assert set(exported.files) == {"README.md", "fixed.toml", "player.json", "weights.safetensors"}


def test_from_the_command_line(home: Path, tmp_path: Path) -> None:
    runner = CliRunner()
    done = runner.invoke(main, ["export", "--home", str(home), "--player", "first", "--out", str(tmp_path / "first")])
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("licence of first@2: learnt from the photographs 'orl'")
    assert f"{tmp_path / 'first' / 'detector.onnx'}: " in done.stdout
    for wrong, why in (
        (["export", "--player", "first"], "give FOLDER or --out"),
        (["export", "a", "--out", "b"], "give FOLDER or --out"),
        (["export", "a", "--player", "first", "--split", "test"], "--split is of images"),
        (["export", "a", "--register"], "add --player NAME"),
    ):
        refused = runner.invoke(main, [*wrong, "--home", str(home)])
        assert refused.exit_code == 2
        assert why in refused.stderr
