"""A played home's detectors at pictures: they must say what they said in the tournament."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from fakeoff.arena.errors import ConfigError, StoreError
from fakeoff.arena.images import save_png
from fakeoff.arena.images.reals import open_source
from fakeoff.arena.jobs.store import Store
from fakeoff.arena.parsers import PARTS
from fakeoff.leaderboard.home.home import Home
from fakeoff.leaderboard.look import look_at
from fakeoff.protocols.measures import Look, Match
from fakeoff.protocols.measures.tournament import TournamentRecord
from fakeoff.protocols.pictures import Verdict
from fakeoff.protocols.record.versions import Version
from fakeoff.protocols.score import patches

GENERATOR, DETECTOR = "toy_generator@1", "first@1"


def _played(record: TournamentRecord) -> tuple[Match, Look]:
    def of(played: Any) -> Any:
        return next(p for p in played if (p.generator.label, p.detector.label) == (GENERATOR, DETECTOR))

    return of(record.matches), of(record.looks)


@pytest.fixture(scope="module")
def fakes(record: TournamentRecord, results: Store, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A test pool as lossless files, as `fakeoff export` writes it."""
    match, _ = _played(record)
    pool = results.read(match.generator.pools["test"]).arrays["images"]
    return save_png(pool, tmp_path_factory.mktemp("fakes"), prefix="test")


@pytest.fixture(scope="module")
def verdicts(home: Path, fakes: list[Path], tmp_path_factory: pytest.TempPathFactory) -> list[Verdict]:
    return look_at(fakes, detector=DETECTOR, home=Home(home), out=tmp_path_factory.mktemp("out") / "look.png")


def test_fakes_get_the_scores_of_their_match(
    verdicts: list[Verdict], fakes: list[Path], record: TournamentRecord, results: Store
) -> None:
    match, _ = _played(record)
    _, scores = match.scores(results)
    assert [verdict.picture for verdict in verdicts] == [str(path) for path in fakes]
    assert [verdict.p_fake for verdict in verdicts] == pytest.approx(scores.tolist(), abs=1e-6)
    threshold = match.detector.threshold(results)
    assert [verdict.is_fake for verdict in verdicts] == (scores.astype(np.float64) >= threshold).tolist()


def test_the_patch_and_the_part_are_those_of_its_look(
    verdicts: list[Verdict], record: TournamentRecord, results: Store
) -> None:
    _, look = _played(record)
    arrays = results.read(look.keys["fake"]).arrays
    field = look.figures["fake"].receptive_field
    boxes = patches.windows(arrays["units"], field, size=(16, 16)).tolist()
    caught = [index for index, verdict in enumerate(verdicts) if verdict.is_fake]
    if look.figures["fake"].ties == 0:
        assert [list(verdicts[index].patch) for index in caught] == [boxes[index] for index in caught]
        assert [verdicts[index].part for index in caught] == [PARTS[arrays["parts"][index]] for index in caught]
    assert all(verdict.part in PARTS for verdict in verdicts)


def test_photographs_go_through_the_arenas_pipeline(
    home: Path, record: TournamentRecord, results: Store, tmp_path: Path
) -> None:
    # 92 x 112 pixels, as they were taken; the generators of this home and its arena have 16.
    photographs = [photograph.path for photograph in open_source("orl").photographs["test"][:9]]
    found = look_at(photographs, detector=DETECTOR, home=Home(home), out=tmp_path / "look.png")
    scores, _ = _played(record)[0].scores(results)
    assert [verdict.p_fake for verdict in found] == pytest.approx(scores[:9].tolist(), abs=1e-6)
    with Image.open(tmp_path / "look.png") as image:
        assert image.format == "PNG"
        assert np.asarray(image.convert("RGB")).std() > 20


def test_a_players_name_is_its_newest_version(
    home: Path, fakes: list[Path], verdicts: list[Verdict], tmp_path: Path
) -> None:
    newest, named, older = (
        [v.p_fake for v in look_at(fakes[:4], detector=name, home=Home(home), out=tmp_path / "look.png")]
        for name in ("first", "first@2", "first@0")
    )
    assert newest == named
    assert newest != [verdict.p_fake for verdict in verdicts[:4]]
    assert newest != older


def test_the_same_pictures_get_the_same_verdicts_and_alone_the_same_score(
    home: Path, fakes: list[Path], verdicts: list[Verdict], tmp_path: Path
) -> None:
    again = look_at(fakes, detector=DETECTOR, home=Home(home), out=tmp_path / "look.png")
    assert again == verdicts
    [alone] = look_at(fakes[5:6], detector=DETECTOR, home=Home(home), out=tmp_path / "look.png")
    assert alone.p_fake == pytest.approx(verdicts[5].p_fake, abs=1e-6)


def test_a_home_is_only_read(home: Path, fakes: list[Path], tmp_path: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in home.rglob("*") if path.is_file()}
    look_at(fakes[:1], detector="second", home=Home(home), out=tmp_path / "look.png")
    assert {path: path.stat().st_mtime_ns for path in home.rglob("*") if path.is_file()} == before


def test_more_pictures_than_a_sheet_holds_are_refused(home: Path, fakes: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="61 pictures; give at most 60 at a time"):
        look_at([fakes[0]] * 61, detector=DETECTOR, home=Home(home), out=tmp_path / "look.png")


def test_a_version_whose_weights_are_gone_is_named(
    home: Path, fakes: list[Path], record: TournamentRecord, tmp_path: Path
) -> None:
    copy = tmp_path / "home"
    shutil.copytree(home, copy, ignore=shutil.ignore_patterns("mlflow*"))
    key = _played(record)[0].detector.key
    (copy / "store" / key[:2] / key / "arrays.safetensors").unlink()
    with pytest.raises(StoreError, match=key):
        look_at(fakes[:1], detector=DETECTOR, home=Home(copy), out=tmp_path / "look.png")
    assert not (tmp_path / "look.png").exists()


def test_a_score_on_the_threshold_is_fake_as_in_the_tournament(
    home: Path,
    fakes: list[Path],
    verdicts: list[Verdict],
    record: TournamentRecord,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Version, "threshold", lambda self, store: verdicts[0].p_fake)
    found = look_at(fakes, detector=DETECTOR, home=Home(home), out=tmp_path / "look.png")
    assert found[0].is_fake
