"""The game from Python, in a home that was really played."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import fakeoff
from fakeoff.arena.errors import ConfigError, DataError, StoreError
from fakeoff.arena.images import save_png
from fakeoff.arena.images.reals import open_source
from fakeoff.arena.players.plugins import load_plugin_file
from fakeoff.arena.typed import as_record
from fakeoff.leaderboard.scoreboard import scoreboard_text
from fakeoff.protocols.config import TournamentConfig, effective_config
from fakeoff.protocols.measures.tournament import TournamentRecord
from fakeoff.protocols.record.versions import Forfeit

pytestmark = pytest.mark.usefixtures("quick_pictures")

Make = Callable[..., TournamentConfig]

BAD_PLAYERS = Path(__file__).parents[1] / "bad_players.py"


@pytest.fixture(scope="module")
def game(home: Path) -> fakeoff.Game:
    return fakeoff.load(home)


@pytest.fixture
def small(toy_config: Make) -> dict[str, Any]:
    """As it would stand in a file: one round, or what a test asks for, of one generator and two detectors."""
    load_plugin_file(BAD_PLAYERS)
    config = toy_config(
        detectors=[{"plugin": "toy_detector"}, {"plugin": "fixed_brightness"}], rounds=0, parts={"parser": ""}
    )
    return config.model_dump(mode="json")


# Loading


def test_a_loaded_game_is_what_was_played(game: fakeoff.Game, home: Path, record: TournamentRecord) -> None:
    assert game.home == home
    assert game.record == record
    assert scoreboard_text(game.scoreboard) == (home / "scoreboard.json").read_text()
    with pytest.raises(dataclasses.FrozenInstanceError):
        game.home = home  # type: ignore[misc]


def test_loading_writes_nothing(home: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*") if path.is_file()}
    game = fakeoff.load(str(home))
    game.scores("toy_generator@1", "first@1")
    game.images("real")
    fakeoff.judge(game.images("real")[:1], detector="first", home=home)
    assert {path: path.stat().st_mtime_ns for path in home.rglob("*") if path.is_file()} == before


def test_where_nothing_was_played_nothing_is_loaded_or_made(tmp_path: Path) -> None:
    for call in (lambda: fakeoff.load(tmp_path / "none"), lambda: fakeoff.judge([], detector="x", home=tmp_path)):
        with pytest.raises(StoreError, match="play first"):
            call()
    assert list(tmp_path.iterdir()) == []


# Reading by names


def test_standings_are_those_of_the_scoreboard(game: fakeoff.Game) -> None:
    for kind, standings in (("detectors", game.detectors), ("generators", game.generators)):
        assert [as_record(one) for one in standings] == game.scoreboard.to_json()["standings"][kind]
    assert {one.player for one in game.detectors} == {"first", "second"}


def test_a_match_is_found_by_versions_or_by_players(game: fakeoff.Game) -> None:
    match = game.match("toy_generator@1", "first@0")
    assert (match.generator.label, match.detector.label) == ("toy_generator@1", "first@0")
    newest = game.match("toy_generator", "second")
    assert (newest.generator.label, newest.detector.label) == ("toy_generator@2", "second@2")


def test_scores_give_the_figures_of_the_match(game: fakeoff.Game) -> None:
    real, fake = game.scores("toy_generator@1", "first@0")
    assert (real.dtype, fake.dtype, real.shape, fake.shape) == (np.float32, np.float32, (80,), (16,))
    figures = game.match("toy_generator@1", "first@0").figures
    assert np.mean(fake >= 0.5) == pytest.approx(figures.recall_fake)
    pairs = (fake[:, None] > real).mean() + (fake[:, None] == real).mean() / 2
    assert pairs == pytest.approx(figures.auc)


def test_images_are_those_that_were_scored(game: fakeoff.Game) -> None:
    assert game.images("real").shape == (80, 16, 16, 3)
    assert game.images("toy_generator@1", split="train").shape == (32, 16, 16, 3)
    assert np.array_equal(game.images("toy_generator"), game.images("toy_generator@2"))
    verdicts = fakeoff.judge(game.images("toy_generator@1"), detector="first@0", home=game.home)
    _, fake = game.scores("toy_generator@1", "first@0")
    assert [verdict.p_fake for verdict in verdicts] == pytest.approx(fake.tolist(), abs=1e-6)


def test_reals_of_several_resolutions_are_called_after_them(game: fakeoff.Game) -> None:
    pools = game.record.real_pools[16]
    several = dataclasses.replace(game, record=dataclasses.replace(game.record, real_pools={16: pools, 32: pools}))
    assert several.images("real-32px").shape == (80, 16, 16, 3)
    with pytest.raises(ConfigError, match=r"no images of 'real' .*There are: real-16px, real-32px, toy_"):
        several.images("real")


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        (lambda game: game.match("toy_genrator@1", "first"), "no generator 'toy_genrator@1'.* mean 'toy_generator@1'"),
        (lambda game: game.match("toy_generator@7", "first"), "no generator 'toy_generator@7'.* mean 'toy_generator@"),
        (lambda game: game.scores("toy_generator", "frist"), "did you mean 'first'.*Its detectors: first, second"),
        (lambda game: game.match("first", "toy_generator"), "no generator 'first'"),
        (lambda game: game.images("reel"), "no images of 'reel' in this home; did you mean 'real'"),
        (lambda game: game.images("first@0"), "There are: real, toy_fixed_generator, toy_generator"),
        (lambda game: game.images("real", split="tset"), "no split 'tset'; did you mean 'test'"),
        (lambda game: game.images("real", split="q"), "no split 'q'; give train, val, test"),
        (lambda game: fakeoff.judge(game.images("real"), detector="frist", home=game.home), "did you mean 'first'"),
    ],
)
def test_an_unknown_name_is_one_line_with_a_suggestion(
    game: fakeoff.Game, ask: Callable[[fakeoff.Game], Any], expected: str
) -> None:
    with pytest.raises(ConfigError, match=expected) as caught:
        ask(game)
    assert "\n" not in str(caught.value)


def test_a_match_that_was_forfeited_says_why(game: fakeoff.Game) -> None:
    lost = [m for m in game.record.matches if (m.generator.label, m.detector.label) != ("toy_generator@1", "first@1")]
    forfeit = Forfeit(
        kind="detector", player="first", round=1, stage="score", against="toy_generator@1", reason="gave NaN"
    )
    record = dataclasses.replace(
        game.record, measured={**game.record.measured, "match": tuple(lost)}, forfeits=(forfeit,)
    )
    with pytest.raises(ConfigError, match=r"toy_generator@1 and first@1 have no match .*: gave NaN"):
        dataclasses.replace(game, record=record).match("toy_generator@1", "first@1")


def test_a_game_is_shown_in_one_line(game: fakeoff.Game) -> None:
    shown = repr(game)
    first, second = (f"{one.player}@{one.round}" for one in game.detectors)
    assert shown.startswith(
        f"<Game in '{game.home.name}': round 2, 24 matches; detectors, best first: {first}, {second}"
    )
    assert "\n" not in shown


# Judging


def test_arrays_and_files_of_any_size_go_through_one_pipeline(home: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for size in ((16, 16), (40, 30), (9, 100)):
        pixels = rng.integers(0, 256, (3, *size, 3), dtype=np.uint8)
        files = save_png(pixels, tmp_path, prefix=f"{size[0]}")
        of_files = fakeoff.judge(files, detector="first@1", home=home)
        of_arrays = fakeoff.judge(pixels, detector="first@1", home=home)
        assert [verdict.picture for verdict in of_files] == [str(file) for file in files]
        assert of_arrays == tuple(
            dataclasses.replace(verdict, picture=str(index)) for index, verdict in enumerate(of_files)
        )


def test_photographs_get_the_scores_of_the_test_reals(game: fakeoff.Game) -> None:
    photographs = [photograph.path for photograph in open_source("orl").photographs["test"][:5]]
    verdicts = fakeoff.judge([str(path) for path in photographs], detector="first@1", home=game.home)
    real, _ = game.scores("toy_generator@1", "first@1")
    assert [verdict.p_fake for verdict in verdicts] == pytest.approx(real[:5].tolist(), abs=1e-6)


@pytest.mark.parametrize(
    ("images", "expected"),
    [
        (np.zeros((2, 8, 8, 3), dtype=np.float32), r"float32 \(2, 8, 8, 3\); give uint8 \(n, h, w, 3\)"),
        (np.zeros((8, 8, 3), dtype=np.uint8), r"uint8 \(8, 8, 3\); give uint8"),
        (np.zeros((2, 3, 8, 8), dtype=np.uint8), "give uint8"),
        (np.zeros((2, 0, 8, 3), dtype=np.uint8), "give uint8"),
        (np.zeros((0, 8, 8, 3), dtype=np.uint8), "no picture to judge"),
        ([], "no picture to judge"),
        ("face.png", "'face.png' is one picture; give a list"),
        (["missing.png"], "no picture at 'missing.png'"),
    ],
)
def test_what_is_no_picture_is_refused_in_one_line(home: Path, images: Any, expected: str) -> None:
    with pytest.raises(DataError, match=expected):
        fakeoff.judge(images, detector="first", home=home)


# Playing


def test_a_game_is_played_kept_and_gone_on_with(
    small: dict[str, Any], new_home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    played = fakeoff.play(small, home=new_home, serial=True)
    assert "round 0: enter toy_generator@0: done" in capsys.readouterr().out
    loaded = fakeoff.load(new_home)
    assert scoreboard_text(played.scoreboard) == scoreboard_text(loaded.scoreboard)
    assert played.record.matches == loaded.record.matches
    assert {path.name for path in new_home.iterdir()} >= {"config.toml", "mlflow.db", "scoreboard.json"}

    # A detector of whole images has no patch, and judges all the same.
    white = np.full((1, 20, 20, 3), 255, dtype=np.uint8)
    [verdict] = fakeoff.judge(white, detector="fixed_brightness", home=new_home)
    assert (verdict.p_fake, verdict.part, verdict.patch) == (1.0, "", None)

    # None is what the home was last played with; nothing is computed again.
    again = fakeoff.play(home=str(new_home), serial=True)
    assert "jobs computed" not in capsys.readouterr().out
    assert again.record.config == played.record.config
    further = fakeoff.play({**small, "rounds": 1}, home=new_home, serial=True, quiet=True)
    assert capsys.readouterr().out == ""
    assert (played.record.round, further.record.round) == (0, 1)
    assert [match.generator.label for match in further.record.matches if match.is_target] == ["toy_generator@1"]


def test_a_game_in_which_nobody_could_enter_is_a_game(small: dict[str, Any], new_home: Path) -> None:
    small["generators"] = [{"plugin": "toy_generator", "parameters": {"resolution": -1}}]
    played = fakeoff.play(small, home=new_home, serial=True, quiet=True)
    assert [forfeit.stage for forfeit in played.record.forfeits] == ["enter"]
    assert "generators: none; forfeits: 1>" in repr(played)
    assert fakeoff.load(new_home).record.forfeits == played.record.forfeits


def test_the_users_process_is_left_as_it_was(small: dict[str, Any], new_home: Path) -> None:
    def state() -> tuple[Any, ...]:
        return (
            torch.get_num_threads(),
            torch.are_deterministic_algorithms_enabled(),
            torch.get_default_dtype(),
            torch.is_grad_enabled(),
            torch.get_rng_state().tolist(),
            np.random.get_state()[1].tolist(),  # type: ignore[index]
        )

    deterministic = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(False)
    torch.set_num_threads(2)
    torch.set_default_dtype(torch.float64)
    try:
        before = state()
        fakeoff.play(small, home=new_home, serial=True, quiet=True)
        assert state() == before
        fakeoff.judge(np.zeros((1, 16, 16, 3), dtype=np.uint8), detector="toy_detector", home=new_home)
        assert state() == before
    finally:
        torch.set_default_dtype(torch.float32)
        torch.set_num_threads(1)
        torch.use_deterministic_algorithms(deterministic)


def test_what_cannot_be_played_is_one_line(home: Path, small: dict[str, Any], tmp_path: Path) -> None:
    for call, expected in (
        (lambda: fakeoff.play({"ronds": 1}, home=tmp_path, serial=True), "unknown key 'ronds'; did you mean 'rounds'"),
        (lambda: fakeoff.play("gone.toml", home=tmp_path, serial=True), "'gone.toml' cannot be read"),
        (lambda: fakeoff.play(small, home=tmp_path, serial=True, workers=2), "serial and workers exclude each other"),
        (lambda: fakeoff.play(small, home=tmp_path, workers=0), "workers is 0"),
        (
            lambda: fakeoff.play({"protocol": {"plugin": "pretrain"}}, home=tmp_path, serial=True),
            "'pretrain' is an experiment.* fakeoff run --protocol pretrain",
        ),
    ):
        with pytest.raises(ConfigError, match=expected):
            call()
    assert list(tmp_path.iterdir()) == []


def test_a_mapping_a_file_and_a_configuration_are_the_same_game(
    small: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.safetensors").write_bytes(b"")
    (tmp_path / "faces").mkdir()
    monkeypatch.chdir(tmp_path)
    generators = [{"plugin": "pgan", "parameters": {"weights": Path("mine.safetensors")}}]
    given = {"rounds": 3, "reals": {"source": Path("faces")}, "generators": generators}
    Path("game.toml").write_text(
        'rounds = 3\nreals.source = "faces"\n'
        'generators = [{ plugin = "pgan", parameters.weights = "mine.safetensors" }]\n'
    )
    of_mapping = effective_config(given, kept=tmp_path / "config.toml")
    assert of_mapping.reals.source == str(tmp_path / "faces")
    assert effective_config(Path("game.toml"), kept=tmp_path / "config.toml") == of_mapping
    assert effective_config(of_mapping, kept=tmp_path / "config.toml") == of_mapping


# The package


def test_importing_fakeoff_is_light_and_what_it_offers_is_found() -> None:
    code = (
        "import sys, fakeoff; heavy = {'torch', 'ray', 'mlflow', 'numpy', 'matplotlib'};"
        "assert set(fakeoff.__all__) <= set(dir(fakeoff)); assert not heavy & set(sys.modules), sys.modules;"
        "from fakeoff import Game, judge, load, play; assert not {'ray', 'mlflow'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert all(getattr(fakeoff, name) for name in fakeoff.__all__)
    with pytest.raises(AttributeError, match="'fakeoff' has no attribute 'plya'"):
        fakeoff.plya  # type: ignore[attr-defined]  # noqa: B018
